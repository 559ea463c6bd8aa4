//! What both doors begin with (design §2): a slot of the limits, the chain, the account, and, where something is
//! still missing, a flow that waits for it. How the credentials came in and how the answer goes out is each door's own.

use super::{
    Caller, Desk, FlowError, Hall,
    account::instance,
    desk::Settings,
    leavers::{Leavers, Welcome, ask as ask_standing, vouching},
    lms_half::Half,
    passkey::put_question,
    permit::host,
    pins::selection,
    step::{Asks, Flow, Stage, Trust},
};
use crate::{
    accounts::{Question, Resolution, Resolved, State, resolve},
    audit::Event,
    chain::{self, Attempt, Authenticated, End, Selection, Standing, Why},
    limits::{Leave, PasswordSlot, Spray},
    lms::LmsUser,
    outbound::{Answer, mail::Message},
    types::{AccountId, Door, FlowId, Rng, RngExt, SourceId, Username},
};
use std::time::{Duration, Instant};

/// In bytes: Moodle's column of 100 characters. Nobody's name is longer, and nothing longer is asked or recorded.
pub(super) const LONGEST_NAME: usize = 400;

/// The slot, if the limits leave one; that they do not is recorded.
pub(super) fn given(
    leave: Leave<PasswordSlot>,
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    door: Door,
    name: &str,
) -> Option<PasswordSlot> {
    match leave {
        Leave::Given(slot) => Some(slot),
        Leave::Refused { limit, .. } => {
            let event = Event::SignInThrottled { door, name: name.to_owned(), limit: limit.as_str() };
            desk.record_sparsely(hall, caller, name, event);
            None
        }
    }
}

/// What a try of a password waits that is being tried at many names: a sprayer's thousands take hours.
const SPRAYED: Duration = Duration::from_secs(3);

pub(super) enum Judged {
    Authenticated(Box<Authenticated>),
    /// With the LMS's own words, where it alone is asked here.
    Refused(Option<Box<Answer>>),
}

/// Asks the chain, and settles the password slot by what it said.
pub(super) async fn judge(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    attempt: &Attempt,
    canonical: &str,
    slot: PasswordSlot,
) -> Result<Judged, FlowError> {
    let name = Username::canonical(attempt.credentials.username());
    // Where others are asked beside the LMS, one name must be one name to all of them: what only the LMS would repair
    // would pass the others by (attacks E3, E11).
    let read_alike = name.as_ref().is_some_and(|name| name.as_str() == canonical);
    if !read_alike && !hall.asks_its_lms_alone() {
        desk.throttle.password_wrong(slot).await?;
        denied::<()>(desk, hall, caller, attempt.credentials.door(), canonical, "name_unusable");
        return match hall.fails() {
            true => Err(FlowError::SourceDown),
            false => Ok(Judged::Refused(None)),
        };
    }
    let selection = selection(desk.accounts.as_ref(), &hall.sources, name.as_ref(), canonical).await?;
    judge_by(desk, hall, caller, attempt, canonical, slot, &selection).await
}

/// The same of these instances alone.
pub(super) async fn judge_by(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    attempt: &Attempt,
    canonical: &str,
    slot: PasswordSlot,
    selection: &Selection,
) -> Result<Judged, FlowError> {
    let name = Username::canonical(attempt.credentials.username());
    // Whoever is known here does not wait for what others try (attack E5).
    if !slot.is_known() && desk.sprays.is_known(attempt.credentials.password().expose(), desk.now()) {
        tokio::time::sleep(SPRAYED).await;
    }
    let outcome = chain::run(&hall.instances, selection, name.as_ref(), attempt, desk.clock.as_ref()).await;
    for judged in &outcome.verdicts {
        desk.metrics.source_verdict(judged.instance.as_str(), judged.verdict);
    }
    desk.record(
        hall,
        caller,
        Event::PasswordJudged {
            door: attempt.credentials.door(),
            name: canonical.to_owned(),
            accepted: outcome.accepted(),
            verdicts: outcome.verdicts,
        },
    );
    match outcome.end {
        End::Authenticated(proof) => {
            desk.throttle.password_not_wrong(slot).await?;
            Ok(Judged::Authenticated(proof))
        }
        End::Refused { why, answer } => {
            match why {
                Why::Denied | Why::NobodyLooked => desk.throttle.password_not_wrong(slot).await?,
                // Also while another instance is down: its turn comes again, a guess at this one does not.
                Why::Declined => {
                    desk.throttle.password_wrong(slot).await?;
                    note_spray(desk, hall, caller, attempt, canonical);
                }
            }
            match outcome.unavailable {
                true => Err(FlowError::SourceDown),
                false => Ok(Judged::Refused(answer.filter(|_| hall.asks_its_lms_alone()))),
            }
        }
    }
}

