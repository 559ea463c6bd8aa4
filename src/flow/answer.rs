//! What a pending sign-in in a browser still asks: a factor, the help desk's code, a first device, and that the
//! recovery codes are kept.
//!
//! Every answer takes a slot of its limits before it is looked at, and counts once: a TOTP step and a recovery code
//! by the database's conditional update, the flow itself by an atomic take (design R5).

use super::{
    Caller, Desk, EndedWhy, FlowError, Hall, Problem, SignedIn,
    sign_in::{enrol_stage, finish},
    step::{Flow, Stage},
};
use crate::{
    accounts::{Resolved, resume},
    audit::Event,
    keys::{self, Sealed},
    limits::{FactorSlot, Leave, Limit},
    mfa::{
        enrolment::{Claim, EnrolmentProof, Enrolments, TotpEnrolment},
        factors::{recovery, totp},
        help_desk,
        policy::{Decision, Place, scores},
    },
    sessions::cookie,
    tokens::Unproven,
    types::{AccountId, Door, Fact, FactorKind, FlowId, RngExt, Secret},
};

/// What a page of a flow shows.
pub enum Asked {
    Challenge { factors: Vec<FactorKind> },
    HelpDesk,
    Device { secret: String, uri: String },
    Codes { codes: Vec<String> },
}

/// What became of an answer.
pub enum Answered {
    /// Ask again, and say why.
    Again(Problem),
    Locked {
        minutes: u32,
    },
    Ended(EndedWhy),
    /// The next thing is asked.
    Next(Stage),
    SignedIn(Box<SignedIn>),
}

/// The flow of this site and door, if it is still good.
pub(super) async fn load(desk: &Desk, hall: &Hall, id: &FlowId, door: Door) -> Result<Option<Flow>, FlowError> {
    let flow = desk.flows.get(id).await?;
    Ok(flow.filter(|f| f.site == hall.site.name && f.door == door && desk.now() < f.expires))
}

/// What the flow asks now, with the account's name for the page.
pub async fn ask(desk: &Desk, hall: &Hall, id: &FlowId) -> Result<Option<(Asked, Option<String>)>, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else { return Ok(None) };
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else { return Ok(None) };
    let name = resolved.account().username.clone();
    let asked = match flow.stage {
        Stage::Challenge => {
            let enrolments = desk.enrolments.enrolments(&flow.pending.account).await?;
            let place = Place { site: &flow.site, door: flow.door, now: desk.now() };
            match desk.policy.decide(resolved, &enrolments, flow.facts, place) {
                Decision::Challenge(_, factors) => Asked::Challenge { factors },
                // The factors were reset, or the rules changed, while this flow waited.
                Decision::Satisfied(_) | Decision::Enrol(..) => return Ok(None),
            }
        }
        Stage::HelpDesk => Asked::HelpDesk,
        Stage::Enrol { secret, .. } => {
            let Some(bytes) = totp::from_base32(&secret) else { return Ok(None) };
            let issuer = desk.settings.mfa.issuer.as_deref().unwrap_or(hall.site.public_url.host());
            let label = name.as_deref().unwrap_or("account");
            let uri = totp::otpauth_uri(issuer, label, &bytes).expose().clone();
            Asked::Device { secret, uri }
        }
        Stage::Codes { codes } => Asked::Codes { codes },
    };
    Ok(Some((asked, name)))
}

/// An answer to the challenge in a browser.
pub async fn answer(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    kind: FactorKind,
    code: &str,
) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else { return Ok(Answered::Ended(EndedWhy::Expired)) };
    if !matches!(flow.stage, Stage::Challenge) {
        return Ok(Answered::Next(flow.stage));
    }
    match check(desk, hall, caller, &flow, kind, code).await? {
        Checked::Right(fact) => advance(desk, hall, caller, flow, fact).await,
        Checked::Problem { problem, .. } => Ok(Answered::Again(problem)),
        Checked::Locked { minutes } => Ok(Answered::Locked { minutes }),
        Checked::FlowOver => ended(desk, hall, id, EndedWhy::TooManyAttempts).await,
        Checked::Full => Ok(Answered::Ended(EndedWhy::TooManyAttempts)),
        Checked::Gone => ended(desk, hall, id, EndedWhy::Expired).await,
    }
}

