//! The app's door: token.php, the verify address, and calls, files and uploads under a surrogate.
//!
//! Every answer is HTTP 200 JSON with CORS `*` where the app would otherwise show nothing of it (`moodle-app.md` §1).

use super::{
    gate::{Act, Errand, Forward, Gate, House, Refusal, Sends, own_headers},
    relay::pass,
    reply::{self, Reply},
    request::Incoming,
    rescue,
    watch::{Ruling, Standing, rule},
};
use crate::{
    audit::Event,
    flow::{self, Answered, AppAnswer, AppTokens, FlowError, Problem, step::Trust},
    identity::Told,
    keys,
    lms::{
        AppMfa,
        moodle::{
            ajax::SITE_INFO,
            content_type::BodyType,
            errors::{self, RestError, RestFormat},
            params::{BodyParams, Params},
            rest::rest_denied,
        },
    },
    mfa::{known::Known, policy::Case},
    outbound::mail::CODE_LIVES,
    tokens::{self, TokenRecord, Unproven},
    types::{ClientAddr, Door, FactorKind, FlowId, Password, Secret, Timestamp, Unavailable},
};
use bytes::Bytes;
use http::{Method, header};
use serde_json::json;
use std::sync::Arc;

const JSON: &str = "application/json; charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";

/// What every method without parameters is answered, OPTIONS among them (attack A12).
pub fn options() -> Reply {
    reply::app(200, JSON, errors::missing_param("username"))
}

/// A five-key error with a code of ours.
fn five(code: &str, message: &str) -> Reply {
    reply::app(200, JSON, errors::five_keys(code, message))
}

const UNAVAILABLE: &str = "Sign-in is temporarily unavailable. Try again in a moment.";
const MFA_REQUIRED: &str = "Multi-factor authentication is required for this service";

/// Query and body as PHP merges them; a body counts for POST alone.
fn merged(incoming: &Incoming, body: &Bytes) -> Option<Params> {
    let query = Params::parse_query(incoming.target.query.as_deref().unwrap_or_default().as_bytes()).ok()?;
    if incoming.method != Method::POST {
        return Some(query);
    }
    match Params::parse_body(incoming.header(header::CONTENT_TYPE), body).ok()? {
        BodyParams::NotForm => Some(query),
        BodyParams::Form { params, .. } => Some(Params::merged(&query, Some(&params))),
    }
}

