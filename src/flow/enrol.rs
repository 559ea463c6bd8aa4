//! A first enrolment inside a sign-in (design §4): the help desk's code where the rule asks for one, the device's
//! confirming code, and that the recovery codes are kept.

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall, Problem,
    address::beside_device,
    answer::{Checked, clock, complete, decide, done, drop_flow, ended, load, minutes, next, wrong},
    factors::{fresh_codes, label},
    known::factor_slot,
    passkey::first_stage,
    permit::{host, is_held_here, permission},
    set_up::{Due, due, is_set_up},
    step::{Errand, Flow, Stage},
};
use crate::{
    accounts::{Account, Resolved},
    audit::Event,
    keys::{self, Sealed},
    limits::{Leave, Limit},
    mfa::{
        enrolment::{Enrolled, Enrolment, EnrolmentProof, sealed_place},
        factors::totp,
        help_desk,
        policy::{Decision, Permission},
    },
    outbound::mail::Message,
    sessions::{Session, cookie},
    tokens::Unproven,
    types::{AccountId, Door, EnrolmentId, FactorKind, FlowId, RngExt, Secret},
};

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
    let slot = match factor_slot(desk, hall, caller, &flow, "help_desk").await? {
        Leave::Given(slot) => slot,
        Leave::Refused { limit: Limit::FactorsPerFlow, .. } => {
            return Ok(Answered::Ended(EndedWhy::TooManyAttempts));
        }
        Leave::Refused { rest, .. } => return Ok(Answered::Locked { minutes: minutes(rest) }),
    };
    let Due::Yes(resolved, _, rule) = due(desk, hall, caller, &flow).await? else {
        return ended(desk, hall, id, EndedWhy::Expired).await;
    };
    let digest = help_desk::enrolment_code_digest(&desk.ring(), &account, &canonical);
    if desk.enrolments.claim_enrolment_code(&account, &digest, desk.now()).await? {
        desk.throttle.factor_right(slot).await?;
        flow.stage = first_stage(desk, hall, resolved.account(), EnrolmentProof::ByHelpDesk, rule).await?;
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
    name: &str,
) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::Expired));
    };
    let Stage::Enrol { secret, proof, rule } = flow.stage.clone() else { return Ok(Answered::Next(flow.stage)) };
    let Some(secret) = totp::from_base32(&secret) else { return Ok(Answered::Ended(EndedWhy::Expired)) };
    if !complete(FactorKind::Totp, code) {
        return Ok(Answered::Again(Problem::Incomplete));
    }
    let options = desk.settings.mfa.totp();
    let step = match totp::check(secret.expose(), options, code, desk.now(), -1) {
        totp::Outcome::Accepted { step } => step,
        // The secret is on the same page: guessing it tells nobody anything, so nothing is counted.
        totp::Outcome::Elsewhen { fast, .. } => return Ok(Answered::Again(clock(fast))),
        totp::Outcome::AlreadyUsed | totp::Outcome::Wrong => return Ok(Answered::Again(Problem::WrongCode)),
    };
    let made = (proof, rule);
    let make = |resolved: &Resolved| enrolment(desk, hall, resolved, (&secret, step, options), made, name);
    match flow.errand {
        Some(_) if !is_set_up(&flow) => add_further(desk, hall, caller, flow, make).await,
        Some(_) | None => enrol_first(desk, hall, caller, flow, proof, make).await,
    }
}

/// A first factor of any kind, which the browser has just confirmed; the recovery codes are made with it.
pub(super) async fn enrol_first(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    mut flow: Flow,
    proof: EnrolmentProof,
    make: impl FnOnce(&Resolved) -> Enrolment + Send,
) -> Result<Answered, FlowError> {
    // Counted before the policy is asked: who comes in between is seen by one of the two.
    let seen = desk.enrolments.enrolments(&flow.pending.account).await?.all.len();
    // Only where a first enrolment is still due, and by the proof that opened it: the window may have closed, or a
    // device may have been enrolled in another browser (attack J3).
    let resolved = match due(desk, hall, caller, &flow).await? {
        Due::Yes(resolved, wanted, _) if wanted == proof || proof == EnrolmentProof::ByHelpDesk => *resolved,
        Due::Yes(..) | Due::No => return overtaken(desk, &flow).await,
        Due::Gone => return ended(desk, hall, &flow.id, EndedWhy::Expired).await,
    };
    let enrolment = make(&resolved);
    let (account, factor) = (&resolved.account().id, enrolment.kind);
    let (codes, digests) = fresh_codes(desk, account);
    if !desk.enrolments.enrol_first(&enrolment, &digests, seen).await? {
        return overtaken(desk, &flow).await;
    }
    end_unproven(desk, caller, account).await?;
    flow.stage = Stage::Codes { codes };
    flow.facts.push(enrolment.fact(desk.now()));
    desk.record(hall, caller, Event::FactorEnrolled { account: account.clone(), factor, proof: proof.as_str() });
    let message = Message::FirstEnrolment { site: host(hall), factor };
    desk.tell_everywhere(caller, resolved.account(), message).await?;
    if let Some(address) = flow.asks.proven.take() {
        beside_device(desk, hall, caller, resolved.account(), (&address, enrolment.rule.clone())).await?;
    }
    next(desk, flow).await
}

