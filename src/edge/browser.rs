//! The browser's door: the posted login form, AJAX calls, and what comes back from external tools.

use super::{
    account_page::account_first,
    gate::{Gate, House, Refusal, own_headers},
    relay::{Calling, pass},
    reply::{self, Reply},
    request::Incoming,
    rescue,
    step_up::Way,
    watch::{Ruling, Standing, rule},
};
use crate::{
    audit::Event,
    flow::{self, SignedIn, step::Stage},
    keys,
    limits::Leave,
    lms::{
        LoginForm,
        moodle::{
            self,
            ajax::Calls,
            errors::{AjaxError, Links, ajax_error},
            params::{BodyParams, Params, Value},
        },
    },
    outbound::Answer,
    sessions::{
        Identity, Session, Who,
        cookie::{self, Jar},
    },
    types::{Door, Password},
};
use bytes::Bytes;
use http::{Method, header};
use std::sync::Arc;

const LOGIN: &str = "/login/index.php";
const JSON: &str = "application/json; charset=utf-8";
const STRANGERS_CALLS: usize = 30;
const STRANGERS_ANSWER: usize = 4 << 20;
const AJAX: &str = "application/json";

impl Gate {
    /// `POST /login/index.php`: read as PHP would, judged by us, never forwarded as it came (design §3).
    pub async fn sign_in(&self, house: &House, incoming: &Incoming, body: &Bytes) -> Result<Reply, Refusal> {
        if !incoming.is_same_origin(&house.public_url) {
            return Ok(self.error(incoming, 403));
        }
        if house.sign_in_path() != LOGIN {
            return Ok(reply::see_other(house.sign_in_path()));
        }
        let form = match login_form(incoming, body) {
            Ok(Some(form)) => form,
            // A POST without credentials shows the form again, as the LMS does.
            Ok(None) => return Ok(reply::see_other(LOGIN)),
            Err(()) => return Ok(self.error(incoming, 400)),
        };
        Ok(self.judge_form(house, incoming, form).await)
    }

    /// The LMS's own page and wording; its anonymous cookies go into the visitor's pre-session, so that the next
    /// GET finds its message.
    pub(super) fn lms_refusal(&self, house: &House, incoming: &Incoming, answer: Answer) -> Reply {
        let (visit, cookies) = self.visit(house, incoming);
        let standing = Standing::Visitor { key: visit.key };
        match rule(&standing, answer.status, &answer.headers, house.name(), self.desk.rng.as_ref()) {
            Ruling::Pass { set_cookies } => {
                let mut answer = pass(answer, house, &set_cookies);
                cookies.iter().for_each(|line| reply::add_cookie(&mut answer, line));
                answer
            }
            Ruling::Withhold { named, stray } => self.withheld_from_nobody(house, incoming, named, stray),
            Ruling::HalfOver { stray } => {
                house.hall.log_out_later(stray);
                self.error(incoming, 502)
            }
        }
    }

    /// The end of a sign-in: the session's cookies, and everything older forgotten.
    pub fn welcome(&self, house: &House, incoming: &Incoming, signed_in: SignedIn) -> Reply {
        self.metrics.sign_in(Door::Browser, "ok");
        self.metrics.session_issued(Door::Browser);
        let SignedIn { issued, lms_cookies, own_cookies, location, set_up } = signed_in;
        let mut answer = match set_up {
            true => reply::see_other(&account_first(&location)),
            false => reply::see_other(&location),
        };
        let mut sealed = Vec::new();
        if let Some(lms) = &issued.session.lms {
            let key = keys::SealKey::new(lms.seal_key);
            for (name, value) in &lms_cookies {
                sealed.extend(cookie::seal(self.desk.rng.as_ref(), Jar::Session, &key, house.name(), name, value));
            }
        }
        let names: Vec<String> = lms_cookies.iter().map(|(name, _)| Jar::Session.sealed_name(name)).collect();
        let resumed = lms_cookies.is_empty();
        let kept = self.visit(house, incoming).0.kept;
        let keep: Vec<&str> = std::iter::once(cookie::SESSION).chain(names.iter().map(String::as_str)).collect();
        let present = incoming.cookie_pairs().map(|(name, _)| name);
        // A resumed LMS session lives on in the cookies that the browser has.
        let present = present.filter(|name| !(resumed && Jar::Session.holds(name)));
        reply::clear_cookies(&mut answer, present, &keep);
        reply::add_cookie(&mut answer, &cookie::set(cookie::SESSION, issued.id.expose()));
        sealed.iter().chain(&own_cookies).for_each(|line| reply::add_cookie(&mut answer, line));
        // What was kept of an expired session is its own account's to send: the page sees to that.
        if let Some(id) = kept {
            reply::add_cookie(&mut answer, &cookie::set(cookie::FLOW, id.expose()));
        }
        answer
    }

