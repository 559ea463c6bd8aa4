//! May this node be given requests? Yes while all its stores answer and it was not told to stop.

use async_trait::async_trait;
use serde::Serialize;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Something the gateway cannot do without.
#[async_trait]
pub trait Probe: Send + Sync {
    /// `state`, `database`, …
    fn name(&self) -> &'static str;
    /// The cause, for the operator, where it does not answer.
    async fn probe(&self) -> Result<(), String>;
}

/// Why not.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    pub part: &'static str,
    pub cause: String,
}

/// A probe that takes longer counts as no answer; load balancers ask every few seconds.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub struct Readiness {
    probes: Vec<Arc<dyn Probe>>,
    draining: AtomicBool,
}

impl Readiness {
    pub fn new(probes: Vec<Arc<dyn Probe>>) -> Self {
        Self { probes, draining: AtomicBool::new(false) }
    }

    /// From now on no new requests are wanted here.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Empty: ready. The probes are asked at the same time.
    pub async fn reasons(&self) -> Vec<Reason> {
        let asked = self.probes.iter().map(|probe| async move {
            match tokio::time::timeout(PATIENCE, probe.probe()).await {
                Ok(Ok(())) => None,
                Ok(Err(cause)) => Some(Reason { part: probe.name(), cause }),
                Err(_) => Some(Reason { part: probe.name(), cause: format!("no answer in {} s", PATIENCE.as_secs()) }),
            }
        });
        let mut reasons: Vec<Reason> = futures_util::future::join_all(asked).await.into_iter().flatten().collect();
        if self.draining.load(Ordering::Relaxed) {
            reasons.push(Reason { part: "gateway", cause: "told to stop".to_owned() });
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Never;

    #[async_trait]
    impl Probe for Never {
        fn name(&self) -> &'static str {
            "state"
        }
        async fn probe(&self) -> Result<(), String> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_is_a_reason_within_its_time() {
        let readiness = Readiness::new(vec![Arc::new(Never)]);
        assert_eq!(readiness.reasons().await, [Reason { part: "state", cause: "no answer in 2 s".into() }]);
    }

    #[tokio::test]
    async fn a_draining_node_is_not_ready() {
        let readiness = Readiness::default();
        assert!(readiness.reasons().await.is_empty());
        readiness.drain();
        assert_eq!(readiness.reasons().await[0].part, "gateway");
    }
}
