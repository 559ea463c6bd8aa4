//! What both doors begin with (design §2): a slot of the limits, the chain, the account, and, where something is
//! still missing, a flow that waits for it. How the credentials came in and how the answer goes out is each door's own.

use super::{
    Caller, Desk, FlowError, Hall,
    desk::Settings,
    step::{Flow, Stage},
};
use crate::{
    accounts::{Resolution, Resolved, resolve},
    audit::Event,
    chain::{self, Attempt, Authenticated, End, Why},
    limits::{Leave, PasswordSlot},
    lms::Held,
    outbound::Answer,
    types::{Door, FlowId, Rng, RngExt},
};
use std::time::Duration;

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

pub(super) enum Judged {
    Authenticated(Box<Authenticated>),
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
    let outcome = chain::run(&hall.instances, attempt, desk.clock.as_ref()).await;
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
        End::Refused { why: Why::Declined, answer: None, unavailable: true } => {
            desk.throttle.password_not_wrong(slot).await?;
            Err(FlowError::SourceDown)
        }
        End::Refused { why: Why::Denied, answer, .. } => {
            desk.throttle.password_not_wrong(slot).await?;
            Ok(Judged::Refused(answer))
        }
        End::Refused { why: Why::Declined, answer, .. } => {
            desk.throttle.password_wrong(slot).await?;
            Ok(Judged::Refused(answer))
        }
    }
}

/// WHICH ACCOUNT. What is new of it is recorded, and why there is none.
pub(super) async fn account(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    door: Door,
    proof: &Authenticated,
    canonical: &str,
) -> Result<Option<Resolved>, FlowError> {
    let (site, strangers) = (&hall.site.name, desk.settings.strangers);
    let (accounts, rng) = (desk.accounts.as_ref(), desk.rng.as_ref());
    match resolve(accounts, proof, site, canonical, strangers, desk.now(), rng).await? {
        Resolution::Known(resolved) => Ok(Some(resolved)),
        Resolution::Created(resolved) => {
            let (account, source) = (resolved.account().id.clone(), resolved.source().clone());
            desk.record(hall, caller, Event::AccountCreated { account, source });
            Ok(Some(resolved))
        }
        Resolution::Denied(reason) => {
            desk.record(hall, caller, Event::SignInDenied { door, name: canonical.to_owned(), reason });
            Ok(None)
        }
        Resolution::Later => Err(FlowError::SourceDown),
    }
}

/// What waits for the missing factor, with what the LMS has given in it.
pub(super) fn waiting(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    door: Door,
    resolved: &Resolved,
    stage: Stage,
    held: Held,
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
        stage,
        held,
        wanted: String::new(),
    }
}

fn new_flow_id(rng: &dyn Rng) -> FlowId {
    // `opaque` has exactly the shape that `parse` asks for.
    FlowId::parse(&rng.opaque()).expect("43 base64url characters")
}

/// Stores a new flow. Those that had to go for it end as every flow without `Satisfied` ends.
pub(super) async fn open(desk: &Desk, hall: &Hall, flow: &Flow) -> Result<(), FlowError> {
    match desk.flows.open(flow, desk.settings.flow_caps).await {
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

impl Settings {
    pub(super) fn flow_life(&self) -> Duration {
        Duration::from_secs(self.mfa.flow_minutes.saturating_mul(60))
    }
}