/// One wrong password at many names (attack E5) is told, and its next tries take longer. A right one among them only
/// waits.
fn note_spray(desk: &Desk, hall: &Hall, caller: &Caller, attempt: &Attempt, canonical: &str) {
    let password = attempt.credentials.password().expose();
    if desk.sprays.wrong(password, canonical, desk.now()) == Spray::Noticed {
        tracing::error!(site = %hall.site.name, "one password is being tried at many names; its tries are slowed down");
        desk.record(hall, caller, Event::SprayingNoticed { door: attempt.credentials.door() });
    }
}

/// Who was proven, to the question whose account that is.
pub(super) struct Asking<'a> {
    pub proof: &'a Authenticated,
    /// Who the LMS says it is, where it was asked.
    pub lms: Option<&'a LmsUser>,
    pub canonical: &'a str,
    /// As in [`Question`].
    pub beside_candidates: bool,
}

pub(super) enum Whose {
    Account(Box<Resolved>),
    /// Nobody's yet; its verified address is that of these.
    Candidates(Vec<AccountId>),
    /// Recorded.
    Nobody,
}

/// WHICH ACCOUNT. What is new of it is recorded, and why there is none.
pub(super) async fn account(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    door: Door,
    &Asking { proof, lms, canonical, beside_candidates }: &Asking<'_>,
) -> Result<Whose, FlowError> {
    let rivals: Vec<SourceId> = hall.sources.iter().cloned().collect();
    let question = Question {
        rivals: &rivals,
        proof,
        lms,
        site: &hall.site.name,
        typed: canonical,
        strangers: desk.settings.strangers,
        lms_alone: hall.asks_its_lms_alone(),
        serves_here: &|source| hall.sources.contains(source),
        beside_candidates,
        now: desk.now(),
        rng: desk.rng.as_ref(),
    };
    welcome_back(desk, hall, caller, proof).await?;
    match resolve(desk.accounts.as_ref(), &question).await? {
        Resolution::Known(resolved) if !still_welcome(desk, hall, proof, &resolved).await? => {
            denied::<()>(desk, hall, caller, door, canonical, "not_vouched_for");
            Ok(Whose::Nobody)
        }
        Resolution::Known(resolved) => Ok(Whose::Account(Box::new(resolved))),
        Resolution::Created(resolved) => {
            let (account, source) = (resolved.account().id.clone(), resolved.source().clone());
            desk.record(hall, caller, Event::AccountCreated { account, source });
            Ok(Whose::Account(Box::new(resolved)))
        }
        Resolution::PasswordChanged(resolved) => {
            let account = resolved.account().id.clone();
            desk.record(hall, caller, Event::EpochRaised { account: account.clone(), reason: "password_changed" });
            desk.sessions.remove_account(&account).await?;
            desk.ledger.revoke_account(&account, desk.now()).await?;
            // Of a password that is kept elsewhere, its owner hears there.
            if instance(hall, resolved.source()).is_some_and(|instance| instance.kind.internal) {
                desk.tell(caller, resolved.account(), Message::PasswordChangedHere { site: host(hall) }).await;
            }
            Ok(Whose::Account(Box::new(resolved)))
        }
        // An app has no page to ask on.
        Resolution::Candidates(_) if door == Door::App => {
            denied::<()>(desk, hall, caller, door, canonical, "link_first");
            Ok(Whose::Nobody)
        }
        Resolution::Candidates(accounts) => Ok(Whose::Candidates(accounts)),
        Resolution::Denied(reason) => {
            denied::<()>(desk, hall, caller, door, canonical, reason);
            Ok(Whose::Nobody)
        }
        Resolution::Later => Err(FlowError::SourceDown),
    }
}

/// By another way than the primary one: its source has shown no password, and is asked (design §2 "Leavers").
async fn still_welcome(
    desk: &Desk,
    hall: &Hall,
    proof: &Authenticated,
    resolved: &Resolved,
) -> Result<bool, FlowError> {
    let account = &resolved.account().id;
    let methods = desk.accounts.methods(account).await?;
    let primary = methods.iter().find(|method| method.primary);
    if primary.is_some_and(|primary| primary.source == *proof.source() && primary.subject == proof.person().subject) {
        return Ok(true);
    }
    Ok(leavers(desk).still_welcome(&hall.instances, account).await? == Welcome::Yes)
}

