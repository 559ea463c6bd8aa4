//! The port behind every limit. Counters are not sealed, because the backend must add to them; their names are keyed
//! digests, so whoever reads Redis sees numbers without owners. Whoever can *write* Redis can undo a lock-out.

use super::State;
use crate::{
    limits::{Count, Counters},
    store::kv::Kind,
    types::Unavailable,
};
use async_trait::async_trait;
use std::time::Duration;

pub(in crate::store) struct StateCounters(pub State);

#[async_trait]
impl Counters for StateCounters {
    async fn add(&self, name: &str, by: i64, window: Duration) -> Result<Count, Unavailable> {
        self.0.kv.add(&self.0.key(Kind::Counter, name), by, window).await
    }
    async fn look(&self, name: &str) -> Result<Count, Unavailable> {
        self.0.kv.count(&self.0.key(Kind::Counter, name)).await
    }
    async fn clear(&self, name: &str) -> Result<(), Unavailable> {
        self.0.kv.remove(&self.0.key(Kind::Counter, name)).await.map(|_| ())
    }
}
