//! Another way to sign in to an account (design §2 "Accounts"): a fresh factor first, then a sign-in with the second
//! source in the same browser, and the owner's word that both are one. Nothing is linked on an address alone.

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall, Problem,
    account::{further, instance, label, redirects},
    answer::{ended, load, next},
    begin::{Judged, LONGEST_NAME, given, judge_by, settle},
    elsewhere::depart,
    known::password_slot,
    permit::{host, is_held_here, permission},
    step::{Flow, Stage},
};
use crate::{
    accounts::{Account, Linked, Question, Resolved, link, linkable},
    audit::Event,
    chain::{Attempt, Authenticated, Credentials, Kept, Selection, Strangers, Trace},
    lms::{LmsUser, LoginForm},
    mfa::policy::Permission,
    outbound::mail::Message,
    types::{AccountId, Door, FlowId, Password, SourceId},
};
use std::time::Instant;

/// A source to choose, by its name and what people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub source: String,
    pub label: String,
}

/// The sources that could be linked: those with a password, and those that send the browser elsewhere.
pub(super) async fn choices(
    desk: &Desk,
    hall: &Hall,
    account: &AccountId,
) -> Result<(Vec<Choice>, Vec<Choice>), FlowError> {
    let methods = desk.accounts.methods(account).await?;
    let (mut passwords, mut buttons) = (Vec::new(), Vec::new());
    for instance in further(hall, &methods) {
        let choice = Choice { source: instance.name.to_string(), label: instance.label().to_owned() };
        if instance.password.is_some() {
            passwords.push(choice.clone());
        }
        if redirects(hall, instance) {
            buttons.push(choice);
        }
    }
    Ok((passwords, buttons))
}

/// Who somebody says to be at the second source.
pub struct SecondSource {
    pub source: SourceId,
    pub username: String,
    pub password: Password,
}

/// The second source's own question, asked of that source alone.
pub async fn second_source(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    given: SecondSource,
) -> Result<Answered, FlowError> {
    let began = Instant::now();
    let answered = ask_second(desk, hall, caller, id, given).await;
    let refused = |problem: &Problem| matches!(problem, Problem::WrongPassword | Problem::Unavailable);
    if matches!(&answered, Ok(Answered::Again(problem)) if refused(problem)) {
        settle(desk, began).await;
    }
    answered
}

async fn ask_second(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    SecondSource { source, username, password }: SecondSource,
) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else { return Ok(Answered::Ended(EndedWhy::Expired)) };
    if !matches!(flow.stage, Stage::SecondSource) {
        return Ok(Answered::Next(flow.stage));
    }
    if !is_held_here(desk, hall, caller, &flow).await? {
        return ended(desk, hall, id, EndedWhy::Expired).await;
    }
    let methods = desk.accounts.methods(&flow.pending.account).await?;
    let Some(chosen) = further(hall, &methods).find(|instance| instance.name == source) else {
        return Ok(Answered::Again(Problem::Incomplete));
    };
    if chosen.password.is_none() {
        return Ok(match depart(desk, hall, &chosen.name, None, Some(id.clone())).await? {
            Some(away) => Answered::Away(away),
            None => Answered::Again(Problem::Unavailable),
        });
    }
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
    let selection = Selection::Only(vec![chosen.name.clone()]);
    match judge_by(desk, hall, caller, &attempt, &canonical, slot, &selection).await {
        Ok(Judged::Authenticated(proof)) => proven(desk, hall, caller, flow, *proof).await,
        Ok(Judged::Refused(_)) => Ok(Answered::Again(Problem::WrongPassword)),
        Err(FlowError::SourceDown) => Ok(Answered::Again(Problem::Unavailable)),
        Err(error) => Err(error),
    }
}

