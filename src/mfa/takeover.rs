//! Factors that another system kept, and the port by which they become enrolments here: each once, for good. One that
//! its owner has removed since then, or that a help desk has taken away, does not come back with a second import.

use super::enrolment::Enrolment;
use crate::types::{SiteName, Unavailable};
use async_trait::async_trait;

/// One factor of one account, with the number that it has in the other system.
#[derive(Clone, Debug)]
pub struct Takeover {
    /// Its site is the one behind which the other system stands.
    pub enrolment: Enrolment,
    pub foreign: u64,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenOver {
    Now,
    /// By an earlier import, whatever became of it since.
    Before,
    /// Its handle is somebody's already.
    Taken,
    /// The account has [`super::enrolment::MOST`] of them.
    Full,
}

#[async_trait]
pub trait TakeoverStore: Send + Sync {
    /// The enrolment and the note that it was taken over, in one transaction.
    async fn take_over(&self, takeover: &Takeover) -> Result<TakenOver, Unavailable>;
    /// What would become of it, without doing it.
    async fn would_take_over(&self, takeover: &Takeover) -> Result<TakenOver, Unavailable>;
    /// Whether the factor with this number was taken over for this site.
    async fn was_taken_over(&self, site: &SiteName, foreign: u64) -> Result<bool, Unavailable>;
}