    pub fn story_failed(&self, incoming: &Incoming, error: &flow::FlowError) -> Reply {
        let status = rescue::status(error);
        if let flow::FlowError::Store(unavailable) = error {
            self.metrics.store_error(unavailable.store);
        }
        tracing::warn!(request_id = %incoming.id, %error, "a sign-in could not be decided; nobody was signed in");
        rescue::with_retry(self.refuse(incoming, status), status)
    }

    /// A posted password change. Once the LMS has taken it, everything issued before it is dead but this session
    /// (design §2 "Leavers", attack D10).
    pub async fn change_password(&self, house: &House, incoming: &Incoming, body: &Bytes) -> Result<Reply, Refusal> {
        let Some(session) = self.session(house, incoming).await? else {
            return Ok(self.to_sign_in(house, incoming));
        };
        let (target, body) = (incoming.target.forwarded(), body.clone());
        let relayed = self.relay_signed_in(house, incoming, &session, &target, None, body).await?;
        match relayed {
            Relayed::Passed(answer, set_cookies) => {
                if answer.status.is_success() && !moodle::shows_password_form(&answer.text()) {
                    self.password_was_changed(house, incoming, &session).await?;
                }
                Ok(pass(answer, house, &set_cookies))
            }
            Relayed::HalfOver => Ok(self.to_sign_in(house, incoming)),
            Relayed::Failed(answer) => Ok(answer),
        }
    }

    /// This session goes on under the new epoch; it is where the new password was set.
    async fn password_was_changed(&self, house: &House, incoming: &Incoming, session: &Session) -> Result<(), Refusal> {
        let Who::Account(identity) = &session.who else { return Ok(()) };
        let account = &identity.account;
        // It may have been revoked while the LMS was changing the password; then it stays dead (attack F13).
        let alive = self.desk.sessions.get(&session.key).await?.is_some();
        let Some(epoch) = self.desk.accounts.raise_epoch(account).await? else { return Ok(()) };
        self.desk.sessions.remove_account(account).await?;
        self.desk.ledger.revoke_account(account, self.desk.clock.now()).await?;
        if alive && epoch == identity.epoch.saturating_add(1) {
            let who = Who::Account(Identity { epoch, ..identity.clone() });
            self.desk.sessions.put(&Session { who, ..session.clone() }).await?;
        }
        let event = Event::EpochRaised { account: account.clone(), reason: "password changed at the LMS" };
        self.record(house, incoming, event);
        Ok(())
    }

    /// `/lib/ajax/service.php`: under a session, or as nobody where each of its functions is open to everybody.
    pub async fn ajax(&self, house: &House, incoming: &Incoming, body: &Bytes) -> Result<Reply, Refusal> {
        let Some(calls) = calls(incoming, body) else { return Ok(rescue::json(400, &incoming.id)) };
        if let Some(refusal) = self.ajax_denied(house, incoming, &calls) {
            return Ok(refusal);
        }
        match self.session(house, incoming).await? {
            Some(session) => match self.way_of_calls(house, incoming, &session, &calls).await? {
                Way::Open => self.ajax_signed_in(house, incoming, session, &calls).await,
                Way::Due => Ok(self.ajax_refusal(house, AjaxError::StepUp)),
                Way::Gone => Ok(self.ajax_refusal(house, AjaxError::RequiresLogin)),
            },
            None if calls.all_open() => self.ajax_as_nobody(house, incoming, &calls).await,
            None => Ok(self.ajax_refusal(house, AjaxError::RequiresLogin)),
        }
    }

    /// `/lib/ajax/service-nologin.php`, which knows no session.
    pub async fn ajax_open(&self, house: &House, incoming: &Incoming, body: &Bytes) -> Result<Reply, Refusal> {
        let Some(calls) = calls(incoming, body) else { return Ok(rescue::json(400, &incoming.id)) };
        if let Some(refusal) = self.ajax_denied(house, incoming, &calls) {
            return Ok(refusal);
        }
        match calls.all_open() {
            true => self.ajax_as_nobody(house, incoming, &calls).await,
            false => Ok(self.ajax_refusal(house, AjaxError::NotAvailable)),
        }
    }

    /// Functions that no request may call: two are doors of their own, the others hand out credentials.
    fn ajax_denied(&self, house: &House, incoming: &Incoming, calls: &Calls) -> Option<Reply> {
        if let Some(door) = calls.door() {
            self.record_closed(house, incoming, door);
            return Some(rescue::json(403, &incoming.id));
        }
        calls.denied().map(|_| self.ajax_refusal(house, AjaxError::Access))
    }

