//! The browser's door: from a posted login form to a session, by way of whatever is still missing.

use super::{
    Caller, Desk, FlowError, Hall,
    address::mailed_stage,
    begin::{Asking, Judged, LONGEST_NAME, Whose, account, given, judge, open, refused_unasked, settle, waiting},
    known::{password_slot, remember},
    lms_half::{Half, Opened, first_half, second_half},
    offer::offer,
    passkey::first_stage,
    sent::note_addresses,
    step::{Flow, Stage},
    trusted::{Claimed, claim, shown_by_browser},
};
use crate::{
    accounts::{Bound, Resolved},
    audit::Event,
    chain::{Attempt, Authenticated, Credentials, Trace},
    keys,
    lms::{self, Guest, Held, LoginForm},
    mfa::{
        enrolment::EnrolmentProof,
        factors::totp,
        policy::{Basis, Decision, Satisfied, Would},
    },
    outbound::Answer,
    sessions::{
        self, Issued, TrustedBy,
        cookie::{self, Jar},
        known::Shown,
    },
    types::{Door, Fact, FlowId, Secret},
};
use std::time::Instant;

/// How a posted login form ends.
pub enum SignIn {
    Refused(Refused),
    /// Something is still to be answered, at this stage of this flow.
    Continue(FlowId, Stage),
    SignedIn(Box<SignedIn>),
}

/// The one refusal, in whose words it is due.
pub enum Refused {
    /// The LMS's own, to be shown unchanged; its cookies belong into the visitor's pre-session.
    Lms(Box<Answer>),
    /// The gateway's sign-in page asks again.
    Ours,
}

/// A session, what the browser gets for it, and where it goes.
pub struct SignedIn {
    pub issued: Issued,
    /// The LMS's cookies, to be sealed under the session's key. Empty where an earlier LMS session was resumed.
    pub lms_cookies: Vec<(String, String)>,
    /// `Set-Cookie` lines of ours beside the session's.
    pub own_cookies: Vec<String>,
    /// Same-origin path and query.
    pub location: String,
    /// They are sent to set up a factor before they go on there (`grace.force_setup`).
    pub set_up: bool,
}

/// Judges a posted form. `wanted` is where the visitor was going.
pub async fn sign_in(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    form: LoginForm,
    wanted: Option<String>,
) -> Result<SignIn, FlowError> {
    let began = Instant::now();
    let answer = judged(desk, hall, caller, form, wanted).await;
    if matches!(answer, Ok(SignIn::Refused(_)) | Err(FlowError::SourceDown)) {
        settle(desk, began).await;
    }
    answer
}

async fn judged(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    form: LoginForm,
    wanted: Option<String>,
) -> Result<SignIn, FlowError> {
    let canonical = hall.lms.canonical_username(&form.username);
    if form.username.len() > LONGEST_NAME {
        refused_unasked(desk, hall, caller, Door::Browser, "name_too_long");
        return refuse(hall, caller, &canonical).await;
    }
    if canonical == "guest" && hall.site.guest == Guest::Deny {
        refused_unasked(desk, hall, caller, Door::Browser, "guest");
        return refuse(hall, caller, &canonical).await;
    }
    let leave = match canonical.as_str() {
        "guest" => desk.throttle.guest(caller.client).await?,
        name => password_slot(desk, hall, caller, Door::Browser, name).await?,
    };
    let Some(slot) = given(leave, desk, hall, caller, Door::Browser, &canonical) else {
        return refuse(hall, caller, &canonical).await;
    };
    let attempt = Attempt { credentials: Credentials::Form(form), client: caller.client, trace: Trace::off() };
    match judge(desk, hall, caller, &attempt, &canonical, slot).await? {
        Judged::Refused(Some(answer)) => Ok(SignIn::Refused(Refused::Lms(answer))),
        Judged::Refused(None) => refuse(hall, caller, &canonical).await,
        Judged::Authenticated(proof) if proof.lms().is_some_and(|lms| lms.user.id == hall.lms.guest()) => {
            guest(desk, hall, caller, *proof, wanted).await
        }
        Judged::Authenticated(proof) => proceed(desk, hall, caller, (*proof, &attempt), &canonical, wanted).await,
    }
}

/// A refusal of ours: on our own page, or in the LMS's words.
pub(super) async fn refuse(hall: &Hall, caller: &Caller, canonical: &str) -> Result<SignIn, FlowError> {
    Ok(SignIn::Refused(match hall.site.sign_in {
        lms::SignIn::Header => Refused::Ours,
        lms::SignIn::Form => Refused::Lms(Box::new(hall.lms.render_refusal(canonical, caller.client).await?)),
    }))
}