/// How a code was judged.
pub(super) enum Checked {
    Right(Fact),
    /// And so many answers are left in this flow.
    Problem {
        problem: Problem,
        left: u32,
    },
    Locked {
        minutes: u32,
    },
    /// The flow has had its wrong answers.
    FlowOver,
    /// As many answers as may be wrong are being looked at right now. The flow stays: one of them may be right.
    Full,
    /// The account changed under the flow.
    Gone,
}

/// Judges one code for one factor of the flow's account, at either door.
pub(super) async fn check(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    flow: &Flow,
    kind: FactorKind,
    code: &str,
) -> Result<Checked, FlowError> {
    let account = &flow.pending.account;
    let refused = |reason| Event::FactorRefused { account: account.clone(), factor: kind, door: flow.door, reason };
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else { return Ok(Checked::Gone) };
    let enrolments = desk.enrolments.enrolments(account).await?;
    let place = Place { site: &flow.site, door: flow.door, now: desk.now() };
    match desk.policy.decide(resolved, &enrolments, flow.facts.clone(), place) {
        Decision::Challenge(_, factors) if factors.contains(&kind) => {}
        Decision::Challenge(..) => return uncounted(desk, flow, Problem::Incomplete).await,
        Decision::Satisfied(_) | Decision::Enrol(..) => return Ok(Checked::Gone),
    }
    if !complete(kind, code) {
        return uncounted(desk, flow, Problem::Incomplete).await;
    }
    let slot = match desk.throttle.factor(account, kind.as_str(), flow.id.expose()).await? {
        Leave::Given(slot) => slot,
        Leave::Refused { limit: Limit::FactorsPerFlow, .. } => return Ok(Checked::Full),
        Leave::Refused { rest, limit } => {
            desk.record(hall, caller, refused(limit.as_str()));
            desk.metrics.factor_answer(kind, "locked");
            return Ok(Checked::Locked { minutes: minutes(rest) });
        }
    };
    match judge(desk, flow, kind, code, &enrolments).await? {
        Judged::Right => {
            desk.throttle.factor_right(slot).await?;
            let event = Event::FactorAccepted { account: account.clone(), factor: kind, door: flow.door };
            desk.record(hall, caller, event);
            desk.metrics.factor_answer(kind, "accepted");
            if kind == FactorKind::Recovery && enrolments.recovery_left <= 4 {
                let left = enrolments.recovery_left.saturating_sub(1);
                desk.record(hall, caller, Event::RecoveryCodesLow { account: account.clone(), left });
            }
            Ok(Checked::Right(Fact { factor: kind, at: desk.now() }))
        }
        Judged::Used => {
            desk.record(hall, caller, refused("already used"));
            desk.metrics.factor_answer(kind, "used");
            desk.throttle.factor_not_wrong(slot).await?;
            uncounted(desk, flow, Problem::AlreadyUsed).await
        }
        Judged::Wrong => {
            desk.record(hall, caller, refused("wrong"));
            desk.metrics.factor_answer(kind, "wrong");
            wrong(desk, slot).await
        }
    }
}

async fn wrong(desk: &Desk, slot: FactorSlot) -> Result<Checked, FlowError> {
    match desk.throttle.factor_wrong(slot).await? {
        0 => Ok(Checked::FlowOver),
        left => Ok(Checked::Problem { problem: Problem::WrongCode, left }),
    }
}

async fn uncounted(desk: &Desk, flow: &Flow, problem: Problem) -> Result<Checked, FlowError> {
    Ok(Checked::Problem { problem, left: desk.throttle.factor_left(flow.id.expose()).await? })
}

