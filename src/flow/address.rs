//! An address or number that is proven by a code sent there: before a first enrolment (`after_email_code`), and when its
//! owner adds it as a further factor.

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall, Problem,
    answer::{Checked, ended, load, minutes, next, wrong},
    enrol::{added, end_unproven},
    factors::fresh_codes,
    known::factor_slot,
    passkey::first_stage,
    permit::{host, is_held_here, permission},
    sent::first_target,
    set_up::{Due, due, is_set_up},
    step::{Asks, Errand, Flow, Stage},
};
use crate::{
    accounts::Account,
    audit::Event,
    limits::{FactorSlot, Leave, Limit},
    mfa::{
        enrolment::{Enrolment, EnrolmentProof},
        factors::mailed::{Destination, Number, Outcome, Purpose, code, destination::masked},
        policy::{ENOUGH, Permission},
    },
    outbound::mail::{Message, Recipient},
    types::{Door, EnrolmentId, FactorKind, FlowId, RngExt},
};

/// The stage of a first enrolment that a mailed code opens. The address is what the source has said before this flow;
/// who can prove the mailbox alone goes to the help desk.
pub(super) async fn mailed_stage(
    desk: &Desk,
    account: &Account,
    proof: EnrolmentProof,
    rule: String,
) -> Result<Stage, FlowError> {
    let by_mail = desk.password_came_by_mail(&account.id).await?;
    let to = account.settled_email(desk.now()).filter(|_| !by_mail && desk.mailer.is_on()).map(str::to_owned);
    Ok(match to {
        to @ Some(_) => Stage::ProveAddress { kind: FactorKind::Email, to, proof, rule },
        None => Stage::HelpDesk,
    })
}

/// Which address or number its owner wants to add. A code is sent there by [`super::send_code`].
pub async fn name_address(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    typed: &str,
) -> Result<Answered, FlowError> {
    let Some(mut flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::Expired));
    };
    let first_of_all = flow.errand.is_none() || is_set_up(&flow);
    let Stage::ProveAddress { kind, to, .. } = &mut flow.stage else { return Ok(Answered::Next(flow.stage)) };
    // The address of a first enrolment is the source's word, never what is typed (attack J3).
    if first_of_all {
        return Ok(Answered::Next(flow.stage));
    }
    let named = match kind {
        FactorKind::Sms => Number::parse(typed).map(|number| number.as_str().to_owned()),
        _ => Recipient::try_from(typed.trim().to_owned()).ok().map(|address| address.0),
    };
    let Some(named) = named else { return Ok(Answered::Again(Problem::NoAddress)) };
    *to = Some(named);
    if !is_held_here(desk, hall, caller, &flow).await? {
        return ended(desk, hall, id, EndedWhy::Expired).await;
    }
    flow.asks = Asks::default();
    next(desk, flow).await
}

/// The code that was sent there.
pub async fn prove_address(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    typed: &str,
) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::Expired));
    };
    let Stage::ProveAddress { kind, to: Some(to), .. } = &flow.stage else { return Ok(Answered::Next(flow.stage)) };
    let (Some(typed), Some(live)) = (code::canonical(typed), &flow.asks.sent) else {
        return Ok(Answered::Again(Problem::Incomplete));
    };
    let (account, kind) = (flow.pending.account.clone(), *kind);
    let slot = match slot(desk, hall, caller, &flow, kind).await? {
        Ok(slot) => slot,
        Err(answered) => return Ok(answered),
    };
    let target = first_target(to).name;
    let purpose = Purpose { account: &account, flow: &flow.id, target: &target };
    if live.target != target || live.judge(&desk.ring(), purpose, &typed, desk.now()) != Outcome::Right {
        let event = Event::FactorRefused { account, factor: kind, door: flow.door, reason: "wrong" };
        desk.record(hall, caller, event);
        return match wrong(desk, slot).await? {
            Checked::FlowOver => ended(desk, hall, id, EndedWhy::TooManyAttempts).await,
            _ => Ok(Answered::Again(Problem::WrongCode)),
        };
    }
    desk.throttle.factor_right(slot).await?;
    proven(desk, hall, caller, flow).await
}

/// Leave to look at an answer for this factor, as for any other.
pub(super) async fn slot(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    flow: &Flow,
    kind: FactorKind,
) -> Result<Result<FactorSlot, Answered>, FlowError> {
    Ok(match factor_slot(desk, hall, caller, flow, kind.as_str()).await? {
        Leave::Given(slot) => Ok(slot),
        Leave::Refused { limit: Limit::FactorsPerFlow, .. } => Err(Answered::Ended(EndedWhy::TooManyAttempts)),
        Leave::Refused { rest, .. } => Err(Answered::Locked { minutes: minutes(rest) }),
    })
}