/// The second source has said who this is.
pub(super) async fn proven(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    flow: Flow,
    proof: Authenticated,
) -> Result<Answered, FlowError> {
    let second = proof.to_kept(proof.lms().map(|lms| lms.user.clone()));
    let Some(asked) = second.restore(&hall.instances) else {
        return ended(desk, hall, &flow.id, EndedWhy::Expired).await;
    };
    // An LMS session that only told us who this is.
    if let Some(lms) = proof.into_lms() {
        hall.give_back(lms.held);
    }
    if second.lms().is_some_and(|user| user.id == hall.lms.guest()) {
        return Ok(Answered::Again(Problem::WrongPassword));
    }
    let Some(owner) = desk.accounts.account(&flow.pending.account).await? else {
        return ended(desk, hall, &flow.id, EndedWhy::Expired).await;
    };
    let here = |source: &SourceId| hall.sources.contains(source);
    let question = question(desk, hall, &asked, second.lms(), &here);
    match linkable(desk.accounts.as_ref(), &owner, &question).await? {
        Linked::Yes => next(desk, Flow { stage: Stage::Join { second: Box::new(second) }, ..flow }).await,
        Linked::Already => {
            desk.flows.take(&flow.id).await?;
            Ok(Answered::Acted)
        }
        Linked::Refused(reason) => {
            refused(desk, hall, caller, &owner.id, second.source(), reason);
            ended(desk, hall, &flow.id, EndedWhy::LinkTaken).await
        }
    }
}

/// "Both are me."
pub async fn join(desk: &Desk, hall: &Hall, caller: &Caller, id: &FlowId) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::AlreadyFinished));
    };
    let Stage::Join { second } = flow.stage.clone() else { return Ok(Answered::Next(flow.stage)) };
    if !is_held_here(desk, hall, caller, &flow).await? {
        return ended(desk, hall, id, EndedWhy::Expired).await;
    }
    let Some(Permission::Given(permitted)) = permission(desk, &flow).await? else {
        return ended(desk, hall, id, EndedWhy::Expired).await;
    };
    desk.must_record()?;
    if desk.flows.take(id).await?.is_none() {
        return Ok(Answered::Ended(EndedWhy::AlreadyFinished));
    }
    Ok(match link_second(desk, hall, caller, permitted.resolved(), &second).await? {
        true => Answered::Acted,
        false => Answered::Ended(EndedWhy::LinkTaken),
    })
}

/// Makes what waited a method of the account whose factor was answered. False: it is somebody else's.
pub(super) async fn link_second(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    owner: &Resolved,
    second: &Kept,
) -> Result<bool, FlowError> {
    let account = owner.account();
    let Some(proof) = second.restore(&hall.instances) else { return Ok(false) };
    let here = |source: &SourceId| hall.sources.contains(source);
    match link(desk.accounts.as_ref(), owner, &question(desk, hall, &proof, second.lms(), &here)).await? {
        Linked::Yes => {
            told(desk, hall, caller, account, second.source()).await;
            Ok(true)
        }
        Linked::Already => Ok(true),
        Linked::Refused(reason) => {
            refused(desk, hall, caller, &account.id, second.source(), reason);
            Ok(false)
        }
    }
}

async fn told(desk: &Desk, hall: &Hall, caller: &Caller, account: &Account, source: &SourceId) {
    let event = Event::MethodLinked { account: account.id.clone(), source: source.clone(), by: "owner" };
    desk.record(hall, caller, event);
    let message = Message::MethodLinked { site: host(hall), source: label(hall, source) };
    desk.tell(caller, account, message).await;
}

fn refused(desk: &Desk, hall: &Hall, caller: &Caller, account: &AccountId, source: &SourceId, reason: &'static str) {
    let event = Event::LinkRefused { account: account.clone(), source: source.clone(), reason };
    desk.record(hall, caller, event);
}

fn question<'a>(
    desk: &'a Desk,
    hall: &'a Hall,
    proof: &'a Authenticated,
    lms: Option<&'a LmsUser>,
    serves_here: &'a (dyn Fn(&SourceId) -> bool + Sync),
) -> Question<'a> {
    Question {
        rivals: &[],
        proof,
        lms,
        site: &hall.site.name,
        typed: "",
        lms_alone: hall.asks_its_lms_alone(),
        strangers: Strangers::Refuse,
        serves_here,
        beside_candidates: false,
        now: desk.now(),
        rng: desk.rng.as_ref(),
    }
}

/// Both sides of a link, as its page names them.
pub(super) fn sides(hall: &Hall, second: &Kept) -> (String, Option<String>) {
    let shown = second.person().username.clone().or_else(|| second.person().name.clone());
    let known = instance(hall, second.source()).is_some();
    (label(hall, second.source()), shown.filter(|_| known))
}
