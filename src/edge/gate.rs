//! The gate: what a request may do, decided before anything of it reaches the LMS (design R1).
//!
//! Three ways on, and only these: with the user's LMS cookies under a live, sufficient session; as nobody, on the
//! adapter's short open list; with an LMS token on app entries, for a live surrogate. Everything else is refused, by
//! a redirect where a person is navigating and by an answer a program understands where not.

use super::{
    Config,
    hygiene::{HeaderRules, same_origin_path},
    reply::{self, Reply},
    request::{Incoming, agent_label, forwarded_headers},
    watch::Standing,
};
use crate::{
    audit::{Context, Event},
    flow::{Caller, Desk, Hall},
    identity::{Assertions, Signer, Told, tell},
    keys,
    lms::{Authorization, Intent, moodle},
    mfa::{known::Known, policy::Case},
    outbound::Upstream,
    pages::{Frame, Help, Pages, View},
    sessions::{
        Identity, Session, Who,
        cookie::{self, Jar},
    },
    telemetry::Metrics,
    types::{
        AccountId, Amr, BadRequest, ClientAddr, Door, LmsUserId, Secret, SessionKey, SiteName, Timestamp, Unavailable,
    },
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderName, Method, header};
use std::{collections::HashMap, net::SocketAddr, sync::Arc};

/// A site as the edge sees it.
pub struct House {
    pub hall: Arc<Hall>,
    /// For requests whose body is read here.
    pub upstream: Upstream,
    /// For everything that streams; resolved again from time to time (fault X19).
    pub peer: ArcSwap<SocketAddr>,
    pub upstream_tls: Option<String>,
    pub rules: HeaderRules,
    /// `https://HOST[:PORT]`.
    pub public_url: String,
    /// `HOST[:PORT]` as it stands in `Host`.
    pub authority: String,
    /// The LMS's own authority, which must not show up in a Location.
    pub upstream_authority: String,
}

impl House {
    pub fn name(&self) -> &SiteName {
        &self.hall.site.name
    }
}

/// What one configuration makes of the edge. A reload builds another, and requests that are under way keep theirs.
pub struct Gate {
    pub desk: Arc<Desk>,
    /// By host name.
    pub houses: HashMap<String, Arc<House>>,
    pub pages: Pages,
    pub assertions: Assertions,
    pub metrics: Arc<Metrics>,
    pub config: Config,
}

/// What becomes of a request.
pub enum Act {
    Reply(Reply),
    /// It streams to the LMS and back.
    Forward(Box<Forward>),
    /// Its body is to be read, at most so many bytes, before it can be decided.
    ReadBody(Reading, usize),
    /// A multipart upload whose token is found while it streams.
    Upload,
}

/// Why a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Own,
    Verify,
    SignIn,
    ChangePassword,
    AppSignIn,
    AppCall,
    AppFile,
    AppUploadForm,
    Ajax,
    AjaxOpen,
    LtiReturn,
    /// A form that cannot go on yet.
    Keep,
    /// The click that lets it.
    Send,
}

/// What is done with the LMS's answer besides watching it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    Pass,
    /// Our session ends with the LMS's own.
    SignOut,
    /// A session that this answer opens is logged out, and its visitor sent to sign in (doors 12, 13).
    OpensNoSession,
}

/// What follows the head of a request that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    TheClientsBody,
    /// A body was there, and what it said stands in the target now: it goes on as a GET.
    Nothing,
}

/// A request in the form in which it goes on.
pub struct Forward {
    pub house: Arc<House>,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub standing: Standing,
    pub sends: Sends,
    pub errand: Errand,
    /// Sent along with the answer: a visitor's new pre-session.
    pub cookies: Vec<String>,
    pub websocket: bool,
}

/// A refusal that has no page of its own.
pub enum Refusal {
    Bad(BadRequest),
    Store(Unavailable),
}

impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Self {
        Refusal::Bad(bad)
    }
}
impl From<Unavailable> for Refusal {
    fn from(error: Unavailable) -> Self {
        Refusal::Store(error)
    }
}

