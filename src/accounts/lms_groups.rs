//! What an LMS says of its people's groups, kept with its age beside what the sources say.
//!
//! An account's groups are the union over its methods and over the sites whose groups are read. Where the last reading
//! at one of them failed, nobody knows the union: the policy is told so, and takes the strictest (attack J16).

use crate::types::{AccountId, SiteName, Timestamp, Unavailable};
use async_trait::async_trait;

/// What a reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading<'a> {
    /// All of them.
    Groups(&'a [String]),
    /// The LMS did not say. What it said before is kept for the record and counts for nothing.
    Unreadable,
}

/// The last one at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastReading {
    pub at: Timestamp,
    pub readable: bool,
}

#[async_trait]
pub trait LmsGroupStore: Send + Sync {
    /// True where it is news: the groups are others, or are readable now, or no more.
    async fn note_groups(
        &self,
        site: &SiteName,
        account: &AccountId,
        reading: Reading<'_>,
        at: Timestamp,
    ) -> Result<bool, Unavailable>;
    /// When the site's LMS was asked last about this account, and whether it said.
    async fn last_reading(&self, site: &SiteName, account: &AccountId) -> Result<Option<LastReading>, Unavailable>;
    /// Forgets what was read at other sites than these; the groups of whoever is concerned are united anew.
    async fn keep_groups_of(&self, sites: &[SiteName]) -> Result<(), Unavailable>;
}