    async fn ajax_as_nobody(&self, house: &House, incoming: &Incoming, calls: &Calls) -> Result<Reply, Refusal> {
        // A login page makes a handful of calls; strangers get no more, and no answer that fills our memory.
        if calls.iter().count() > STRANGERS_CALLS || calls.mails() > 1 {
            return Ok(rescue::json(400, &incoming.id));
        }
        if calls.mails() == 1 && matches!(self.desk.throttle.mail(incoming.client).await?, Leave::Refused { .. }) {
            return Ok(self.ajax_refusal(house, AjaxError::NotAvailable));
        }
        let headers = own_headers(house, incoming, &[])?;
        let (target, body) = (calls_target(incoming), calls.to_body().into());
        let calls = Calling { method: Method::POST, target: &target, content_type: Some(AJAX), body };
        let answer = self.relay_within(STRANGERS_ANSWER, house, &headers, calls).await;
        Ok(match answer {
            Ok(answer) => self.pass_bare(house, incoming, answer),
            Err(error) => self.upstream_failed(house, incoming, &error),
        })
    }

    async fn ajax_signed_in(
        &self,
        house: &House,
        incoming: &Incoming,
        session: Arc<Session>,
        calls: &Calls,
    ) -> Result<Reply, Refusal> {
        let target = calls_target(incoming);
        let body = calls.to_body().into();
        Ok(match self.relay_signed_in(house, incoming, &session, &target, Some(AJAX), body).await? {
            Relayed::Passed(answer, set_cookies) => pass(answer, house, &set_cookies),
            Relayed::HalfOver => self.ajax_refusal(house, AjaxError::RequiresLogin),
            Relayed::Failed(answer) => answer,
        })
    }

    /// A POST under a session whose body was read here, and the watch over its answer (design R9).
    pub(super) async fn relay_signed_in(
        &self,
        house: &House,
        incoming: &Incoming,
        session: &Arc<Session>,
        target: &str,
        content_type: Option<&'static str>,
        body: Bytes,
    ) -> Result<Relayed, Refusal> {
        let Some(half) = session.lms.clone() else { return Ok(Relayed::HalfOver) };
        let sent =
            cookie::open(incoming.cookie_pairs(), Jar::Session, &keys::SealKey::new(half.seal_key), house.name());
        let mut headers = own_headers(house, incoming, &sent)?;
        headers.extend(self.told(house, session));
        let answer = match self.relay(house, Method::POST, target, &headers, content_type, body).await {
            Ok(answer) => answer,
            Err(error) => return Ok(Relayed::Failed(self.upstream_failed(house, incoming, &error))),
        };
        let user = half.user;
        let standing = Standing::Session { session: session.clone(), half, sent };
        match rule(&standing, answer.status, &answer.headers, house.name(), self.desk.rng.as_ref()) {
            Ruling::Pass { set_cookies } => Ok(Relayed::Passed(answer, set_cookies)),
            Ruling::HalfOver { stray } => {
                self.half_is_over(house, session, stray).await?;
                Ok(Relayed::HalfOver)
            }
            Ruling::Withhold { named, stray } => {
                let reason = "answer names another user";
                let event = Event::IdentityWithheld { expected: Some(user), named: Some(named), reason };
                self.record(house, incoming, event);
                self.half_is_over(house, session, stray).await?;
                Ok(Relayed::HalfOver)
            }
        }
    }

    /// An external tool's cross-site POST without our cookie (entry 36b): sent on as nobody's if it is the first of
    /// the pair; with `repost` it claims a session it has not shown.
    pub async fn lti_return(&self, house: &House, incoming: &Incoming, body: &Bytes) -> Result<Reply, Refusal> {
        let query = Params::parse_query(incoming.target.query.as_deref().unwrap_or_default().as_bytes());
        let form = Params::parse_body(incoming.header(header::CONTENT_TYPE), body);
        let (Ok(query), Ok(form)) = (query, form) else { return Ok(self.error(incoming, 400)) };
        let posted = form.params().is_some_and(|params| params.contains("repost"));
        if posted || query.contains("repost") {
            return Ok(self.to_sign_in(house, incoming));
        }
        let headers = own_headers(house, incoming, &[])?;
        let (target, body) = (incoming.target.forwarded(), body.clone());
        let answer = self.relay(house, Method::POST, &target, &headers, None, body).await;
        Ok(match answer {
            Ok(answer) => self.pass_bare(house, incoming, answer),
            Err(error) => self.upstream_failed(house, incoming, &error),
        })
    }