impl Gate {
    /// 421 where the Host is no site of ours (RFC 9110 §15.5.20).
    pub fn house(&self, incoming: &Incoming) -> Result<Arc<House>, BadRequest> {
        let house = self.houses.get(&incoming.host.name).cloned();
        house.ok_or(BadRequest::with_status(421, "no such site"))
    }

    /// What a request wants; `None` is a page of our own.
    pub fn wants(incoming: &Incoming) -> Result<Option<Intent>, BadRequest> {
        if is_own(incoming.target.path.decoded()) {
            return Ok(None);
        }
        moodle::classify(&incoming.target.path, incoming.target.query.as_deref()).map(Some)
    }

    pub async fn admit(&self, house: &Arc<House>, incoming: &Incoming, wants: Option<Intent>) -> Result<Act, Refusal> {
        // A script on an LMS page could otherwise register one for the whole origin (attack J5).
        if incoming.headers.contains_key("service-worker") {
            return Ok(Act::Reply(self.error(incoming, 403)));
        }
        let Some(intent) = wants else { return self.own(house, incoming).await };
        if incoming.method == Method::OPTIONS {
            return Ok(Act::Reply(options(intent)));
        }
        let posts = incoming.method == Method::POST;
        let form = self.config.form_body_bytes;
        match intent {
            Intent::SignIn if house.sign_in_path() != "/login/index.php" => {
                Ok(Act::Reply(reply::see_other(house.sign_in_path())))
            }
            Intent::SignIn if posts => Ok(Act::ReadBody(Reading::SignIn, form)),
            Intent::SignIn => self.open_page(house, incoming, Errand::Pass).await,
            Intent::OpenPage => {
                if let Some(act) = self.marked(incoming) {
                    return Ok(act);
                }
                match self.stepped_here(house, incoming).await? {
                    Some(act) => Ok(act),
                    None => self.open_page(house, incoming, Errand::Pass).await,
                }
            }
            Intent::Reset | Intent::Confirm => self.open_page(house, incoming, Errand::OpensNoSession).await,
            Intent::Asset => Ok(forward(house, incoming, Standing::Bare, Errand::Pass, &[])?),
            Intent::SignOut => self.page(house, incoming, Errand::SignOut).await,
            Intent::Page if posts && incoming.target.path.script() == Some(moodle::CHANGE_PASSWORD) => {
                match self.stepped_here(house, incoming).await? {
                    Some(act) => Ok(act),
                    None => Ok(Act::ReadBody(Reading::ChangePassword, form)),
                }
            }
            Intent::Page => self.page(house, incoming, Errand::Pass).await,
            Intent::AppSignIn => Ok(Act::ReadBody(Reading::AppSignIn, form)),
            Intent::AppCall => Ok(Act::ReadBody(Reading::AppCall, self.config.rest_body_bytes)),
            Intent::AppFile => Ok(Act::ReadBody(Reading::AppFile, form)),
            Intent::AppUpload => self.upload(incoming),
            Intent::KeyFile => self.key_file(house, incoming).await,
            Intent::Ajax => Ok(Act::ReadBody(Reading::Ajax, self.config.rest_body_bytes)),
            Intent::AjaxOpen => Ok(Act::ReadBody(Reading::AjaxOpen, self.config.rest_body_bytes)),
            Intent::LtiReturn if posts && incoming.cookie(cookie::SESSION).is_none() => {
                Ok(Act::ReadBody(Reading::LtiReturn, self.config.rest_body_bytes))
            }
            Intent::LtiReturn => self.page(house, incoming, Errand::Pass).await,
            Intent::Closed(door) => Ok(Act::Reply(self.closed(house, incoming, door))),
        }
    }

