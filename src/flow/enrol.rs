//! A first enrolment inside a sign-in (design §4): the help desk's code where the rule asks for one, the device's
//! confirming code, and that the recovery codes are kept.

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall, Problem,
    answer::{Checked, complete, decide, done, ended, load, minutes, next, sealed_place, wrong},
    known::factor_slot,
    permit::host,
    sign_in::enrol_stage,
    step::{Flow, Stage},
};
use crate::{
    accounts::Resolved,
    audit::Event,
    keys::{self, Sealed},
    limits::{Leave, Limit},
    mfa::{
        enrolment::{EnrolmentProof, TotpEnrolment},
        factors::{recovery, totp},
        help_desk,
        policy::Decision,
    },
    outbound::mail::Message,
    sessions::cookie,
    tokens::Unproven,
    types::{AccountId, Door, Fact, FactorKind, FlowId, RngExt, Secret},
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
    let message = Message::FactorEnrolled { site: host(hall), factor: FactorKind::Totp };
    desk.tell(caller, resolved.account(), message).await;
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

/// "I have kept them": the sign-in ends as any other.
pub async fn keep_codes(desk: &Desk, hall: &Hall, caller: &Caller, id: &FlowId) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::AlreadyFinished));
    };
    if !matches!(flow.stage, Stage::Codes { .. }) {
        return Ok(Answered::Next(flow.stage));
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
