//! The app's door: token.php's parameters in, a surrogate or a challenge out (design §2 "App tokens").
//!
//! The chain, the account and the policy are the browser's own; only the answers are Moodle-shaped, and they are
//! given their shape in `lms`.

use super::{
    Caller, Desk, FlowError, Hall, Problem,
    answer::{Checked, check, decide, drop_flow, load, may_trust, trusted_for},
    begin::{Asking, Judged, LONGEST_NAME, Whose, account, given, judge, open, refused_unasked, settle, waiting},
    known::password_slot,
    lms_half::{Half, Opened, first_half, second_half},
    passkey::{ask_passkey, put_question},
    sent::note_addresses,
    sign_in::note_basis,
    step::{Asks, Flow, Stage, Trust},
    trusted::{by, recognise, still_trusted, trust_app},
};
use crate::{
    accounts::resume,
    audit::Event,
    chain::{Attempt, Credentials, Trace},
    lms::{AppMfa, Held},
    mfa::policy::{Decision, Policy, Satisfied},
    outbound::Answer,
    tokens::{self, Device, LmsTokens, Means},
    types::{Door, FactorKind, FlowId, Password, Secret, ServiceName},
};
use std::time::Instant;

/// What the device gets.
pub struct AppTokens {
    pub token: Secret<String>,
    pub private_token: Option<Secret<String>>,
    /// The device secret to keep instead of any earlier one.
    pub device: Option<Secret<String>>,
}

/// How a request at token.php or the verify address ends.
pub enum AppAnswer {
    Tokens(AppTokens),
    /// The LMS's own error; `None` is its wrong-password answer.
    Refused(Option<Box<Answer>>),
    /// A factor is due: where and with what it can be answered.
    Challenge {
        flow: FlowId,
        expires_in: u64,
        factors: Vec<FactorKind>,
        /// What the authenticator is asked, where a passkey may be used: `PublicKeyCredentialRequestOptionsJSON`.
        passkey: Option<String>,
        /// The device secret to keep instead of the one that was shown.
        device: Option<Secret<String>>,
    },
    /// A factor is due, and this site's apps cannot answer one.
    FactorDue,
    /// A factor is due and none is enrolled yet.
    EnrolmentDue,
    WrongCode {
        attempts_left: u32,
        problem: Problem,
        /// After a passkey: what it is asked next. Every question is good for one answer.
        passkey: Option<String>,
    },
    Locked {
        minutes: u32,
    },
    FlowOver,
}

pub async fn app_sign_in(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    username: String,
    password: Password,
    service: String,
) -> Result<AppAnswer, FlowError> {
    let began = Instant::now();
    let answer = judged(desk, hall, caller, username, password, service).await;
    if matches!(answer, Ok(AppAnswer::Refused(_)) | Err(FlowError::SourceDown)) {
        settle(desk, began).await;
    }
    answer
}

