//! The LMS has had a user before the first header sign-in: whoever says to be that one proves it by the LMS's own
//! password, once (design §2 "Binding to the LMS"). Everything else was answered before.

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall, Problem,
    answer::{decide, ended, load},
    begin::{denied, given, settle as pace},
    known::password_slot,
    lms_half::{Opened, settle},
    sign_in::enter,
    step::Stage,
    trusted::still_trusted,
};
use crate::{
    accounts::{How, name_for_lms, resume},
    lms::{Judgement, LmsUser, LoginForm},
    mfa::policy::Decision,
    types::{Door, FlowId, Password},
};
use std::time::Instant;

/// The user name and password that the LMS knows.
pub async fn prove_lms_password(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    password: Password,
) -> Result<Answered, FlowError> {
    let began = Instant::now();
    let answered = proven(desk, hall, caller, id, password).await;
    if matches!(answered, Ok(Answered::Again(_))) {
        pace(desk, began).await;
    }
    answered
}

async fn proven(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    password: Password,
) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::Expired));
    };
    if !matches!(flow.stage, Stage::LmsPassword) {
        return Ok(Answered::Next(flow.stage));
    }
    // The name is the account's own, never what is typed: another LMS user's password proves nothing here.
    let resolved = resume(desk.accounts.as_ref(), &flow.pending).await?;
    let name = match &resolved {
        Some(resolved) => name_for_lms(desk.accounts.as_ref(), resolved, &hall.site.name).await?,
        None => None,
    };
    let Some(canonical) = name else { return ended(desk, hall, id, EndedWhy::Expired).await };
    if password.expose().is_empty() {
        return Ok(Answered::Again(Problem::Incomplete));
    }
    let username = canonical.clone();
    // The LMS's password counts as any other: this page is no second door for guessing it.
    let leave = password_slot(desk, hall, caller, Door::Browser, &canonical).await?;
    let Some(slot) = given(leave, desk, hall, caller, Door::Browser, &canonical) else {
        return Ok(Answered::Again(Problem::WrongPassword));
    };
    let form = LoginForm { username, password, others: Vec::new() };
    let (user, held) = match hall.lms.sign_in_by_form(&form, caller.client).await? {
        Judgement::Accepted { user, held } => (user, held),
        Judgement::Refused(_) => {
            desk.throttle.password_wrong(slot).await?;
            denied::<()>(desk, hall, caller, Door::Browser, &canonical, "lms_password_wrong");
            return Ok(Answered::Again(Problem::WrongPassword));
        }
        Judgement::Barred(_) => {
            desk.throttle.password_not_wrong(slot).await?;
            return Ok(Answered::Again(Problem::WrongPassword));
        }
    };
    desk.throttle.password_not_wrong(slot).await?;
    let Some(Decision::Satisfied(satisfied)) =
        decide(desk, &flow).await.inspect_err(|_| hall.give_back(held.clone()))?
    else {
        hall.give_back(held);
        return ended(desk, hall, id, EndedWhy::Expired).await;
    };
    // Its device was used when the flow began, and may have been revoked since.
    let trusted = still_trusted(desk, &satisfied, flow.device.as_ref()).await;
    if !trusted.inspect_err(|_| hall.give_back(held.clone()))? {
        hall.give_back(held);
        return ended(desk, hall, id, EndedWhy::Expired).await;
    }
    let Some(taken) = desk.flows.take(id).await.inspect_err(|_| hall.give_back(held.clone()))? else {
        hall.give_back(held);
        return Ok(Answered::Ended(EndedWhy::AlreadyFinished));
    };
    // The name that was proven is the one the header sends from now on.
    if user.username.as_deref().is_some_and(|stated| stated != canonical) {
        hall.give_back(held);
        return Ok(Answered::Ended(EndedWhy::Refused));
    }
    let user = LmsUser { username: Some(canonical), ..user };
    match settle(desk, hall, caller, satisfied.resolved(), (&user, held), How::Proof).await? {
        Opened::Open { held, bound } => {
            let wanted = Some(taken.wanted).filter(|wanted| !wanted.is_empty());
            let signed_in = enter(desk, hall, caller, satisfied, taken.device, (held, bound), wanted).await?;
            Ok(Answered::SignedIn(Box::new(signed_in)))
        }
        Opened::Prove | Opened::Refused => Ok(Answered::Ended(EndedWhy::Refused)),
    }
}
