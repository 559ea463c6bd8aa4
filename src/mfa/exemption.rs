//! Exemptions: an account that is asked for nothing until a date, because an administrator or the help desk said so.

use crate::types::{AccountId, Timestamp, Unavailable};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Why nothing is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExemptionKind {
    /// For some hours, of somebody whose factor is not at hand. Their next enrolment needs the help desk's code.
    Bypass,
    /// Until a date, for a stated reason.
    Exempt,
}

impl ExemptionKind {
    pub fn as_str(self) -> &'static str {
        match self {
            ExemptionKind::Bypass => "bypass",
            ExemptionKind::Exempt => "exempt",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        [ExemptionKind::Bypass, ExemptionKind::Exempt].into_iter().find(|kind| kind.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exemption {
    pub account: AccountId,
    pub kind: ExemptionKind,
    /// The first moment that is too late.
    pub until: Timestamp,
    /// In the words of who gave it.
    pub reason: String,
    pub given_by: String,
    pub created: Timestamp,
}

/// One of each kind per account at most.
#[async_trait]
pub trait ExemptionStore: Send + Sync {
    /// Replaces one of its kind.
    async fn exempt(&self, exemption: &Exemption) -> Result<(), Unavailable>;
    /// True if it was there.
    async fn end_exemption(&self, account: &AccountId, kind: ExemptionKind) -> Result<bool, Unavailable>;
    /// Also those that have ended.
    async fn exemptions(&self, account: &AccountId) -> Result<Vec<Exemption>, Unavailable>;
}
