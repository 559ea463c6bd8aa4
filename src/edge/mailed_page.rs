//! The page behind a mailed link, `/vestibule/mailed/TOKEN`. Whoever fetches it changes nothing; its buttons post back
//! to it. "This was not me" needs the link alone, in any browser; the other one needs the flow's cookie and form token.

use super::{
    gate::{Gate, House},
    own::flow_of,
    reply::Reply,
    request::Incoming,
};
use crate::{
    flow::{self, Answered, Caller, FlowError},
    keys,
    lms::moodle::params::Params,
    pages::View,
    types::{Door, FactorKind, FlowId},
};

pub(super) const MAILED: &str = "/vestibule/mailed/";

fn token(incoming: &Incoming) -> &str {
    incoming.target.path.decoded().strip_prefix(MAILED).unwrap_or_default()
}

impl Gate {
    pub(super) async fn mailed_page(&self, house: &House, incoming: &Incoming) -> Reply {
        match flow::look(&self.desk, &house.hall, &self.caller(incoming), token(incoming)).await {
            Ok(Some(seen)) => {
                let when = seen.sent.to_string();
                let when = format!("{} {} UTC", when.get(..10).unwrap_or(&when), when.get(11..16).unwrap_or_default());
                let csrf = seen.here.map(|id| self.csrf(&id));
                let view = View::MailedLink { when, address: seen.address, browser: seen.browser, csrf };
                self.show(incoming, 200, &view)
            }
            Ok(None) => self.show(incoming, 410, &View::MailedLinkOld),
            Err(error) => self.story_failed(incoming, &error),
        }
    }

    /// The same origin was seen to.
    pub(super) async fn mailed_post(&self, house: &House, incoming: &Incoming, params: &Params) -> Reply {
        let field = |name: &str| params.text(name).ok().flatten().unwrap_or_default();
        let (desk, hall, caller) = (&self.desk, &house.hall, self.caller(incoming));
        match field("act") {
            "not-me" => match flow::disown(desk, hall, &caller, token(incoming)).await {
                Ok(true) => self.show(incoming, 200, &View::Disowned),
                Ok(false) => self.show(incoming, 410, &View::MailedLinkOld),
                Err(error) => self.story_failed(incoming, &error),
            },
            "pass" => {
                let held =
                    flow_of(incoming).filter(|id| keys::same(field("csrf").as_bytes(), self.csrf(id).as_bytes()));
                let passed = match &held {
                    Some(_) => flow::pass(desk, hall, &caller, token(incoming)).await.transpose(),
                    None => None,
                };
                match held.zip(passed) {
                    Some((id, passed)) => self.answered(house, incoming, &id, passed).await,
                    // Another browser, or a flow that is over: what the link still can do is shown.
                    None => self.mailed_page(house, incoming).await,
                }
            }
            _ => self.error(incoming, 400),
        }
    }

    /// Where to, if its owner names it, and the code goes there.
    pub(super) async fn send_to_address(
        &self,
        house: &House,
        caller: &Caller,
        id: &FlowId,
        to: Option<&str>,
    ) -> Result<Answered, FlowError> {
        let (desk, hall) = (&self.desk, &house.hall);
        if let Some(typed) = to {
            match flow::name_address(desk, hall, caller, id, typed).await? {
                Answered::Next(_) => {}
                other => return Ok(other),
            }
        }
        let kind = match flow::ask(desk, hall, caller, id).await? {
            Some((flow::Asked::Address { kind, .. }, _)) => kind,
            Some(_) | None => FactorKind::Email,
        };
        flow::send_code(desk, hall, caller, (id, Door::Browser), kind).await
    }
}