impl Gate {
    /// `login/token.php`, any method (`moodle-wire.md` §7).
    pub async fn app_sign_in(&self, house: &House, incoming: &Incoming, body: &Bytes) -> Reply {
        let Some(params) = merged(incoming, body) else { return ambiguous() };
        if params.text("appsitecheck").is_ok_and(|v| v.is_some_and(|v| v.trim().parse::<i64>().is_ok_and(|n| n != 0))) {
            return reply::app(200, JSON, r#"{"appsitecheck":"ok"}"#);
        }
        let mut values = Vec::new();
        for name in ["username", "password", "service"] {
            match params.text(name) {
                Ok(Some(value)) => values.push(value.to_owned()),
                Ok(None) => return reply::app(200, JSON, errors::missing_param(name)),
                Err(_) => return ambiguous(),
            }
        }
        let [username, password, service] = <[String; 3]>::try_from(values).unwrap_or_default();
        if username.trim().is_empty() || password.is_empty() {
            return reply::app(200, JSON, errors::invalid_login());
        }
        let allowed = &house.hall.site.app.service;
        if allowed.as_ref().is_some_and(|only| only.as_str() != service) {
            return reply::app(200, JSON, errors::service_not_available());
        }
        let caller = self.caller(incoming);
        let password = Password::new(password);
        let answer = flow::app_sign_in(&self.desk, &house.hall, &caller, username, password, service).await;
        self.app_answer(house, incoming, answer)
    }

    /// `POST /vestibule/app/verify`: flow, factor and code, urlencoded or JSON.
    pub async fn verify(&self, house: &House, incoming: &Incoming, body: &Bytes) -> Reply {
        let invalid = || five("invalidparameter", "Invalid parameter value detected");
        let Some(asked) = verify_fields(incoming, body) else { return invalid() };
        let Some(id) = FlowId::parse(&asked.flow) else { return flow_expired() };
        let (desk, hall, caller) = (&self.desk, &house.hall, self.caller(incoming));
        if let (Some(Some(kind)), true) = (asked.factor.as_deref().map(FactorKind::parse), asked.send) {
            let sent = flow::send_code(desk, hall, &caller, (&id, Door::App), kind).await;
            return self.code_answer(incoming, kind, sent);
        }
        let answer = match (asked.factor.as_deref().map(FactorKind::parse), asked.code, asked.device) {
            (Some(Some(kind)), Some(code), None) => {
                let trust = if asked.trust_device { Trust::Yes } else { Trust::No };
                flow::verify(desk, hall, &caller, &id, kind, &code, trust).await
            }
            (None, None, Some(secret)) => flow::verify_device(desk, hall, &caller, &id, &secret).await,
            (_, _, _) => return invalid(),
        };
        self.app_answer(house, incoming, answer)
    }

    /// Whether a code is on its way to the account's address or number. Where to, the app is not told.
    fn code_answer(&self, incoming: &Incoming, kind: FactorKind, sent: Result<Answered, FlowError>) -> Reply {
        match sent {
            Ok(Answered::CodeSent(..)) => {
                let mut body = five_object("mfacodesent", "A code is on its way. Enter it here.");
                body["mfa"] = json!({ "factor": kind, "expires_in": CODE_LIVES.as_secs() });
                reply::app(200, JSON, body.to_string())
            }
            Ok(Answered::Again(problem)) => five("mfacodenotsent", told_of(problem)),
            Ok(_) => flow_expired(),
            Err(error) => {
                tracing::warn!(request_id = %incoming.id, %error, "a code for an app could not be sent");
                five("sitemaintenance", UNAVAILABLE)
            }
        }
    }

    fn app_answer(&self, house: &House, incoming: &Incoming, answer: Result<AppAnswer, FlowError>) -> Reply {
        match answer {
            Ok(AppAnswer::Tokens(AppTokens { token, private_token, device })) => {
                self.metrics.sign_in(Door::App, "ok");
                self.metrics.token_minted();
                let private = private_token.as_ref().map(|t| t.expose());
                let mut body = json!({ "token": token.expose(), "privatetoken": private });
                if let Some(device) = device {
                    body["device"] = json!(device.expose());
                }
                reply::app(200, JSON, body.to_string())
            }
            Ok(AppAnswer::Refused(answer)) => {
                self.metrics.sign_in(Door::App, "refused");
                let body = answer.and_then(|answer| lms_error(&answer.body)).unwrap_or_else(errors::invalid_login);
                reply::app(200, JSON, body)
            }
            Ok(AppAnswer::Challenge { flow, expires_in, factors, passkey, device }) => {
                self.metrics.sign_in(Door::App, "challenged");
                let mut body = five_object("mfarequired", MFA_REQUIRED);
                body["mfa"] = json!({
                    "flow": flow.expose(),
                    "expires_in": expires_in,
                    "factors": factors,
                    "verify_url": format!("{}/vestibule/app/verify", house.public_url),
                });
                ask_passkey(&mut body, passkey.as_deref());
                if let Some(device) = device {
                    body["mfa"]["device"] = json!(device.expose());
                }
                reply::app(200, JSON, body.to_string())
            }
            Ok(AppAnswer::FactorDue) => five("mfarequired", MFA_REQUIRED),
            Ok(AppAnswer::EnrolmentDue) => {
                self.metrics.sign_in(Door::App, "enrolment_due");
                let mut body = five_object(
                    "mfaenrolmentrequired",
                    "Sign in once in a browser to set up your second factor, then try again",
                );
                body["enrol_url"] = json!(format!("{}{}", house.public_url, house.sign_in_path()));
                reply::app(200, JSON, body.to_string())
            }
            Ok(AppAnswer::WrongCode { attempts_left, problem, passkey }) => {
                let mut body = five_object("mfawrongcode", told_of(problem));
                body["mfa"] = json!({ "attempts_left": attempts_left });
                ask_passkey(&mut body, passkey.as_deref());
                reply::app(200, JSON, body.to_string())
            }
            Ok(AppAnswer::Locked { minutes }) => {
                let mut body = five_object("mfalocked", "Too many wrong codes. Try again later.");
                body["mfa"] = json!({ "minutes": minutes.max(1) });
                reply::app(200, JSON, body.to_string())
            }
            Ok(AppAnswer::FlowOver) => flow_expired(),
            Err(error) => {
                tracing::warn!(request_id = %incoming.id, %error, "an app sign-in could not be decided");
                if let FlowError::Store(unavailable) = &error {
                    self.metrics.store_error(unavailable.store);
                }
                self.metrics.sign_in(Door::App, "unavailable");
                five("sitemaintenance", UNAVAILABLE)
            }
        }
    }

    /// A web-service call: the surrogate is swapped where PHP would read it, and the request written anew.
    pub async fn app_call(&self, house: &House, incoming: &Incoming, body: &Bytes) -> Result<Reply, Refusal> {
        if !matches!(incoming.method, Method::GET | Method::HEAD | Method::POST) {
            return Ok(reply::app(405, "text/plain", ""));
        }
        let Some(mut params) = merged(incoming, body) else { return Ok(ambiguous()) };
        let format = RestFormat::from_param(params.get("moodlewsrestformat").ok().flatten());
        let refuse = |error| reply::app(200, format.content_type(), errors::rest_error(error, format));
        let Ok(surrogate) = params.text("wstoken") else { return Ok(refuse(RestError::InvalidToken)) };
        let Some(record) = self.live_token(house, incoming, surrogate.unwrap_or_default()).await? else {
            return Ok(refuse(RestError::InvalidToken));
        };
        let Ok(function) = params.text("wsfunction").map(|f| f.map(str::to_owned)) else {
            return Ok(refuse(RestError::InvalidParameter));
        };
        if let Some(function) = &function
            && rest_denied(function, &params)
        {
            return Ok(refuse(RestError::Access));
        }
        let Some(token) = self.opened(incoming, &record) else { return Ok(refuse(RestError::InvalidToken)) };
        params.replace("wstoken", token.expose().as_bytes());
        let path = incoming.target.path.encoded();
        let (method, target, content_type, sent) = match incoming.method {
            Method::POST => (Method::POST, path.to_owned(), Some(FORM), params.to_urlencoded()),
            _ => (incoming.method.clone(), format!("{path}?{}", params.to_urlencoded()), None, String::new()),
        };
        let headers = self.token_headers(house, incoming, &record)?;
        let answer = self.relay(house, method, &target, &headers, content_type, sent.into()).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Ok(self.upstream_failed(house, incoming, &error)),
        };
        if let Ruling::Withhold { named, stray } = self.rule_token(house, &record, &answer) {
            return Ok(self.withheld(house, incoming, Some(&record), named, stray));
        }
        self.swap_keys(house, incoming, &record, function.as_deref() == Some(SITE_INFO), answer).await
    }