enum Judged {
    Right,
    /// It was right, and somebody has used it: this very code, sent twice.
    Used,
    Wrong,
}

async fn judge(
    desk: &Desk,
    flow: &Flow,
    kind: FactorKind,
    code: &str,
    enrolments: &Enrolments,
) -> Result<Judged, FlowError> {
    match kind {
        FactorKind::Totp => {
            let rule = desk.policy.rule(&flow.site, flow.door);
            let mut judged = Judged::Wrong;
            for device in enrolments.totp.iter().filter(|device| scores(&rule, device)) {
                let secret = desk.ring().open("enrolment", &sealed_place(&device.id), device.secret.as_text())?;
                match totp::check(secret.expose(), code, desk.now(), device.last_step) {
                    totp::Outcome::Accepted { step } => {
                        let first = desk.enrolments.claim_step(&device.id, step).await?;
                        return Ok(if first { Judged::Right } else { Judged::Used });
                    }
                    totp::Outcome::AlreadyUsed => judged = Judged::Used,
                    totp::Outcome::Wrong => {}
                }
            }
            Ok(judged)
        }
        FactorKind::Recovery => {
            let Some(canonical) = recovery::canonical(code) else { return Ok(Judged::Wrong) };
            let digest = recovery::digest(&desk.ring(), &flow.pending.account, &canonical);
            Ok(match desk.enrolments.claim_recovery(&flow.pending.account, &digest, desk.now()).await? {
                Claim::Won => Judged::Right,
                Claim::Used => Judged::Used,
                Claim::Unknown => Judged::Wrong,
            })
        }
    }
}

/// Whether the text can be such a code at all; what cannot is not counted.
fn complete(kind: FactorKind, code: &str) -> bool {
    match kind {
        FactorKind::Totp => code.chars().filter(|c| c.is_ascii_digit()).count() == usize::from(totp::DIGITS),
        FactorKind::Recovery => recovery::canonical(code).is_some(),
    }
}

/// A right answer: is it enough now? If so the flow is taken, which exactly one caller can.
async fn advance(desk: &Desk, hall: &Hall, caller: &Caller, mut flow: Flow, fact: Fact) -> Result<Answered, FlowError> {
    flow.facts.push(fact);
    match decide(desk, &flow).await? {
        Some(Decision::Satisfied(satisfied)) => {
            let Some(taken) = desk.flows.take(&flow.id).await? else {
                return Ok(Answered::Ended(EndedWhy::AlreadyFinished));
            };
            let wanted = Some(taken.wanted).filter(|w| !w.is_empty());
            Ok(Answered::SignedIn(Box::new(finish(desk, hall, caller, satisfied, taken.held, wanted).await?)))
        }
        Some(Decision::Challenge(..)) => {
            flow.stage = Stage::Challenge;
            next(desk, flow).await
        }
        Some(Decision::Enrol(..)) | None => ended(desk, hall, &flow.id, EndedWhy::Expired).await,
    }
}

/// Stores the flow's next stage; whoever comes second reads what the first has written.
async fn next(desk: &Desk, flow: Flow) -> Result<Answered, FlowError> {
    match desk.flows.replace(&flow).await? {
        true => Ok(Answered::Next(flow.stage)),
        false => match desk.flows.get(&flow.id).await? {
            Some(current) => Ok(Answered::Next(current.stage)),
            None => Ok(Answered::Ended(EndedWhy::AlreadyFinished)),
        },
    }
}

pub(super) async fn decide(desk: &Desk, flow: &Flow) -> Result<Option<Decision>, FlowError> {
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else { return Ok(None) };
    let enrolments = desk.enrolments.enrolments(&resolved.account().id).await?;
    let place = Place { site: &flow.site, door: flow.door, now: desk.now() };
    Ok(Some(desk.policy.decide(resolved, &enrolments, flow.facts.clone(), place)))
}

