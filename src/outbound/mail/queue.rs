//! The port behind the queue of letters: shared by all nodes, and there after a restart.

use super::Letter;
use crate::{
    keys::Sealed,
    types::{Timestamp, Unavailable},
};
use async_trait::async_trait;

/// A letter on its way into the queue.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Random; the seal is bound to it.
    pub id: String,
    pub created: Timestamp,
    pub sealed: Sealed<Letter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    Yes,
    /// As many as may wait are there already.
    Full,
}

/// A letter that one holder may deliver until its lease ends.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub id: String,
    pub created: Timestamp,
    /// Deliveries that were tried before.
    pub attempts: u32,
    pub sealed: Sealed<Letter>,
}

/// What a holder says of a letter counts only while nobody else has claimed it since.
#[async_trait]
pub trait MailQueue: Send + Sync {
    /// Puts it in, unless `most` letters wait already.
    async fn enqueue(&self, letter: &Waiting, most: u32) -> Result<Enqueued, Unavailable>;

    /// At most `limit` letters that are due and that nobody holds, the longest due first; `holder` has them until
    /// `until`. Of several that ask at once, one gets a letter. A holder that dies loses them at `until`.
    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed>, Unavailable>;

    /// It was delivered, or never will be. `false`: somebody else holds it by now.
    async fn remove(&self, id: &str, holder: &str) -> Result<bool, Unavailable>;

    /// Not now: anybody may claim it again from `due`.
    async fn postpone(&self, id: &str, holder: &str, due: Timestamp, attempts: u32) -> Result<bool, Unavailable>;

    /// How many there are, claimed ones too.
    async fn waiting(&self) -> Result<u32, Unavailable>;
}