    /// Whatever the LMS hands out is asked whose it is before it is swapped (design R9): site_info names its owner, and
    /// a key in a link counts only if it is the one that site_info gave.
    async fn swap_keys(
        &self,
        house: &House,
        incoming: &Incoming,
        record: &TokenRecord,
        site_info: bool,
        mut answer: crate::outbound::Answer,
    ) -> Result<Reply, Refusal> {
        let text = answer.text().into_owned();
        let mut own = self.opened_file_key(incoming, record);
        let mut found = super::file_keys::in_links(&text);
        if site_info {
            match super::file_keys::in_site_info(&text) {
                Some((owner, Some(key))) if owner == record.lms_user => {
                    found.push(key.clone());
                    own = Some(Secret::new(key));
                }
                Some((owner, _)) if owner != record.lms_user => {
                    return Ok(self.withheld(house, incoming, Some(record), owner.to_string(), Vec::new()));
                }
                // No key, or an error of the LMS's.
                Some(_) | None => {}
            }
        }
        let ring = self.desk.ring.load_full();
        let mut swapped = text;
        for key in &found {
            let surrogate = match own.as_ref().filter(|own| own.expose() == key) {
                Some(own) => {
                    let (ledger, rng) = (self.desk.ledger.as_ref(), self.desk.rng.as_ref());
                    tokens::swap_file_key(ledger, record, own, &ring, rng).await?
                }
                // Somebody else's, or a link that somebody wrote into a text: it opens nothing here.
                None => ring.derived_alphanumeric64("no-file-key", key.as_bytes()),
            };
            swapped = swapped.replace(key, &surrogate);
        }
        if !found.is_empty() {
            answer.body = swapped.into();
        }
        Ok(pass(answer, house, &[]))
    }

