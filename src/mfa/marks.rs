//! What is remembered of an account's mail, and the port that keeps it: that a password came by it, and that its reader
//! said of a sign-in "this was not me".
//!
//! A password that was chosen by way of a mailed link proves the mailbox and nothing else; a mailed code would prove the
//! same mailbox again. So the e-mail factor does not count for a day after it (design §2 "MFA"). What is remembered
//! belongs to the LMS's user: who resets a password may never have signed in here.

use crate::types::{AccountId, LmsUserId, SiteName, Timestamp, Unavailable};
use async_trait::async_trait;
use std::time::Duration;

/// After a mailed secret, how long the e-mail factor does not count.
pub const MAIL_COUNTS_AFTER: Duration = Duration::from_secs(24 * 3600);

#[async_trait]
pub trait MarkStore: Send + Sync {
    /// This LMS user's password was chosen, or its account confirmed, by way of a mailed link. An earlier moment never
    /// replaces a later one.
    async fn password_came_by_mail(&self, site: &SiteName, user: LmsUserId, at: Timestamp) -> Result<(), Unavailable>;

    /// When that was last, at any site at which the account is bound, or of `user` where it is not bound yet.
    async fn last_mailed_password(
        &self,
        account: &AccountId,
        user: Option<(&SiteName, LmsUserId)>,
    ) -> Result<Option<Timestamp>, Unavailable>;

    /// Whoever reads the account's mail said that a sign-in was not theirs.
    async fn disowned(&self, account: &AccountId, at: Timestamp) -> Result<(), Unavailable>;

    /// When that was last.
    async fn last_disowned(&self, account: &AccountId) -> Result<Option<Timestamp>, Unavailable>;
}
