//! A factor for a named action: asked in the action's own flow and in the very session that began it. A code answered
//! here signs nobody in, and one that signed somebody in permits nothing here (design §2, attacks G4, J5).

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall,
    account::{label, may, owner, session_source},
    answer::{Checked, check, ended, load, next, unanswered},
    factors::{begin_adding, new_recovery_codes, remove_factor, rename_factor},
    offer::adopted,
    passkey::put_question,
    sent::confirm_address,
    standpoint::Standpoint,
    step::{Action, Asks, Errand, Flow, Stage},
    step_up::stepped_up,
};
use crate::{
    accounts::{Resolved, resume},
    audit::Event,
    keys,
    mfa::{
        enrolment::{Enrolment, Enrolments},
        policy::{ENOUGH, Permission, Permitted},
    },
    outbound::mail::Message,
    sessions::{Session, cookie},
    types::{Door, FactorKind, FlowId, SourceId, Subject},
};
use std::sync::Arc;

/// An answer to the question that names the action.
pub async fn permit(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    kind: FactorKind,
    code: &str,
) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else { return Ok(Answered::Ended(EndedWhy::Expired)) };
    if !matches!(flow.stage, Stage::Permit) {
        return Ok(Answered::Next(flow.stage));
    }
    if !is_held_here(desk, hall, caller, &flow).await? {
        return ended(desk, hall, id, EndedWhy::Expired).await;
    }
    match check(desk, hall, caller, &flow, kind, code).await? {
        Checked::Right(fact) => {
            let facts = [flow.facts.clone(), vec![fact]].concat();
            answered(desk, hall, caller, Flow { facts, asks: Asks::default(), ..flow }).await
        }
        other => unanswered(desk, hall, id, kind, other).await,
    }
}

pub(super) async fn answered(desk: &Desk, hall: &Hall, caller: &Caller, mut flow: Flow) -> Result<Answered, FlowError> {
    let permitted = match permission(desk, &flow).await? {
        Some(Permission::Given(permitted)) => permitted,
        Some(Permission::Ask(_)) => {
            put_question(desk, hall, &mut flow).await?;
            return next(desk, flow).await;
        }
        Some(Permission::NoFactor) => {
            let why = match &flow.errand {
                Some(Errand::StepUp { .. }) => EndedWhy::NothingToAsk,
                Some(Errand::Act { .. } | Errand::Send { .. } | Errand::Adopt { .. }) | None => EndedWhy::NoFactor,
            };
            return ended(desk, hall, &flow.id, why).await;
        }
        None => return ended(desk, hall, &flow.id, EndedWhy::Expired).await,
    };
    match &flow.errand {
        Some(Errand::Act { action: Action::Link, .. }) => {
            flow.stage = Stage::SecondSource;
            return next(desk, flow).await;
        }
        Some(Errand::Act { action: Action::AddFactor { kind }, .. }) => {
            let kind = *kind;
            return begin_adding(desk, hall, flow, &permitted, kind).await;
        }
        Some(_) | None => {}
    }
    desk.must_record()?;
    let Some(taken) = desk.flows.take(&flow.id).await? else {
        return Ok(Answered::Ended(EndedWhy::AlreadyFinished));
    };
    match taken.errand.clone() {
        Some(Errand::Act { action: Action::Unlink { source, subject }, .. }) => {
            unlink(desk, hall, caller, permitted, (&source, &subject)).await
        }
        Some(Errand::Act { action: Action::MakePrimary { source, subject }, .. }) => {
            make_primary(desk, hall, caller, permitted, (&source, &subject)).await
        }
        Some(Errand::Adopt { second, .. }) => adopted(desk, hall, caller, permitted, &second, taken).await,
        Some(Errand::Act { action: Action::RemoveFactor { id }, .. }) => {
            remove_factor(desk, hall, caller, permitted, &id).await
        }
        Some(Errand::Act { action: Action::RenameFactor { id, label }, .. }) => {
            rename_factor(desk, hall, caller, permitted, &id, &label).await
        }
        Some(Errand::Act { action: Action::NewRecoveryCodes, .. }) => {
            new_recovery_codes(desk, hall, caller, permitted, Flow { errand: taken.errand.clone(), ..taken }).await
        }
        Some(Errand::Act { action: Action::ConfirmAddress { id }, .. }) => {
            confirm_address(desk, hall, caller, permitted, &id).await
        }
        Some(Errand::StepUp { path, form, .. }) => {
            stepped_up(desk, hall, caller, permitted, taken, (&path, form)).await
        }
        Some(
            Errand::Act { action: Action::Link | Action::AddFactor { .. } | Action::SetUp, .. } | Errand::Send { .. },
        )
        | None => Ok(Answered::Ended(EndedWhy::Expired)),
    }
}

