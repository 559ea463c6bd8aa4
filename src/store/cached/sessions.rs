//! [`SessionStore`] with its memory.

use super::{
    Gate, Hub, Touches,
    hub::{Notice, Trust},
};
use crate::{
    sessions::{Session, SessionStore, Who},
    store::{sql::SqlLedger, state::StateSessions},
    types::{AccountId, Clock, SessionKey, Timestamp, Unavailable},
};
use async_trait::async_trait;
use std::{sync::Arc, time::Instant};

pub(in crate::store) struct CachedSessions {
    pub hub: Arc<Hub>,
    pub inner: StateSessions,
    pub ledger: SqlLedger,
    pub gate: Gate,
    pub touches: Touches,
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl SessionStore for CachedSessions {
    /// `Unavailable` also where the account was switched off, signed out everywhere, or its parent token revoked
    /// while the session was being written (attack F13): the session is removed again, and nobody is signed in.
    async fn put(&self, session: &Session) -> Result<(), Unavailable> {
        let ticket = self.hub.sessions.ticket();
        let confirmed = Instant::now();
        let evicted = self.inner.put(session).await?;
        for key in evicted {
            self.hub.invalidate(Notice::Session(key)).await;
        }
        // Asked after the write: whoever disables the account from now on finds the session in the account's index.
        let admitted = self.admits(session).await;
        if !matches!(admitted, Ok(true)) {
            self.remove(&session.key).await?;
            admitted?;
            return Err(Unavailable::state("the account changed while its session was being written"));
        }
        self.hub.sessions.written(ticket, session.key.as_str(), Arc::new(session.clone()), confirmed);
        self.hub.tell(Notice::Session(session.key.clone())).await;
        Ok(())
    }

    async fn get(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, Unavailable> {
        let known = self.hub.sessions.get(key.as_str());
        let trust = known.as_ref().map_or(Trust::None, |(_, confirmed)| self.hub.trust(*confirmed));
        let known = known.map(|(session, _)| session).filter(|session| session.ends > self.clock.now());
        match trust {
            Trust::Full => Ok(known),
            Trust::IfUnavailable => match self.fetch(key).await {
                Err(_) if known.is_some() => Ok(known),
                answer => answer,
            },
            Trust::None => self.fetch(key).await,
        }
    }

    async fn confirmed(&self, key: &SessionKey) -> Result<bool, Unavailable> {
        Ok(self.inner.get(key).await?.is_some())
    }

    async fn touch(&self, key: &SessionKey, at: Timestamp) -> Result<(), Unavailable> {
        let known = match self.hub.sessions.get(key.as_str()) {
            Some((session, _)) if Touches::matters(session.last_used, at) => Some(session.last_used),
            Some(_) => return Ok(()), // nearly every request stops here, with a shared lock only
            None => None,
        };
        self.hub.used(key, at);
        self.touches.session(key, known, at);
        Ok(())
    }

    async fn remove(&self, key: &SessionKey) -> Result<bool, Unavailable> {
        self.hub.written.forget(key.as_str());
        // Here first, so that it is gone on this node even if the store does not answer.
        self.hub.sessions.forget(key.as_str());
        let removed = self.inner.remove(key).await?;
        self.hub.invalidate(Notice::Session(key.clone())).await;
        Ok(removed)
    }

    async fn remove_account(&self, account: &AccountId) -> Result<usize, Unavailable> {
        self.hub.sessions.forget_where(|session| session.account() == Some(account));
        let removed = self.inner.remove_account(account).await?;
        self.hub.invalidate(Notice::Account(account.clone())).await;
        Ok(removed)
    }

    async fn of_account(&self, account: &AccountId) -> Result<Vec<Session>, Unavailable> {
        let mut sessions = self.inner.of_account(account).await?;
        self.freshen(&mut sessions);
        Ok(sessions)
    }

    async fn list(&self, limit: usize) -> Result<Vec<Session>, Unavailable> {
        let mut sessions = self.inner.list(limit).await?;
        self.freshen(&mut sessions);
        Ok(sessions)
    }
}

impl CachedSessions {
    async fn fetch(&self, key: &SessionKey) -> Result<Option<Arc<Session>>, Unavailable> {
        let local = &self.hub.sessions;
        let ticket = local.ticket();
        let confirmed = Instant::now();
        let Some(mut session) = self.inner.get(key).await? else {
            local.drop_absent(key.as_str());
            return Ok(None);
        };
        if !self.admits(&session).await? {
            local.drop_absent(key.as_str());
            return Ok(None);
        }
        self.freshen(std::slice::from_mut(&mut session));
        let session = Arc::new(session);
        local.fill(ticket, key.as_str(), session.clone(), confirmed);
        // A notice of use that came while we read found nothing remembered to note it on.
        if let Some(at) = self.hub.written.get(key.as_str()) {
            self.hub.used(key, at);
        }
        Ok(Some(session))
    }

    async fn admits(&self, session: &Session) -> Result<bool, Unavailable> {
        if let Who::Account(identity) = &session.who
            && !self.gate.admits(&identity.account, identity.epoch).await?
        {
            return Ok(false);
        }
        let Some(parent) = &session.parent else { return Ok(true) };
        let now = self.clock.now();
        Ok(self.ledger.by_id(parent).await?.is_some_and(|token| token.revoked.is_none() && token.expires > now))
    }

    /// The store's `last_used` may be a minute behind what this node saw.
    fn freshen(&self, sessions: &mut [Session]) {
        for session in sessions {
            let known = self.hub.sessions.get(session.key.as_str()).map(|(known, _)| known.last_used);
            let noted = self.hub.written.get(session.key.as_str());
            session.last_used = session.last_used.max(known.max(noted).unwrap_or_default());
        }
    }
}
