//! Places that ask for more than a session was given for: a person is sent to our page and comes back, a program gets
//! an error, and nothing reaches the LMS meanwhile (design §2 "MFA", "Sessions").
//!
//! A form that was on its way is kept if a person sent it from a page of this site, and goes on at their click: on our
//! page that names it, posted to its own address with a mark in the query, so that the browser ends where the form
//! would have brought it. What goes to the LMS is what was kept, sent once, and never that click (attacks D14, J18).

use super::{
    browser::{Relayed, stage_path},
    gate::{Act, Gate, House, Reading, Refusal, case},
    hygiene::same_origin_path,
    own::flow_of,
    relay::pass,
    reply::{self, Reply},
    request::{Incoming, SEC_FETCH_DEST, SEC_FETCH_MODE, SEC_FETCH_SITE},
};
use crate::{
    audit::Event,
    flow::{
        self, Begun, EndedWhy, FlowError, Stepped,
        step::{Form, Stage},
    },
    keys,
    lms::moodle::{
        self,
        ajax::Calls,
        params::{BodyParams, Params},
        sensitive::call_path,
    },
    mfa::{Stage as RuleStage, known::Known, policy::Case},
    pages::{NotKept, View},
    sessions::{Identity, Session, Who, cookie},
    types::{AccountId, CanonicalPath, Door, SourceId, Unavailable},
};
use bytes::Bytes;
use http::{Method, header};
use std::sync::Arc;

/// What is kept of a form at most; a book's worth of text in one field.
const KEPT_LIMIT: usize = 1 << 20;
/// The address of such a form; pages of Moodle's administration stay far below.
const TARGET_LIMIT: usize = 1500;
const FORM: &str = "application/x-www-form-urlencoded";
/// The mark of a click that sends a kept form.
pub(super) const SEND_MARK: &str = "vestibule-send";
/// What a click's own body holds.
const CLICK_LIMIT: usize = 4096;

/// What a session meets at a path.
pub(super) enum Way {
    Open,
    /// The session is gone, whatever this node remembers.
    Gone,
    Due,
}

impl Gate {
    /// Asked before anything goes on under a session: `Some` is done instead.
    pub(super) async fn stepped(
        &self,
        house: &House,
        incoming: &Incoming,
        session: &Session,
    ) -> Result<Option<Act>, Refusal> {
        Ok(match self.way(house, incoming, session, incoming.target.path.decoded()).await? {
            Way::Open => None,
            Way::Gone => Some(Act::Reply(self.to_sign_in(house, incoming))),
            Way::Due => Some(self.ask_step_up(house, incoming, session).await),
        })
    }

    /// The same of the session that the request has, if it has one.
    pub(super) async fn stepped_here(&self, house: &House, incoming: &Incoming) -> Result<Option<Act>, Refusal> {
        match self.session(house, incoming).await? {
            Some(session) => self.stepped(house, incoming, &session).await,
            None => Ok(None),
        }
    }

    /// Each function is a place of its own, and the strictest of a batch counts for all of it.
    pub(super) async fn way_of_calls(
        &self,
        house: &House,
        incoming: &Incoming,
        session: &Session,
        calls: &Calls,
    ) -> Result<Way, Refusal> {
        for call in calls.iter() {
            match self.way(house, incoming, session, &call_path(call)).await? {
                Way::Open => {}
                other => return Ok(other),
            }
        }
        Ok(Way::Open)
    }

    pub(super) async fn way(
        &self,
        house: &House,
        incoming: &Incoming,
        session: &Session,
        path: &str,
    ) -> Result<Way, Refusal> {
        let policy = &self.desk.policy;
        if !policy.names_path(path) {
            return Ok(Way::Open);
        }
        let now = self.desk.clock.now();
        let (known, somebody);
        let case = match &session.who {
            Who::Account(identity) => {
                known = self.known(&identity.account).await?;
                Case { path: Some(path), ..case(house, session, identity, &known, incoming.client, now) }
            }
            // In no group, and vouched for by no instance.
            Who::Guest => {
                known = Arc::new(Known { groups: Some(Vec::new()), ..Known::default() });
                somebody = nobody();
                Case { path: Some(path), ..case(house, session, &somebody, &known, incoming.client, now) }
            }
        };
        // Such a place is not opened on the word of a node that cannot reach the store (design §8).
        if policy.guards(&case) && !self.desk.sessions.confirmed(&session.key).await? {
            return Ok(Way::Gone);
        }
        let Some(step) = policy.step_up(&session.facts, &case) else { return Ok(Way::Open) };
        match step.stage {
            RuleStage::Off => Ok(Way::Open),
            RuleStage::Report => {
                self.report(house, incoming, session, step.rule).await;
                Ok(Way::Open)
            }
            RuleStage::Optional => {
                let caller = self.caller(incoming);
                let can = flow::has_answer_for(&self.desk, &house.hall, &caller, session, path).await;
                Ok(if can.map_err(unavailable)? { Way::Due } else { Way::Open })
            }
            RuleStage::Required => Ok(Way::Due),
        }
    }

