//! The worker that asks again, in the background, about the accounts that are in use.

use super::chain::Instances;
use crate::{
    accounts::Method,
    chain::Instance,
    flow::Leavers,
    types::{Timestamp, Unavailable},
};
use futures_util::{StreamExt, stream};
use std::time::Duration;

/// Every account in use is looked at so often; asked about it is at its instance's interval.
const ROUND: Duration = Duration::from_secs(60);
/// Questions to one instance at a time.
const AT_ONCE: usize = 4;
/// Instances that are asked at a time.
const INSTANCES: usize = 16;

/// Runs until it is aborted. The clock is looked at every second, so that one put forward is noticed at once.
pub(super) async fn watch(leavers: Leavers, instances: Instances) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last: Option<Timestamp> = None;
    loop {
        ticks.tick().await;
        let now = leavers.now();
        // Also where the clock went back: a round too many is harmless.
        if last.is_some_and(|last| now >= last && now.since(last) < ROUND) {
            continue;
        }
        last = Some(now);
        if let Err(error) = round(&leavers, &instances.load_full()).await {
            tracing::debug!(%error, "the accounts in use could not be looked at; the next round follows");
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