async fn judged(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    username: String,
    password: Password,
    service: String,
) -> Result<AppAnswer, FlowError> {
    if username.len() > LONGEST_NAME {
        refused_unasked(desk, hall, caller, Door::App, "name_too_long");
        return Ok(AppAnswer::Refused(None));
    }
    let canonical = hall.lms.canonical_username(&username);
    let leave = password_slot(desk, hall, caller, Door::App, &canonical).await?;
    let Some(slot) = given(leave, desk, hall, caller, Door::App, &canonical) else {
        return Ok(AppAnswer::Refused(None));
    };
    let credentials = Credentials::Token { username, password, service };
    let attempt = Attempt { credentials, client: caller.client, trace: Trace::off() };
    let proof = match judge(desk, hall, caller, &attempt, &canonical, slot).await? {
        Judged::Authenticated(proof) => *proof,
        Judged::Refused(answer) => return Ok(AppAnswer::Refused(answer)),
    };
    if proof.lms().is_some_and(|lms| lms.user.id == hall.lms.guest()) {
        let event = Event::SignInDenied { door: Door::App, name: canonical.clone(), reason: "guest" };
        desk.record(hall, caller, event);
        return Ok(AppAnswer::Refused(None));
    }
    let Some(first) = first_half(desk, hall, caller, &proof, &attempt, &canonical).await? else {
        return Ok(AppAnswer::Refused(None));
    };
    let asking = Asking { proof: &proof, lms: first.user(&proof), canonical: &canonical, beside_candidates: false };
    let resolved = match account(desk, hall, caller, Door::App, &asking).await? {
        Whose::Account(resolved) => *resolved,
        Whose::Candidates(_) | Whose::Nobody => return Ok(AppAnswer::Refused(None)),
    };
    let half = first.into_half(proof, &attempt.credentials);
    if hall.site.app.mfa == AppMfa::Off {
        return mint(desk, hall, caller, Policy::app_switched_off(resolved), half).await;
    }
    note_addresses(desk, hall, caller, resolved.account()).await?;
    let enrolments = desk.enrolments_of(&resolved.account().id).await?;
    let stand = desk.standpoint(hall, Door::App, caller.client, &resolved, &enrolments).await?;
    match desk.policy.decide(resolved, &enrolments, Vec::new(), &stand.case()) {
        Decision::Satisfied(satisfied) => mint(desk, hall, caller, satisfied, half).await,
        Decision::Enrol(..) => Ok(AppAnswer::EnrolmentDue),
        Decision::Challenge(..) if hall.site.app.mfa == AppMfa::Refuse => Ok(AppAnswer::FactorDue),
        Decision::Challenge(resolved, factors) => {
            let flow = waiting(desk, hall, caller, Door::App, &resolved, Stage::Challenge, half);
            open(desk, hall, &flow).await?;
            let expires_in = desk.settings.flow_life().as_secs();
            let passkey = asked_passkey(desk, &flow.id, &factors).await?;
            Ok(AppAnswer::Challenge { flow: flow.id, expires_in, factors, passkey, device: None })
        }
    }
}

/// An answer at the verify address. With [`Trust::Yes`] the device gets a secret with its tokens, where the rule counts
/// trusted devices.
pub async fn verify(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    kind: FactorKind,
    code: &str,
    trust: Trust,
) -> Result<AppAnswer, FlowError> {
    let Some(mut flow) = load(desk, hall, id, Door::App).await? else { return Ok(AppAnswer::FlowOver) };
    if trust == Trust::Yes {
        flow.trust = trust;
    }
    let fact = match check(desk, hall, caller, &flow, kind, code).await? {
        Checked::Right(fact) => fact,
        Checked::Problem { problem, left } => {
            let passkey = match kind {
                FactorKind::Webauthn => ask_passkey(desk, hall, id, Door::App).await?,
                _ => None,
            };
            return Ok(AppAnswer::WrongCode { attempts_left: left, problem, passkey });
        }
        Checked::Locked { minutes } => return Ok(AppAnswer::Locked { minutes }),
        Checked::FlowOver => {
            drop_flow(desk, hall, id).await?;
            return Ok(AppAnswer::WrongCode { attempts_left: 0, problem: Problem::WrongCode, passkey: None });
        }
        Checked::Full => return Ok(AppAnswer::FlowOver),
        Checked::Gone => return over(desk, hall, id).await,
    };
    flow.facts.push(fact);
    flow.asks = Asks::default();
    further(desk, hall, caller, flow, None).await
}

/// A device secret at the verify address. What it is worth, the rule says; whatever comes of it, the app keeps the
/// secret of this answer from then on.
pub async fn verify_device(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    secret: &str,
) -> Result<AppAnswer, FlowError> {
    let Some(mut flow) = load(desk, hall, id, Door::App).await? else { return Ok(AppAnswer::FlowOver) };
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else {
        return over(desk, hall, id).await;
    };
    // Where the rule counts none, a secret is not used up for nothing.
    let device = match trusted_for(desk, &flow).await? {
        Some(_) => recognise(desk, hall, caller, Door::App, resolved.account(), secret).await?,
        None => None,
    };
    if let Some(recognised) = &device {
        flow.device = Some(by(&recognised.device));
    }
    further(desk, hall, caller, flow, device.map(|recognised| recognised.secret)).await
}