    /// Once per session and rule. It asks nothing of anybody, so trouble with counting it keeps nobody out.
    async fn report(&self, house: &House, incoming: &Incoming, session: &Session, rule: String) {
        let Some(account) = session.account().cloned() else { return };
        let what = format!("step-up/{}/{rule}", session.key.as_str());
        let rest = session.ends.since(self.desk.clock.now());
        if matches!(self.desk.throttle.first(&what, rest).await, Ok(true)) {
            let (door, reason) = (Door::Browser, "report".to_owned());
            self.record(house, incoming, Event::LetThrough { account, door, rule, reason, would: "challenge" });
        }
    }

    async fn ask_step_up(&self, house: &House, incoming: &Incoming, session: &Session) -> Act {
        if session.account().is_none() {
            return Act::Reply(self.to_sign_in(house, incoming));
        }
        if !incoming.is_navigation() || !incoming.is_top_level() {
            return Act::Reply(step_up_due());
        }
        if incoming.method == Method::POST {
            return self.keep_or_say(house, incoming);
        }
        let path = incoming.target.path.decoded();
        let wanted = same_origin_path(&incoming.target.forwarded()).unwrap_or_else(|| "/".to_owned());
        Act::Reply(self.begin(house, incoming, session, (path, wanted), None).await)
    }

    /// A POST that cannot go on now: it is kept, or it is said why not.
    pub(super) fn keep_or_say(&self, house: &House, incoming: &Incoming) -> Act {
        match keepable(house, incoming) {
            Ok(()) => Act::ReadBody(Reading::Keep, KEPT_LIMIT),
            Err(why) => Act::Reply(self.not_kept(incoming, why)),
        }
    }

    /// An unfinished POST of somebody whose session has run out while they were writing. `None`: of anybody else.
    pub(super) async fn keep_over_sign_in(&self, house: &House, incoming: &Incoming) -> Result<Option<Act>, Refusal> {
        if incoming.method != Method::POST || !incoming.is_navigation() || !incoming.is_top_level() {
            return Ok(None);
        }
        let expired = flow::expired_here(&self.desk, &house.hall, &self.caller(incoming)).await;
        Ok(expired.map_err(unavailable)?.map(|_| self.keep_or_say(house, incoming)))
    }

    pub(super) async fn keep(&self, house: &House, incoming: &Incoming, body: &Bytes) -> Result<Reply, Refusal> {
        let target = incoming.target.forwarded().trim_end_matches('?').to_owned();
        // What a browser encodes is ASCII; anything else is no form.
        let text = std::str::from_utf8(body).ok().filter(|text| text.is_ascii());
        let Some(text) = text else { return Ok(self.not_kept(incoming, NotKept::Files)) };
        let form = Form { target, body: text.to_owned() };
        let path = incoming.target.path.decoded();
        let Some(session) = self.session(house, incoming).await? else {
            return self.keep_expired(house, incoming, form).await;
        };
        match self.way(house, incoming, &session, path).await? {
            Way::Gone => Ok(self.to_sign_in(house, incoming)),
            Way::Due => Ok(self.begin(house, incoming, &session, (path, String::new()), Some(form)).await),
            // Another tab was quicker.
            Way::Open => self.send_form(house, incoming, &session, form).await,
        }
    }

    async fn keep_expired(&self, house: &House, incoming: &Incoming, form: Form) -> Result<Reply, Refusal> {
        let caller = self.caller(incoming);
        let expired = flow::expired_here(&self.desk, &house.hall, &caller).await.map_err(unavailable)?;
        let Some(expired) = expired else { return Ok(self.to_sign_in(house, incoming)) };
        let kept = flow::keep_form(&self.desk, &house.hall, &caller, &expired, form).await.map_err(unavailable)?;
        let Some(id) = kept else { return Ok(self.not_kept(incoming, NotKept::TooMany)) };
        let (mut visit, _) = self.visit(house, incoming);
        visit.wanted = Some(stage_path(&Stage::Send).to_owned());
        visit.kept = Some(id);
        let mut answer = reply::see_other(house.sign_in_path());
        reply::add_cookie(&mut answer, &self.visit_cookie(house, &visit));
        Ok(answer)
    }

