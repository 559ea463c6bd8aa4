//! The account page, `/vestibule/account`: what somebody who is signed in sees of their own account. Its sections stand
//! side by side; what is not there is not shown. What its forms do is in [`super::account_acts`].

use super::{
    gate::{Gate, House},
    hygiene::same_origin_path,
    reply::{self, Reply},
    request::Incoming,
};
use crate::{
    flow::{self, FlowError},
    lms::moodle::params::Params,
    pages::View,
    sessions::Session,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;

pub(super) const ACCOUNT: &str = "/vestibule/account";

/// The page, with where they were going behind it.
pub(super) fn account_first(onward: &str) -> String {
    format!("{ACCOUNT}?to={}", utf8_percent_encode(onward, NON_ALPHANUMERIC))
}

impl Gate {
    /// Guests and visitors sign in first, and come back.
    pub(super) async fn account_page(&self, house: &House, incoming: &Incoming) -> Reply {
        let session = match self.owners_session(house, incoming).await {
            Ok(session) => session,
            Err(answer) => return *answer,
        };
        match flow::sheet(&self.desk, &house.hall, &session).await {
            Ok(Some(sheet)) => {
                let csrf = self.account_csrf(&session);
                let view = View::Account { sheet: Box::new(sheet), onward: onward(incoming), csrf };
                self.show(incoming, 200, &view)
            }
            // The method by which they came in is gone: whose account this is must be shown again.
            Ok(None) => self.sign_in_for_account(house, incoming),
            Err(error) => self.story_failed(incoming, &error),
        }
    }

    /// The live session of an account; without one, the answer that is due instead.
    pub(super) async fn owners_session(&self, house: &House, incoming: &Incoming) -> Result<Arc<Session>, Box<Reply>> {
        match self.session(house, incoming).await {
            Ok(Some(session)) if session.account().is_some() => Ok(session),
            Ok(_) => Err(Box::new(self.sign_in_for_account(house, incoming))),
            Err(error) => Err(Box::new(self.story_failed(incoming, &FlowError::Store(error)))),
        }
    }

    pub(super) fn sign_in_for_account(&self, house: &House, incoming: &Incoming) -> Reply {
        let (mut visit, _) = self.visit(house, incoming);
        visit.wanted = Some(ACCOUNT.to_owned());
        let mut answer = reply::see_other(house.sign_in_path());
        reply::add_cookie(&mut answer, &self.visit_cookie(house, &visit));
        answer
    }

    pub(super) fn account_csrf(&self, session: &Session) -> String {
        self.desk.ring.load().digest("csrf-account", session.key.as_str().as_bytes())
    }
}

/// A page of this site and nothing else (attacks D1, D2): it becomes a link.
fn onward(incoming: &Incoming) -> Option<String> {
    let query = Params::parse_query(incoming.target.query.as_deref()?.as_bytes()).ok()?;
    same_origin_path(query.text("to").ok().flatten()?)
}