    /// A request whose body is here now.
    pub async fn read(
        &self,
        house: &Arc<House>,
        incoming: &Incoming,
        reading: Reading,
        body: &Bytes,
    ) -> Result<Act, Refusal> {
        Ok(Act::Reply(match reading {
            Reading::Own => self.own_post(house, incoming, body).await,
            Reading::Verify => self.verify(house, incoming, body).await,
            Reading::SignIn => self.sign_in(house, incoming, body).await?,
            Reading::ChangePassword => self.change_password(house, incoming, body).await?,
            Reading::AppSignIn => self.app_sign_in(house, incoming, body).await,
            Reading::AppCall => self.app_call(house, incoming, body).await?,
            Reading::AppFile => return self.app_file(house, incoming, body).await,
            Reading::AppUploadForm => self.app_upload_form(house, incoming, body).await?,
            Reading::Ajax => self.ajax(house, incoming, body).await?,
            Reading::AjaxOpen => self.ajax_open(house, incoming, body).await?,
            Reading::LtiReturn => self.lti_return(house, incoming, body).await?,
            Reading::Keep => self.keep(house, incoming, body).await?,
            Reading::Send => self.send(house, incoming, body).await?,
        }))
    }

    /// Protected: a live session, or nothing.
    async fn page(&self, house: &Arc<House>, incoming: &Incoming, errand: Errand) -> Result<Act, Refusal> {
        if let Some(act) = self.marked(incoming) {
            return Ok(act);
        }
        let Some(session) = self.session(house, incoming).await? else {
            let kept = self.keep_over_sign_in(house, incoming).await?;
            return Ok(kept.unwrap_or_else(|| Act::Reply(self.to_sign_in(house, incoming))));
        };
        // Whoever wants to leave is asked nothing.
        if errand != Errand::SignOut
            && let Some(act) = self.stepped(house, incoming, &session).await?
        {
            return Ok(act);
        }
        self.signed_in(house, incoming, session, errand)
    }

    /// Open: on the user's session where there is one, else on the visitor's anonymous one.
    async fn open_page(&self, house: &Arc<House>, incoming: &Incoming, errand: Errand) -> Result<Act, Refusal> {
        if let Some(session) = self.session(house, incoming).await? {
            return self.signed_in(house, incoming, session, errand);
        }
        let (visit, cookies) = self.visit(house, incoming);
        let sent = cookie::open(incoming.cookie_pairs(), Jar::Visit, &visit.key, house.name());
        let mut act = forward(house, incoming, Standing::Visitor { key: visit.key }, errand, &sent)?;
        if let Act::Forward(forward) = &mut act {
            forward.cookies = cookies;
        }
        Ok(act)
    }

    pub fn signed_in(
        &self,
        house: &Arc<House>,
        incoming: &Incoming,
        session: Arc<Session>,
        errand: Errand,
    ) -> Result<Act, Refusal> {
        let Some(half) = session.lms.clone() else {
            return Ok(Act::Reply(self.to_sign_in(house, incoming)));
        };
        // Same-origin policy does not hold for websockets, and a sibling domain's page sends our cookie (attack H9).
        if is_websocket(incoming) && !incoming.is_own_or_no_origin(&house.public_url) {
            return Ok(Act::Reply(self.refuse(incoming, 403)));
        }
        let sent =
            cookie::open(incoming.cookie_pairs(), Jar::Session, &keys::SealKey::new(half.seal_key), house.name());
        let told = self.told(house, &session);
        let standing = Standing::Session { session, half, sent: sent.clone() };
        let mut act = forward(house, incoming, standing, errand, &sent)?;
        if let Act::Forward(forward) = &mut act {
            forward.headers.extend(told);
            forward.websocket = is_websocket(incoming);
        }
        Ok(act)
    }

    /// The live session of this request that is enough for this site now. Store trouble is no "no": it is a 503.
    pub async fn session(&self, house: &House, incoming: &Incoming) -> Result<Option<Arc<Session>>, Unavailable> {
        let Some(id) = incoming.cookie(cookie::SESSION) else { return Ok(None) };
        let key = keys::session_key(id);
        let session = self.live(house, &key, incoming.client).await?;
        let reads = matches!(incoming.method, Method::GET | Method::HEAD);
        let session = session.filter(|session| reads || !session.leaving);
        if session.is_some() {
            // The store writes it down at most once a minute, in the background; a failure there costs nobody a request.
            let _ = self.desk.sessions.touch(&key, self.desk.clock.now()).await;
        }
        Ok(session)
    }