/// Its reader has the code, or opened the letter's link in this browser.
pub(super) async fn proven(desk: &Desk, hall: &Hall, caller: &Caller, flow: Flow) -> Result<Answered, FlowError> {
    let Stage::ProveAddress { kind, to: Some(to), proof, rule } = flow.stage.clone() else {
        return Ok(Answered::Next(flow.stage));
    };
    match &flow.errand {
        Some(Errand::Act { .. }) if is_set_up(&flow) => first(desk, hall, caller, flow, to, rule).await,
        Some(Errand::Act { .. }) => add_address(desk, hall, caller, flow, (kind, &to), (proof, rule)).await,
        Some(Errand::Adopt { .. } | Errand::StepUp { .. } | Errand::Send { .. }) => {
            ended(desk, hall, &flow.id, EndedWhy::Expired).await
        }
        None => first(desk, hall, caller, flow, to, rule).await,
    }
}

/// A further factor, in the flow in which another one was answered for it.
async fn add_address(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    flow: Flow,
    (kind, to): (FactorKind, &str),
    (proof, rule): (EnrolmentProof, String),
) -> Result<Answered, FlowError> {
    if !is_held_here(desk, hall, caller, &flow).await? {
        return ended(desk, hall, &flow.id, EndedWhy::Expired).await;
    }
    let Some(Permission::Given(permitted)) = permission(desk, &flow).await? else {
        return ended(desk, hall, &flow.id, EndedWhy::Expired).await;
    };
    desk.must_record()?;
    let account = permitted.resolved().account();
    let enrolment = enrolment(desk, hall, account, (kind, to), (proof, rule));
    if desk.flows.take(&flow.id).await?.is_none() {
        return Ok(Answered::Ended(EndedWhy::AlreadyFinished));
    }
    added(desk, hall, caller, account, &enrolment).await
}

/// The proof beyond the password for a first enrolment. Where the e-mail factor is enough by itself under that rule, the
/// address is the first factor; else a device follows, and the address beside it.
async fn first(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    mut flow: Flow,
    address: String,
    rule: String,
) -> Result<Answered, FlowError> {
    // Counted before the policy is asked: who comes in between is seen by one of the two.
    let seen = desk.enrolments.enrolments(&flow.pending.account).await?.all.len();
    let by_mail = desk.password_came_by_mail(&flow.pending.account).await?;
    let resolved = match due(desk, hall, caller, &flow).await? {
        Due::Yes(resolved, EnrolmentProof::AfterEmailCode, _) if !by_mail => resolved,
        Due::Yes(..) | Due::No | Due::Gone => return ended(desk, hall, &flow.id, EndedWhy::Expired).await,
    };
    let account = resolved.account();
    let event = Event::FactorAccepted { account: account.id.clone(), factor: FactorKind::Email, door: flow.door };
    desk.record(hall, caller, event);
    let counted = desk.settings.mfa.rules.iter().find(|of| of.name == rule);
    let counts = counted.is_none_or(|rule| rule.counts(FactorKind::Email));
    if !counts || desk.policy.weight(FactorKind::Email) < ENOUGH {
        flow.asks = Asks { proven: Some(address), ..Asks::default() };
        flow.stage = first_stage(desk, hall, account, EnrolmentProof::AfterEmailCode, rule).await?;
        return next(desk, flow).await;
    }
    let proof = EnrolmentProof::AfterEmailCode;
    let enrolment = enrolment(desk, hall, account, (FactorKind::Email, &address), (proof, rule));
    let (codes, digests) = fresh_codes(desk, &account.id);
    if !desk.enrolments.enrol_first(&enrolment, &digests, seen).await? {
        return ended(desk, hall, &flow.id, EndedWhy::Expired).await;
    }
    end_unproven(desk, caller, &account.id).await?;
    let fact = enrolment.fact(desk.now());
    flow.facts.push(fact);
    flow.asks = Asks::default();
    flow.stage = Stage::Codes { codes };
    let (factor, account) = (FactorKind::Email, account.clone());
    let event = Event::FactorEnrolled { account: account.id.clone(), factor, proof: proof.as_str() };
    desk.record(hall, caller, event);
    desk.tell_everywhere(caller, &account, Message::FirstEnrolment { site: host(hall), factor }).await?;
    next(desk, flow).await
}

/// The address that was proven before a first device becomes a factor beside it, where the factor is offered.
pub(super) async fn beside_device(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    account: &Account,
    (address, rule): (&str, String),
) -> Result<(), FlowError> {
    if !desk.policy.offers(FactorKind::Email) {
        return Ok(());
    }
    let proof = EnrolmentProof::AfterEmailCode;
    let enrolment = enrolment(desk, hall, account, (FactorKind::Email, address), (proof, rule));
    added(desk, hall, caller, account, &enrolment).await.map(|_| ())
}

fn enrolment(
    desk: &Desk,
    hall: &Hall,
    account: &Account,
    (kind, to): (FactorKind, &str),
    (proof, rule): (EnrolmentProof, String),
) -> Enrolment {
    let id = EnrolmentId::new(desk.rng.hex(16));
    let destination = match (kind, Number::parse(to)) {
        (FactorKind::Sms, Some(number)) => Destination::phone(&number),
        _ => Destination::mail(&desk.ring(), &account.id, to, account.email.as_deref()),
    };
    Enrolment {
        account: account.id.clone(),
        kind,
        label: masked(to),
        secret: desk.seal_destination(&id, &destination),
        detail: "{}".to_owned(),
        counter: 0,
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