    /// `webservice/pluginfile.php` and `draftfile.php`: the token in the query or a posted form; the file streams.
    pub async fn app_file(&self, house: &Arc<House>, incoming: &Incoming, body: &Bytes) -> Result<Act, Refusal> {
        if !matches!(incoming.method, Method::GET | Method::HEAD | Method::POST) {
            return Ok(Act::Reply(reply::app(405, "text/plain", "")));
        }
        let Some(mut params) = merged(incoming, body) else { return Ok(Act::Reply(ambiguous())) };
        let record = match params.text("token") {
            Ok(Some(surrogate)) => self.live_token(house, incoming, surrogate).await?,
            Ok(None) => return Ok(Act::Reply(reply::app(200, JSON, errors::missing_param("token")))),
            Err(_) => return Ok(Act::Reply(ambiguous())),
        };
        let opened = record.as_ref().and_then(|record| self.opened(incoming, record));
        let (Some(record), Some(token)) = (record, opened) else {
            return Ok(Act::Reply(reply::app(200, JSON, errors::invalid_token())));
        };
        params.replace("token", token.expose().as_bytes());
        let target = format!("{}?{}", incoming.target.path.encoded(), params.to_urlencoded());
        self.file(house, incoming, &record, target)
    }

    /// `tokenpluginfile.php/KEY/…`: only keys that we swapped open it.
    pub async fn key_file(&self, house: &Arc<House>, incoming: &Incoming) -> Result<Act, Refusal> {
        let not_found = || Ok(Act::Reply(self.error(incoming, 404)));
        if !matches!(incoming.method, Method::GET | Method::HEAD) {
            return Ok(Act::Reply(self.error(incoming, 405)));
        }
        let query = Params::parse_query(incoming.target.query.as_deref().unwrap_or_default().as_bytes());
        let clean = query.is_ok_and(|query| !query.contains("token") && !query.contains("file"));
        let info = incoming.target.path.path_info();
        let Some(key) = info.strip_prefix('/').and_then(|rest| rest.split('/').next()).filter(|_| clean) else {
            return not_found();
        };
        let ring = self.desk.ring.load_full();
        let record = tokens::find_by_file_key(self.desk.ledger.as_ref(), &ring, key).await?;
        let Some(record) = self.good(house, incoming, record).await? else { return not_found() };
        let Some(raw) = self.opened_file_key(incoming, &record) else { return not_found() };
        // The surrogate is 64 letters and digits: it stands in the path once, as it was found.
        let target = incoming.target.forwarded().replacen(key, raw.expose(), 1);
        self.file(house, incoming, &record, target)
    }

    /// The form of an upload that is no multipart stream: nothing but parameters, so its token is wrong or missing
    /// files are the LMS's to report.
    pub async fn app_upload_form(&self, house: &House, incoming: &Incoming, body: &Bytes) -> Result<Reply, Refusal> {
        let Some(mut params) = merged(incoming, body) else { return Ok(ambiguous()) };
        let record = match params.text("token") {
            Ok(Some(surrogate)) => self.live_token(house, incoming, surrogate).await?,
            Ok(None) => return Ok(reply::app(200, JSON, errors::missing_param("token"))),
            Err(_) => return Ok(ambiguous()),
        };
        let opened = record.as_ref().and_then(|record| self.opened(incoming, record));
        let (Some(record), Some(token)) = (record, opened) else {
            return Ok(reply::app(200, JSON, errors::invalid_token()));
        };
        params.replace("token", token.expose().as_bytes());
        let headers = self.token_headers(house, incoming, &record)?;
        let path = incoming.target.path.encoded();
        let answer = self.relay(house, Method::POST, path, &headers, Some(FORM), params.to_urlencoded().into()).await;
        Ok(match answer {
            Ok(answer) => self.pass_token_answer(house, incoming, &record, answer),
            Err(error) => self.upstream_failed(house, incoming, &error),
        })
    }

    /// Whether the body is a stream with parts or a plain form decides how its token is found.
    pub fn upload(&self, incoming: &Incoming) -> Result<Act, Refusal> {
        if incoming.method != Method::POST {
            return Ok(Act::ReadBody(super::gate::Reading::AppUploadForm, 0));
        }
        match BodyType::parse(incoming.header(header::CONTENT_TYPE)) {
            Ok(BodyType::Multipart { .. }) => Ok(Act::Upload),
            Ok(BodyType::UrlEncoded | BodyType::NotForm) => {
                Ok(Act::ReadBody(super::gate::Reading::AppUploadForm, self.config.form_body_bytes))
            }
            Err(_) => Ok(Act::Reply(ambiguous())),
        }
    }

    pub fn pass_token_answer(
        &self,
        house: &House,
        incoming: &Incoming,
        record: &TokenRecord,
        answer: crate::outbound::Answer,
    ) -> Reply {
        match self.rule_token(house, record, &answer) {
            Ruling::Withhold { named, stray } => self.withheld(house, incoming, Some(record), named, stray),
            Ruling::Pass { .. } | Ruling::HalfOver { .. } => pass(answer, house, &[]),
        }
    }

