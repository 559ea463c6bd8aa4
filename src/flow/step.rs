//! A pending sign-in: what is proven so far, what the LMS gave us meanwhile, and the port that keeps it.
//!
//! The whole record is sealed in the state store, because it holds the LMS's cookie or token until `Satisfied`.

pub use crate::{accounts::Pending, chain::Kept, lms::Held, sessions::TrustedBy};
use crate::{
    mfa::factors::{mailed::Live, webauthn},
    types::{
        AccountId, ClientAddr, Door, EnrolmentId, Fact, FactorKind, FlowId, LmsUserId, SessionKey, SiteName, SourceId,
        Subject, Timestamp, Unavailable,
    },
};
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
    /// The password that signs this person in is asked once more, before a first enrolment in an open window.
    OwnPassword,
    /// A first device is being enrolled; the secret (base32) has not been confirmed yet.
    Enrol { secret: String, proof: crate::mfa::enrolment::EnrolmentProof, rule: String },
    /// A passkey is being enrolled; the browser has not answered yet.
    EnrolPasskey { begun: Box<webauthn::Registering>, proof: crate::mfa::enrolment::EnrolmentProof, rule: String },
    /// A code is sent to an address or number, which proves it: one that the source states, before a first
    /// enrolment, or one that its owner names and adds.
    ProveAddress { kind: FactorKind, to: Option<String>, proof: crate::mfa::enrolment::EnrolmentProof, rule: String },
    /// The recovery codes are being shown, once.
    Codes { codes: Vec<String> },
    /// One of the last recovery codes was used: so many are left.
    CodesLow { left: u32 },
    /// Everything was answered, and the LMS has had an account of that name before: its password is asked, once.
    LmsPassword,
    /// A factor is being asked for the flow's errand. What was answered for signing in, or in another flow, is not
    /// looked at.
    Permit,
    /// It was answered: another source is asked who this is.
    SecondSource,
    /// Both sides are proven; their owner says that they are one.
    Join { second: Box<Kept> },
    /// Nothing more is asked; a form that was kept waits for its owner's click.
    Send,
    /// Somebody without an account, whose verified address is that of an account, says whether it is theirs.
    Offer,
}

/// What somebody wants to do to an account's methods and factors, by the name under which its page asks for a factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Another way to sign in.
    Link,
    Unlink {
        source: SourceId,
        subject: Subject,
    },
    MakePrimary {
        source: SourceId,
        subject: Subject,
    },
    AddFactor {
        kind: FactorKind,
    },
    RemoveFactor {
        id: EnrolmentId,
    },
    RenameFactor {
        id: EnrolmentId,
        label: String,
    },
    NewRecoveryCodes,
    /// A first factor, of somebody who was let in without one. The stages before its own are the proof.
    SetUp,
    /// The address of an e-mail factor, which its source has changed.
    ConfirmAddress {
        id: EnrolmentId,
    },
}

/// What a flow is for, where it is not for signing in alone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// Of somebody who is signed in, and only in that very session.
    Act { session: SessionKey, action: Action },
    /// Of somebody who is signed in, and only in that very session: a place that asks for more than the session was
    /// given for.
    StepUp {
        session: SessionKey,
        /// What the session had when it asked.
        had: Vec<Fact>,
        /// Decoded, without the query.
        path: String,
        form: Option<Form>,
    },
    /// A form, kept over a step-up or a new sign-in of the same account.
    Send { form: Form },
    /// Of a stranger: to be linked to the account that this browser proves next.
    Adopt { second: Box<Kept>, candidates: Vec<AccountId> },
}

/// A form that somebody sent when it could not go on yet: `application/x-www-form-urlencoded`, byte for byte. It goes
/// on at most once, at its owner's click on the page that names it (attacks D14, J18).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// Path and query, as forwarded.
    pub target: String,
    /// What stands in it may be secret.
    pub body: String,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Form").field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// A factor's own side of being asked. Void with the flow.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Asks {
    /// The passkey that is asked for. Its challenge is good for one answer.
    pub passkey: Option<webauthn::Asking>,
    /// The one live code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Live>,
    /// An address that was proven before a first enrolment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven: Option<String>,
}

/// Whether this browser or app is to be trusted once the sign-in is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    #[default]
    No,
    Yes,
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
    /// What was sent out or shown for the factors that are asked now.
    #[serde(default)]
    pub asks: Asks,
    pub stage: Stage,
    /// The trusted device that this browser or app showed when it began.
    #[serde(default)]
    pub device: Option<TrustedBy>,
    /// What its owner said about being asked here again.
    #[serde(default)]
    pub trust: Trust,
    #[serde(default)]
    pub errand: Option<Errand>,
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
