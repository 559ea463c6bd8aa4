//! The port behind every limit: fixed windows that open at the first hit.

use crate::types::Unavailable;
use async_trait::async_trait;
use std::time::Duration;

/// A counter's value after an operation, and how long its window still lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    pub value: i64,
    pub resets_in: Duration,
}

/// Atomic, shared by all nodes, and persistent: two nodes adding at once see two different values.
#[async_trait]
pub trait Counters: Send + Sync {
    /// Adds `by` (negative takes back; never below zero). The first addition opens a window of that length;
    /// later ones do not prolong it.
    async fn add(&self, name: &str, by: i64, window: Duration) -> Result<Count, Unavailable>;
    /// The present value and what is left of its window; zero and nothing where none is open.
    async fn look(&self, name: &str) -> Result<Count, Unavailable>;
    async fn value(&self, name: &str) -> Result<i64, Unavailable> {
        Ok(self.look(name).await?.value)
    }
    async fn clear(&self, name: &str) -> Result<(), Unavailable>;
}
