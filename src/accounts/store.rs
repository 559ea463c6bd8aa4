//! The port that keeps accounts, methods and bindings. Uniqueness is the store's to enforce, in one transaction.

use super::{Account, Binding, Method, State};
use crate::types::{AccountId, LmsUserId, SiteName, SourceId, Subject, Unavailable};
use async_trait::async_trait;

/// What became of an attempt to create an account.
#[derive(Debug, PartialEq, Eq)]
pub enum Created {
    Yes,
    /// The method, or the LMS user, already belongs to an account (another node was faster, or a collision).
    Taken,
}

#[async_trait]
pub trait AccountStore: Send + Sync {
    async fn account(&self, id: &AccountId) -> Result<Option<Account>, Unavailable>;
    async fn by_method(&self, source: &SourceId, subject: &Subject) -> Result<Option<Account>, Unavailable>;
    /// All accounts of that canonical username, for the operator (a username is not unique across sources).
    async fn by_username(&self, username: &str) -> Result<Vec<Account>, Unavailable>;
    /// In order of creation, at most `limit`, after the account `after`.
    async fn list(&self, after: Option<&AccountId>, limit: u32) -> Result<Vec<Account>, Unavailable>;
    /// Account, first method and binding in one transaction: all or nothing.
    async fn create(
        &self,
        account: &Account,
        method: &Method,
        binding: Option<&Binding>,
    ) -> Result<Created, Unavailable>;
    async fn methods(&self, account: &AccountId) -> Result<Vec<Method>, Unavailable>;
    async fn binding(&self, site: &SiteName, account: &AccountId) -> Result<Option<Binding>, Unavailable>;
    async fn bound_account(&self, site: &SiteName, user: LmsUserId) -> Result<Option<AccountId>, Unavailable>;
    /// Records what the source now says; the epoch and the state stay. A verified name is never replaced by an
    /// unverified one.
    async fn learn(
        &self,
        id: &AccountId,
        username: Option<(&str, Verified)>,
        display_name: Option<&str>,
        email: Option<&str>,
    ) -> Result<(), Unavailable>;
    /// Sets the state; any change to something other than active raises the epoch. Returns the epoch in force,
    /// `None` if there is no such account.
    async fn set_state(&self, id: &AccountId, state: State) -> Result<Option<u32>, Unavailable>;
    /// Raises the epoch by one and returns it.
    async fn raise_epoch(&self, id: &AccountId) -> Result<Option<u32>, Unavailable>;
}

/// Whether a name was stated by a source or merely typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    Yes,
    No,
}
