//! Session records, until their absolute end. This layer only keeps them; whether their account may still hold one
//! is asked in [`crate::store::cached`].

use super::State;
use crate::{
    sessions::Session,
    store::kv::{Key, Kind},
    types::{AccountId, SessionKey, Timestamp, Unavailable},
};

/// Sessions of one account at a time (design R10): more than anybody's devices, the one that ends first goes.
const PER_ACCOUNT: usize = 200;
/// How often a touch follows a session that others are writing to.
const ATTEMPTS: usize = 4;

#[derive(Clone)]
pub(in crate::store) struct StateSessions(pub State);

impl StateSessions {
    /// Returns the sessions that had to go for it.
    pub async fn put(&self, session: &Session) -> Result<Vec<SessionKey>, Unavailable> {
        let state = &self.0;
        let key = self.key(&session.key);
        let sealed = state.seal(&key, session)?;
        let mut evicted = Vec::new();
        // Into the index first: `remove_account` must never miss a session that exists.
        if let Some(account) = session.account() {
            let index = self.index(account);
            let gone = state.kv.index_add(&index, session.key.as_str(), session.ends, PER_ACCOUNT).await?;
            evicted.extend(gone.into_iter().map(SessionKey::from_digest));
        }
        state.kv.put(&key, &sealed, session.ends.since(state.now())).await?;
        for gone in &evicted {
            state.kv.remove(&self.key(gone)).await?;
        }
        Ok(evicted)
    }

    pub async fn get(&self, key: &SessionKey) -> Result<Option<Session>, Unavailable> {
        let found = self.0.read::<Session>(&self.key(key)).await?;
        Ok(found.map(|(session, _)| session).filter(|session| session.ends > self.0.now()))
    }

    /// A swap, never a put: a session that was removed meanwhile stays removed.
    pub async fn touch(&self, key: &SessionKey, at: Timestamp) -> Result<(), Unavailable> {
        let name = self.key(key);
        for _ in 0..ATTEMPTS {
            let Some((session, sealed)) = self.0.read::<Session>(&name).await? else { return Ok(()) };
            if session.last_used >= at {
                return Ok(());
            }
            let next = Session { last_used: at, ..session };
            let ttl = next.ends.since(self.0.now());
            if self.0.kv.swap(&name, &sealed, &self.0.seal(&name, &next)?, ttl).await? {
                return Ok(());
            }
        }
        Ok(()) // others are noting use of it too
    }

    pub async fn remove(&self, key: &SessionKey) -> Result<bool, Unavailable> {
        let name = self.key(key);
        let known = self.0.read::<Session>(&name).await?;
        let removed = self.0.kv.remove(&name).await?;
        if let Some(account) = known.as_ref().and_then(|(session, _)| session.account()) {
            self.0.kv.index_remove(&self.index(account), key.as_str()).await?;
        }
        Ok(removed)
    }

    pub async fn remove_account(&self, account: &AccountId) -> Result<usize, Unavailable> {
        let index = self.index(account);
        let mut removed = 0;
        for member in self.0.kv.index_list(&index, usize::MAX).await? {
            removed += usize::from(self.0.kv.remove(&self.0.key(Kind::Session, &member)).await?);
            self.0.kv.index_remove(&index, &member).await?;
        }
        Ok(removed)
    }

    pub async fn of_account(&self, account: &AccountId) -> Result<Vec<Session>, Unavailable> {
        let mut sessions = Vec::new();
        for member in self.0.kv.index_list(&self.index(account), PER_ACCOUNT).await? {
            sessions.extend(self.get(&SessionKey::from_digest(member)).await?);
        }
        // The index itself is not sealed: what is in it is believed only as far as the session says the same.
        sessions.retain(|session| session.account() == Some(account));
        Ok(sessions)
    }

    pub async fn list(&self, limit: usize) -> Result<Vec<Session>, Unavailable> {
        let now = self.0.now();
        let found = self.0.kv.scan(Kind::Session, limit).await?;
        let sessions = found.iter().filter_map(|(key, sealed)| self.0.open::<Session>(key, sealed));
        Ok(sessions.filter(|session| session.ends > now).collect())
    }

    fn key(&self, key: &SessionKey) -> Key {
        self.0.key(Kind::Session, key.as_str())
    }

    fn index(&self, account: &AccountId) -> Key {
        self.0.key(Kind::AccountSessions, account.as_str())
    }
}