async fn guest(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    proof: Authenticated,
    wanted: Option<String>,
) -> Result<SignIn, FlowError> {
    let held = proof.into_lms().map(|lms| lms.held);
    let Some(Held::Session { cookies, location, log_user }) = held else {
        // Sessionless judging opens no LMS session, and token.php knows no guests.
        return refuse(hall, caller, "guest").await;
    };
    if hall.site.guest == Guest::Deny {
        hall.log_out_later(cookies);
        return refuse(hall, caller, "guest").await;
    }
    desk.must_record().inspect_err(|_| hall.log_out_later(cookies.clone()))?;
    let visit = desk.visit(hall, caller);
    let issued = sessions::issue_guest(hall.lms.guest(), log_user, visit, &desk.settings.sessions, desk.rng.as_ref());
    desk.sessions.put(&issued.session).await?;
    end_earlier(desk, hall, caller).await?;
    desk.record(hall, caller, Event::GuestSignedIn);
    let location = wanted.unwrap_or(location);
    let own_cookies = Vec::new();
    Ok(SignIn::SignedIn(Box::new(SignedIn { issued, lms_cookies: cookies, own_cookies, location, set_up: false })))
}

/// WHICH ACCOUNT, and IS IT ENOUGH.
pub(super) async fn proceed(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    (proof, attempt): (Authenticated, &Attempt),
    canonical: &str,
    wanted: Option<String>,
) -> Result<SignIn, FlowError> {
    let Some(first) = first_half(desk, hall, caller, &proof, attempt, canonical).await? else {
        return refuse(hall, caller, canonical).await;
    };
    let asking = Asking { proof: &proof, lms: first.user(&proof), canonical, beside_candidates: false };
    let whose = account(desk, hall, caller, Door::Browser, &asking).await;
    let second = proof.to_kept(first.user(&proof).cloned());
    let half = first.into_half(proof, &attempt.credentials);
    hall.lms.can_open(&half.held)?;
    let resolved = match whose.inspect_err(|_| hall.give_back(half.held.clone()))? {
        Whose::Account(resolved) => *resolved,
        Whose::Candidates(accounts) => return offer(desk, hall, caller, second, accounts, half, wanted).await,
        Whose::Nobody => {
            hall.give_back(half.held);
            return refuse(hall, caller, canonical).await;
        }
    };
    match go_on(desk, hall, caller, resolved, half, Vec::new(), wanted).await? {
        Some(signed_in) => Ok(signed_in),
        None => refuse(hall, caller, canonical).await,
    }
}

/// IS IT ENOUGH? `None`: the LMS's half is not this account's.
pub(super) async fn go_on(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    resolved: Resolved,
    half: Half,
    facts: Vec<Fact>,
    wanted: Option<String>,
) -> Result<Option<SignIn>, FlowError> {
    let noted = note_addresses(desk, hall, caller, resolved.account()).await;
    noted.inspect_err(|_| hall.give_back(half.held.clone()))?;
    let enrolments = desk.enrolments_of(&resolved.account().id).await;
    let enrolments = enrolments.inspect_err(|_| hall.give_back(half.held.clone()))?;
    let stand = desk.standpoint(hall, Door::Browser, caller.client, &resolved, &enrolments).await;
    let mut stand = stand.inspect_err(|_| hall.give_back(half.held.clone()))?;
    let device = match desk.policy.trust_device(&stand.case()) {
        Some(_) => shown_by_browser(desk, hall, caller, resolved.account()).await,
        None => Ok(None),
    };
    let device = device.inspect_err(|_| hall.give_back(half.held.clone()))?;
    stand.device = device.is_some();
    let (resolved, stage) = match desk.policy.decide(resolved, &enrolments, facts.clone(), &stand.case()) {
        Decision::Satisfied(satisfied) => {
            return Ok(match finish(desk, hall, caller, satisfied, half, wanted).await? {
                Finished::SignedIn(signed_in) => Some(SignIn::SignedIn(signed_in)),
                Finished::Prove(id) => Some(SignIn::Continue(id, Stage::LmsPassword)),
                Finished::Refused => None,
            });
        }
        Decision::Challenge(resolved, _) => (resolved, Stage::Challenge),
        Decision::Enrol(resolved, proof @ EnrolmentProof::AtSignIn, rule) => {
            let stage = first_stage(desk, hall, resolved.account(), proof, rule).await;
            let stage = stage.inspect_err(|_| hall.give_back(half.held.clone()))?;
            (resolved, stage)
        }
        Decision::Enrol(resolved, proof @ EnrolmentProof::AfterEmailCode, rule) => {
            let stage = mailed_stage(desk, resolved.account(), proof, rule).await;
            let stage = stage.inspect_err(|_| hall.give_back(half.held.clone()))?;
            (resolved, stage)
        }
        Decision::Enrol(resolved, EnrolmentProof::ByHelpDesk | EnrolmentProof::Imported, _) => {
            (resolved, Stage::HelpDesk)
        }
    };
    let flow = Flow {
        wanted: wanted.unwrap_or_default(),
        facts,
        device,
        ..waiting(desk, hall, caller, Door::Browser, &resolved, stage.clone(), half)
    };
    open(desk, hall, &flow).await?;
    Ok(Some(SignIn::Continue(flow.id, stage)))
}