    /// An answer to nobody: no cookie of it is kept, and none that names somebody passes.
    fn pass_bare(&self, house: &House, incoming: &Incoming, answer: Answer) -> Reply {
        let ruling = rule(&Standing::Bare, answer.status, &answer.headers, house.name(), self.desk.rng.as_ref());
        match ruling {
            Ruling::Pass { .. } => pass(answer, house, &[]),
            Ruling::Withhold { named, stray } => self.withheld_from_nobody(house, incoming, named, stray),
            Ruling::HalfOver { stray } => {
                house.hall.log_out_later(stray);
                self.refuse(incoming, 502)
            }
        }
    }

    fn withheld_from_nobody(
        &self,
        house: &House,
        incoming: &Incoming,
        named: String,
        stray: Vec<(String, String)>,
    ) -> Reply {
        house.hall.log_out_later(stray);
        let reason = "anonymous answer names a user";
        self.record(house, incoming, Event::IdentityWithheld { expected: None, named: Some(named), reason });
        self.refuse(incoming, 502)
    }

    /// The LMS ended its half: with form sign-in our session is nothing without it, so it ends too.
    pub async fn half_is_over(
        &self,
        house: &House,
        session: &Session,
        stray: Vec<(String, String)>,
    ) -> Result<(), Refusal> {
        house.hall.log_out_later(stray);
        self.desk.sessions.remove(&session.key).await?;
        Ok(())
    }

    fn ajax_refusal(&self, house: &House, error: AjaxError) -> Reply {
        reply::plain(200, JSON, ajax_error(error, Links { wwwroot: &house.public_url, branch: None }))
    }
}

/// How a relayed request under a session ended.
pub(super) enum Relayed {
    /// The answer, and the cookies it may set.
    Passed(Answer, Vec<String>),
    /// The session is over, and its reader is sent to sign in.
    HalfOver,
    /// The LMS gave no answer; this is ours.
    Failed(Reply),
}

/// A POST whatever the request was: both forms mean the same to the LMS, and this one has one reading. The calls
/// stand in the body then, and `args` must not come a second time.
fn calls_target(incoming: &Incoming) -> String {
    let pairs = incoming.target.query.iter().flat_map(|query| query.split('&'));
    let rest: Vec<&str> =
        pairs.filter(|pair| Params::parse_query(pair.as_bytes()).is_ok_and(|p| !p.contains("args"))).collect();
    let path = incoming.target.path.encoded();
    if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) }
}

/// Where an address or number is proven.
pub const ADDRESS: &str = "/vestibule/address";

/// Where a flow's next question is.
pub fn stage_path(stage: &Stage) -> &'static str {
    match stage {
        Stage::Challenge => "/vestibule/challenge",
        Stage::HelpDesk => "/vestibule/help-desk",
        Stage::OwnPassword => "/vestibule/own-password",
        Stage::Enrol { .. } | Stage::EnrolPasskey { .. } => "/vestibule/enrol",
        Stage::ProveAddress { .. } => ADDRESS,
        Stage::Codes { .. } => "/vestibule/recovery-codes",
        Stage::CodesLow { .. } => "/vestibule/codes-low",
        Stage::LmsPassword => "/vestibule/lms-password",
        Stage::Permit => "/vestibule/permit",
        Stage::Send => "/vestibule/send",
        Stage::SecondSource => "/vestibule/second-source",
        Stage::Join { .. } => "/vestibule/join",
        Stage::Offer => "/vestibule/offer",
    }
}

fn calls(incoming: &Incoming, body: &Bytes) -> Option<Calls> {
    let query = Params::parse_query(incoming.target.query.as_deref().unwrap_or_default().as_bytes()).ok()?;
    Calls::from_request(&query, body).ok()
}

/// The credentials and, once each, every other field. `Ok(None)`: PHP would see no credentials in it.
fn login_form(incoming: &Incoming, body: &Bytes) -> Result<Option<LoginForm>, ()> {
    let params = match Params::parse_body(incoming.header(header::CONTENT_TYPE), body) {
        Ok(BodyParams::Form { params, files }) if files.is_empty() => params,
        Ok(BodyParams::NotForm) => return Ok(None),
        Ok(BodyParams::Form { .. }) | Err(_) => return Err(()),
    };
    let field = |name: &str| params.text(name).map(|value| value.map(str::to_owned)).map_err(|_| ());
    let (Some(username), Some(password)) = (field("username")?, field("password")?) else { return Ok(None) };
    let mut others = Vec::new();
    for (name, value) in params.iter() {
        let Ok(name) = std::str::from_utf8(name) else { return Err(()) };
        match (name, value) {
            ("username" | "password" | "logintoken", _) => {}
            (name, Value::Scalar(value)) => {
                others.push((name.to_owned(), String::from_utf8(value.clone()).map_err(|_| ())?));
            }
            // The login form has no array fields; dropping one changes nothing the LMS reads.
            (_, Value::Array(_)) => {}
        }
    }
    Ok(Some(LoginForm { username, password: Password::new(password), others }))
}