    async fn begin(
        &self,
        house: &House,
        incoming: &Incoming,
        session: &Session,
        (path, wanted): (&str, String),
        form: Option<Form>,
    ) -> Reply {
        let (hall, caller) = (&house.hall, self.caller(incoming));
        // A tab of its own says where it was going, because several may wait in one flow.
        let to = form.is_none().then(|| query_of(&wanted));
        match flow::begin_step_up(&self.desk, hall, &caller, session, (path, wanted), form).await {
            Ok(Begun::Ask(id)) => {
                let page = stage_path(&Stage::Permit);
                let location = to.map_or_else(|| page.to_owned(), |to| format!("{page}?to={to}"));
                let mut answer = reply::see_other(&location);
                reply::add_cookie(&mut answer, &cookie::set(cookie::FLOW, id.expose()));
                answer
            }
            Ok(Begun::NothingToAsk) => self.show(incoming, 403, &View::Ended { why: EndedWhy::NothingToAsk }),
            Ok(Begun::TooManyForms) => self.not_kept(incoming, NotKept::TooMany),
            Ok(Begun::Over) => self.to_sign_in(house, incoming),
            Err(error) => self.story_failed(incoming, &error),
        }
    }

    /// The session goes on under its new id, and its reader where they were going.
    pub(super) fn stepped_up(&self, incoming: &Incoming, stepped: Stepped) -> Reply {
        let Stepped { issued, waiting, location } = stepped;
        let location = match &waiting {
            Some(_) => stage_path(&Stage::Send).to_owned(),
            None => wanted_by(incoming).unwrap_or(location),
        };
        let mut answer = reply::see_other(if location.is_empty() { "/" } else { &location });
        reply::add_cookie(&mut answer, &cookie::set(cookie::SESSION, issued.id.expose()));
        let flow = waiting.map_or_else(|| cookie::clear(cookie::FLOW), |id| cookie::set(cookie::FLOW, id.expose()));
        reply::add_cookie(&mut answer, &flow);
        answer
    }

    /// A click on "Send it now", or what is left of one in somebody's address bar.
    pub(super) fn marked(&self, incoming: &Incoming) -> Option<Act> {
        let plain = without_mark(incoming)?;
        let click = incoming.method == Method::POST && incoming.is_top_level();
        Some(match click {
            true => Act::ReadBody(Reading::Send, CLICK_LIMIT),
            false => Act::Reply(reply::see_other(&plain)),
        })
    }

    pub(super) async fn send(&self, house: &House, incoming: &Incoming, body: &Bytes) -> Result<Reply, Refusal> {
        if !incoming.is_same_origin(&house.public_url) {
            return Ok(self.error(incoming, 403));
        }
        let Some(target) = without_mark(incoming) else { return Ok(self.error(incoming, 400)) };
        let Ok(BodyParams::Form { params, .. }) = Params::parse_body(incoming.header(header::CONTENT_TYPE), body)
        else {
            return Ok(self.error(incoming, 400));
        };
        let Some(session) = self.session(house, incoming).await? else {
            return Ok(self.to_sign_in(house, incoming));
        };
        // It was sent, or discarded: where it would have gone can still be looked at.
        let Some(id) = flow_of(incoming) else {
            return Ok(self.over(house, incoming, EndedWhy::AlreadyFinished).await);
        };
        let given = params.text("csrf").ok().flatten().unwrap_or_default();
        if !keys::same(given.as_bytes(), self.csrf(&id).as_bytes()) {
            return Ok(reply::see_other(stage_path(&Stage::Send)));
        }
        let claimed = flow::claim_form(&self.desk, &house.hall, &session, &id, &target).await;
        let Some(form) = claimed.map_err(unavailable)? else {
            return Ok(self.over(house, incoming, EndedWhy::AlreadyFinished).await);
        };
        let path = incoming.target.path.decoded();
        match self.way(house, incoming, &session, path).await? {
            Way::Open => {
                let mut answer = self.send_form(house, incoming, &session, form).await?;
                reply::add_cookie(&mut answer, &cookie::clear(cookie::FLOW));
                Ok(answer)
            }
            // They thought about it for longer than the factor is fresh.
            Way::Due => Ok(self.begin(house, incoming, &session, (path, String::new()), Some(form)).await),
            Way::Gone => Ok(self.to_sign_in(house, incoming)),
        }
    }

