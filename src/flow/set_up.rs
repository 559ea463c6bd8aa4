//! A first factor that nobody demands yet, from the account page of somebody who was let in without one. It takes what
//! a first enrolment at sign-in takes under the same rule (attack J3): the help desk's code, or the password typed once
//! more wherever the source takes one, and where the rule wants it also a code that is mailed to the address that the
//! source states. That there is a session opens nothing: whoever has got hold of one would make the account theirs.

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall, Problem,
    account::instance,
    address::mailed_stage,
    answer::{decide, ended, load, next},
    begin::{Judged, LONGEST_NAME, given, judge_by, open, settle, waiting},
    known::password_slot,
    lms_half::Half,
    passkey::first_stage,
    permit::is_held_here,
    step::{Action, Errand, Flow, Stage},
};
use crate::{
    accounts::{Resolved, resume},
    chain::{Attempt, Credentials, Selection, Trace},
    lms::{Held, LoginForm},
    mfa::{enrolment::EnrolmentProof, policy::Decision},
    sessions::Session,
    types::{Door, FlowId, Password},
};
use std::time::Instant;

/// `None`: there is a factor to ask, or none is wanted here.
pub(super) async fn begin_set_up(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    session: &Session,
    resolved: Resolved,
) -> Result<Option<(FlowId, Stage)>, FlowError> {
    let enrolments = desk.enrolments_of(&resolved.account().id).await?;
    let stand = desk.standpoint(hall, Door::Browser, caller.client, &resolved, &enrolments).await?;
    let Some((proof, rule)) = desk.policy.set_up(resolved.account(), &enrolments, &stand.case()) else {
        return Ok(None);
    };
    let has_password = instance(hall, resolved.source()).is_some_and(|instance| instance.password.is_some());
    let stage = match proof {
        EnrolmentProof::AtSignIn | EnrolmentProof::AfterEmailCode if has_password => Stage::OwnPassword,
        EnrolmentProof::AfterEmailCode => mailed_stage(desk, resolved.account(), proof, rule).await?,
        EnrolmentProof::AtSignIn | EnrolmentProof::ByHelpDesk | EnrolmentProof::Imported => Stage::HelpDesk,
    };
    let half = Half { held: Held::ByHeader { service: None }, lms_user: None };
    let errand = Some(Errand::Act { session: session.key.clone(), action: Action::SetUp });
    let flow = Flow { errand, ..waiting(desk, hall, caller, Door::Browser, &resolved, stage, half) };
    open(desk, hall, &flow).await?;
    Ok(Some((flow.id, flow.stage)))
}

/// Whether a first enrolment is still due in a flow.
pub(super) enum Due {
    /// By this proof, under the named rule.
    Yes(Box<Resolved>, EnrolmentProof, String),
    /// There is something to ask now, or nothing is wanted any more.
    No,
    /// The account is not as it was.
    Gone,
}

/// At a sign-in: where it is demanded. In a flow of the account page: where the rule has to do with factors at all.
pub(super) async fn due(desk: &Desk, hall: &Hall, caller: &Caller, flow: &Flow) -> Result<Due, FlowError> {
    if !is_set_up(flow) {
        return Ok(match decide(desk, flow).await? {
            Some(Decision::Enrol(resolved, proof, rule)) => Due::Yes(Box::new(resolved), proof, rule),
            Some(Decision::Satisfied(_) | Decision::Challenge(..)) => Due::No,
            None => Due::Gone,
        });
    }
    if !is_held_here(desk, hall, caller, flow).await? {
        return Ok(Due::Gone);
    }
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else { return Ok(Due::Gone) };
    let enrolments = desk.enrolments_of(&resolved.account().id).await?;
    let stand = desk.standpoint_of(flow, &resolved, &enrolments).await?;
    Ok(match desk.policy.set_up(resolved.account(), &enrolments, &stand.case()) {
        Some((proof, rule)) => Due::Yes(Box::new(resolved), proof, rule),
        None => Due::No,
    })
}

pub(super) fn is_set_up(flow: &Flow) -> bool {
    matches!(flow.errand, Some(Errand::Act { action: Action::SetUp, .. }))
}

/// The password by which they sign in, once more.
pub async fn own_password(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    username: String,
    password: Password,
) -> Result<Answered, FlowError> {
    let began = Instant::now();
    let answered = proven(desk, hall, caller, id, username, password).await;
    if matches!(&answered, Ok(Answered::Again(Problem::WrongPassword | Problem::Unavailable))) {
        settle(desk, began).await;
    }
    answered
}

async fn proven(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    username: String,
    password: Password,
) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else { return Ok(Answered::Ended(EndedWhy::Expired)) };
    if !matches!(flow.stage, Stage::OwnPassword) {
        return Ok(Answered::Next(flow.stage));
    }
    let Due::Yes(resolved, opened @ (EnrolmentProof::AtSignIn | EnrolmentProof::AfterEmailCode), rule) =
        due(desk, hall, caller, &flow).await?
    else {
        return ended(desk, hall, id, EndedWhy::Expired).await;
    };
    let canonical = hall.lms.canonical_username(&username);
    if canonical.is_empty() || username.len() > LONGEST_NAME || password.expose().is_empty() {
        return Ok(Answered::Again(Problem::Incomplete));
    }
    // The same counters as at the door: this page is no second one for guessing.
    let leave = password_slot(desk, hall, caller, Door::Browser, &canonical).await?;
    let Some(slot) = given(leave, desk, hall, caller, Door::Browser, &canonical) else {
        return Ok(Answered::Again(Problem::WrongPassword));
    };
    let form = LoginForm { username, password, others: Vec::new() };
    let attempt = Attempt { credentials: Credentials::Form(form), client: caller.client, trace: Trace::off() };
    let selection = Selection::Only(vec![flow.pending.source.clone()]);
    let proof = match judge_by(desk, hall, caller, &attempt, &canonical, slot, &selection).await {
        Ok(Judged::Authenticated(proof)) => *proof,
        Ok(Judged::Refused(_)) => return Ok(Answered::Again(Problem::WrongPassword)),
        Err(FlowError::SourceDown) => return Ok(Answered::Again(Problem::Unavailable)),
        Err(error) => return Err(error),
    };
    let same = *proof.source() == flow.pending.source && proof.person().subject == flow.pending.subject;
    // An LMS session that only told us who this is.
    if let Some(lms) = proof.into_lms() {
        hall.give_back(lms.held);
    }
    if !same {
        // Somebody's password, and not this account's.
        return Ok(Answered::Again(Problem::WrongPassword));
    }
    let stage = match opened {
        EnrolmentProof::AfterEmailCode => mailed_stage(desk, resolved.account(), opened, rule).await?,
        _ => first_stage(desk, hall, resolved.account(), opened, rule).await?,
    };
    next(desk, Flow { stage, ..flow }).await
}
