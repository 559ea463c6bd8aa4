//! What an owner does with the account's own factors, once one of them was answered for it ([`super::permit`], attack
//! F7): add, rename, remove, new recovery codes.

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall,
    answer::next,
    passkey::{self, enrolment_stage},
    permit::host,
    step::{Flow, Stage},
};
use crate::{
    accounts::Account,
    audit::Event,
    keys,
    mfa::{
        enrolment::{Enrolment, EnrolmentProof, Enrolments},
        factors::recovery,
        policy::Permitted,
    },
    outbound::mail::Message,
    sessions::cookie,
    types::{AccountId, EnrolmentId, Fact, FactorKind},
};

/// Whether a further factor of that kind may be added at the account page.
pub(super) fn addable(desk: &Desk, hall: &Hall, kind: FactorKind) -> bool {
    match kind {
        FactorKind::Totp => desk.policy.offers(kind),
        FactorKind::Webauthn => passkey::is_offered(desk, hall),
        FactorKind::Email => desk.policy.offers(kind) && desk.mailer.is_on(),
        FactorKind::Sms => desk.policy.offers(kind) && desk.texter.is_on(),
        // They come with a factor.
        FactorKind::Recovery => false,
    }
}

/// The label of a factor, as its owner may choose it; longer ones are cut.
const LONGEST_LABEL: usize = 60;

/// What a person typed as a label: one short line, or the name that is there without one.
pub(super) fn label(typed: &str, usual: &str) -> String {
    let visible = typed.chars().map(|c| if c.is_control() { ' ' } else { c });
    let words = visible.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = words.chars().take(LONGEST_LABEL).collect();
    if cut.is_empty() { usual.to_owned() } else { cut }
}

/// The first step of enrolling a further factor.
pub(super) async fn begin_adding(
    desk: &Desk,
    hall: &Hall,
    mut flow: Flow,
    permitted: &Permitted,
    kind: FactorKind,
) -> Result<Answered, FlowError> {
    let enrolments = desk.enrolments.enrolments(&flow.pending.account).await?;
    let Some((proof, rule)) = inherited(&enrolments, permitted.facts()) else {
        return Ok(Answered::Ended(EndedWhy::NoFactor));
    };
    if matches!(kind, FactorKind::Email | FactorKind::Sms) {
        flow.stage = Stage::ProveAddress { kind, to: None, proof, rule };
        return next(desk, flow).await;
    }
    let account = permitted.resolved().account();
    match enrolment_stage(desk, hall, account, kind, (proof, rule)).await? {
        Some(stage) => {
            flow.stage = stage;
            next(desk, flow).await
        }
        None => Ok(Answered::Ended(EndedWhy::Expired)),
    }
}

/// A further factor rests on what the answered one rests on: the weakest of those that were answered; behind a recovery
/// code stand all.
pub(super) fn inherited(enrolments: &Enrolments, facts: &[Fact]) -> Option<(EnrolmentProof, String)> {
    let answered = |enrolment: &&Enrolment| facts.iter().any(|fact| fact.enrolment.as_ref() == Some(&enrolment.id));
    let by_code = facts.iter().any(|fact| fact.factor == FactorKind::Recovery);
    let behind = enrolments.all.iter().filter(|enrolment| by_code || answered(enrolment));
    behind.min_by_key(|enrolment| enrolment.proof).map(|enrolment| (enrolment.proof, enrolment.rule.clone()))
}

pub(super) async fn remove_factor(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    permitted: Permitted,
    id: &EnrolmentId,
) -> Result<Answered, FlowError> {
    let account = permitted.resolved().account();
    let enrolments = desk.enrolments.enrolments(&account.id).await?;
    let Some(enrolment) = enrolments.find(id) else { return Ok(Answered::Acted) };
    if !desk.enrolments.remove(&account.id, id).await? {
        return Ok(Answered::Acted);
    }
    let event = Event::FactorRemoved { account: account.id.clone(), factor: enrolment.kind };
    desk.record(hall, caller, event);
    let message = Message::FactorRemoved { site: host(hall), factor: enrolment.kind, label: enrolment.label.clone() };
    desk.tell(caller, account, message).await;
    end_proven_by(desk, Some(caller), account, enrolment).await?;
    Ok(Answered::Acted)
}

