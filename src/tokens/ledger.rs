//! One record per device that signed in, and the port that keeps them.

use crate::{
    accounts::Account,
    keys::Sealed,
    mfa::policy::Unproven,
    types::{AccountId, Amr, LmsUserId, ServiceName, SiteName, SourceId, Timestamp, TokenId, Unavailable},
};
use async_trait::async_trait;
use std::sync::Arc;

/// What a person recognises a device by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub label: String,
    pub address: String,
}

/// Whose token it is, for what the LMS is told (design §5). Only stated values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    pub username: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub groups: Vec<String>,
}

impl From<Account> for Holder {
    fn from(account: Account) -> Self {
        Self {
            username: account.username.filter(|_| account.username_verified),
            name: account.display_name,
            email: account.email,
            groups: account.groups,
        }
    }
}

/// A surrogate's record. The surrogate itself is stored as a keyed digest only.
#[derive(Clone, Debug)]
pub struct TokenRecord {
    pub id: TokenId,
    /// `Keyring::digest("surrogate", …)`.
    pub digest: String,
    pub account: AccountId,
    /// What the account's record says of its owner, read with the token; never stored beside it.
    pub holder: Holder,
    /// The instance that vouched for the sign-in.
    pub source: SourceId,
    /// The account's epoch when it was minted.
    pub epoch: u32,
    pub site: SiteName,
    pub lms_user: LmsUserId,
    /// The value of `X-MOODLEUSER` in token.php's answer, where the LMS sends it: later answers must name the same.
    pub log_user: Option<String>,
    pub service: ServiceName,
    pub device: Device,
    pub issued: Timestamp,
    pub factor_at: Option<Timestamp>,
    pub amr: Amr,
    pub unproven: Option<Unproven>,
    pub last_used: Timestamp,
    pub expires: Timestamp,
    pub revoked: Option<Timestamp>,
    pub parent: Option<TokenId>,
    /// Sealed with `token:<id>` as associated data.
    pub lms_token: Sealed<String>,
    pub private_token: Option<Sealed<String>>,
    pub private_digest: Option<String>,
    /// The file key (`userprivateaccesskey`), once site_info has handed it out.
    pub file_key: Option<Sealed<String>>,
    pub file_digest: Option<String>,
}

/// The ledger. Reads may come from a cache that invalidations reach within design §7's bound.
#[async_trait]
pub trait LedgerStore: Send + Sync {
    async fn insert(&self, record: &TokenRecord) -> Result<(), Unavailable>;
    async fn by_digest(&self, digest: &str) -> Result<Option<Arc<TokenRecord>>, Unavailable>;
    async fn by_file_digest(&self, digest: &str) -> Result<Option<Arc<TokenRecord>>, Unavailable>;
    async fn set_file_key(&self, id: &TokenId, digest: &str, sealed: &Sealed<String>) -> Result<(), Unavailable>;
    async fn touch(&self, id: &TokenId, at: Timestamp) -> Result<(), Unavailable>;
    /// Revokes it and every descendant; returns how many were live.
    async fn revoke(&self, id: &TokenId, at: Timestamp) -> Result<usize, Unavailable>;
    async fn revoke_account(&self, account: &AccountId, at: Timestamp) -> Result<usize, Unavailable>;
    async fn of_account(&self, account: &AccountId) -> Result<Vec<TokenRecord>, Unavailable>;
    /// Accounts with a token that is not revoked, ends after `now` and was used since `since`; at most `limit`.
    async fn in_use(&self, since: Timestamp, now: Timestamp, limit: u32) -> Result<Vec<AccountId>, Unavailable>;
    async fn list(&self, limit: u32) -> Result<Vec<TokenRecord>, Unavailable>;
}