pub(super) fn enrol_stage(desk: &Desk, proof: EnrolmentProof, rule: String) -> Stage {
    let secret = totp::base32(&totp::new_secret(desk.rng.as_ref())).expose().clone();
    Stage::Enrol { secret, proof, rule }
}

/// How a sign-in ends once everything was answered.
pub(super) enum Finished {
    SignedIn(Box<SignedIn>),
    /// The LMS's own password is asked first, in this flow.
    Prove(FlowId),
    /// The LMS's half is not this account's.
    Refused,
}

/// The end of every sign-in in a browser: the LMS's session is opened where it is not yet, ours is issued, and
/// whatever this browser had before is over.
pub(super) async fn finish(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    satisfied: Satisfied,
    half: Half,
    wanted: Option<String>,
) -> Result<Finished, FlowError> {
    desk.must_record().inspect_err(|_| hall.give_back(half.held.clone()))?;
    let claimed = claim(desk, hall, caller, &satisfied).await;
    let claimed = match claimed.inspect_err(|_| hall.give_back(half.held.clone()))? {
        Claimed::Gone => {
            hall.give_back(half.held);
            return Ok(Finished::Refused);
        }
        claimed @ (Claimed::Unneeded | Claimed::By(_)) => claimed,
    };
    match second_half(desk, hall, caller, satisfied.resolved(), half).await? {
        Opened::Open { held, bound } => {
            let mut signed_in = enter(desk, hall, caller, satisfied, claimed.device(), (held, bound), wanted).await?;
            signed_in.own_cookies.extend(claimed.cookies(desk, caller));
            Ok(Finished::SignedIn(Box::new(signed_in)))
        }
        // The device's next secret goes with the answer that signs in, or is asked for again by the one before it.
        Opened::Prove => {
            let half = Half { held: Held::ByHeader { service: None }, lms_user: None };
            let flow = Flow {
                wanted: wanted.unwrap_or_default(),
                facts: satisfied.facts().to_vec(),
                device: claimed.device(),
                ..waiting(desk, hall, caller, Door::Browser, satisfied.resolved(), Stage::LmsPassword, half)
            };
            open(desk, hall, &flow).await?;
            Ok(Finished::Prove(flow.id))
        }
        Opened::Refused => Ok(Finished::Refused),
    }
}