/// Is it enough now?
async fn further(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    mut flow: Flow,
    device: Option<Secret<String>>,
) -> Result<AppAnswer, FlowError> {
    match decide(desk, &flow).await? {
        Some(Decision::Satisfied(satisfied)) if !still_trusted(desk, &satisfied, flow.device.as_ref()).await? => {
            over(desk, hall, &flow.id).await
        }
        Some(Decision::Satisfied(satisfied)) => {
            let lifetime = match flow.trust {
                Trust::Yes if !flow.facts.is_empty() => may_trust(desk, &flow, &flow.facts).await?,
                Trust::Yes | Trust::No => None,
            };
            let Some(taken) = desk.flows.take(&flow.id).await? else { return Ok(AppAnswer::FlowOver) };
            let account = satisfied.resolved().account().clone();
            let half = Half { held: taken.held, lms_user: taken.lms_user };
            let mut answer = mint(desk, hall, caller, satisfied, half).await?;
            if let AppAnswer::Tokens(tokens) = &mut answer {
                tokens.device = match lifetime {
                    Some(lifetime) => trust_app(desk, hall, caller, &account, &lifetime).await,
                    None => device,
                };
            }
            Ok(answer)
        }
        Some(Decision::Challenge(_, factors)) => {
            let expires_in = flow.expires.since(desk.now()).as_secs();
            put_question(desk, hall, &mut flow).await?;
            let passkey = flow.asks.passkey.as_ref().map(|asking| asking.options().to_owned());
            let passkey = passkey.filter(|_| factors.contains(&FactorKind::Webauthn));
            match desk.flows.replace(&flow).await? {
                true => Ok(AppAnswer::Challenge { flow: flow.id, expires_in, factors, passkey, device }),
                false => Ok(AppAnswer::FlowOver),
            }
        }
        Some(Decision::Enrol(..)) | None => over(desk, hall, &flow.id).await,
    }
}

/// The question that a flow was opened with.
async fn asked_passkey(desk: &Desk, id: &FlowId, factors: &[FactorKind]) -> Result<Option<String>, FlowError> {
    if !factors.contains(&FactorKind::Webauthn) {
        return Ok(None);
    }
    let flow = desk.flows.get(id).await?;
    Ok(flow.and_then(|flow| flow.asks.passkey).map(|asking| asking.options().to_owned()))
}

async fn over(desk: &Desk, hall: &Hall, id: &FlowId) -> Result<AppAnswer, FlowError> {
    drop_flow(desk, hall, id).await?;
    Ok(AppAnswer::FlowOver)
}

async fn mint(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    satisfied: Satisfied,
    half: Half,
) -> Result<AppAnswer, FlowError> {
    desk.must_record()?;
    let (held, bound) = match second_half(desk, hall, caller, satisfied.resolved(), half).await? {
        Opened::Open { held, bound } => (held, bound),
        // A password of the LMS's is proven in a browser, once; an app has no page for it.
        Opened::Prove | Opened::Refused => return Ok(AppAnswer::Refused(None)),
    };
    let Held::Token { service, token, private_token, log_user } = held else { return Ok(AppAnswer::FlowOver) };
    let account = satisfied.resolved().account().id.clone();
    let amr = satisfied.amr().to_string();
    note_basis(desk, hall, caller, &satisfied, Door::App);
    let tokens = LmsTokens {
        service: ServiceName::new(service),
        token: Secret::new(token),
        private_token: private_token.map(Secret::new),
        log_user,
    };
    let device = Device { label: caller.agent.clone(), address: caller.client.to_string() };
    let (site, ring, rng) = (hall.site.name.clone(), desk.ring(), desk.rng.as_ref());
    let minted = tokens::mint(
        satisfied,
        &bound,
        &tokens,
        site,
        device,
        Means { config: &desk.settings.tokens, ring: &ring, rng, now: desk.now() },
    );
    desk.ledger.insert(&minted.record).await?;
    let (token, service) = (minted.record.id.clone(), minted.record.service.to_string());
    let unproven = minted.record.unproven.is_some();
    desk.record(hall, caller, Event::TokenMinted { account: account.clone(), token, service, unproven });
    desk.record(hall, caller, Event::SignedIn { account, door: Door::App, amr });
    let (token, private_token) = (minted.surrogate, minted.private_surrogate);
    Ok(AppAnswer::Tokens(AppTokens { token, private_token, device: None }))
}
