//! Who must forget what: the caches of this node, and the notices between nodes.
//!
//! A change is made in its store first, then forgotten here, then told to the others. If telling fails (Redis is
//! away), the notice waits in a bounded outbox and is told again every quarter of a second; if the outbox is full,
//! one notice that means "forget everything" replaces it. Meanwhile the others are covered by the lease: when they
//! cannot hear us because Redis is down for all, they stop trusting their caches on their own (design §7).

use super::{
    local::{CAPACITY, Local},
    touch::Written,
};
use crate::{
    mfa::known::Known,
    sessions::Session,
    store::{
        kv::{Heard, Listener},
        state::State,
    },
    tokens::TokenRecord,
    types::{AccountId, RngExt, SessionKey, Timestamp, TokenId},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A lease ends this long after the last heartbeat that arrived.
const LEASE: Duration = Duration::from_secs(1);
/// Notices that wait for Redis.
const OUTBOX: usize = 10_000;
/// The associated data of notices, so that a sealed value of the store is no notice.
const PLACE: &str = "vestibule:notices";

/// What other nodes must know.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    Session(SessionKey),
    /// Used elsewhere: idle ends are counted from here.
    Touched(SessionKey, Timestamp),
    Account(AccountId),
    Tokens(Vec<TokenId>),
    Everything,
}

/// A notice with its sender, who has already acted on it.
#[derive(Serialize, Deserialize)]
struct Letter {
    from: String,
    notice: Notice,
}

pub struct Hub {
    state: State,
    node: String,
    pub sessions: Local<Session>,
    /// By surrogate digest and by file-key digest.
    pub tokens: Local<TokenRecord>,
    pub files: Local<TokenRecord>,
    /// By account.
    pub known: Local<Known>,
    pub written: Arc<Written>,
    outbox: Mutex<VecDeque<Notice>>,
    grace: Duration,
}

/// May a remembered entry be used?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Every invalidation has reached us: as good as the store.
    Full,
    /// Ask the store; if it cannot say, the entry may still go on.
    IfUnavailable,
    /// Ask the store.
    None,
}

impl Hub {
    pub fn new(state: State, grace: Duration) -> Self {
        let node = state.rng.hex(8);
        Self {
            state,
            node,
            sessions: Local::new(CAPACITY),
            tokens: Local::new(CAPACITY),
            files: Local::new(CAPACITY),
            known: Local::new(CAPACITY),
            written: Arc::default(),
            outbox: Mutex::default(),
            grace,
        }
    }

    /// Of an entry that the store confirmed at `confirmed`. While the lease lasts, every entry is confirmed anew
    /// with each heartbeat: what stood before it and was not invalidated was still true.
    pub fn trust(&self, confirmed: Instant) -> Trust {
        let latest = match self.state.kv.heard() {
            Heard::Everything => return Trust::Full,
            Heard::Until(heard) if heard.elapsed() < LEASE => return Trust::Full,
            Heard::Until(heard) => heard.max(confirmed),
            Heard::Nothing => confirmed,
        };
        if latest.elapsed() < self.grace { Trust::IfUnavailable } else { Trust::None }
    }

    pub fn lease_held(&self) -> bool {
        match self.state.kv.heard() {
            Heard::Everything => true,
            Heard::Until(heard) => heard.elapsed() < LEASE,
            Heard::Nothing => false,
        }
    }

    /// Acts on it here and tells the others.
    pub async fn invalidate(&self, notice: Notice) {
        if matches!(&notice, Notice::Tokens(ids) if ids.is_empty()) {
            return;
        }
        self.apply(&notice);
        self.tell(notice).await;
    }

    /// Tells the others only.
    pub async fn tell(&self, notice: Notice) {
        if let Err(error) = self.publish(&notice).await {
            tracing::warn!(%error, "an invalidation waits until the state store answers again");
            let mut outbox = self.outbox.lock().unwrap_or_else(PoisonError::into_inner);
            if outbox.len() >= OUTBOX {
                outbox.clear();
                outbox.push_back(Notice::Everything);
            } else {
                outbox.push_back(notice);
            }
        }
    }

    /// Tells what could not be told before.
    pub async fn deliver(&self) {
        loop {
            let Some(notice) = self.outbox.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else { return };
            if self.publish(&notice).await.is_err() {
                self.outbox.lock().unwrap_or_else(PoisonError::into_inner).push_front(notice);
                return;
            }
        }
    }

    async fn publish(&self, notice: &Notice) -> Result<(), crate::types::Unavailable> {
        let letter = Letter { from: self.node.clone(), notice: notice.clone() };
        let text = serde_json::to_vec(&letter).map_err(crate::types::Unavailable::state)?;
        let sealed = self.state.ring.load().seal(&*self.state.rng, "notice", PLACE, &text);
        self.state.kv.publish(&sealed).await
    }

    /// Notes use of a remembered session.
    pub fn used(&self, key: &SessionKey, at: Timestamp) {
        self.sessions.update(key.as_str(), |session| {
            (at > session.last_used).then(|| Session { last_used: at, ..session.clone() })
        });
    }

    fn apply(&self, notice: &Notice) {
        match notice {
            Notice::Session(key) => self.sessions.forget(key.as_str()),
            Notice::Touched(key, at) => {
                // In this order: a fill that misses the second line sees the first (`CachedSessions::fetch`).
                self.written.raise(key.as_str(), *at);
                self.used(key, *at);
            }
            Notice::Account(account) => {
                self.known.forget(account.as_str());
                self.sessions.forget_where(|session| session.account() == Some(account));
                self.tokens.forget_where(|token| token.account == *account);
                self.files.forget_where(|token| token.account == *account);
            }
            Notice::Tokens(ids) => {
                self.tokens.forget_where(|token| ids.contains(&token.id));
                self.files.forget_where(|token| ids.contains(&token.id));
                self.sessions.forget_where(|session| session.parent.as_ref().is_some_and(|id| ids.contains(id)));
            }
            Notice::Everything => self.flush(),
        }
    }
}

impl Listener for Hub {
    fn message(&self, text: &str) {
        let opened = self.state.ring.load().open("notice", PLACE, text);
        let letter = opened.ok().and_then(|plain| serde_json::from_slice::<Letter>(plain.expose()).ok());
        match letter {
            Some(letter) if letter.from == self.node => {}
            Some(letter) => self.apply(&letter.notice),
            None => {
                // A node with a newer keyring or format, or somebody else's hand: forgetting is always safe.
                tracing::warn!("a notice that could not be read; everything remembered is forgotten");
                self.flush();
            }
        }
    }

    fn flush(&self) {
        self.sessions.flush();
        self.tokens.flush();
        self.files.flush();
        self.known.flush();
    }
}
