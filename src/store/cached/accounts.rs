//! [`AccountStore`] whose writes reach everybody's memory. Reads go through: they are not on the hot path.

use super::{Hub, hub::Notice};
use crate::{
    accounts::{Account, AccountStore, Binding, Created, Method, State, Verified},
    types::{AccountId, LmsUserId, SiteName, SourceId, Subject, Unavailable},
};
use async_trait::async_trait;
use std::sync::Arc;

pub(in crate::store) struct CachedAccounts {
    pub hub: Arc<Hub>,
    pub inner: Arc<dyn AccountStore>,
}

#[async_trait]
impl AccountStore for CachedAccounts {
    async fn account(&self, id: &AccountId) -> Result<Option<Account>, Unavailable> {
        self.inner.account(id).await
    }
    async fn by_method(&self, source: &SourceId, subject: &Subject) -> Result<Option<Account>, Unavailable> {
        self.inner.by_method(source, subject).await
    }
    async fn by_username(&self, username: &str) -> Result<Vec<Account>, Unavailable> {
        self.inner.by_username(username).await
    }
    async fn list(&self, after: Option<&AccountId>, limit: u32) -> Result<Vec<Account>, Unavailable> {
        self.inner.list(after, limit).await
    }
    async fn create(
        &self,
        account: &Account,
        method: &Method,
        binding: Option<&Binding>,
    ) -> Result<Created, Unavailable> {
        self.inner.create(account, method, binding).await
    }
    async fn methods(&self, account: &AccountId) -> Result<Vec<Method>, Unavailable> {
        self.inner.methods(account).await
    }
    async fn binding(&self, site: &SiteName, account: &AccountId) -> Result<Option<Binding>, Unavailable> {
        self.inner.binding(site, account).await
    }
    async fn bound_account(&self, site: &SiteName, user: LmsUserId) -> Result<Option<AccountId>, Unavailable> {
        self.inner.bound_account(site, user).await
    }
    async fn learn(
        &self,
        id: &AccountId,
        username: Option<(&str, Verified)>,
        display_name: Option<&str>,
        email: Option<&str>,
    ) -> Result<(), Unavailable> {
        self.inner.learn(id, username, display_name, email).await
    }

    // The database is the truth, so a change that it took counts as made even while Redis is away: the notice waits
    // in the hub's outbox, and the caller still sees Redis fail when it goes on to remove the sessions.
    async fn set_state(&self, id: &AccountId, state: State) -> Result<Option<u32>, Unavailable> {
        let answer = self.inner.set_state(id, state).await;
        self.hub.invalidate(Notice::Account(id.clone())).await; // also after an error: it may have been done
        answer
    }
    async fn raise_epoch(&self, id: &AccountId) -> Result<Option<u32>, Unavailable> {
        let answer = self.inner.raise_epoch(id).await;
        self.hub.invalidate(Notice::Account(id.clone())).await;
        answer
    }
}