    fn file(
        &self,
        house: &Arc<House>,
        incoming: &Incoming,
        record: &TokenRecord,
        target: String,
    ) -> Result<Act, Refusal> {
        let mut headers = self.token_headers(house, incoming, record)?;
        headers.retain(|(name, _)| name != "content-type");
        Ok(Act::Forward(Box::new(Forward {
            house: house.clone(),
            target,
            headers,
            standing: token_standing(record),
            sends: Sends::Nothing,
            errand: Errand::Pass,
            cookies: Vec::new(),
            websocket: false,
        })))
    }

    /// The LMS's own token of a record. One that does not open is the operator's to mend, and is never deleted.
    pub fn opened(&self, incoming: &Incoming, record: &TokenRecord) -> Option<Secret<String>> {
        let opened = tokens::lms_token(record, &self.desk.ring.load());
        opened.inspect_err(|error| unopened(incoming, record, error)).ok()
    }

    fn opened_file_key(&self, incoming: &Incoming, record: &TokenRecord) -> Option<Secret<String>> {
        let opened = tokens::file_key(record, &self.desk.ring.load());
        opened.inspect_err(|error| unopened(incoming, record, error)).ok().flatten()
    }

    /// A surrogate that opens this site now, and its use noted.
    pub async fn live_token(
        &self,
        house: &House,
        incoming: &Incoming,
        surrogate: &str,
    ) -> Result<Option<Arc<TokenRecord>>, Unavailable> {
        let ring = self.desk.ring.load_full();
        let record = tokens::find(self.desk.ledger.as_ref(), &ring, surrogate).await?;
        let record = self.good(house, incoming, record).await?;
        if let Some(record) = &record {
            let _ = self.desk.ledger.touch(&record.id, self.desk.clock.now()).await;
        }
        Ok(record)
    }

    /// Alive, of this site, and, where it was minted without a factor, still allowed by what allowed it.
    async fn good(
        &self,
        house: &House,
        incoming: &Incoming,
        record: Option<Arc<TokenRecord>>,
    ) -> Result<Option<Arc<TokenRecord>>, Unavailable> {
        let Some(record) = record else { return Ok(None) };
        let now = self.desk.clock.now();
        if record.site != *house.name() || !self.desk.settings.tokens.alive(&record, now) {
            return Ok(None);
        }
        let reason_holds = match record.unproven {
            None => true,
            Some(Unproven::AppSwitch) => house.hall.site.app.mfa == AppMfa::Off,
            Some(reason @ (Unproven::Stage | Unproven::Grace | Unproven::Bypass)) => {
                let known = self.known(&record.account).await?;
                self.desk.policy.still_lets(reason, &token_case(house, &record, &known, incoming.client, now))
            }
        };
        Ok(Some(record).filter(|_| reason_holds))
    }

    pub fn token_headers(
        &self,
        house: &House,
        incoming: &Incoming,
        record: &TokenRecord,
    ) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
        let told = Told {
            account: record.account.clone(),
            user: record.holder.username.clone(),
            name: record.holder.name.clone(),
            email: record.holder.email.clone(),
            groups: record.holder.groups.clone(),
            source: Some(record.source.clone()),
            amr: record.amr.clone(),
            auth_time: record.issued,
            factor_time: record.factor_at,
        };
        let mut headers = own_headers(house, incoming, &[])?;
        headers.extend(self.headers_for(house, record.id.as_str(), &told));
        Ok(headers)
    }

    fn rule_token(&self, house: &House, record: &TokenRecord, answer: &crate::outbound::Answer) -> Ruling {
        rule(&token_standing(record), answer.status, &answer.headers, house.name(), self.desk.rng.as_ref())
    }

    /// R9: an answer under another name is nobody's to read.
    pub fn withheld(
        &self,
        house: &House,
        incoming: &Incoming,
        record: Option<&TokenRecord>,
        named: String,
        stray: Vec<(String, String)>,
    ) -> Reply {
        house.hall.log_out_later(stray);
        let expected = record.map(|record| record.lms_user);
        let event = Event::IdentityWithheld { expected, named: Some(named), reason: "answer names another user" };
        self.record(house, incoming, event);
        let mut answer = rescue::json(502, &incoming.id);
        reply::set(answer.headers_mut(), header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        answer
    }

    pub fn upstream_failed(&self, house: &House, incoming: &Incoming, error: &crate::outbound::OutboundError) -> Reply {
        tracing::warn!(request_id = %incoming.id, site = %house.name(), %error, "the LMS could not be reached");
        self.metrics.upstream_error(house.name().as_str(), "relay");
        let mut answer = rescue::json(rescue::outbound_status(error), &incoming.id);
        reply::set(answer.headers_mut(), header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        answer
    }
}

fn unopened(incoming: &Incoming, record: &TokenRecord, error: &keys::OpenError) {
    tracing::error!(request_id = %incoming.id, token = %record.id, %error, "a ledger entry cannot be opened");
}

/// What the app hands to its authenticator, as `PublicKeyCredentialRequestOptionsJSON` (WebAuthn Level 3 §5.1.10).
fn ask_passkey(body: &mut serde_json::Value, options: Option<&str>) {
    if let Some(options) = options.and_then(|options| serde_json::from_str::<serde_json::Value>(options).ok()) {
        body["mfa"]["passkey"] = options;
    }
}

/// A token as the policy sees it now.
fn token_case<'a>(
    house: &'a House,
    record: &'a TokenRecord,
    known: &'a Known,
    client: ClientAddr,
    now: Timestamp,
) -> Case<'a> {
    let (site, source) = (house.name(), &record.source);
    Case { site, door: Door::App, path: None, client, source, known, device: false, no_setup: false, now }
}

