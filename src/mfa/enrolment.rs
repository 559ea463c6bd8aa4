//! One account's copies of its factors, and the port that keeps them.

pub use crate::types::EnrolmentProof;
use crate::{
    keys::Sealed,
    types::{AccountId, EnrolmentId, Fact, FactorKind, Made, SiteName, Timestamp, Unavailable},
};
use async_trait::async_trait;

/// A factor of an account.
#[derive(Clone, Debug)]
pub struct Enrolment {
    pub id: EnrolmentId,
    pub account: AccountId,
    pub kind: FactorKind,
    /// What its owner calls it.
    pub label: String,
    /// TOTP: the shared secret. WebAuthn: the credential. E-mail, SMS: where to. Sealed to `enrolment:<id>`.
    pub secret: Sealed<Vec<u8>>,
    /// What may be read of it, as JSON of its kind's own shape.
    pub detail: String,
    /// TOTP: the last time step that was accepted (RFC 6238 §5.2). WebAuthn: the sign count. It only ever rises.
    pub counter: i64,
    /// By which it is found without its account, and which nobody else's has: the digest of a credential's id.
    pub handle: Option<String>,
    pub created: Timestamp,
    pub last_used: Option<Timestamp>,
    /// Where, under which rule and with which proof it was made; it scores only under rules that would allow it.
    pub site: SiteName,
    pub rule: String,
    pub proof: EnrolmentProof,
    /// It does not count until its owner has confirmed it with another factor.
    pub suspended: bool,
}

impl Enrolment {
    /// That it was answered.
    pub fn fact(&self, at: Timestamp) -> Fact {
        Fact { factor: self.kind, at, enrolment: Some(self.id.clone()), made: Some(self.made()) }
    }

    fn made(&self) -> Made {
        Made { rule: self.rule.clone(), proof: self.proof }
    }
}

/// The most factors of one account: a phone, a tablet, keys and their spares. A page with more helps nobody.
pub const MOST: u32 = 20;

/// Where an enrolment's secret is sealed to.
pub fn sealed_place(id: &EnrolmentId) -> String {
    format!("enrolment:{id}")
}

/// What an account can be asked for.
#[derive(Clone, Debug, Default)]
pub struct Enrolments {
    /// In order of creation.
    pub all: Vec<Enrolment>,
    pub recovery_left: u32,
}

impl Enrolments {
    pub fn of(&self, kind: FactorKind) -> impl Iterator<Item = &Enrolment> {
        self.all.iter().filter(move |enrolment| enrolment.kind == kind)
    }

    pub fn find(&self, id: &EnrolmentId) -> Option<&Enrolment> {
        self.all.iter().find(|enrolment| enrolment.id == *id)
    }

    /// These kinds, the one that was used last first: it is the one at hand. What never was keeps its place behind.
    pub fn recent_first(&self, mut kinds: Vec<FactorKind>) -> Vec<FactorKind> {
        let last = |kind: &FactorKind| self.of(*kind).filter_map(|enrolment| enrolment.last_used).max();
        kinds.sort_by_key(|kind| std::cmp::Reverse(last(kind)));
        kinds
    }

    /// That a recovery code was used: it stands in for all of them, hence for the weakest.
    pub fn recovery_fact(&self, at: Timestamp) -> Fact {
        let made = self.all.iter().min_by_key(|enrolment| enrolment.proof).map(Enrolment::made);
        Fact { factor: FactorKind::Recovery, at, enrolment: None, made }
    }

    /// In the order of [`FactorKind::ALL`]. Recovery codes alone are no factor of their own: they stand in for an
    /// enrolled one.
    pub fn kinds(&self) -> Vec<FactorKind> {
        let active = |kind| self.of(kind).any(|enrolment| !enrolment.suspended);
        let mut kinds: Vec<FactorKind> = FactorKind::ALL.into_iter().filter(|kind| active(*kind)).collect();
        if !kinds.is_empty() && self.recovery_left > 0 {
            kinds.push(FactorKind::Recovery);
        }
        kinds
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

/// What became of a further enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolled {
    Yes,
    /// Its handle is somebody's already.
    Taken,
    /// The account has [`MOST`] of them.
    Full,
}

/// Once means once, on all nodes: everything that must not count twice is a conditional update here (design R5).
#[async_trait]
pub trait EnrolmentStore: Send + Sync {
    async fn enrolments(&self, account: &AccountId) -> Result<Enrolments, Unavailable>;
    async fn by_handle(&self, handle: &str) -> Result<Option<Enrolment>, Unavailable>;
    /// Adds a device that the password's proof opened, with new recovery codes (keyed digests), in one transaction.
    /// `seen` is how many the account had then: false, and nothing stored, if it is another number now, so that two
    /// flows that race enrol one.
    async fn enrol_first(&self, enrolment: &Enrolment, recovery: &[String], seen: usize) -> Result<bool, Unavailable>;
    /// A further one.
    async fn enrol(&self, enrolment: &Enrolment) -> Result<Enrolled, Unavailable>;
    /// False where the account has no such enrolment.
    async fn rename(&self, account: &AccountId, id: &EnrolmentId, label: &str) -> Result<bool, Unavailable>;
    /// False where the account has no such enrolment. The recovery codes of an account go with its last factor, after
    /// which only the help desk opens the next one: whoever has the password must not be the one who enrols anew (attack
    /// J3). In one transaction, so that of two last factors that go at once one is the last.
    async fn remove(&self, account: &AccountId, id: &EnrolmentId) -> Result<bool, Unavailable>;
    /// False where it stood so already.
    async fn suspend(&self, id: &EnrolmentId, suspended: bool) -> Result<bool, Unavailable>;
    /// True for exactly one caller per value: `counter` moves to it only if it was below. Notes the use.
    async fn claim_counter(&self, id: &EnrolmentId, counter: i64, now: Timestamp) -> Result<bool, Unavailable>;
    /// Writes down a credential that its use has changed.
    async fn update_secret(&self, id: &EnrolmentId, secret: &Sealed<Vec<u8>>) -> Result<(), Unavailable>;
    async fn used(&self, id: &EnrolmentId, now: Timestamp) -> Result<(), Unavailable>;
    /// `Won` for exactly one caller per code.
    async fn claim_recovery(&self, account: &AccountId, digest: &str, now: Timestamp) -> Result<Claim, Unavailable>;
    /// All codes that were there are void.
    async fn replace_recovery(&self, account: &AccountId, digests: &[String]) -> Result<(), Unavailable>;
    /// Removes all factors and marks the account so that only the help desk opens its next enrolment.
    async fn reset(&self, account: &AccountId) -> Result<(), Unavailable>;
    /// Only the help desk opens the account's next first enrolment.
    async fn leave_to_help_desk(&self, account: &AccountId) -> Result<(), Unavailable>;
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
