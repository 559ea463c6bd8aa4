//! [`AccountStore`] whose writes reach everybody's memory. Reads go through: they are not on the hot path.

use super::{Hub, hub::Notice};
use crate::{
    accounts::{Account, AccountStore, Binding, Created, Entry, Learned, Method, State, Vouched},
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
        rivals: &[SourceId],
    ) -> Result<Created, Unavailable> {
        self.inner.create(account, method, binding, rivals).await
    }
    async fn methods(&self, account: &AccountId) -> Result<Vec<Method>, Unavailable> {
        self.inner.methods(account).await
    }
    async fn binding(&self, site: &SiteName, account: &AccountId) -> Result<Option<Binding>, Unavailable> {
        self.inner.binding(site, account).await
    }
    async fn bound_sites(&self, account: &AccountId) -> Result<Vec<SiteName>, Unavailable> {
        self.inner.bound_sites(account).await
    }
    async fn bound_account(&self, site: &SiteName, user: LmsUserId) -> Result<Option<AccountId>, Unavailable> {
        self.inner.bound_account(site, user).await
    }
    async fn by_email(&self, address: &str) -> Result<Vec<Account>, Unavailable> {
        self.inner.by_email(address).await
    }
    async fn method(&self, source: &SourceId, subject: &Subject) -> Result<Option<Method>, Unavailable> {
        self.inner.method(source, subject).await
    }
    async fn link(&self, method: &Method) -> Result<Created, Unavailable> {
        let answer = self.inner.link(method).await;
        self.hub.invalidate(Notice::Account(method.account.clone())).await; // its groups are the account's now
        answer
    }
    async fn unlink(&self, account: &AccountId, source: &SourceId, subject: &Subject) -> Result<bool, Unavailable> {
        let answer = self.inner.unlink(account, source, subject).await;
        self.hub.invalidate(Notice::Account(account.clone())).await;
        answer
    }
    async fn make_primary(
        &self,
        account: &AccountId,
        source: &SourceId,
        subject: &Subject,
    ) -> Result<bool, Unavailable> {
        self.inner.make_primary(account, source, subject).await
    }
    async fn pinned(&self) -> Result<Vec<(SourceId, u64)>, Unavailable> {
        self.inner.pinned().await
    }
    async fn methods_of(
        &self,
        source: &SourceId,
        after: Option<&Subject>,
        limit: u32,
    ) -> Result<Vec<Method>, Unavailable> {
        self.inner.methods_of(source, after, limit).await
    }
    async fn move_method(
        &self,
        from: (&SourceId, &Subject),
        to: (&SourceId, &Subject),
    ) -> Result<Created, Unavailable> {
        self.inner.move_method(from, to).await
    }
    async fn rename_source(&self, from: &SourceId, to: &SourceId) -> Result<Created, Unavailable> {
        self.inner.rename_source(from, to).await
    }
    async fn drop_source(&self, source: &SourceId) -> Result<u64, Unavailable> {
        self.inner.drop_source(source).await
    }
    async fn bind(&self, binding: &Binding) -> Result<Created, Unavailable> {
        self.inner.bind(binding).await
    }
    async fn bindings(
        &self,
        site: &SiteName,
        after: Option<LmsUserId>,
        limit: u32,
    ) -> Result<Vec<Binding>, Unavailable> {
        self.inner.bindings(site, after, limit).await
    }
    async fn unbind(&self, site: &SiteName, account: &AccountId) -> Result<bool, Unavailable> {
        let answer = self.inner.unbind(site, account).await;
        self.hub.invalidate(Notice::Account(account.clone())).await; // that LMS user's groups are not its own any more
        answer
    }
    async fn import(&self, entries: &[Entry]) -> Result<Created, Unavailable> {
        self.inner.import(entries).await
    }
    async fn highest_bound(&self, site: &SiteName) -> Result<LmsUserId, Unavailable> {
        self.inner.highest_bound(site).await
    }
    async fn learn(&self, id: &AccountId, learned: &Learned<'_>) -> Result<(), Unavailable> {
        self.inner.learn(id, learned).await
    }
    async fn vouch(&self, source: &SourceId, subject: &Subject, vouched: &Vouched<'_>) -> Result<(), Unavailable> {
        let before = self.inner.by_method(source, subject).await?;
        self.inner.vouch(source, subject, vouched).await?;
        // Other groups may mean another rule: what is remembered of the account is read anew, on every node.
        if let (Some(before), Some(_)) = (before, vouched.groups)
            && let Some(after) = self.inner.account(&before.id).await?
            && (&after.groups, after.groups_at.is_some()) != (&before.groups, before.groups_at.is_some())
        {
            self.hub.invalidate(Notice::Account(after.id)).await;
        }
        Ok(())
    }

    async fn merge(&self, from: &AccountId, into: &AccountId) -> Result<Created, Unavailable> {
        let answer = self.inner.merge(from, into).await;
        self.hub.invalidate(Notice::Account(from.clone())).await;
        self.hub.invalidate(Notice::Account(into.clone())).await;
        answer
    }

    // The database is the truth, so a change that it took counts as made even while Redis is away: the notice waits
    // in the hub's outbox, and the caller still sees Redis fail when it goes on to remove the sessions.
    async fn set_state(&self, id: &AccountId, state: State) -> Result<Option<u32>, Unavailable> {
        let answer = self.inner.set_state(id, state).await;
        self.hub.invalidate(Notice::Account(id.clone())).await; // also after an error: it may have been done
        answer
    }
    async fn bar(&self, id: &AccountId, source: &SourceId, state: State) -> Result<bool, Unavailable> {
        let answer = self.inner.bar(id, source, state).await;
        self.hub.invalidate(Notice::Account(id.clone())).await;
        answer
    }
    async fn readmit(&self, id: &AccountId) -> Result<bool, Unavailable> {
        self.inner.readmit(id).await
    }
    async fn barred_by(&self, id: &AccountId) -> Result<Option<SourceId>, Unavailable> {
        self.inner.barred_by(id).await
    }
    async fn kinds(&self) -> Result<Vec<(SourceId, String)>, Unavailable> {
        self.inner.kinds().await
    }
    async fn note_kind(&self, name: &SourceId, kind: &str) -> Result<(), Unavailable> {
        self.inner.note_kind(name, kind).await
    }
    async fn raise_epoch(&self, id: &AccountId) -> Result<Option<u32>, Unavailable> {
        let answer = self.inner.raise_epoch(id).await;
        self.hub.invalidate(Notice::Account(id.clone())).await;
        answer
    }
}
