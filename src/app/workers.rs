//! What goes on in the background for as long as the gateway runs, always with the configuration in force.

use super::parts::resolve;
use crate::{
    edge::gate::Gate,
    flow::{self, Hall},
    lms::Lms,
};
use arc_swap::ArcSwap;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// Flows that ended by time: their LMS sessions are logged out.
pub(super) async fn reap(gates: Arc<ArcSwap<Gate>>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let gate = gates.load_full();
        let houses = gate.houses.values();
        let halls: HashMap<String, Arc<Hall>> =
            houses.map(|house| (house.name().to_string(), house.hall.clone())).collect();
        if let Err(error) = flow::reap(&gate.desk, &halls).await {
            tracing::debug!(%error, "ended flows could not be looked for");
        }
    }
}

/// An LMS that moved is followed within half a minute (fault X19).
pub(super) async fn resolve_again(gates: Arc<ArcSwap<Gate>>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(20));
    loop {
        ticks.tick().await;
        for house in gates.load_full().houses.values() {
            match resolve(&house.hall.site.upstream.url).await {
                Ok(address) => house.peer.store(Arc::new(address)),
                Err(error) => {
                    tracing::warn!(site = %house.name(), %error, "the LMS's name does not resolve; its last address stays in use")
                }
            }
        }
    }
}

/// Says in one line what is wrong with an LMS's own settings, once for each that a configuration brings.
pub(super) async fn self_check(gates: Arc<ArcSwap<Gate>>) {
    let mut checked: Vec<Arc<dyn Lms>> = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let gate = gates.load_full();
        for house in gate.houses.values() {
            if checked.iter().any(|lms| Arc::ptr_eq(lms, &house.hall.lms)) {
                continue;
            }
            match house.hall.lms.self_check().await {
                Ok(None) => tracing::info!(site = %house.name(), "the LMS answers and knows its public address"),
                Ok(Some(problem)) => tracing::error!(site = %house.name(), "{problem}"),
                Err(error) => tracing::warn!(site = %house.name(), %error, "the LMS does not answer yet"),
            }
        }
        checked = gate.houses.values().map(|house| house.hall.lms.clone()).collect();
    }
}