    /// Whether this request's session goes on; what cannot be said is no.
    pub async fn is_signed_in(&self, incoming: &Incoming) -> bool {
        let Ok(house) = self.house(incoming) else { return false };
        matches!(self.session(&house, incoming).await, Ok(Some(_)))
    }

    /// [`Gate::session`] without noting use: an open websocket on which nobody says anything keeps no session alive.
    pub async fn live(
        &self,
        house: &House,
        key: &SessionKey,
        client: ClientAddr,
    ) -> Result<Option<Arc<Session>>, Unavailable> {
        let Some(session) = self.desk.sessions.get(key).await? else { return Ok(None) };
        let now = self.desk.clock.now();
        let settings = &self.desk.settings.sessions;
        let enough = match &session.who {
            Who::Guest => house.hall.site.guest == crate::lms::Guest::Allow,
            Who::Account(identity) => {
                let known = self.known(&identity.account).await?;
                self.desk.policy.still_enough(&session.facts, &case(house, &session, identity, &known, client, now))
            }
        };
        let lives = settings.alive(&session, now) || settings.honours(&session, now);
        if session.site != *house.name() || !lives || !enough {
            return Ok(None);
        }
        Ok(Some(session))
    }

    /// What the policy must know of an account now; nothing where no rule asks.
    pub(super) async fn known(&self, account: &AccountId) -> Result<Arc<Known>, Unavailable> {
        match self.desk.policy.needs_known() {
            true => self.desk.known.known(account).await,
            false => Ok(Arc::default()),
        }
    }

    /// The visitor's pre-session, and the cookie to send for a new one.
    pub fn visit(&self, house: &House, incoming: &Incoming) -> (cookie::Visit, Vec<String>) {
        let (ring, now) = (self.desk.ring.load(), self.desk.clock.now());
        let known = incoming.cookie(cookie::VISIT).and_then(|v| cookie::Visit::open(&ring, house.name(), v, now));
        match known {
            Some(visit) => (visit, Vec::new()),
            None => {
                let visit = cookie::Visit::new(self.desk.rng.as_ref(), now);
                let line = self.visit_cookie(house, &visit);
                (visit, vec![line])
            }
        }
    }

    pub fn visit_cookie(&self, house: &House, visit: &cookie::Visit) -> String {
        cookie::set(cookie::VISIT, &visit.seal(&self.desk.ring.load(), self.desk.rng.as_ref(), house.name()))
    }

    /// Where this visitor was going.
    pub fn wanted(&self, house: &House, incoming: &Incoming) -> Option<String> {
        self.visit(house, incoming).0.wanted
    }