fn token_standing(record: &TokenRecord) -> Standing {
    Standing::Token { user: record.lms_user, log_user: record.log_user.clone() }
}

/// A request at token.php or the verify address that was not read: in the one shape that its clients show.
pub fn unread(status: u16) -> Reply {
    match status {
        503 => five("sitemaintenance", UNAVAILABLE),
        _ => five("invalidparameter", "Invalid parameter value detected"),
    }
}

/// What could be read two ways (design R8).
pub fn ambiguous() -> Reply {
    reply::app(400, JSON, errors::five_keys("invalidparameter", "Invalid parameter value detected"))
}

fn flow_expired() -> Reply {
    five("mfaflowexpired", "This sign-in has ended. Start again.")
}

fn five_object(code: &str, message: &str) -> serde_json::Value {
    serde_json::from_str(&errors::five_keys(code, message)).unwrap_or_default()
}

/// The LMS's refusal of a password, reduced to its code and text: whatever else it holds stays here.
fn lms_error(body: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let (code, text) = (json.get("errorcode")?.as_str()?, json.get("error")?.as_str()?);
    // Always in our own words, whoever refused: the LMS's translation would tell which of us it was (attack E2).
    if code == "invalidlogin" {
        return None;
    }
    Some(errors::five_keys(code, text))
}

/// What the verify address is asked: a factor's answer, a code to be sent, or a device secret.
#[derive(serde::Deserialize)]
struct Asked {
    flow: String,
    factor: Option<String>,
    code: Option<String>,
    /// Instead of a code: one is to be sent.
    #[serde(default)]
    send: bool,
    #[serde(default)]
    trust_device: bool,
    device: Option<String>,
}

fn told_of(problem: Problem) -> &'static str {
    match problem {
        Problem::AlreadyUsed => "This code was used before. Wait for the next one.",
        Problem::ClockFast(_) | Problem::ClockSlow(_) => {
            "Wrong code: your phone's clock is not right. Let it set its time automatically."
        }
        Problem::CodeTooSoon => "A code went out a moment ago. Wait a minute.",
        Problem::CodesUsedUp | Problem::CodeNotSent => "No code could be sent. Use another way.",
        Problem::WrongCode
        | Problem::NoAddress
        | Problem::Incomplete
        | Problem::WrongPassword
        | Problem::Unavailable
        | Problem::FormExpired => "Wrong code. Try again.",
    }
}

fn verify_fields(incoming: &Incoming, body: &Bytes) -> Option<Asked> {
    let content_type = incoming.header(header::CONTENT_TYPE)?;
    if content_type.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json")) {
        return serde_json::from_slice(body).ok();
    }
    let params = merged(incoming, body)?;
    let get = |name| params.text(name).ok().flatten().map(str::to_owned);
    let trust_device = matches!(get("trust_device").as_deref(), Some("true" | "1"));
    let (factor, code, device) = (get("factor"), get("code"), get("device"));
    let send = matches!(get("send").as_deref(), Some("true" | "1"));
    Some(Asked { flow: get("flow")?, factor, code, send, trust_device, device })
}
