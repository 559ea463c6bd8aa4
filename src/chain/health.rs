//! Whether an instance can answer: its circuit breaker, and what the refusal's wording depends on.
//!
//! After [`OPENS_AFTER`] errors in a row nobody waits for it any more: it is ERROR at once, until a probe in the
//! background (`app`) succeeds. No user's attempt is the probe.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Attack X8.
pub const OPENS_AFTER: u32 = 5;

/// One instance's, shared by its sites.
#[derive(Debug, Default)]
pub struct Health {
    errors_in_a_row: AtomicU32,
    answers: AtomicU64,
    errors: AtomicU64,
}

impl Health {
    pub fn answered(&self) {
        self.errors_in_a_row.store(0, Relaxed);
        self.answers.fetch_add(1, Relaxed);
    }
    pub fn failed(&self) {
        // Saturating: it may be down for a year.
        let _ = self.errors_in_a_row.fetch_update(Relaxed, Relaxed, |n| n.checked_add(1));
        self.errors.fetch_add(1, Relaxed);
    }
    /// A probe succeeded.
    pub fn recovered(&self) {
        self.errors_in_a_row.store(0, Relaxed);
    }
    /// Nobody asks it now.
    pub fn is_open(&self) -> bool {
        self.errors_in_a_row.load(Relaxed) >= OPENS_AFTER
    }
    /// Its last answer was ERROR.
    pub fn is_failing(&self) -> bool {
        self.errors_in_a_row.load(Relaxed) > 0
    }
    /// For `/metrics` and `source list`: ok, failing, or open.
    pub fn word(&self) -> &'static str {
        match (self.is_open(), self.is_failing()) {
            (true, _) => "open",
            (false, true) => "failing",
            (false, false) => "ok",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x8_five_errors_in_a_row_open_it_and_a_probe_closes_it() {
        let health = Health::default();
        for _ in 0..OPENS_AFTER - 1 {
            health.failed();
        }
        assert!(health.is_failing() && !health.is_open());
        health.answered();
        assert_eq!(health.word(), "ok");
        for _ in 0..OPENS_AFTER {
            health.failed();
        }
        assert_eq!(health.word(), "open");
        health.recovered();
        assert_eq!(health.word(), "ok");
    }
}