/// The help desk's one-time code, which opens a first enrolment.
pub async fn confirm_help_desk(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    code: &str,
) -> Result<Answered, FlowError> {
    let Some(mut flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::Expired));
    };
    if !matches!(flow.stage, Stage::HelpDesk) {
        return Ok(Answered::Next(flow.stage));
    }
    let Some(canonical) = help_desk::canonical_enrolment_code(code) else {
        return Ok(Answered::Again(Problem::Incomplete));
    };
    let account = flow.pending.account.clone();
    let slot = match desk.throttle.factor(&account, "help_desk", flow.id.expose()).await? {
        Leave::Given(slot) => slot,
        Leave::Refused { limit: Limit::FactorsPerFlow, .. } => {
            return Ok(Answered::Ended(EndedWhy::TooManyAttempts));
        }
        Leave::Refused { rest, .. } => return Ok(Answered::Locked { minutes: minutes(rest) }),
    };
    let Some(Decision::Enrol(resolved, _, rule)) = decide(desk, &flow).await? else {
        return ended(desk, hall, id, EndedWhy::Expired).await;
    };
    let digest = help_desk::enrolment_code_digest(&desk.ring(), &account, &canonical);
    if desk.enrolments.claim_enrolment_code(&account, &digest, desk.now()).await? {
        desk.throttle.factor_right(slot).await?;
        flow.stage = enrol_stage(desk.rng.as_ref(), EnrolmentProof::ByHelpDesk, rule);
        return next(desk, flow).await;
    }
    let account = resolved.account().id.clone();
    desk.record(hall, caller, Event::EnrolmentCodeRefused { account });
    match wrong(desk, slot).await? {
        Checked::FlowOver => ended(desk, hall, id, EndedWhy::TooManyAttempts).await,
        _ => Ok(Answered::Again(Problem::WrongCode)),
    }
}

/// The code that shows that the new device works; with it the enrolment stands, and the recovery codes are made.
pub async fn confirm_device(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    code: &str,
) -> Result<Answered, FlowError> {
    let Some(mut flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::Expired));
    };
    let Stage::Enrol { secret, proof, rule } = flow.stage.clone() else { return Ok(Answered::Next(flow.stage)) };
    let Some(secret) = totp::from_base32(&secret) else { return Ok(Answered::Ended(EndedWhy::Expired)) };
    if !complete(FactorKind::Totp, code) {
        return Ok(Answered::Again(Problem::Incomplete));
    }
    let totp::Outcome::Accepted { step } = totp::check(secret.expose(), code, desk.now(), -1) else {
        // The secret is on the same page: guessing it tells nobody anything, so nothing is counted.
        return Ok(Answered::Again(Problem::WrongCode));
    };
    // Only where a first enrolment is still due, and by the proof that opened it: the window may have closed, or a
    // device may have been enrolled in another browser (attack J3).
    let resolved = match decide(desk, &flow).await? {
        Some(Decision::Enrol(resolved, due, _)) if due == proof || proof == EnrolmentProof::ByHelpDesk => resolved,
        Some(_) => return overtaken(desk, &flow).await,
        None => return ended(desk, hall, id, EndedWhy::Expired).await,
    };
    let enrolment = enrolment(desk, hall, &resolved, &secret, step, proof, rule);
    let codes = recovery::generate(desk.rng.as_ref()).to_vec();
    let account = &resolved.account().id;
    let digests: Vec<String> = codes
        .iter()
        .filter_map(|code| recovery::canonical(code))
        .map(|canonical| recovery::digest(&desk.ring(), account, &canonical))
        .collect();
    if !desk.enrolments.enrol_first(&enrolment, &digests).await? {
        return overtaken(desk, &flow).await;
    }
    end_unproven(desk, caller, account).await?;
    flow.stage = Stage::Codes { codes };
    flow.facts.push(Fact { factor: FactorKind::Totp, at: desk.now() });
    let event = Event::FactorEnrolled { account: account.clone(), factor: FactorKind::Totp, proof: proof.as_str() };
    desk.record(hall, caller, event);
    next(desk, flow).await
}

