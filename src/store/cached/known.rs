//! [`KnownStore`] with its memory, and the exemptions and groups, whose every change reaches it.

use super::{
    Hub,
    hub::{Notice, Trust},
};
use crate::{
    accounts::{LastReading, LmsGroupStore, Reading},
    mfa::{
        exemption::{Exemption, ExemptionKind, ExemptionStore},
        known::{Known, KnownStore},
    },
    store::sql::Database,
    types::{AccountId, SiteName, Timestamp, Unavailable},
};
use async_trait::async_trait;
use std::{sync::Arc, time::Instant};

pub(in crate::store) struct CachedKnown {
    pub hub: Arc<Hub>,
    pub inner: Database,
}

#[async_trait]
impl KnownStore for CachedKnown {
    async fn known(&self, account: &AccountId) -> Result<Arc<Known>, Unavailable> {
        let remembered = self.hub.known.get(account.as_str());
        let trust = remembered.as_ref().map_or(Trust::None, |(_, confirmed)| self.hub.trust(*confirmed));
        if let (Some((known, _)), Trust::Full) = (&remembered, trust) {
            return Ok(known.clone());
        }
        let (ticket, confirmed) = (self.hub.known.ticket(), Instant::now());
        match (self.inner.known(account).await, remembered, trust) {
            (Ok(known), _, _) => {
                self.hub.known.fill(ticket, account.as_str(), known.clone(), confirmed);
                Ok(known)
            }
            (Err(_), Some((known, _)), Trust::IfUnavailable) => Ok(known),
            (Err(error), _, _) => Err(error),
        }
    }
}

#[async_trait]
impl ExemptionStore for CachedKnown {
    async fn exempt(&self, exemption: &Exemption) -> Result<(), Unavailable> {
        let answer = self.inner.exempt(exemption).await;
        self.hub.invalidate(Notice::Account(exemption.account.clone())).await; // also after an error: it may be done
        answer
    }

    async fn end_exemption(&self, account: &AccountId, kind: ExemptionKind) -> Result<bool, Unavailable> {
        let answer = self.inner.end_exemption(account, kind).await;
        self.hub.invalidate(Notice::Account(account.clone())).await;
        answer
    }

    async fn exemptions(&self, account: &AccountId) -> Result<Vec<Exemption>, Unavailable> {
        self.inner.exemptions(account).await
    }
}

#[async_trait]
impl LmsGroupStore for CachedKnown {
    async fn note_groups(
        &self,
        site: &SiteName,
        account: &AccountId,
        reading: Reading<'_>,
        at: Timestamp,
    ) -> Result<bool, Unavailable> {
        let answer = self.inner.note_groups(site, account, reading, at).await;
        // A reading that brought nothing new is most of them: all nodes need not hear of it.
        if !matches!(answer, Ok(false)) {
            self.hub.invalidate(Notice::Account(account.clone())).await;
        }
        answer
    }

    async fn last_reading(&self, site: &SiteName, account: &AccountId) -> Result<Option<LastReading>, Unavailable> {
        self.inner.last_reading(site, account).await
    }

    async fn keep_groups_of(&self, sites: &[SiteName]) -> Result<(), Unavailable> {
        let answer = self.inner.keep_groups_of(sites).await;
        self.hub.known.flush();
        answer
    }
}