/// What the facts answered in this flow permit. `None`: the account is not as it was.
pub(super) async fn permission(desk: &Desk, flow: &Flow) -> Result<Option<Permission>, FlowError> {
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else { return Ok(None) };
    let enrolments = desk.enrolments_of(&resolved.account().id).await?;
    let stand = desk.standpoint_of(flow, &resolved, &enrolments).await?;
    Ok(Some(judged(desk, flow, resolved, &enrolments, &stand)))
}

/// The same, of what is at hand.
pub(super) fn judged(
    desk: &Desk,
    flow: &Flow,
    resolved: Resolved,
    enrolments: &Enrolments,
    stand: &Standpoint,
) -> Permission {
    let facts = flow.facts.clone();
    match &flow.errand {
        Some(Errand::StepUp { had, path, .. }) => {
            desk.policy.permit_path(resolved, enrolments, had, facts, &stand.case_at(path))
        }
        Some(Errand::Act { .. } | Errand::Send { .. } | Errand::Adopt { .. }) | None => {
            desk.policy.permit(resolved, enrolments, facts, &stand.case(), need(desk, flow, enrolments))
        }
    }
}

/// Whether an answer of this enrolment counts where the flow is: for what it asks, by one reading for every kind.
pub(super) fn counts(desk: &Desk, flow: &Flow, stand: &Standpoint, enrolment: &Enrolment) -> bool {
    match &flow.errand {
        Some(Errand::StepUp { path, .. }) => desk.policy.takes(&stand.case_at(path), enrolment),
        Some(Errand::Act { .. } | Errand::Send { .. } | Errand::Adopt { .. }) | None => {
            desk.policy.takes(&stand.case(), enrolment)
        }
    }
}

/// How strong an answer must be: as strong as the factor that is touched (attack F7).
pub(super) fn need(desk: &Desk, flow: &Flow, enrolments: &Enrolments) -> u32 {
    match &flow.errand {
        Some(Errand::Act { action, .. }) => strength(desk, action, enrolments),
        Some(Errand::StepUp { .. } | Errand::Send { .. } | Errand::Adopt { .. }) | None => ENOUGH,
    }
}

pub(super) fn strength(desk: &Desk, action: &Action, enrolments: &Enrolments) -> u32 {
    let of = |kind| desk.policy.weight(kind).clamp(1, ENOUGH);
    // Two halves are a whole: with one of them nobody adds the other beside a factor that is a whole by itself.
    let strongest = enrolments.all.iter().filter(|e| !e.suspended).map(|e| of(e.kind)).max().unwrap_or(ENOUGH);
    match action {
        Action::AddFactor { kind } => of(*kind).max(strongest),
        Action::RemoveFactor { id } | Action::RenameFactor { id, .. } | Action::ConfirmAddress { id } => {
            enrolments.find(id).map_or(ENOUGH, |enrolment| of(enrolment.kind))
        }
        Action::NewRecoveryCodes => of(FactorKind::Recovery).max(strongest),
        // Opened by another proof than a factor; no answer permits it.
        Action::SetUp => u32::MAX,
        Action::Link | Action::Unlink { .. } | Action::MakePrimary { .. } => ENOUGH,
    }
}