fn enrolment(
    desk: &Desk,
    hall: &Hall,
    resolved: &Resolved,
    secret: &Secret<Vec<u8>>,
    step: i64,
    proof: EnrolmentProof,
    rule: String,
) -> TotpEnrolment {
    let id = desk.rng.hex(16);
    let sealed = desk.ring().seal(desk.rng.as_ref(), "enrolment", &sealed_place(&id), secret.expose());
    TotpEnrolment {
        account: resolved.account().id.clone(),
        label: "Authenticator app".into(),
        secret: Sealed::from_text(sealed),
        last_step: step,
        created: desk.now(),
        site: hall.site.name.clone(),
        rule,
        proof,
        id,
    }
}

/// What was given because there was no factor to ask for ends with the first one: the reason is gone (design §2).
async fn end_unproven(desk: &Desk, caller: &Caller, account: &AccountId) -> Result<(), FlowError> {
    for token in desk.ledger.of_account(account).await? {
        if token.unproven == Some(Unproven::Stage) && token.revoked.is_none() {
            desk.ledger.revoke(&token.id, desk.now()).await?;
        }
    }
    for session in desk.sessions.of_account(account).await? {
        // This browser's own is ended, with its LMS session, when the new one begins.
        let own = caller.cookie(cookie::SESSION).is_some_and(|id| keys::session_key(id) == session.key);
        if session.facts.is_empty() && !own {
            desk.sessions.remove(&session.key).await?;
        }
    }
    Ok(())
}

fn sealed_place(enrolment: &str) -> String {
    format!("enrolment:{enrolment}")
}

/// "I have kept them": the sign-in ends as any other.
pub async fn keep_codes(desk: &Desk, hall: &Hall, caller: &Caller, id: &FlowId) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::AlreadyFinished));
    };
    if !matches!(flow.stage, Stage::Codes { .. }) {
        return Ok(Answered::Next(flow.stage));
    }
    match decide(desk, &flow).await? {
        Some(Decision::Satisfied(satisfied)) => {
            let Some(taken) = desk.flows.take(id).await? else {
                return Ok(Answered::Ended(EndedWhy::AlreadyFinished));
            };
            let wanted = Some(taken.wanted).filter(|w| !w.is_empty());
            Ok(Answered::SignedIn(Box::new(finish(desk, hall, caller, satisfied, taken.held, wanted).await?)))
        }
        Some(Decision::Challenge(..) | Decision::Enrol(..)) | None => ended(desk, hall, id, EndedWhy::Expired).await,
    }
}

/// The user's own end of it.
pub async fn cancel(desk: &Desk, hall: &Hall, id: &FlowId) -> Result<(), FlowError> {
    drop_flow(desk, hall, id).await
}

/// Somebody was faster: the same form sent twice, which goes on where the first has led, or another browser.
async fn overtaken(desk: &Desk, flow: &Flow) -> Result<Answered, FlowError> {
    match desk.flows.get(&flow.id).await? {
        Some(current) if current.version != flow.version => Ok(Answered::Next(current.stage)),
        // Not dropped: the first of two may be about to write its next stage. Its ten minutes end it.
        Some(_) | None => Ok(Answered::Ended(EndedWhy::Expired)),
    }
}

/// What was pending is over: the flow goes with it, and says why.
async fn ended(desk: &Desk, hall: &Hall, id: &FlowId, why: EndedWhy) -> Result<Answered, FlowError> {
    drop_flow(desk, hall, id).await?;
    Ok(Answered::Ended(why))
}

/// A flow that ends without `Satisfied` takes its LMS session with it.
pub(super) async fn drop_flow(desk: &Desk, hall: &Hall, id: &FlowId) -> Result<(), FlowError> {
    if let Some(flow) = desk.flows.take(id).await? {
        hall.give_back(flow.held);
    }
    Ok(())
}

fn minutes(rest: std::time::Duration) -> u32 {
    u32::try_from(rest.as_secs().div_ceil(60)).unwrap_or(u32::MAX)
}
