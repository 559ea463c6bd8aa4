//! The forms of the account page. What gives power begins a flow of its own with a factor of its own ([`flow::permit`],
//! attack F7), or with the proof that a first factor takes; what only takes access away is done at once.

use super::{
    account_page::ACCOUNT,
    browser::stage_path,
    gate::{Gate, House},
    reply::{self, Reply},
    request::Incoming,
};
use crate::{
    flow::{self, Ending, Wish},
    keys,
    lms::moodle::params::Params,
    pages::View,
    sessions::{Session, cookie},
    types::{DeviceId, EnrolmentId, FactorKind, TokenId},
};

/// What a form asks for.
enum Act {
    Begin(Wish),
    End(Ending),
}

impl Act {
    fn of(field: impl Fn(&str) -> String) -> Option<Self> {
        let factor = || EnrolmentId::new(field("factor"));
        Some(match field("act").as_str() {
            "link" => Act::Begin(Wish::Link),
            "unlink" => Act::Begin(Wish::Unlink(field("method"))),
            "primary" => Act::Begin(Wish::MakePrimary(field("method"))),
            "add" => Act::Begin(Wish::AddFactor(FactorKind::parse(&field("kind"))?)),
            "rename" => Act::Begin(Wish::RenameFactor(factor(), field("label"))),
            "remove" => Act::Begin(Wish::RemoveFactor(factor())),
            "codes" => Act::Begin(Wish::NewRecoveryCodes),
            "confirm-address" => Act::Begin(Wish::ConfirmAddress(factor())),
            "set-up" => Act::Begin(Wish::SetUp),
            "end-session" => Act::End(Ending::Session(field("session"))),
            "end-others" => Act::End(Ending::OtherSessions),
            "end-app" => Act::End(Ending::App(TokenId::new(field("app")))),
            "forget-device" => Act::End(Ending::Device(DeviceId::new(field("device")))),
            "end-everything" => Act::End(Ending::Everything),
            _ => return None,
        })
    }
}

impl Gate {
    /// A form of that page. The same origin was seen to.
    pub(super) async fn account_post(&self, house: &House, incoming: &Incoming, params: &Params) -> Reply {
        let session = match self.owners_session(house, incoming).await {
            Ok(session) => session,
            Err(answer) => return *answer,
        };
        let field = |name: &str| params.text(name).ok().flatten().unwrap_or_default().to_owned();
        if !keys::same(field("csrf").as_bytes(), self.account_csrf(&session).as_bytes()) {
            // Another session's page: theirs is shown, and nothing was done.
            return reply::see_other(ACCOUNT);
        }
        match Act::of(field) {
            Some(Act::Begin(wish)) => self.begin_wish(house, incoming, &session, wish).await,
            Some(Act::End(ending)) => self.end(house, incoming, &session, ending).await,
            None => self.error(incoming, 400),
        }
    }

    async fn begin_wish(&self, house: &House, incoming: &Incoming, session: &Session, wish: Wish) -> Reply {
        let caller = self.caller(incoming);
        match flow::begin_action(&self.desk, &house.hall, &caller, session, wish).await {
            Ok(Some((id, stage))) => {
                let mut answer = reply::see_other(stage_path(&stage));
                reply::add_cookie(&mut answer, &cookie::set(cookie::FLOW, id.expose()));
                answer
            }
            Ok(None) => reply::see_other(ACCOUNT),
            Err(error) => self.story_failed(incoming, &error),
        }
    }

    async fn end(&self, house: &House, incoming: &Incoming, session: &Session, ending: Ending) -> Reply {
        let everything = ending == Ending::Everything;
        let caller = self.caller(incoming);
        match flow::end(&self.desk, &house.hall, &caller, session, ending).await {
            Ok(Some(())) if everything => {
                let mut answer = self.show(incoming, 200, &View::SignedOut);
                reply::clear_cookies(&mut answer, incoming.cookie_pairs().map(|(name, _)| name), &[]);
                answer
            }
            Ok(Some(())) => reply::see_other(ACCOUNT),
            Ok(None) => self.sign_in_for_account(house, incoming),
            Err(error) => self.story_failed(incoming, &error),
        }
    }
}
