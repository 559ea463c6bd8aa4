//! A pending sign-in: what is proven so far, what the LMS gave us meanwhile, and the port that keeps it.
//!
//! The whole record is sealed in the state store, because it holds the LMS's cookie or token until `Satisfied`.

use crate::types::{ClientAddr, Door, Fact, FlowId, LmsUserId, SiteName, Timestamp, Unavailable};
pub use crate::{accounts::Pending, lms::Held};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Where a flow stands.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A factor is being asked.
    Challenge,
    /// The help desk's code is being asked, before a first enrolment.
    HelpDesk,
    /// A first device is being enrolled; the secret (base32) has not been confirmed yet.
    Enrol { secret: String, proof: crate::mfa::enrolment::EnrolmentProof, rule: String },
    /// The recovery codes are being shown, once.
    Codes { codes: Vec<String> },
    /// Everything was answered, and the LMS has had an account of that name before: its password is asked, once.
    LmsPassword,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Flow {
    pub id: FlowId,
    /// Raised by every replacement; a stale writer loses.
    pub version: u32,
    pub door: Door,
    pub site: SiteName,
    pub created: Timestamp,
    pub expires: Timestamp,
    pub client: ClientAddr,
    pub agent: String,
    pub pending: Pending,
    pub facts: Vec<Fact>,
    pub stage: Stage,
    pub held: Held,
    /// Whose the LMS said `held` is; `None` where the LMS was not asked yet.
    pub lms_user: Option<LmsUserId>,
    /// Same-origin path and query to go to afterwards.
    pub wanted: String,
}

/// How many flows may be open at once (`limits:` in gateway.yaml); the oldest goes.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    pub per_account: usize,
    /// Per address, or per /64 of IPv6.
    pub per_address: usize,
}

/// Design §2 "MFA".
impl Default for Caps {
    fn default() -> Self {
        Self { per_account: 20, per_address: 200 }
    }
}

/// Keeps flows for their ten minutes.
#[async_trait]
pub trait FlowStore: Send + Sync {
    /// Stores a new flow and returns those that had to go for it, so that their LMS sessions can be ended.
    async fn open(&self, flow: &Flow, caps: Caps) -> Result<Vec<Flow>, Unavailable>;
    async fn get(&self, id: &FlowId) -> Result<Option<Flow>, Unavailable>;
    /// Replaces the stored flow if its version is still `flow.version`, and stores it with the next one.
    async fn replace(&self, flow: &Flow) -> Result<bool, Unavailable>;
    /// Removes it; `Some` for exactly one caller.
    async fn take(&self, id: &FlowId) -> Result<Option<Flow>, Unavailable>;
    /// Flows past their end, removed, so that their LMS sessions can be logged out. At most `limit`.
    async fn reap(&self, now: Timestamp, limit: usize) -> Result<Vec<Flow>, Unavailable>;
}
