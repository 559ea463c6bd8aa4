//! The suite that every backend must pass: one half for the state store, one for the database.
//!
//! Each function takes opened [`Stores`] and the clock they were opened with, and panics with the sentence that does
//! not hold. Unit tests run them against the embedded store and SQLite, `tests/gateway/store.rs` against a real Redis
//! and a real PostgreSQL. Names are random, so that the halves can run on stores that already hold something.

mod bindings;
mod database;
mod devices;
mod imports;
mod local;
mod marks;
mod samples;
mod standing;
mod state;

pub use database::database;
pub use samples::Samples;
pub use state::state;

use super::Stores;
use crate::types::{Clock, Timestamp};
use std::{
    sync::atomic::{AtomicI64, Ordering::SeqCst},
    time::Duration,
};

/// How many callers at once must still be counted exactly.
pub const PARALLEL: usize = 50;

/// A clock that moves when it is told to.
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.0))
    }
    pub fn forward(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), SeqCst);
    }
    pub fn back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(SeqCst))
    }
}

/// How many of many parallel callers were answered with yes.
pub async fn winners<F: Future<Output = bool> + Send + 'static>(attempt: impl Fn(usize) -> F) -> usize {
    let attempts: Vec<_> = (0..PARALLEL).map(|n| tokio::spawn(attempt(n))).collect();
    let mut won = 0;
    for attempt in attempts {
        won += usize::from(attempt.await.expect("an attempt does not panic"));
    }
    won
}

/// Both halves.
pub async fn all(stores: &Stores, clock: &HandClock) {
    state(stores, clock).await;
    database(stores, clock).await;
}

#[cfg(test)]
mod tests;
