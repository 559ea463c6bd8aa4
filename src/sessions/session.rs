//! The session's record and the port that keeps it.

use crate::types::{
    AccountId, ClientAddr, DeviceId, Fact, FirstProof, LmsUserId, SessionKey, SiteName, SourceId, Timestamp, TokenId,
    Unavailable,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, sync::Arc};

/// Who holds a session, with what the LMS is told about them (design §5). Only stated values, never typed ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub account: AccountId,
    pub epoch: u32,
    pub source: SourceId,
    pub username: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub groups: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The LMS's guest: no account, good for page, AJAX and file entries only.
    Guest,
    Account(Identity),
}

/// The LMS's side of a session: whose it is, and the key under which its cookies are sealed in the browser.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LmsHalf {
    pub user: LmsUserId,
    pub seal_key: [u8; 32],
    /// The value of `X-MOODLEUSER` at sign-in, where the LMS sends it: later answers must name the same.
    pub log_user: Option<String>,
}

impl std::fmt::Debug for LmsHalf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LmsHalf").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A session holds facts, not verdicts; the policy is asked again whenever its inputs change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub key: SessionKey,
    pub site: SiteName,
    pub who: Who,
    /// `None` once the LMS ended its half: pages need a new sign-in then.
    pub lms: Option<LmsHalf>,
    pub facts: Vec<Fact>,
    /// When the first identity was proven.
    pub auth_time: Timestamp,
    pub created: Timestamp,
    pub last_used: Timestamp,
    /// Absolute end. The idle end follows from `last_used` and the configuration.
    pub ends: Timestamp,
    pub client: ClientAddr,
    /// A short label from the User-Agent, for lists.
    pub agent: String,
    /// The app token this session descends from; it never outlives it.
    pub parent: Option<TokenId>,
    /// The trusted device on whose strength a question was left out.
    #[serde(default)]
    pub device: Option<TrustedBy>,
    /// The account had nothing to be asked for when it began.
    #[serde(default)]
    pub no_setup: bool,
    /// What was shown before any factor was asked.
    #[serde(default)]
    pub first: FirstProof,
    /// It goes on under another id since a step-up. Until its end, seconds away, this one is good for what was on its
    /// way to be read, with the facts that it had ([`super::Config::honours`]).
    #[serde(default)]
    pub leaving: bool,
}

/// A trusted device, and how long a session may rest on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedBy {
    /// The device's series.
    pub device: DeviceId,
    pub until: Timestamp,
}

impl Session {
    pub fn account(&self) -> Option<&AccountId> {
        match &self.who {
            Who::Guest => None,
            Who::Account(identity) => Some(&identity.account),
        }
    }
    /// Whether a question was left out on the strength of this device.
    pub fn rests_on(&self, device: &DeviceId) -> bool {
        self.device.as_ref().is_some_and(|by| by.device == *device)
    }
    /// When an asked factor was last answered.
    pub fn factor_time(&self) -> Option<Timestamp> {
        self.facts.iter().map(|fact| fact.at).max()
    }
}

/// Keeps sessions until their absolute end. A revocation on one node reaches every node (design §7).
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Inserts or replaces.
    async fn put(&self, session: &Session) -> Result<(), Unavailable>;
    async fn get(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, Unavailable>;
    /// Whether it is there now, asked of the store itself: for what no store's outage may open (design §8).
    async fn confirmed(&self, key: &SessionKey) -> Result<bool, Unavailable> {
        Ok(self.get(key).await?.is_some())
    }
    /// Notes use without ever bringing back a session that was removed meanwhile.
    async fn touch(&self, key: &SessionKey, at: Timestamp) -> Result<(), Unavailable>;
    /// True if it was there.
    async fn remove(&self, key: &SessionKey) -> Result<bool, Unavailable>;
    /// Removes all of an account's sessions; returns how many.
    async fn remove_account(&self, account: &AccountId) -> Result<usize, Unavailable>;
    async fn of_account(&self, account: &AccountId) -> Result<Vec<Session>, Unavailable>;
    /// For lists: at most `limit`, in no stated order.
    async fn list(&self, limit: usize) -> Result<Vec<Session>, Unavailable>;
    /// Accounts with a session that was used since `since`, among at most `limit` sessions.
    async fn in_use(&self, since: Timestamp, limit: usize) -> Result<Vec<AccountId>, Unavailable> {
        let sessions = self.list(limit).await?;
        let used = sessions.iter().filter(|session| session.last_used >= since).filter_map(Session::account);
        let accounts: BTreeSet<AccountId> = used.cloned().collect();
        Ok(accounts.into_iter().collect())
    }
}
