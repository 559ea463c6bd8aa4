//! One account's copies of its factors, and the port that keeps them.

use crate::{
    keys::Sealed,
    types::{AccountId, FactorKind, SiteName, Timestamp, Unavailable},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Which proof beyond the password opened a first enrolment (design §2 "First enrolment").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrolmentProof {
    /// The password alone, inside an enrolment window.
    AtSignIn,
    /// A one-time code that the help desk gave out.
    ByHelpDesk,
}

impl EnrolmentProof {
    pub fn as_str(self) -> &'static str {
        match self {
            EnrolmentProof::AtSignIn => "at_sign_in",
            EnrolmentProof::ByHelpDesk => "by_help_desk",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        [EnrolmentProof::AtSignIn, EnrolmentProof::ByHelpDesk].into_iter().find(|p| p.as_str() == text)
    }
}

/// A TOTP device of an account. The secret is sealed with `enrolment:<id>` as associated data.
#[derive(Clone, Debug)]
pub struct TotpEnrolment {
    /// 32 hex digits, random.
    pub id: String,
    pub account: AccountId,
    pub label: String,
    pub secret: Sealed<Vec<u8>>,
    /// The last time step that was accepted (RFC 6238 §5.2): none at or below it counts again.
    pub last_step: i64,
    pub created: Timestamp,
    /// Where, under which rule and with which proof it was made; it scores only under rules that would allow it.
    pub site: SiteName,
    pub rule: String,
    pub proof: EnrolmentProof,
}

/// What an account can be asked for.
#[derive(Clone, Debug, Default)]
pub struct Enrolments {
    pub totp: Vec<TotpEnrolment>,
    pub recovery_left: u32,
}

impl Enrolments {
    /// Recovery codes alone are no factor of their own: they stand in for an enrolled one.
    pub fn kinds(&self) -> Vec<FactorKind> {
        match (self.totp.is_empty(), self.recovery_left) {
            (true, _) => Vec::new(),
            (false, 0) => vec![FactorKind::Totp],
            (false, _) => vec![FactorKind::Totp, FactorKind::Recovery],
        }
    }
}

/// What became of claiming something that counts once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    Won,
    /// It was right, and somebody had it before: the same code sent twice, not a guess.
    Used,
    Unknown,
}

/// Once means once, on all nodes: everything that must not count twice is a conditional update here (design R5).
#[async_trait]
pub trait EnrolmentStore: Send + Sync {
    async fn enrolments(&self, account: &AccountId) -> Result<Enrolments, Unavailable>;
    /// Adds an account's first device with its recovery codes (keyed digests), in one transaction. False, and nothing
    /// stored, if the account has a device already: two flows that race enrol one.
    async fn enrol_first(&self, totp: &TotpEnrolment, recovery: &[String]) -> Result<bool, Unavailable>;
    /// True for exactly one caller per step: `last_step` moves to `step` only if it was below.
    async fn claim_step(&self, enrolment: &str, step: i64) -> Result<bool, Unavailable>;
    /// `Won` for exactly one caller per code.
    async fn claim_recovery(&self, account: &AccountId, digest: &str, now: Timestamp) -> Result<Claim, Unavailable>;
    /// Removes all factors and marks the account so that only the help desk opens its next enrolment.
    async fn reset(&self, account: &AccountId) -> Result<(), Unavailable>;
    /// Replaces any earlier code of that account.
    async fn put_enrolment_code(
        &self,
        account: &AccountId,
        digest: &str,
        expires: Timestamp,
    ) -> Result<(), Unavailable>;
    /// True for exactly one caller, before it expires.
    async fn claim_enrolment_code(
        &self,
        account: &AccountId,
        digest: &str,
        now: Timestamp,
    ) -> Result<bool, Unavailable>;
}
