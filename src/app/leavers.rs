//! The worker that asks again, in the background, about the accounts that are in use.

use super::chain::Instances;
use crate::{
    accounts::Method,
    chain::Instance,
    edge::gate::Gate,
    flow::{GroupReader, Hall, Leavers},
    types::{AccountId, Timestamp, Unavailable},
};
use arc_swap::ArcSwap;
use futures_util::{StreamExt, stream};
use std::{sync::Arc, time::Duration};

/// Every account in use is looked at so often; asked about it is at its instance's interval.
const ROUND: Duration = Duration::from_secs(60);
/// Questions to one instance at a time.
const AT_ONCE: usize = 4;
/// Instances that are asked at a time.
const INSTANCES: usize = 16;

/// Runs until it is aborted.
pub(super) async fn watch(leavers: Leavers, instances: Instances) {
    let mut rounds = Rounds::new();
    loop {
        rounds.next(&leavers).await;
        if let Err(error) = round(&leavers, &instances.load_full()).await {
            tracing::debug!(%error, "the accounts in use could not be looked at; the next round follows");
        }
    }
}

/// The same for the groups that an LMS states, at the sites where they are read.
pub(super) async fn watch_groups(leavers: Leavers, reader: GroupReader, gates: Arc<ArcSwap<Gate>>) {
    let mut rounds = Rounds::new();
    loop {
        rounds.next(&leavers).await;
        let gate = gates.load_full();
        let read: Vec<Arc<Hall>> =
            gate.houses.values().map(|house| house.hall.clone()).filter(|hall| hall.groups.is_some()).collect();
        if read.is_empty() {
            continue;
        }
        let Ok(accounts) = leavers.in_use().await else { continue };
        for hall in read {
            // Owned: what is borrowed here would have to live as long as the task.
            let reads = accounts.iter().cloned().map(|account| read_one(reader.clone(), hall.clone(), account));
            stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        }
    }
}

async fn read_one(reader: GroupReader, hall: Arc<Hall>, account: AccountId) {
    if let Err(error) = reader.read_if_due(&hall, &account).await {
        tracing::debug!(%account, %error, "an account's groups could not be noted; the next round follows");
    }
}

/// One every [`ROUND`]. The clock is looked at every second, so that one put forward is noticed at once.
struct Rounds {
    ticks: tokio::time::Interval,
    last: Option<Timestamp>,
}

impl Rounds {
    fn new() -> Self {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self { ticks, last: None }
    }

    async fn next(&mut self, leavers: &Leavers) {
        loop {
            self.ticks.tick().await;
            let now = leavers.now();
            // Also where the clock went back: a round too many is harmless.
            if self.last.is_none_or(|last| now < last || now.since(last) >= ROUND) {
                self.last = Some(now);
                return;
            }
        }
    }
}

async fn round(leavers: &Leavers, instances: &[Instance]) -> Result<(), Unavailable> {
    if instances.iter().all(|instance| instance.directory.is_none()) {
        return Ok(());
    }
    let mut due: Vec<(&Instance, Vec<Method>)> = Vec::new();
    for account in leavers.in_use().await? {
        let Some((instance, method)) = leavers.due(instances, &account).await? else { continue };
        match due.iter_mut().find(|(known, _)| known.name == instance.name) {
            Some((_, methods)) => methods.push(method),
            None => due.push((instance, vec![method])),
        }
    }
    // Each at its own pace: one that hangs holds up nobody else's people.
    stream::iter(due).for_each_concurrent(INSTANCES, |(instance, methods)| ask_all(leavers, instance, methods)).await;
    Ok(())
}

async fn ask_all(leavers: &Leavers, instance: &Instance, methods: Vec<Method>) {
    stream::iter(methods)
        .for_each_concurrent(AT_ONCE, async |method| {
            if let Err(error) = leavers.recheck(instance, &method).await {
                tracing::warn!(source = %instance.name, account = %method.account, %error, "what the source said of an account could not be recorded; it is asked again");
            }
        })
        .await;
}
