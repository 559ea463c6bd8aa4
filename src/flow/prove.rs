//! The LMS has had a user before the first header sign-in: whoever says to be that one proves it by the LMS's own
//! password, once (design §2 "Binding to the LMS"). Everything else was answered before.

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall, Problem,
    answer::{decide, ended, load},
    begin::{LONGEST_NAME, given},
    lms_half::{Opened, settle},
    sign_in::enter,
    step::Stage,
};
use crate::{
    accounts::How,
    lms::{Judgement, LmsUser, LoginForm},
    mfa::policy::Decision,
    types::{Door, FlowId, Password},
};

/// The user name and password that the LMS knows.
pub async fn prove_lms_password(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    username: String,
    password: Password,
) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::Expired));
    };
    if !matches!(flow.stage, Stage::LmsPassword) {
        return Ok(Answered::Next(flow.stage));
    }
    let canonical = hall.lms.canonical_username(&username);
    if canonical.is_empty() || username.len() > LONGEST_NAME || password.expose().is_empty() {
        return Ok(Answered::Again(Problem::Incomplete));
    }
    // The LMS's password counts as any other: this page is no second door for guessing it.
    let leave = desk.throttle.password(&hall.site.name, &canonical, caller.client).await?;
    let Some(slot) = given(leave, desk, hall, caller, Door::Browser, &canonical) else {
        return Ok(Answered::Again(Problem::WrongPassword));
    };
    let form = LoginForm { username, password, others: Vec::new() };
    let (user, held) = match hall.lms.sign_in_by_form(&form, caller.client).await? {
        Judgement::Accepted { user, held } => (user, held),
        Judgement::Refused(_) => {
            desk.throttle.password_wrong(slot).await?;
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
    let Some(taken) = desk.flows.take(id).await.inspect_err(|_| hall.give_back(held.clone()))? else {
        hall.give_back(held);
        return Ok(Answered::Ended(EndedWhy::AlreadyFinished));
    };
    // The LMS's own name where it says it: the header will send it from now on.
    let user = LmsUser { username: user.username.or(Some(canonical)), ..user };
    match settle(desk, hall, caller, satisfied.resolved(), (&user, held), How::Proof).await? {
        Opened::Open { held, bound } => {
            let wanted = Some(taken.wanted).filter(|wanted| !wanted.is_empty());
            let signed_in = enter(desk, hall, caller, satisfied, (held, bound), wanted).await?;
            Ok(Answered::SignedIn(Box::new(signed_in)))
        }
        Opened::Prove | Opened::Refused => Ok(Answered::Ended(EndedWhy::Refused)),
    }
}
