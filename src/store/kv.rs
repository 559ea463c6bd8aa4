//! The private port under sessions, flows and counters: sealed text under names that give nothing away.
//!
//! Everything above this line ([`super::state`]) knows what is stored; everything below it (`embedded/`, `redis/`)
//! only moves opaque text and is atomic about it. Names are [`Key`]s: a kind and a keyed digest, so that no byte of
//! user input ever reaches a store's command, pattern or hash tag (attack I2), and a flow's handle, a bearer secret,
//! does not stand in a `KEYS *`.
//!
//! **Expiry** is decided by the injected clock on every operation; a backend's own TTL only collects garbage.

use crate::{
    keys::Keyring,
    limits::Count,
    types::{Timestamp, Unavailable},
};
use async_trait::async_trait;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// What is stored under a key. Its name is all that a log line says about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Session,
    Flow,
    Counter,
    /// An account's sessions.
    AccountSessions,
    /// An account's open flows.
    AccountFlows,
    /// An address bucket's open flows.
    ClientFlows,
    /// All flows, by their end.
    DueFlows,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Session => "session",
            Kind::Flow => "flow",
            Kind::Counter => "counter",
            Kind::AccountSessions => "account-sessions",
            Kind::AccountFlows => "account-flows",
            Kind::ClientFlows => "client-flows",
            Kind::DueFlows => "due-flows",
        }
    }
    /// What every key of this kind begins with; holds no character that a pattern would interpret.
    pub fn prefix(self) -> String {
        format!("vestibule:{}:", self.as_str())
    }
}

/// A full key name: `vestibule:<kind>:<43 base64url characters>`. Also the associated data of what is stored there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    kind: Kind,
    full: String,
}

impl Key {
    /// The digest is keyed, so that who can read Redis cannot test whether a given name is in it.
    pub fn of(ring: &Keyring, kind: Kind, name: &str) -> Self {
        Self::of_digest(kind, &ring.digest(&format!("state:{}", kind.as_str()), name.as_bytes()))
    }
    /// Of a digest taken earlier ([`Key::digest`]), such as an index's member.
    pub fn of_digest(kind: Kind, digest: &str) -> Self {
        Self { kind, full: kind.prefix() + digest }
    }
    pub fn kind(&self) -> Kind {
        self.kind
    }
    pub fn as_str(&self) -> &str {
        &self.full
    }
    pub fn digest(&self) -> &str {
        self.full.rsplit(':').next().unwrap_or_default()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.kind.as_str())
    }
}

/// How far this node can be sure to have heard every invalidation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard {
    /// One process: nothing to hear.
    Everything,
    /// Everything published before this moment has arrived.
    Until(Instant),
    Nothing,
}

/// Who is told what arrives on the channel.
pub(super) trait Listener: Send + Sync {
    fn message(&self, text: &str);
    /// Messages may have been missed, or the store was emptied: forget all that was remembered.
    fn flush(&self);
}

#[async_trait]
pub(super) trait Kv: Send + Sync {
    async fn get(&self, key: &Key) -> Result<Option<String>, Unavailable>;
    async fn put(&self, key: &Key, value: &str, ttl: Duration) -> Result<(), Unavailable>;
    /// Claims a name: true for exactly one caller while it lasts.
    async fn put_new(&self, key: &Key, value: &str, ttl: Duration) -> Result<bool, Unavailable>;
    /// Replaces `expected` by `new`; false if anything else, or nothing, is there.
    async fn swap(&self, key: &Key, expected: &str, new: &str, ttl: Duration) -> Result<bool, Unavailable>;
    /// Removes `expected`: true for exactly one caller. What takes a value reads it first and removes exactly what
    /// it could open, so that a value sealed under a key we do not have is left alone.
    async fn take(&self, key: &Key, expected: &str) -> Result<bool, Unavailable>;
    async fn remove(&self, key: &Key) -> Result<bool, Unavailable>;
    /// Live entries of one kind, at most `limit`, in no stated order.
    async fn scan(&self, kind: Kind, limit: usize) -> Result<Vec<(Key, String)>, Unavailable>;

    async fn add(&self, key: &Key, by: i64, window: Duration) -> Result<Count, Unavailable>;
    async fn count(&self, key: &Key) -> Result<Count, Unavailable>;

    /// Adds `member` until `until`, and returns the members that had to go so that at most `cap` are left, those
    /// with the nearest end first. Members past their end are dropped without a word.
    async fn index_add(
        &self,
        index: &Key,
        member: &str,
        until: Timestamp,
        cap: usize,
    ) -> Result<Vec<String>, Unavailable>;
    async fn index_list(&self, index: &Key, limit: usize) -> Result<Vec<String>, Unavailable>;
    async fn index_remove(&self, index: &Key, member: &str) -> Result<(), Unavailable>;
    /// Like an index, but members stay past their time, until they are removed.
    async fn due_add(&self, queue: &Key, member: &str, due: Timestamp) -> Result<(), Unavailable>;
    async fn due_list(&self, queue: &Key, now: Timestamp, limit: usize) -> Result<Vec<String>, Unavailable>;

    /// Tells every other node.
    async fn publish(&self, message: &str) -> Result<(), Unavailable>;
    /// Called once, before anything is cached.
    fn listen(&self, listener: Arc<dyn Listener>);
    fn heard(&self) -> Heard;
    /// Whether it answers, asked now.
    async fn ping(&self) -> Result<(), Unavailable>;
    async fn close(&self);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;

    #[test]
    fn i2_a_hostile_name_leaves_no_byte_in_the_key() {
        let ring = Keyring::generate(&SystemRng, Timestamp(0));
        for name in ["a\r\nFLUSHALL\r\n", "*", "{x}", "", "\0", "vestibule:session:x", &"x".repeat(1 << 20)] {
            let key = Key::of(&ring, Kind::Counter, name);
            let tail = key.as_str().strip_prefix("vestibule:counter:").unwrap();
            assert_eq!(tail.len(), 43);
            assert!(tail.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert_eq!(Key::of_digest(Kind::Counter, key.digest()), key);
        }
    }

    #[test]
    fn kinds_do_not_share_names() {
        let ring = Keyring::generate(&SystemRng, Timestamp(0));
        assert_ne!(Key::of(&ring, Kind::Flow, "x").digest(), Key::of(&ring, Kind::Session, "x").digest());
    }
}
