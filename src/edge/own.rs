//! Our own pages under `/vestibule/`: what a pending sign-in asks, and the little that is public.
//!
//! The LMS's pages are hostile neighbours on the same origin (design §4): pages are given only to top-level
//! navigations, every POST must come from this origin with the flow's own token, and the API takes no cookie.

use super::{
    account_page::ACCOUNT,
    browser::{ADDRESS, stage_path},
    elsewhere::{CALLBACK, WITH},
    gate::{Act, Gate, House, Reading, Refusal},
    mailed_page::MAILED,
    reply::{self, Reply},
    request::Incoming,
    rescue,
    sign_in_page::{SIGN_IN, WITH_PASSKEY},
    step_up::{query_of, wanted_by, with_mark},
};
use crate::{
    flow::{
        self, Answered, Asked, EndedWhy, FlowError, Problem, SecondSource,
        step::{Stage, Trust},
    },
    identity::jwks,
    keys,
    lms::moodle::params::{BodyParams, Params},
    pages::{Typed, View},
    sessions::cookie,
    types::{Door, FactorKind, FlowId, Password, SourceId},
};
use bytes::Bytes;
use http::{HeaderValue, Method, header};

const ASSETS: &str = "/vestibule/assets/";
const VERIFY: &str = "/vestibule/app/verify";
const SECOND_SOURCE: &str = "/vestibule/second-source";
const JOIN: &str = "/vestibule/join";
const OWN_PASSWORD: &str = "/vestibule/own-password";
const ENROL: &str = "/vestibule/enrol";

impl Gate {
    pub(super) async fn own(&self, house: &House, incoming: &Incoming) -> Result<Act, Refusal> {
        let path = incoming.target.path.decoded();
        let get = matches!(incoming.method, Method::GET | Method::HEAD);
        if let Some(name) = path.strip_prefix(ASSETS).filter(|_| get) {
            return Ok(Act::Reply(self.asset(incoming, name)));
        }
        match (path, &incoming.method) {
            ("/vestibule/jwks.json", _) if get => {
                let body = jwks(&self.desk.ring.load()).to_string();
                let mut answer = reply::plain(200, "application/jwk-set+json", body);
                let fresh = HeaderValue::from_static("public, max-age=300");
                answer.headers_mut().insert(header::CACHE_CONTROL, fresh);
                Ok(Act::Reply(answer))
            }
            (VERIFY, &Method::POST) => Ok(Act::ReadBody(Reading::Verify, self.config.form_body_bytes)),
            (VERIFY, &Method::OPTIONS) => Ok(Act::Reply(verify_options())),
            (VERIFY, _) => Ok(Act::Reply(super::app::unread(405))),
            _ if !incoming.is_top_level() => Ok(Act::Reply(rescue::json(403, &incoming.id))),
            (_, &Method::POST) => Ok(Act::ReadBody(Reading::Own, self.config.form_body_bytes)),
            (SIGN_IN, _) if get => Ok(Act::Reply(self.sign_in_page(house, incoming).await)),
            (ACCOUNT, _) if get => Ok(Act::Reply(self.account_page(house, incoming).await)),
            (path, &Method::GET) if path.starts_with(CALLBACK) => {
                let name = path.strip_prefix(CALLBACK).unwrap_or_default();
                Ok(Act::Reply(self.come_back(house, incoming, name).await))
            }
            (path, _) if get && path.starts_with(MAILED) => Ok(Act::Reply(self.mailed_page(house, incoming).await)),
            _ if get => Ok(Act::Reply(self.flow_page(house, incoming).await)),
            _ => Ok(Act::Reply(self.error(incoming, 405))),
        }
    }