    /// No session: a person is sent to the LMS's own login page, and where they wanted to go is remembered.
    pub fn to_sign_in(&self, house: &House, incoming: &Incoming) -> Reply {
        if !incoming.is_navigation() {
            return reply::json(401, r#"{"error":"sign-in required","errorcode":"requireloginerror"}"#);
        }
        let mut answer = reply::see_other(house.sign_in_path());
        let wanted = same_origin_path(&incoming.target.forwarded());
        if incoming.method == Method::GET
            && let Some(wanted) = wanted.filter(|target| target.len() <= 1500)
        {
            let (mut visit, _) = self.visit(house, incoming);
            visit.wanted = Some(wanted);
            reply::add_cookie(&mut answer, &self.visit_cookie(house, &visit));
        }
        answer
    }

    fn closed(&self, house: &House, incoming: &Incoming, door: &'static str) -> Reply {
        self.record_closed(house, incoming, door);
        self.refuse(incoming, 403)
    }

    /// An error in the shape its reader understands.
    pub fn refuse(&self, incoming: &Incoming, status: u16) -> Reply {
        match incoming.is_navigation() {
            true => self.error(incoming, status),
            false => super::rescue::json(status, &incoming.id),
        }
    }

    pub fn error(&self, incoming: &Incoming, status: u16) -> Reply {
        self.show(incoming, status, &View::Error { status })
    }

    /// A page of ours, in the reader's language.
    pub fn show(&self, incoming: &Incoming, status: u16, view: &View) -> Reply {
        let language = self.pages.language(incoming.header(header::ACCEPT_LANGUAGE));
        reply::page(status, self.pages.render(language, &self.frame(incoming), view))
    }

    pub fn frame(&self, incoming: &Incoming) -> Frame {
        let help = self.desk.settings.mfa.help.clone().unwrap_or_default();
        let help = Help { text: help.text, url: help.url, phone: help.phone };
        Frame { site: incoming.host.name.clone(), request_id: incoming.id.to_string(), help }
    }

    pub fn caller(&self, incoming: &Incoming) -> Caller {
        Caller {
            client: incoming.client,
            agent: agent_label(&incoming.headers),
            request: incoming.id.clone(),
            language: self.pages.language(incoming.header(header::ACCEPT_LANGUAGE)),
            cookies: incoming.cookies.clone(),
            bearer: incoming.header(header::AUTHORIZATION).and_then(bearer).map(Secret::new),
        }
    }

    pub fn record(&self, house: &House, incoming: &Incoming, event: Event) {
        self.desk.audit.record(context(house, incoming), event);
    }

    /// Anybody can knock at a closed door as often as they like.
    pub fn record_closed(&self, house: &House, incoming: &Incoming, door: &'static str) {
        self.desk.audit.record_sparsely(context(house, incoming), door, Event::ClosedDoor { door });
    }

    /// The LMS let somebody in who has proven their mailbox and nothing else.
    pub async fn proven_by_mail(&self, house: &House, user: LmsUserId) -> Result<(), Unavailable> {
        self.desk.marks.password_came_by_mail(house.name(), user, self.desk.clock.now()).await
    }

    /// A password reset at the LMS that passed here: everything issued before it is dead (design §2 "Leavers").
    pub async fn password_was_reset(
        &self,
        house: &House,
        incoming: &Incoming,
        user: LmsUserId,
    ) -> Result<(), Unavailable> {
        let Some(account) = self.desk.accounts.bound_account(house.name(), user).await? else { return Ok(()) };
        self.desk.accounts.raise_epoch(&account).await?;
        self.desk.sessions.remove_account(&account).await?;
        self.desk.ledger.revoke_account(&account, self.desk.clock.now()).await?;
        self.record(house, incoming, Event::EpochRaised { account, reason: "password reset at the LMS" });
        Ok(())
    }

    /// The identity headers of a session's request, the assertion among them. A guest is nobody.
    pub fn told(&self, house: &House, session: &Session) -> Vec<(String, Vec<u8>)> {
        let Who::Account(identity) = &session.who else { return Vec::new() };
        let told = Told {
            account: identity.account.clone(),
            user: identity.username.clone(),
            name: identity.name.clone(),
            email: identity.email.clone(),
            groups: identity.groups.clone(),
            source: Some(identity.source.clone()),
            amr: Amr::of(session.first, &session.facts),
            auth_time: session.auth_time,
            factor_time: session.factor_time(),
        };
        self.headers_for(house, session.key.as_str(), &told)
    }

    pub fn headers_for(&self, house: &House, holder: &str, told: &Told) -> Vec<(String, Vec<u8>)> {
        let names = &house.hall.site.headers;
        let (ring, now) = (self.desk.ring.load(), self.desk.clock.now());
        let mut headers = tell(told, names);
        let (site, issuer, rng) = (house.name(), house.public_url.as_str(), self.desk.rng.as_ref());
        let assertion = self.assertions.of(holder, told, &Signer { site, issuer, ring: &ring, rng, now });
        headers.extend(assertion.map(|value| (names.assertion.clone(), value)));
        headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect()
    }
}

fn bearer(authorization: &str) -> Option<String> {
    let (scheme, value) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| value.trim().to_owned())
}

