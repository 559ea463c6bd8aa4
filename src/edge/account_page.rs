//! The account page, `/vestibule/account`: what somebody who is signed in sees and changes of their own account. Its
//! sections stand side by side; what is not there is not shown. Every change is a flow of its own with a factor of its
//! own ([`flow::permit`]); this page only begins one.

use super::{
    browser::stage_path,
    gate::{Gate, House},
    reply::{self, Reply},
    request::Incoming,
};
use crate::{
    flow::{self, FlowError, Wish, step::Stage},
    keys,
    lms::moodle::params::Params,
    pages::{View, WayLine},
    sessions::{Session, cookie},
    types::FactorKind,
};

pub(super) const ACCOUNT: &str = "/vestibule/account";

impl Gate {
    /// Guests and visitors sign in first, and come back.
    pub(super) async fn account_page(&self, house: &House, incoming: &Incoming) -> Reply {
        let session = match self.session(house, incoming).await {
            Ok(Some(session)) if session.account().is_some() => session,
            Ok(_) => return self.sign_in_for_account(house, incoming),
            Err(error) => return self.story_failed(incoming, &FlowError::Store(error)),
        };
        match flow::sheet(&self.desk, &house.hall, &session).await {
            Ok(Some(sheet)) => {
                let csrf = self.account_csrf(&session);
                let ways = sheet.ways.into_iter().map(|way| WayLine {
                    handle: way.handle,
                    label: way.label,
                    name: way.name,
                    linked: way.linked.to_string().chars().take(10).collect(),
                    primary: way.primary,
                    current: way.current,
                    may_unlink: way.may_unlink && sheet.has_factor,
                    may_make_primary: way.may_make_primary && sheet.has_factor,
                });
                let (account, ways) = (sheet.name, ways.collect());
                let view = View::Account { account, ways, more: sheet.more, has_factor: sheet.has_factor, csrf };
                self.show(incoming, 200, &view)
            }
            // The method by which they came in is gone: whose account this is must be shown again.
            Ok(None) => self.sign_in_for_account(house, incoming),
            Err(error) => self.story_failed(incoming, &error),
        }
    }

    /// A form of that page. The same origin was seen to.
    pub(super) async fn account_post(&self, house: &House, incoming: &Incoming, params: &Params) -> Reply {
        let session = match self.session(house, incoming).await {
            Ok(Some(session)) if session.account().is_some() => session,
            Ok(_) => return self.sign_in_for_account(house, incoming),
            Err(error) => return self.story_failed(incoming, &FlowError::Store(error)),
        };
        let field = |name: &str| params.text(name).ok().flatten().unwrap_or_default().to_owned();
        if !keys::same(field("csrf").as_bytes(), self.account_csrf(&session).as_bytes()) {
            // Another session's page: theirs is shown, and nothing was done.
            return reply::see_other(ACCOUNT);
        }
        let wish = match field("act").as_str() {
            "link" => Wish::Link,
            "unlink" => Wish::Unlink(field("method")),
            "primary" => Wish::MakePrimary(field("method")),
            "add" => match FactorKind::parse(&field("factor")) {
                Some(kind) => Wish::AddFactor(kind),
                None => return self.error(incoming, 400),
            },
            _ => return self.error(incoming, 400),
        };
        let caller = self.caller(incoming);
        match flow::begin_action(&self.desk, &house.hall, &caller, &session, wish).await {
            Ok(Some(id)) => {
                let mut answer = reply::see_other(stage_path(&Stage::Permit));
                reply::add_cookie(&mut answer, &cookie::set(cookie::FLOW, id.expose()));
                answer
            }
            Ok(None) => reply::see_other(ACCOUNT),
            Err(error) => self.story_failed(incoming, &error),
        }
    }

    fn sign_in_for_account(&self, house: &House, incoming: &Incoming) -> Reply {
        let (mut visit, _) = self.visit(house, incoming);
        visit.wanted = Some(ACCOUNT.to_owned());
        let mut answer = reply::see_other(house.sign_in_path());
        reply::add_cookie(&mut answer, &self.visit_cookie(house, &visit));
        answer
    }

    fn account_csrf(&self, session: &Session) -> String {
        self.desk.ring.load().digest("csrf-account", session.key.as_str().as_bytes())
    }
}