    async fn send_form(
        &self,
        house: &House,
        incoming: &Incoming,
        session: &Arc<Session>,
        form: Form,
    ) -> Result<Reply, Refusal> {
        if let Some(account) = session.account().cloned() {
            let path = CanonicalPath::parse(form.target.split('?').next().unwrap_or_default().as_bytes());
            let path = path.map(|path| path.decoded().to_owned()).unwrap_or_default();
            self.record(house, incoming, Event::KeptFormSent { account, path });
        }
        let body = Bytes::from(form.body);
        Ok(match self.relay_signed_in(house, incoming, session, &form.target, Some(FORM), body).await? {
            Relayed::Passed(answer, set_cookies) => pass(answer, house, &set_cookies),
            Relayed::HalfOver => self.to_sign_in(house, incoming),
            Relayed::Failed(answer) => answer,
        })
    }

    /// What somebody sent is gone, and the page says so.
    pub(super) fn not_kept(&self, incoming: &Incoming, why: NotKept) -> Reply {
        let status = match why {
            NotKept::TooLarge => 413,
            NotKept::Files => 415,
            NotKept::TooMany => 429,
            NotKept::Unclear => 403,
        };
        let path = incoming.target.path.decoded().to_owned();
        let to = same_origin_path(&incoming.target.forwarded());
        self.show(incoming, status, &View::NotKept { why, path, to })
    }

    /// Such a body was not read to its end.
    pub(super) fn unkept(&self, incoming: &Incoming, status: u16) -> Reply {
        match status {
            413 => self.not_kept(incoming, NotKept::TooLarge),
            415 => self.not_kept(incoming, NotKept::Files),
            _ => self.refuse(incoming, status),
        }
    }
}

/// For scripts of the LMS's pages: as for a session that is over, but that signing in anew would not help.
pub(super) fn step_up_due() -> Reply {
    let body = r#"{"error":"To do this, confirm that it is you: open the page again.","errorcode":"stepuprequired"}"#;
    reply::json(401, body)
}

/// Only what a person sent from a page of this very site, as every browser says of itself that is younger than these
/// headers. Nobody's password is kept, and no file.
fn keepable(house: &House, incoming: &Incoming) -> Result<(), NotKept> {
    let says = |name, wanted: &str| incoming.header(name).is_some_and(|value| value == wanted);
    let own = incoming.header(header::ORIGIN).is_some_and(|origin| origin.eq_ignore_ascii_case(&house.public_url));
    let sent = says(SEC_FETCH_MODE, "navigate") && says(SEC_FETCH_DEST, "document") && own;
    if !sent || !says(SEC_FETCH_SITE, "same-origin") {
        return Err(NotKept::Unclear);
    }
    if incoming.target.path.script() == Some(moodle::CHANGE_PASSWORD)
        || incoming.target.forwarded().len() > TARGET_LIMIT
    {
        return Err(NotKept::Unclear);
    }
    let (kind, charset) = match incoming.header(header::CONTENT_TYPE).map(|value| value.split_once(';')) {
        Some(Some((kind, rest))) => (kind, rest.trim()),
        Some(None) => (incoming.header(header::CONTENT_TYPE).unwrap_or_default(), ""),
        None => return Err(NotKept::Unclear),
    };
    let utf8 = charset.is_empty() || charset.eq_ignore_ascii_case("charset=utf-8");
    if kind.trim().eq_ignore_ascii_case(FORM) && utf8 { Ok(()) } else { Err(NotKept::Files) }
}

/// The target without the mark; `None` where there is none.
fn without_mark(incoming: &Incoming) -> Option<String> {
    let query = incoming.target.query.as_deref()?;
    let rest = match query.strip_suffix(SEND_MARK)? {
        "" => "",
        rest => rest.strip_suffix('&')?,
    };
    let path = incoming.target.path.encoded();
    Some(if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") })
}

/// Where a kept form is posted to.
pub(super) fn with_mark(target: &str) -> String {
    let joint = if target.contains('?') { '&' } else { '?' };
    format!("{target}{joint}{SEND_MARK}")
}

/// `?to=`: where this tab was going.
pub(super) fn wanted_by(incoming: &Incoming) -> Option<String> {
    let query = incoming.target.query.as_deref()?;
    let to = query.split('&').find_map(|pair| pair.strip_prefix("to="))?;
    let to = percent_encoding::percent_decode_str(to).decode_utf8().ok()?;
    same_origin_path(&to)
}

/// A path as a query's value.
pub(super) fn query_of(path: &str) -> String {
    percent_encoding::utf8_percent_encode(path, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn nobody() -> Identity {
    Identity {
        account: AccountId::new(""),
        epoch: 0,
        source: SourceId::new(""),
        username: None,
        name: None,
        email: None,
        groups: Vec::new(),
    }
}

/// A story that began before anything was asked fails with its store.
fn unavailable(error: FlowError) -> Refusal {
    match error {
        FlowError::Store(unavailable) => Refusal::Store(unavailable),
        other => Refusal::Store(Unavailable::state(other)),
    }
}