/// What a removed factor had opened ends with it; the session in which it was removed goes on. Neither a token nor a
/// trusted device says which factor it rests on: all since that factor was there may.
pub(super) async fn end_proven_by(
    desk: &Desk,
    caller: Option<&Caller>,
    account: &Account,
    enrolment: &Enrolment,
) -> Result<(), FlowError> {
    let mut forgotten = Vec::new();
    for device in desk.devices.devices(&account.id).await? {
        if device.created >= enrolment.created && desk.devices.forget(&account.id, &device.id).await? {
            forgotten.push(device.id);
        }
    }
    for session in desk.sessions.of_account(&account.id).await? {
        let by_it = session.facts.iter().any(|fact| fact.enrolment.as_ref() == Some(&enrolment.id))
            || forgotten.iter().any(|device| session.rests_on(device));
        let own = caller.and_then(|caller| caller.cookie(cookie::SESSION));
        let own = own.is_some_and(|key| keys::session_key(key) == session.key);
        if by_it && !own {
            desk.sessions.remove(&session.key).await?;
        }
    }
    for token in desk.ledger.of_account(&account.id).await? {
        if token.revoked.is_none() && token.factor_at.is_some_and(|at| at >= enrolment.created) {
            desk.ledger.revoke(&token.id, desk.now()).await?;
        }
    }
    Ok(())
}

pub(super) async fn rename_factor(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    permitted: Permitted,
    id: &EnrolmentId,
    typed: &str,
) -> Result<Answered, FlowError> {
    let account = permitted.resolved().account();
    let enrolments = desk.enrolments.enrolments(&account.id).await?;
    let Some(enrolment) = enrolments.find(id) else { return Ok(Answered::Acted) };
    let (from, to) = (enrolment.label.clone(), label(typed, &enrolment.label));
    if from != to && desk.enrolments.rename(&account.id, id, &to).await? {
        let factor = enrolment.kind;
        desk.record(hall, caller, Event::FactorRenamed { account: account.id.clone(), factor });
        desk.tell(caller, account, Message::FactorRenamed { site: host(hall), factor, from, to }).await;
    }
    Ok(Answered::Acted)
}

/// Ten fresh recovery codes and their digests.
pub(super) fn fresh_codes(desk: &Desk, account: &AccountId) -> (Vec<String>, Vec<String>) {
    let codes = recovery::generate(desk.rng.as_ref()).to_vec();
    let ring = desk.ring();
    let canonical = codes.iter().filter_map(|code| recovery::canonical(code));
    let digests = canonical.map(|code| recovery::digest(&ring, account, &code)).collect();
    (codes, digests)
}

/// All earlier codes are void. They are shown once, in a flow that is this session's as the one before was.
pub(super) async fn new_recovery_codes(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    permitted: Permitted,
    taken: Flow,
) -> Result<Answered, FlowError> {
    let account = permitted.resolved().account();
    let (codes, digests) = fresh_codes(desk, &account.id);
    desk.enrolments.replace_recovery(&account.id, &digests).await?;
    desk.record(hall, caller, Event::RecoveryCodesReplaced { account: account.id.clone() });
    desk.tell(caller, account, Message::RecoveryCodesMade { site: host(hall) }).await;
    let stage = Stage::Codes { codes };
    let flow = Flow { id: super::begin::new_flow_id(desk.rng.as_ref()), version: 0, stage: stage.clone(), ..taken };
    super::begin::open(desk, hall, &flow).await?;
    Ok(Answered::Elsewhere(flow.id, stage))
}