/// Issues the session.
pub(super) async fn enter(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    satisfied: Satisfied,
    device: Option<TrustedBy>,
    (held, bound): (Held, Bound),
    wanted: Option<String>,
) -> Result<SignedIn, FlowError> {
    let user = bound.user_of(&satisfied.resolved().account().id);
    let (held, by_form) = match held {
        held @ Held::Session { .. } => (held, true),
        held @ (Held::Token { .. } | Held::ByHeader { .. }) => {
            (hall.lms.open_session(user, &held, caller.client).await?, false)
        }
    };
    let Held::Session { cookies, location, log_user } = held else { return Err(FlowError::SourceDown) };
    let account = satisfied.resolved().account().id.clone();
    let amr = satisfied.amr().to_string();
    note_basis(desk, hall, caller, &satisfied, Door::Browser);
    let set_up = desk.policy.sends_to_set_up(satisfied.basis());
    let shown = if satisfied.facts().is_empty() { Shown::Password } else { Shown::Factor };
    let own_cookies = vec![remember(desk, hall, caller, satisfied.resolved().account(), shown)];
    let visit = desk.visit(hall, caller);
    let mut issued = sessions::issue(satisfied, &bound, log_user, visit, &desk.settings.sessions, desk.rng.as_ref());
    issued.session.device = device;
    let resumed = resumable(desk, hall, caller, &issued).await;
    if let (Some(key), Some(lms)) = (resumed, issued.session.lms.as_mut()) {
        lms.seal_key = key;
    }
    if let Err(error) = desk.sessions.put(&issued.session).await {
        hall.log_out_later(cookies);
        return Err(error.into());
    }
    let lms_cookies = match resumed {
        // The earlier LMS session lives on in the browser's cookies; the one of the password check is over.
        Some(_) => {
            hall.log_out_later(cookies);
            forget_expired(desk, caller).await?;
            Vec::new()
        }
        None => {
            end_earlier(desk, hall, caller).await?;
            cookies
        }
    };
    desk.record(hall, caller, Event::SignedIn { account, door: Door::Browser, amr });
    let ordinary = location.starts_with("/login/index.php") || matches!(location.as_str(), "/" | "/my/");
    let forced = by_form && !ordinary;
    let location = match wanted {
        // A forced password change comes first, wherever they wanted to go.
        Some(wanted) if !forced => wanted,
        Some(_) | None => location,
    };
    Ok(SignedIn { issued, lms_cookies, own_cookies, location, set_up: set_up && !forced })
}

/// That nothing was asked is recorded, with the reason.
pub(super) fn note_basis(desk: &Desk, hall: &Hall, caller: &Caller, satisfied: &Satisfied, door: Door) {
    let account = satisfied.resolved().account().id.clone();
    let (rule, reason, would) = match satisfied.basis() {
        Basis::Factors | Basis::AppSwitch => return,
        Basis::Signals { rule, signals } => (rule.clone(), format!("signals: {}", signals.join(", ")), Would::Pass),
        Basis::Stage { rule, stage, would } => (rule.clone(), stage.as_str().to_owned(), *would),
        Basis::Grace { rule, ends } => (rule.clone(), format!("grace until {ends}"), Would::Enrol),
        Basis::Exempt { until } => (String::new(), format!("exempt until {until}"), Would::Challenge),
    };
    desk.record(hall, caller, Event::LetThrough { account, door, rule, reason, would: would.as_str() });
}

/// The seal key of this browser's expired session of the same account, if its LMS session is still that user's
/// (design §2 "Sessions": open tabs and sesskeys live on).
async fn resumable(desk: &Desk, hall: &Hall, caller: &Caller, issued: &Issued) -> Option<[u8; 32]> {
    let key = keys::session_key(caller.cookie(cookie::SESSION)?);
    let old = desk.sessions.get(&key).await.ok()??;
    let settings = &desk.settings.sessions;
    let expired = settings.expired(&old, desk.now());
    let same = old.account().is_some() && old.account() == issued.session.account() && old.site == hall.site.name;
    let (lms, new) = (old.lms.as_ref()?, issued.session.lms.as_ref()?);
    if !expired || !same || lms.user != new.user {
        return None;
    }
    let seal_key = Secret::new(lms.seal_key);
    let cookies = cookie::open(pairs(caller), Jar::Session, &seal_key, &hall.site.name);
    let alive = !cookies.is_empty() && hall.lms.who(&cookies).await.ok()? == Some(new.user);
    alive.then_some(lms.seal_key)
}

async fn forget_expired(desk: &Desk, caller: &Caller) -> Result<(), FlowError> {
    if let Some(id) = caller.cookie(cookie::SESSION) {
        desk.sessions.remove(&keys::session_key(id)).await?;
    }
    Ok(())
}

/// The session this browser had: its id dies at once (attack D3), and its LMS session is logged out.
pub(super) async fn end_earlier(desk: &Desk, hall: &Hall, caller: &Caller) -> Result<(), FlowError> {
    let Some(id) = caller.cookie(cookie::SESSION) else { return Ok(()) };
    let key = keys::session_key(id);
    if let Some(old) = desk.sessions.get(&key).await?
        && old.site == hall.site.name
    {
        if let Some(lms) = &old.lms {
            hall.log_out_later(cookie::open(pairs(caller), Jar::Session, &Secret::new(lms.seal_key), &hall.site.name));
        }
        desk.sessions.remove(&key).await?;
    }
    Ok(())
}

pub(super) fn pairs(caller: &Caller) -> impl Iterator<Item = (&str, &str)> {
    caller.cookies.iter().map(|(name, value)| (name.as_str(), value.as_str()))
}
