//! Leaving for a redirect source and coming back: `POST /vestibule/sign-in/with` and `GET /vestibule/callback/NAME`.
//!
//! The browser is sent on by a page with a `Refresh` and a link, not by a redirect: our pages' `form-action 'self'`
//! holds for every hop that follows a form, in Chromium and WebKit, and it stays.

use super::{
    gate::{Gate, House},
    reply::{self, Reply},
    request::Incoming,
    sign_in_page::SIGN_IN,
};
use crate::{
    flow::{self, Arrived, Away, EndedWhy, FlowError},
    lms::moodle::params::{Params, Value},
    pages::{SignInProblem, View},
    sessions::cookie,
    types::SourceId,
};
use http::header;

pub(super) const WITH: &str = "/vestibule/sign-in/with";
pub(super) const CALLBACK: &str = "/vestibule/callback/";

/// A source's answer has a handful of parameters.
const MOST_PARAMETERS: usize = 20;

impl Gate {
    /// A button of the sign-in page. The same origin was seen to.
    pub(super) async fn sign_in_with(&self, house: &House, incoming: &Incoming, params: &Params) -> Reply {
        if house.sign_in_path() != SIGN_IN {
            return reply::see_other(house.sign_in_path());
        }
        let source = SourceId::new(params.text("source").ok().flatten().unwrap_or_default());
        let wanted = self.wanted(house, incoming);
        match flow::depart(&self.desk, &house.hall, &source, wanted, None).await {
            Ok(Some(away)) => self.send_away(incoming, away),
            Ok(None) => self.sign_in_again(house, incoming, SignInProblem::Elsewhere),
            Err(error) => self.story_failed(incoming, &error),
        }
    }

    pub(super) fn send_away(&self, incoming: &Incoming, Away { url, label, cookie: sealed }: Away) -> Reply {
        let mut answer = self.show(incoming, 200, &View::Away { url: url.clone(), label });
        reply::set(answer.headers_mut(), header::REFRESH, &format!("0; url={url}"));
        reply::add_cookie(&mut answer, &cookie::set(cookie::AWAY, &sealed));
        answer
    }

    /// A cross-site top-level navigation, to which a `SameSite=Lax` cookie comes along. It changes something although
    /// it is a GET; what it may change is bound to this browser, and counts once.
    pub(super) async fn come_back(&self, house: &House, incoming: &Incoming, name: &str) -> Reply {
        let Some(parameters) = parameters(incoming) else { return self.error(incoming, 400) };
        let (caller, source) = (self.caller(incoming), SourceId::new(name));
        let arrived = flow::arrive(&self.desk, &house.hall, &caller, &source, &parameters).await;
        let mut answer = match arrived {
            Ok(Arrived::SignIn(flow::SignIn::Refused(_))) => {
                self.sign_in_again(house, incoming, SignInProblem::Elsewhere)
            }
            Ok(Arrived::SignIn(signed_in)) => self.signed(house, incoming, signed_in, String::new()),
            Ok(Arrived::Linking(id, answered)) => self.answered(house, incoming, &id, Ok(answered)).await,
            // Somebody's second click: the browser's cookie for the journey is this one's no more.
            Ok(Arrived::Over(why @ EndedWhy::AlreadyFinished)) => self.over(house, incoming, why).await,
            Ok(Arrived::Over(_)) => return self.sign_in_again(house, incoming, SignInProblem::Elsewhere),
            Err(FlowError::SourceDown) => self.source_down(house, incoming, String::new()),
            Err(error) => self.story_failed(incoming, &error),
        };
        reply::add_cookie(&mut answer, &cookie::clear(cookie::AWAY));
        answer
    }
}

/// The query's parameters, if each name is there once and all are texts.
fn parameters(incoming: &Incoming) -> Option<Vec<(String, String)>> {
    let query = Params::parse_query(incoming.target.query.as_deref().unwrap_or_default().as_bytes()).ok()?;
    let mut found: Vec<(String, String)> = Vec::new();
    for (name, value) in query.iter() {
        let Value::Scalar(value) = value else { return None };
        let (name, value) = (std::str::from_utf8(name).ok()?, String::from_utf8(value.clone()).ok()?);
        if found.len() == MOST_PARAMETERS || found.iter().any(|(known, _)| known == name) {
            return None;
        }
        found.push((name.to_owned(), value));
    }
    let raw = incoming.target.query.as_deref().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    // PHP's reading keeps the last of two; two readings are none.
    (raw.count() == found.len()).then_some(found)
}
