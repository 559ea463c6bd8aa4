//! What the policy must know of an account beside what a session or token carries, and the port that reads it.
//!
//! It is read on every request of a signed-in person whose rules depend on it, so the port may answer from memory;
//! a change reaches every node as a revocation does (design §7).

use crate::types::{AccountId, Timestamp, Unavailable};
use async_trait::async_trait;
use std::sync::Arc;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Canonical, and stated by a source.
    pub username: Option<String>,
    /// The union over all methods and sites; `None`: never read, or one of them could not be read now.
    pub groups: Option<Vec<String>>,
    /// When an import made the account known.
    pub imported: Option<Timestamp>,
    /// Until when it is asked for nothing.
    pub exempt: Option<Timestamp>,
}

#[async_trait]
pub trait KnownStore: Send + Sync {
    /// Of an account that is not there: nothing, which is judged strictly.
    async fn known(&self, account: &AccountId) -> Result<Arc<Known>, Unavailable>;
}
