//! A stranger whose verified address is that of an account, verified there too (design §2 "Accounts"): they may show
//! that it is theirs, by that account's own sign-in and its own factor in this browser, or have an account beside it.
//! Until then nothing is linked, and nothing is said about the account but the address that its reader owns.

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall, Problem,
    account::instance,
    answer::{ended, load, next},
    begin::{Asking, Judged, LONGEST_NAME, Whose, account, given, judge_by, new_flow_id, open, settle},
    known::password_slot,
    link::link_second,
    lms_half::{Half, first_half},
    permit::permission,
    sign_in::{Finished, SignIn, finish, go_on},
    step::{Asks, Errand, Flow, Pending, Stage, Trust},
};
use crate::{
    accounts::Resolved,
    chain::{Attempt, Authenticated, Credentials, Kept, Newcomers, Selection, Trace},
    lms::LoginForm,
    mfa::policy::{Decision, Permission, Permitted},
    types::{AccountId, Door, FlowId, Password, SourceId},
};
use std::time::Instant;

/// Puts the question: the stranger waits in a flow of their own.
pub(super) async fn offer(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    second: Kept,
    candidates: Vec<AccountId>,
    half: Half,
    wanted: Option<String>,
) -> Result<SignIn, FlowError> {
    let Some(first) = candidates.first().cloned() else { return Err(FlowError::SourceDown) };
    let now = desk.now();
    let flow = Flow {
        id: new_flow_id(desk.rng.as_ref()),
        version: 0,
        door: Door::Browser,
        site: hall.site.name.clone(),
        created: now,
        expires: now.plus(desk.settings.flow_life()),
        client: caller.client,
        agent: caller.agent.clone(),
        // What it would be if they were linked. They are not, so nobody can resume it.
        pending: Pending {
            account: first,
            epoch: 0,
            source: second.source().clone(),
            subject: second.person().subject.clone(),
            at: now,
            by: crate::types::FirstProof::Password,
        },
        facts: Vec::new(),
        asks: Asks::default(),
        stage: Stage::Offer,
        device: None,
        trust: Trust::No,
        errand: Some(Errand::Adopt { second: Box::new(second), candidates }),
        held: half.held,
        lms_user: half.lms_user,
        wanted: wanted.unwrap_or_default(),
    };
    open(desk, hall, &flow).await?;
    Ok(SignIn::Continue(flow.id, Stage::Offer))
}

/// Whether somebody from this source may have an account beside the one that has their address.
pub(super) fn may_create(hall: &Hall, second: &Kept) -> bool {
    instance(hall, second.source()).is_some_and(|instance| instance.rules.newcomers == Newcomers::Create)
}

/// "This is me": the account's own sign-in.
pub async fn adopt(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    username: String,
    password: Password,
) -> Result<Answered, FlowError> {
    let began = Instant::now();
    let answered = prove(desk, hall, caller, id, username, password).await;
    let refused = |problem: &Problem| matches!(problem, Problem::WrongPassword | Problem::Unavailable);
    if matches!(&answered, Ok(Answered::Again(problem)) if refused(problem)) {
        settle(desk, began).await;
    }
    answered
}

async fn prove(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    username: String,
    password: Password,
) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else { return Ok(Answered::Ended(EndedWhy::Expired)) };
    let (Stage::Offer, Some(Errand::Adopt { candidates, .. })) = (&flow.stage, &flow.errand) else {
        return Ok(Answered::Next(flow.stage));
    };
    let canonical = hall.lms.canonical_username(&username);
    if canonical.is_empty() || username.len() > LONGEST_NAME || password.expose().is_empty() {
        return Ok(Answered::Again(Problem::Incomplete));
    }
    let leave = password_slot(desk, hall, caller, Door::Browser, &canonical).await?;
    let Some(slot) = given(leave, desk, hall, caller, Door::Browser, &canonical) else {
        return Ok(Answered::Again(Problem::WrongPassword));
    };
    let form = LoginForm { username, password, others: Vec::new() };
    let attempt = Attempt { credentials: Credentials::Form(form), client: caller.client, trace: Trace::off() };
    let selection = Selection::Only(own_sources(desk, hall, candidates).await?);
    match judge_by(desk, hall, caller, &attempt, &canonical, slot, &selection).await {
        Ok(Judged::Authenticated(proof)) => claimed(desk, hall, caller, flow, (*proof, &attempt), &canonical).await,
        Ok(Judged::Refused(_)) => Ok(Answered::Again(Problem::WrongPassword)),
        Err(FlowError::SourceDown) => Ok(Answered::Again(Problem::Unavailable)),
        Err(error) => Err(error),
    }
}

/// The sources by which these accounts sign in here, primary first.
async fn own_sources(desk: &Desk, hall: &Hall, candidates: &[AccountId]) -> Result<Vec<SourceId>, FlowError> {
    let mut sources = Vec::new();
    for candidate in candidates {
        for method in desk.accounts.methods(candidate).await? {
            if hall.sources.contains(&method.source) && !sources.contains(&method.source) {
                sources.push(method.source);
            }
        }
    }
    Ok(sources)
}