pub(super) fn leavers(desk: &Desk) -> Leavers {
    Leavers {
        accounts: desk.accounts.clone(),
        sessions: desk.sessions.clone(),
        ledger: desk.ledger.clone(),
        audit: desk.audit.as_ref().clone(),
        clock: desk.clock.clone(),
    }
}

/// Somebody whose source had barred them, and now says OK: they begin anew with this sign-in.
async fn welcome_back(desk: &Desk, hall: &Hall, caller: &Caller, proof: &Authenticated) -> Result<(), FlowError> {
    let (source, subject) = (proof.source(), &proof.person().subject);
    let Some(account) = desk.accounts.by_method(source, subject).await? else { return Ok(()) };
    if account.state == State::Active || desk.accounts.barred_by(&account.id).await?.is_none() {
        return Ok(());
    }
    let methods = desk.accounts.methods(&account.id).await?;
    let primary = methods.iter().find(|method| method.primary);
    let back = match (primary, vouching(&hall.instances, &methods)) {
        (Some(primary), _) if primary.source == *source && primary.subject == *subject => true,
        // By another method: the word is the primary source's all the same.
        (Some(primary), Some(instance)) => {
            matches!(ask_standing(instance, &primary.subject).await, Ok(Standing::Active(_)))
        }
        (Some(_) | None, _) => false,
    };
    if back && desk.accounts.readmit(&account.id).await? {
        let (account, source) = (account.id, source.clone());
        let (state, reason) = (State::Active.as_str(), "active_at_its_source");
        desk.record(hall, caller, Event::StandingChanged { account, source, state, reason });
    }
    Ok(())
}

pub(super) fn denied<T>(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    door: Door,
    name: &str,
    reason: &'static str,
) -> Option<T> {
    desk.record(hall, caller, Event::SignInDenied { door, name: name.to_owned(), reason });
    None
}

/// The same before anybody was asked: somebody can cause it as often as they like.
pub(super) fn refused_unasked(desk: &Desk, hall: &Hall, caller: &Caller, door: Door, reason: &'static str) {
    desk.record_sparsely(hall, caller, reason, Event::SignInDenied { door, name: String::new(), reason });
}

/// What waits for the missing factor, with what the LMS has given in it.
pub(super) fn waiting(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    door: Door,
    resolved: &Resolved,
    stage: Stage,
    Half { held, lms_user }: Half,
) -> Flow {
    let now = desk.now();
    Flow {
        id: new_flow_id(desk.rng.as_ref()),
        version: 0,
        door,
        site: hall.site.name.clone(),
        created: now,
        expires: now.plus(desk.settings.flow_life()),
        client: caller.client,
        agent: caller.agent.clone(),
        pending: resolved.to_pending(),
        facts: Vec::new(),
        asks: Asks::default(),
        stage,
        device: None,
        trust: Trust::No,
        errand: None,
        held,
        lms_user,
        wanted: String::new(),
    }
}

pub(super) fn new_flow_id(rng: &dyn Rng) -> FlowId {
    // `opaque` has exactly the shape that `parse` asks for.
    FlowId::parse(&rng.opaque()).expect("43 base64url characters")
}

/// Stores a new flow. Those that had to go for it end as every flow without `Satisfied` ends.
pub(super) async fn open(desk: &Desk, hall: &Hall, flow: &Flow) -> Result<(), FlowError> {
    let mut flow = flow.clone();
    put_question(desk, hall, &mut flow).await.inspect_err(|_| hall.give_back(flow.held.clone()))?;
    match desk.flows.open(&flow, desk.settings.flow_caps).await {
        Ok(evicted) => {
            evicted.into_iter().for_each(|flow| hall.give_back(flow.held));
            Ok(())
        }
        Err(error) => {
            hall.give_back(flow.held.clone());
            Err(error.into())
        }
    }
}

/// Waits until a refusal may be answered: at a multiple of `chain.refusal_milliseconds`, so that its time tells
/// neither who was asked nor what was said (attack E1).
pub(super) async fn settle(desk: &Desk, began: Instant) {
    let step = desk.settings.refusals;
    if !step.is_zero() {
        let steps = began.elapsed().as_nanos().div_ceil(step.as_nanos());
        let wait = step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX)).saturating_sub(began.elapsed());
        tokio::time::sleep(wait).await;
    }
}

impl Settings {
    pub(super) fn flow_life(&self) -> Duration {
        Duration::from_secs(self.mfa.flow_minutes.saturating_mul(60))
    }
}