/// Whether this browser still has the session that began the flow. A stranger's flow belongs to its cookie alone.
pub(super) async fn is_held_here(desk: &Desk, hall: &Hall, caller: &Caller, flow: &Flow) -> Result<bool, FlowError> {
    match &flow.errand {
        Some(Errand::Act { session, .. } | Errand::StepUp { session, .. }) => {
            let present = present(desk, hall, caller).await?;
            Ok(present.is_some_and(|p| p.key == *session && p.account() == Some(&flow.pending.account)))
        }
        // Over a sign-in the session is another one; whose it is counts.
        Some(Errand::Send { .. }) => {
            let present = present(desk, hall, caller).await?;
            Ok(present.is_some_and(|p| p.account() == Some(&flow.pending.account)))
        }
        Some(Errand::Adopt { .. }) => Ok(true),
        None => Ok(false),
    }
}

/// The live session of this browser.
pub(super) async fn present(desk: &Desk, hall: &Hall, caller: &Caller) -> Result<Option<Arc<Session>>, FlowError> {
    let Some(id) = caller.cookie(cookie::SESSION) else { return Ok(None) };
    let session = desk.sessions.get(&keys::session_key(id)).await?;
    let alive = |s: &Arc<Session>| s.site == hall.site.name && desk.settings.sessions.alive(s, desk.now());
    Ok(session.filter(alive))
}

async fn unlink(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    permitted: Permitted,
    (source, subject): (&SourceId, &Subject),
) -> Result<Answered, FlowError> {
    let account = permitted.resolved().account();
    let action = Action::Unlink { source: source.clone(), subject: subject.clone() };
    if !still_may(desk, hall, caller, &action).await? || !desk.accounts.unlink(&account.id, source, subject).await? {
        return Ok(Answered::Acted);
    }
    desk.record(hall, caller, Event::MethodUnlinked { account: account.id.clone(), source: source.clone() });
    // What was given for that method goes with it.
    for session in desk.sessions.of_account(&account.id).await? {
        if session_source(&session) == Some(source) {
            desk.sessions.remove(&session.key).await?;
        }
    }
    for token in desk.ledger.of_account(&account.id).await? {
        if token.source == *source && token.revoked.is_none() {
            desk.ledger.revoke(&token.id, desk.now()).await?;
        }
    }
    let message = Message::MethodUnlinked { site: host(hall), source: label(hall, source) };
    desk.tell(caller, account, message).await;
    Ok(Answered::Acted)
}

async fn make_primary(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    permitted: Permitted,
    (source, subject): (&SourceId, &Subject),
) -> Result<Answered, FlowError> {
    let account = permitted.resolved().account();
    let action = Action::MakePrimary { source: source.clone(), subject: subject.clone() };
    if !still_may(desk, hall, caller, &action).await?
        || !desk.accounts.make_primary(&account.id, source, subject).await?
    {
        return Ok(Answered::Acted);
    }
    desk.record(hall, caller, Event::PrimaryChanged { account: account.id.clone(), source: source.clone() });
    let message = Message::PrimaryChanged { site: host(hall), source: label(hall, source) };
    desk.tell(caller, account, message).await;
    Ok(Answered::Acted)
}

/// The methods may be others than when the flow began.
async fn still_may(desk: &Desk, hall: &Hall, caller: &Caller, action: &Action) -> Result<bool, FlowError> {
    let Some(session) = present(desk, hall, caller).await? else { return Ok(false) };
    let Some((_, methods)) = owner(desk, &session).await? else { return Ok(false) };
    Ok(may(hall, &methods, action, session_source(&session)))
}

/// The site as people know it.
pub(super) fn host(hall: &Hall) -> String {
    hall.site.public_url.host().to_owned()
}