/// Somebody's password was right. It is taken only if it is one of the accounts in question.
async fn claimed(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    flow: Flow,
    (proof, attempt): (Authenticated, &Attempt),
    canonical: &str,
) -> Result<Answered, FlowError> {
    let Some(resolved) = candidate(desk, hall, caller, &flow, (proof, attempt), canonical).await? else {
        return Ok(Answered::Again(Problem::WrongPassword));
    };
    let (resolved, half) = resolved;
    let waiting = Flow {
        pending: resolved.to_pending(),
        stage: Stage::Permit,
        facts: Vec::new(),
        asks: Asks::default(),
        held: half.held,
        lms_user: half.lms_user,
        ..flow.clone()
    };
    match permission(desk, &waiting).await.inspect_err(|_| hall.give_back(waiting.held.clone()))? {
        Some(Permission::Ask(_)) => {}
        Some(Permission::Given(_) | Permission::NoFactor) | None => {
            hall.give_back(waiting.held);
            return ended(desk, hall, &flow.id, EndedWhy::NoFactor).await;
        }
    }
    match desk.flows.replace(&waiting).await {
        // The stranger's own LMS session is not needed any more: they come in as the account.
        Ok(true) => {
            hall.give_back(flow.held);
            Ok(Answered::Next(Stage::Permit))
        }
        Ok(false) => {
            hall.give_back(waiting.held);
            next(desk, flow).await
        }
        Err(error) => {
            hall.give_back(waiting.held);
            Err(error.into())
        }
    }
}

async fn candidate(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    flow: &Flow,
    (proof, attempt): (Authenticated, &Attempt),
    canonical: &str,
) -> Result<Option<(Resolved, Half)>, FlowError> {
    let Some(Errand::Adopt { candidates, .. }) = &flow.errand else { return Ok(None) };
    // Before anything is made of it: a stranger to these accounts gets none here.
    let owner = desk.accounts.by_method(proof.source(), &proof.person().subject).await;
    let owner = match owner {
        Ok(Some(owner)) if candidates.contains(&owner.id) => owner.id,
        other => {
            if let Some(lms) = proof.into_lms() {
                hall.give_back(lms.held);
            }
            return other.map(|_| None).map_err(FlowError::from);
        }
    };
    let Some(first) = first_half(desk, hall, caller, &proof, attempt, canonical).await? else { return Ok(None) };
    let asking = Asking { proof: &proof, lms: first.user(&proof), canonical, beside_candidates: false };
    let whose = account(desk, hall, caller, Door::Browser, &asking).await;
    let half = first.into_half(proof, &attempt.credentials);
    match whose.inspect_err(|_| hall.give_back(half.held.clone()))? {
        Whose::Account(resolved) if resolved.account().id == owner => Ok(Some((*resolved, half))),
        Whose::Account(_) | Whose::Candidates(_) | Whose::Nobody => {
            hall.give_back(half.held);
            Ok(None)
        }
    }
}

/// The account's own factor was answered, for this: linked, and signed in as that account.
pub(super) async fn adopted(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    permitted: Permitted,
    second: &Kept,
    taken: Flow,
) -> Result<Answered, FlowError> {
    let half = Half { held: taken.held, lms_user: taken.lms_user };
    let linked = link_second(desk, hall, caller, permitted.resolved(), second).await;
    if !linked.inspect_err(|_| hall.give_back(half.held.clone()))? {
        hall.give_back(half.held);
        return Ok(Answered::Ended(EndedWhy::LinkTaken));
    }
    let (resolved, facts) = permitted.into_parts();
    let enrolments = desk.enrolments_of(&resolved.account().id).await;
    let enrolments = enrolments.inspect_err(|_| hall.give_back(half.held.clone()))?;
    let stand = desk.standpoint(hall, Door::Browser, caller.client, &resolved, &enrolments).await;
    let stand = stand.inspect_err(|_| hall.give_back(half.held.clone()))?;
    let Decision::Satisfied(satisfied) = desk.policy.decide(resolved, &enrolments, facts, &stand.case()) else {
        hall.give_back(half.held);
        return Ok(Answered::Ended(EndedWhy::Expired));
    };
    let wanted = Some(taken.wanted).filter(|wanted| !wanted.is_empty());
    Ok(match finish(desk, hall, caller, satisfied, half, wanted).await? {
        Finished::SignedIn(signed_in) => Answered::SignedIn(signed_in),
        Finished::Prove(id) => Answered::Elsewhere(id, Stage::LmsPassword),
        Finished::Refused => Answered::Ended(EndedWhy::Refused),
    })
}

/// "I am somebody else": an account beside the one that has the address, which then proves nothing about either.
pub async fn create_beside(desk: &Desk, hall: &Hall, caller: &Caller, id: &FlowId) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else { return Ok(Answered::Ended(EndedWhy::Expired)) };
    let (Stage::Offer, Some(Errand::Adopt { second, .. })) = (&flow.stage, flow.errand.clone()) else {
        return Ok(Answered::Next(flow.stage));
    };
    let Some(proof) = second.restore(&hall.instances).filter(|_| may_create(hall, &second)) else {
        return ended(desk, hall, id, EndedWhy::Refused).await;
    };
    let Some(taken) = desk.flows.take(id).await? else { return Ok(Answered::Ended(EndedWhy::AlreadyFinished)) };
    let half = Half { held: taken.held, lms_user: taken.lms_user };
    let name = proof.username().map(|name| name.as_str().to_owned()).unwrap_or_default();
    let asking = Asking { proof: &proof, lms: second.lms(), canonical: &name, beside_candidates: true };
    let whose = account(desk, hall, caller, Door::Browser, &asking).await;
    let Whose::Account(resolved) = whose.inspect_err(|_| hall.give_back(half.held.clone()))? else {
        hall.give_back(half.held);
        return Ok(Answered::Ended(EndedWhy::Refused));
    };
    let wanted = Some(taken.wanted).filter(|wanted| !wanted.is_empty());
    Ok(match go_on(desk, hall, caller, *resolved, half, Vec::new(), wanted).await? {
        Some(SignIn::SignedIn(signed_in)) => Answered::SignedIn(signed_in),
        Some(SignIn::Continue(id, stage)) => Answered::Elsewhere(id, stage),
        Some(SignIn::Refused(_)) | None => Answered::Ended(EndedWhy::Refused),
    })
}