    fn asset(&self, incoming: &Incoming, name: &str) -> Reply {
        let Some(asset) = self.pages.asset(name) else { return self.error(incoming, 404) };
        if incoming.header(header::IF_NONE_MATCH).is_some_and(|tag| tag == asset.etag) {
            let mut answer = reply::no_content();
            *answer.status_mut() = http::StatusCode::NOT_MODIFIED;
            return answer;
        }
        let mut answer = reply::plain(200, asset.content_type, asset.body);
        let headers = answer.headers_mut();
        reply::set(headers, header::ETAG, &asset.etag);
        reply::set(headers, header::CACHE_CONTROL, "public, max-age=31536000, immutable");
        reply::set(headers, http::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
        answer
    }

    /// GET never changes anything.
    async fn flow_page(&self, house: &House, incoming: &Incoming) -> Reply {
        let path = incoming.target.path.decoded();
        if !is_flow_path(path) {
            return self.error(incoming, 404);
        }
        let Some(id) = flow_of(incoming) else { return self.over(house, incoming, EndedWhy::Expired).await };
        match flow::ask(&self.desk, &house.hall, &self.caller(incoming), &id).await {
            Ok(Some((asked, account))) => self.ask(incoming, &id, asked, account, None, path, Typed::default()),
            Ok(None) => self.over(house, incoming, EndedWhy::Expired).await,
            Err(error) => self.story_failed(incoming, &error),
        }
    }

    /// The page for what is asked; another address than its own is sent there.
    fn ask(
        &self,
        incoming: &Incoming,
        id: &FlowId,
        asked: Asked,
        account: Option<String>,
        error: Option<Problem>,
        path: &str,
        typed: Typed,
    ) -> Reply {
        let csrf = self.csrf(id);
        let status = if error.is_some() { 422 } else { 200 };
        let (own_path, view) = match asked {
            Asked::Challenge { factors, why, passkey, sent, may_trust } => {
                let current = wanted_factor(incoming, &typed, &factors);
                let view = View::Challenge { factors, current, why, passkey, sent, may_trust, error, csrf, account };
                ("/vestibule/challenge", view)
            }
            Asked::HelpDesk { occasion, why } => {
                (stage_path(&Stage::HelpDesk), View::HelpDesk { occasion, why, error, csrf })
            }
            Asked::Device { secret, uri, digits, occasion, passkey_too } => {
                let label = typed.label;
                (ENROL, View::Enrol { secret, uri, digits, occasion, passkey_too, label, error, csrf, account })
            }
            Asked::OwnPassword { label } => {
                // Theirs, unless they have typed another.
                let username = if error.is_some() { typed.username } else { account.unwrap_or_default() };
                (stage_path(&Stage::OwnPassword), View::OwnPassword { label, username, error, csrf })
            }
            Asked::Passkey { options, totp, further } => {
                (ENROL, View::EnrolPasskey { options, totp, further, error, csrf, account })
            }
            Asked::Codes { codes } => {
                if path == "/vestibule/recovery-codes.txt" {
                    return self.codes_file(incoming, &codes);
                }
                ("/vestibule/recovery-codes", View::Codes { codes, csrf })
            }
            Asked::Address { kind, to, open, live } => {
                (ADDRESS, View::Address { kind, to, open, live, error, csrf, account })
            }
            Asked::CodesLow { left } => ("/vestibule/codes-low", View::CodesLow { left, csrf }),
            Asked::LmsPassword => {
                let typed = account.unwrap_or_default();
                (stage_path(&Stage::LmsPassword), View::LmsPassword { error, csrf, username: typed })
            }
            Asked::Permit { factors, passkey, sent, named } => {
                let current = wanted_factor(incoming, &typed, &factors);
                let to = wanted_by(incoming).map(|to| query_of(&to));
                let view = View::Permit { factors, current, passkey, sent, named, to, error, csrf, account };
                (stage_path(&Stage::Permit), view)
            }
            Asked::SecondSource { passwords, buttons } => {
                (SECOND_SOURCE, View::SecondSource { passwords, buttons, typed, error, csrf, account })
            }
            Asked::Send { target } => {
                let action = with_mark(&target);
                (stage_path(&Stage::Send), View::Send { target, action, error, csrf, account })
            }
            Asked::Join { label, name } => (JOIN, View::Join { label, name, error, csrf, account }),
            Asked::Offer { label, address, may_create } => {
                (stage_path(&Stage::Offer), View::Offer { label, address, may_create, typed, error, csrf })
            }
        };
        if path == own_path { self.show(incoming, status, &view) } else { reply::see_other(own_path) }
    }

    fn codes_file(&self, incoming: &Incoming, codes: &[String]) -> Reply {
        let language = self.pages.language(incoming.header(header::ACCEPT_LANGUAGE));
        let text = self.pages.codes_text(language, &self.frame(incoming), codes);
        let mut answer = reply::plain(200, "text/plain; charset=utf-8", text);
        let name = "attachment; filename=\"recovery-codes.txt\"";
        reply::set(answer.headers_mut(), header::CONTENT_DISPOSITION, name);
        answer
    }

    pub(super) async fn own_post(&self, house: &House, incoming: &Incoming, body: &Bytes) -> Reply {
        let path = incoming.target.path.decoded();
        if !is_flow_path(path)
            && !matches!(path, "/vestibule/cancel" | SIGN_IN | WITH | WITH_PASSKEY | ACCOUNT)
            && !path.starts_with(MAILED)
        {
            return self.error(incoming, 404);
        }
        // Attacks D6, D7, J5: only a form of our own page, on this origin, may answer for the flow.
        if !incoming.is_same_origin(&house.public_url) {
            return self.error(incoming, 403);
        }
        let Ok(BodyParams::Form { params, .. }) = Params::parse_body(incoming.header(header::CONTENT_TYPE), body)
        else {
            return self.error(incoming, 400);
        };
        if path == SIGN_IN {
            return self.sign_in_here(house, incoming, &params).await;
        }
        if path == WITH {
            return self.sign_in_with(house, incoming, &params).await;
        }
        if path == WITH_PASSKEY {
            return self.sign_in_with_passkey(house, incoming, &params).await;
        }
        if path == ACCOUNT {
            return self.account_post(house, incoming, &params).await;
        }
        if path.starts_with(MAILED) {
            return self.mailed_post(house, incoming, &params).await;
        }
        let Some(id) = flow_of(incoming) else { return self.over(house, incoming, EndedWhy::Expired).await };
        let field = |name: &str| params.text(name).ok().flatten().unwrap_or_default().to_owned();
        if !keys::same(field("csrf").as_bytes(), self.csrf(&id).as_bytes()) {
            return self.again(house, incoming, &id, Problem::FormExpired).await;
        }
        let (desk, hall, caller) = (&self.desk, &house.hall, self.caller(incoming));
        let code = field("code");
        let answered = match path {
            "/vestibule/challenge" | "/vestibule/permit" if field("act") == "send" => {
                match FactorKind::parse(&field("factor")) {
                    Some(kind) => flow::send_code(desk, hall, &caller, (&id, Door::Browser), kind).await,
                    None => return self.error(incoming, 400),
                }
            }
            ADDRESS if field("act") == "send" => {
                let to = params.text("to").ok().flatten();
                self.send_to_address(house, &caller, &id, to).await
            }
            ADDRESS => flow::prove_address(desk, hall, &caller, &id, &code).await,
            "/vestibule/codes-low" => flow::keep_codes(desk, hall, &caller, &id).await,
            "/vestibule/challenge" => match FactorKind::parse(&field("factor")) {
                Some(kind) => {
                    let trust = if field("trust") == "yes" { Trust::Yes } else { Trust::No };
                    flow::answer(desk, hall, &caller, &id, kind, &code, trust).await
                }
                None => return self.error(incoming, 400),
            },
            "/vestibule/help-desk" => flow::confirm_help_desk(desk, hall, &caller, &id, &code).await,
            ENROL => match (FactorKind::parse(&field("act")), FactorKind::parse(&field("factor"))) {
                (Some(kind), _) => flow::choose_enrolment(desk, hall, &id, kind).await,
                (None, Some(FactorKind::Webauthn)) => {
                    flow::confirm_passkey(desk, hall, &caller, &id, &code, &field("label")).await
                }
                (None, _) => flow::confirm_device(desk, hall, &caller, &id, &code, &field("label")).await,
            },
            "/vestibule/lms-password" => {
                let password = Password::new(field("password"));
                flow::prove_lms_password(desk, hall, &caller, &id, password).await
            }
            OWN_PASSWORD => {
                let password = Password::new(field("password"));
                flow::own_password(desk, hall, &caller, &id, field("username"), password).await
            }
            "/vestibule/recovery-codes" => flow::keep_codes(desk, hall, &caller, &id).await,
            "/vestibule/permit" => match FactorKind::parse(&field("factor")) {
                Some(kind) => flow::permit(desk, hall, &caller, &id, kind, &code).await,
                None => return self.error(incoming, 400),
            },
            SECOND_SOURCE => {
                let (source, username) = (SourceId::new(field("source")), field("username"));
                let given = SecondSource { source, username, password: Password::new(field("password")) };
                flow::second_source(desk, hall, &caller, &id, given).await
            }
            JOIN => flow::join(desk, hall, &caller, &id).await,
            "/vestibule/offer" if field("act") == "create" => flow::create_beside(desk, hall, &caller, &id).await,
            "/vestibule/offer" => {
                let password = Password::new(field("password"));
                flow::adopt(desk, hall, &caller, &id, field("username"), password).await
            }
            "/vestibule/cancel" => flow::cancel(desk, hall, &id).await,
            _ => return self.error(incoming, 404),
        };
        match answered {
            // What they typed stands there again, a name that cannot be one does not; and the factor that was answered,
            // not the one that comes first.
            Ok(Answered::Again(problem)) => {
                let short = |text: String| Some(text).filter(|text| text.len() <= 400).unwrap_or_default();
                let (username, label) = (short(field("username")), short(field("label")));
                let factor = FactorKind::parse(&field("factor"));
                let typed = Typed { source: field("source"), username, label, factor };
                self.again_typed(house, incoming, &id, problem, typed).await
            }
            answered => self.answered(house, incoming, &id, answered).await,
        }
    }

    pub(super) async fn answered(
        &self,
        house: &House,
        incoming: &Incoming,
        id: &FlowId,
        answered: Result<Answered, FlowError>,
    ) -> Reply {
        match answered {
            Ok(Answered::Again(problem)) => self.again(house, incoming, id, problem).await,
            Ok(Answered::Locked { minutes }) => {
                let mut answer = self.show(incoming, 429, &View::Locked { minutes });
                reply::set(answer.headers_mut(), header::RETRY_AFTER, &(minutes.max(1) * 60).to_string());
                answer
            }
            Ok(Answered::Ended(why)) => self.over(house, incoming, why).await,
            Ok(Answered::Next(stage)) => reply::see_other(stage_path(&stage)),
            Ok(Answered::CodeSent(stage, kind)) => reply::see_other(&format!("{}?factor={kind}", stage_path(&stage))),
            Ok(Answered::Elsewhere(id, stage)) => {
                let mut answer = reply::see_other(stage_path(&stage));
                reply::add_cookie(&mut answer, &cookie::set(cookie::FLOW, id.expose()));
                answer
            }
            Ok(Answered::SignedIn(signed_in)) => self.welcome(house, incoming, *signed_in),
            Ok(Answered::Stepped(stepped)) => self.stepped_up(incoming, *stepped),
            Ok(Answered::Left) => {
                let mut answer = reply::see_other("/");
                reply::add_cookie(&mut answer, &cookie::clear(cookie::FLOW));
                answer
            }
            Ok(Answered::Acted) => {
                let mut answer = reply::see_other(ACCOUNT);
                reply::add_cookie(&mut answer, &cookie::clear(cookie::FLOW));
                answer
            }
            Ok(Answered::Away(away)) => self.send_away(incoming, away),
            // Nothing was decided, and the flow is still there: the page says to try again.
            Err(FlowError::Store(error)) => {
                tracing::warn!(request_id = %incoming.id, %error, "an answer could not be checked");
                self.metrics.store_error(error.store);
                rescue::with_retry(self.error(incoming, 503), 503)
            }
            Err(error) => self.story_failed(incoming, &error),
        }
    }

    async fn again(&self, house: &House, incoming: &Incoming, id: &FlowId, problem: Problem) -> Reply {
        self.again_typed(house, incoming, id, problem, Typed::default()).await
    }

    async fn again_typed(
        &self,
        house: &House,
        incoming: &Incoming,
        id: &FlowId,
        problem: Problem,
        typed: Typed,
    ) -> Reply {
        match flow::ask(&self.desk, &house.hall, &self.caller(incoming), id).await {
            Ok(Some((asked, account))) => {
                let path = match &asked {
                    Asked::Challenge { .. } => stage_path(&Stage::Challenge),
                    Asked::HelpDesk { .. } => stage_path(&Stage::HelpDesk),
                    Asked::OwnPassword { .. } => stage_path(&Stage::OwnPassword),
                    Asked::Device { .. } | Asked::Passkey { .. } => ENROL,
                    Asked::Address { .. } => ADDRESS,
                    Asked::CodesLow { .. } => "/vestibule/codes-low",
                    Asked::Codes { .. } => "/vestibule/recovery-codes",
                    Asked::LmsPassword => stage_path(&Stage::LmsPassword),
                    Asked::Permit { .. } => stage_path(&Stage::Permit),
                    Asked::Send { .. } => stage_path(&Stage::Send),
                    Asked::SecondSource { .. } => SECOND_SOURCE,
                    Asked::Join { .. } => JOIN,
                    Asked::Offer { .. } => stage_path(&Stage::Offer),
                };
                self.ask(incoming, id, asked, account, Some(problem), path, typed)
            }
            Ok(None) => self.over(house, incoming, EndedWhy::Expired).await,
            Err(error) => self.story_failed(incoming, &error),
        }
    }

    /// The flow is over. Somebody who finished it in another tab, or sent the form twice, has a session: they go on.
    pub(super) async fn over(&self, house: &House, incoming: &Incoming, why: EndedWhy) -> Reply {
        let unfinished = matches!(why, EndedWhy::Expired | EndedWhy::AlreadyFinished);
        if unfinished && matches!(self.session(house, incoming).await, Ok(Some(_))) {
            // Another tab of theirs was quicker: this one goes where it was going, and is asked there if it must be.
            if let Some(wanted) = wanted_by(incoming) {
                return reply::see_other(&wanted);
            }
            let own =
                matches!(incoming.target.path.decoded(), "/vestibule/permit" | OWN_PASSWORD | SECOND_SOURCE | JOIN);
            return reply::see_other(if own { ACCOUNT } else { "/" });
        }
        let mut answer = self.show(incoming, 410, &View::Ended { why });
        reply::add_cookie(&mut answer, &cookie::clear(cookie::FLOW));
        answer
    }

    /// The flow's own form token: no other flow's page can post for it.
    pub(super) fn csrf(&self, id: &FlowId) -> String {
        self.desk.ring.load().digest("csrf", id.expose().as_bytes())
    }
}

pub(super) fn flow_of(incoming: &Incoming) -> Option<FlowId> {
    incoming.cookie(cookie::FLOW).and_then(FlowId::parse)
}

fn is_flow_path(path: &str) -> bool {
    matches!(
        path,
        "/vestibule/challenge"
            | "/vestibule/help-desk"
            | ENROL
            | "/vestibule/recovery-codes"
            | "/vestibule/recovery-codes.txt"
            | "/vestibule/lms-password"
            | "/vestibule/permit"
            | OWN_PASSWORD
            | ADDRESS
            | "/vestibule/codes-low"
            | "/vestibule/send"
            | SECOND_SOURCE
            | JOIN
            | "/vestibule/offer"
    )
}

/// `?factor=` on a GET, or what was just answered; else the first.
fn wanted_factor(incoming: &Incoming, typed: &Typed, factors: &[FactorKind]) -> FactorKind {
    let query = incoming.target.query.as_deref().unwrap_or_default();
    let asked =
        query.split('&').find_map(|pair| pair.strip_prefix("factor=")).and_then(FactorKind::parse).or(typed.factor);
    let first = factors.first().copied().unwrap_or(FactorKind::Totp);
    asked.filter(|kind| factors.contains(kind)).unwrap_or(first)
}

fn verify_options() -> Reply {
    let mut answer = reply::no_content();
    let headers = answer.headers_mut();
    reply::set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    reply::set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, "POST");
    reply::set(headers, http::HeaderName::from_static("access-control-allow-headers"), "authorization, content-type");
    answer
}