/// A further factor of any kind, in the flow in which another was answered for it.
pub(super) async fn add_further(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    flow: Flow,
    make: impl FnOnce(&Resolved) -> Enrolment + Send,
) -> Result<Answered, FlowError> {
    if !is_held_here(desk, hall, caller, &flow).await? {
        return ended(desk, hall, &flow.id, EndedWhy::Expired).await;
    }
    let Some(Permission::Given(permitted)) = permission(desk, &flow).await? else {
        return ended(desk, hall, &flow.id, EndedWhy::Expired).await;
    };
    desk.must_record()?;
    let enrolment = make(permitted.resolved());
    if desk.flows.take(&flow.id).await?.is_none() {
        return Ok(Answered::Ended(EndedWhy::AlreadyFinished));
    }
    added(desk, hall, caller, permitted.resolved().account(), &enrolment).await
}

/// The end of enrolling a further factor of any kind.
pub(super) async fn added(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    account: &Account,
    enrolment: &Enrolment,
) -> Result<Answered, FlowError> {
    match desk.enrolments.enrol(enrolment).await? {
        Enrolled::Yes => {}
        Enrolled::Taken => return Ok(Answered::Ended(EndedWhy::FactorTaken)),
        Enrolled::Full => return Ok(Answered::Ended(EndedWhy::FactorsFull)),
    }
    let (factor, proof) = (enrolment.kind, enrolment.proof.as_str());
    desk.record(hall, caller, Event::FactorEnrolled { account: account.id.clone(), factor, proof });
    desk.tell(caller, account, Message::FactorEnrolled { site: host(hall), factor }).await;
    Ok(Answered::Acted)
}

fn enrolment(
    desk: &Desk,
    hall: &Hall,
    resolved: &Resolved,
    (secret, step, options): (&Secret<Vec<u8>>, i64, totp::Options),
    (proof, rule): (EnrolmentProof, String),
    name: &str,
) -> Enrolment {
    let id = EnrolmentId::new(desk.rng.hex(16));
    let sealed = desk.ring().seal(desk.rng.as_ref(), "enrolment", &sealed_place(&id), secret.expose());
    Enrolment {
        account: resolved.account().id.clone(),
        kind: FactorKind::Totp,
        label: label(name, "Authenticator app"),
        secret: Sealed::from_text(sealed),
        detail: options.write(),
        counter: step,
        handle: None,
        created: desk.now(),
        last_used: None,
        site: hall.site.name.clone(),
        rule,
        proof,
        suspended: false,
        id,
    }
}

/// What was given because there was no factor to ask for ends with the first one: the reason is gone (design §2).
pub(super) async fn end_unproven(desk: &Desk, caller: &Caller, account: &AccountId) -> Result<(), FlowError> {
    for token in desk.ledger.of_account(account).await? {
        let by_lack = matches!(token.unproven, Some(Unproven::Stage | Unproven::Grace));
        if by_lack && token.revoked.is_none() {
            desk.ledger.revoke(&token.id, desk.now()).await?;
        }
    }
    for session in desk.sessions.of_account(account).await? {
        // This browser's own is ended, with its LMS session, when the new one begins; that of the account page goes on,
        // as far as the rule lets it.
        let own = caller.cookie(cookie::SESSION).is_some_and(|id| keys::session_key(id) == session.key);
        match own {
            true if session.no_setup => desk.sessions.put(&Session { no_setup: false, ..session }).await?,
            false if session.facts.is_empty() => drop(desk.sessions.remove(&session.key).await?),
            true | false => {}
        }
    }
    Ok(())
}

/// "I have kept them": the sign-in ends as any other.
pub async fn keep_codes(desk: &Desk, hall: &Hall, caller: &Caller, id: &FlowId) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::AlreadyFinished));
    };
    if !matches!(flow.stage, Stage::Codes { .. } | Stage::CodesLow { .. }) {
        return Ok(Answered::Next(flow.stage));
    }
    if matches!(flow.errand, Some(Errand::Act { .. })) {
        drop_flow(desk, hall, id).await?;
        return Ok(Answered::Acted);
    }
    match decide(desk, &flow).await? {
        Some(Decision::Satisfied(satisfied)) => done(desk, hall, caller, id, satisfied).await,
        Some(Decision::Challenge(..) | Decision::Enrol(..)) | None => ended(desk, hall, id, EndedWhy::Expired).await,
    }
}

/// Somebody was faster: the same form sent twice, which goes on where the first has led, or another browser.
async fn overtaken(desk: &Desk, flow: &Flow) -> Result<Answered, FlowError> {
    match desk.flows.get(&flow.id).await? {
        Some(current) if current.version != flow.version => Ok(Answered::Next(current.stage)),
        // Not dropped: the first of two may be about to write its next stage. Its ten minutes end it.
        Some(_) | None => Ok(Answered::Ended(EndedWhy::Expired)),
    }
}