/// A session as the policy sees it now.
pub(super) fn case<'a>(
    house: &'a House,
    session: &Session,
    identity: &'a Identity,
    known: &'a Known,
    client: ClientAddr,
    now: Timestamp,
) -> Case<'a> {
    Case {
        site: house.name(),
        door: Door::Browser,
        path: None,
        client,
        source: &identity.source,
        known,
        device: session.device.as_ref().is_some_and(|device| now < device.until),
        no_setup: session.no_setup,
        now,
    }
}

fn context(house: &House, incoming: &Incoming) -> Context {
    Context {
        site: Some(house.name().clone()),
        client: Some(incoming.client),
        request: Some(incoming.id.clone()),
        by: None,
    }
}

/// A request in its canonical form: scrubbed, with the headers and cookies that are ours to set.
pub fn forward(
    house: &Arc<House>,
    incoming: &Incoming,
    standing: Standing,
    errand: Errand,
    cookies: &[(String, String)],
) -> Result<Act, BadRequest> {
    Ok(Act::Forward(Box::new(Forward {
        house: house.clone(),
        target: incoming.target.forwarded(),
        headers: own_headers(house, incoming, cookies)?,
        standing,
        sends: Sends::TheClientsBody,
        errand,
        cookies: Vec::new(),
        websocket: false,
    })))
}

/// What is sent on of a request's headers, and what we say of it.
pub fn own_headers(
    house: &House,
    incoming: &Incoming,
    cookies: &[(String, String)],
) -> Result<Vec<(String, Vec<u8>)>, BadRequest> {
    let mut headers = forwarded_headers(&incoming.headers, &house.rules)?;
    headers
        .retain(|(name, _)| !matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "x-request-id"));
    let mut say = |name: &str, value: String| headers.push((name.to_owned(), value.into_bytes()));
    say("host", house.authority.clone());
    say("x-forwarded-for", incoming.client.to_string());
    say("x-forwarded-proto", "https".into());
    say("x-forwarded-host", house.authority.clone());
    say("x-request-id", incoming.id.to_string());
    if !cookies.is_empty() {
        let pairs: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        say("cookie", pairs.join("; "));
    }
    Ok(headers)
}

/// The site's header rules (design R7, attack B10).
pub fn rules(site: &crate::lms::Site) -> HeaderRules {
    let rules = HeaderRules::new(site.headers.all().iter().map(|(_, name)| *name));
    match site.authorization {
        Authorization::Strip => rules,
        Authorization::Forward => rules.with_authorization(),
    }
}

fn is_own(path: &str) -> bool {
    path.split('/').nth(1).is_some_and(|first| first.eq_ignore_ascii_case("vestibule"))
}

fn is_websocket(incoming: &Incoming) -> bool {
    incoming.header(header::UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// OPTIONS never reaches the LMS and never authenticates (attack A12).
fn options(intent: Intent) -> Reply {
    match intent {
        Intent::AppSignIn => super::app::options(),
        Intent::AppCall | Intent::AppUpload | Intent::AppFile | Intent::KeyFile => {
            let mut answer = reply::no_content();
            let headers = answer.headers_mut();
            reply::set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
            reply::set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST");
            reply::set(headers, HeaderName::from_static("access-control-allow-headers"), "content-type");
            answer
        }
        Intent::SignIn
        | Intent::SignOut
        | Intent::Ajax
        | Intent::AjaxOpen
        | Intent::Asset
        | Intent::OpenPage
        | Intent::Reset
        | Intent::Confirm
        | Intent::LtiReturn
        | Intent::Page => {
            let mut answer = reply::no_content();
            reply::set(answer.headers_mut(), header::ALLOW, "GET, HEAD, POST");
            answer
        }
        Intent::Closed(_) => reply::plain(403, "text/plain", ""),
    }
}
