//! [`LedgerStore`] with its memory. Its authority is the database, so an unreachable Redis alone costs a read per
//! request and nothing else; the grace is for a database that is away as well.

use super::{
    Gate, Hub, Touches,
    hub::{Notice, Trust},
    local::Local,
};
use crate::{
    keys::Sealed,
    store::sql::SqlLedger,
    tokens::{LedgerStore, TokenRecord},
    types::{AccountId, Clock, Timestamp, TokenId, Unavailable},
};
use async_trait::async_trait;
use std::{sync::Arc, time::Instant};

pub(in crate::store) struct CachedLedger {
    pub hub: Arc<Hub>,
    pub inner: SqlLedger,
    pub gate: Gate,
    pub touches: Touches,
    pub clock: Arc<dyn Clock>,
}

/// Which of a record's two digests it is looked up by.
#[derive(Clone, Copy)]
enum By {
    Surrogate,
    FileKey,
}

/// Look-ups return **live** records only: not revoked, not expired, account active, epoch the same. Lists return all.
#[async_trait]
impl LedgerStore for CachedLedger {
    /// `Unavailable` also where the account changed, or the parent was revoked, while it was being written.
    async fn insert(&self, record: &TokenRecord) -> Result<(), Unavailable> {
        self.inner.insert(record).await?;
        let admitted = self.gate.admits(&record.account, record.epoch).await;
        if !matches!(admitted, Ok(true)) {
            self.revoke(&record.id, self.clock.now()).await?;
            admitted?;
            return Err(Unavailable::database("the account changed while its token was being written"));
        }
        Ok(())
    }

    async fn by_digest(&self, digest: &str) -> Result<Option<Arc<TokenRecord>>, Unavailable> {
        self.look_up(By::Surrogate, digest).await
    }

    async fn by_file_digest(&self, digest: &str) -> Result<Option<Arc<TokenRecord>>, Unavailable> {
        self.look_up(By::FileKey, digest).await
    }

    async fn set_file_key(&self, id: &TokenId, digest: &str, sealed: &Sealed<String>) -> Result<(), Unavailable> {
        self.inner.set_file_key(id, digest, sealed).await?;
        self.hub.invalidate(Notice::Tokens(vec![id.clone()])).await;
        Ok(())
    }

    async fn touch(&self, id: &TokenId, at: Timestamp) -> Result<(), Unavailable> {
        // Records are remembered by digest; the list's `last_used` is all that this feeds, to the minute.
        self.touches.token(id, at);
        Ok(())
    }

    async fn revoke(&self, id: &TokenId, at: Timestamp) -> Result<usize, Unavailable> {
        let revoked = self.inner.revoke(id, at).await?;
        self.hub.invalidate(Notice::Tokens(revoked.ids)).await;
        Ok(revoked.live)
    }

    async fn revoke_account(&self, account: &AccountId, at: Timestamp) -> Result<usize, Unavailable> {
        let revoked = self.inner.revoke_account(account, at).await?;
        self.hub.invalidate(Notice::Account(account.clone())).await;
        self.hub.invalidate(Notice::Tokens(revoked.ids)).await;
        Ok(revoked.live)
    }

    async fn of_account(&self, account: &AccountId) -> Result<Vec<TokenRecord>, Unavailable> {
        self.inner.of_account(account).await
    }

    async fn in_use(&self, since: Timestamp, now: Timestamp, limit: u32) -> Result<Vec<AccountId>, Unavailable> {
        self.inner.in_use(since, now, limit).await
    }

    async fn list(&self, limit: u32) -> Result<Vec<TokenRecord>, Unavailable> {
        self.inner.list(limit).await
    }
}

impl CachedLedger {
    async fn look_up(&self, by: By, digest: &str) -> Result<Option<Arc<TokenRecord>>, Unavailable> {
        let known = self.local(by).get(digest);
        let trust = known.as_ref().map_or(Trust::None, |(_, confirmed)| self.hub.trust(*confirmed));
        let known = known.map(|(record, _)| record).filter(|record| record.expires > self.clock.now());
        match trust {
            Trust::Full => Ok(known),
            Trust::IfUnavailable => match self.fetch(by, digest).await {
                Err(_) if known.is_some() => Ok(known),
                answer => answer,
            },
            Trust::None => self.fetch(by, digest).await,
        }
    }

    async fn fetch(&self, by: By, digest: &str) -> Result<Option<Arc<TokenRecord>>, Unavailable> {
        let local = self.local(by);
        let ticket = local.ticket();
        let confirmed = Instant::now();
        let found = match by {
            By::Surrogate => self.inner.by_digest(digest).await?,
            By::FileKey => self.inner.by_file_digest(digest).await?,
        };
        let now = self.clock.now();
        let live = found.filter(|record| record.revoked.is_none() && record.expires > now);
        if let Some(record) = live
            && let Some(account) = self.gate.admitted(&record.account, record.epoch).await?
        {
            let record = Arc::new(TokenRecord { holder: account.into(), ..record });
            local.fill(ticket, digest, record.clone(), confirmed);
            return Ok(Some(record));
        }
        local.drop_absent(digest);
        Ok(None)
    }

    fn local(&self, by: By) -> &Local<TokenRecord> {
        match by {
            By::Surrogate => &self.hub.tokens,
            By::FileKey => &self.hub.files,
        }
    }
}
