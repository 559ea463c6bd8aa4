//! The port that keeps accounts, methods and bindings. Uniqueness is the store's to enforce, in one transaction.

use super::{Account, Binding, Method, State};
use crate::types::{AccountId, LmsUserId, SiteName, SourceId, Subject, Timestamp, Unavailable};
use async_trait::async_trait;

/// What became of an attempt to create or link something that must be unique.
#[derive(Debug, PartialEq, Eq)]
pub enum Created {
    Yes,
    /// The method, or the LMS user, already belongs to an account (another node was faster, or a collision).
    Taken,
}

/// What a source now says of somebody. `None` changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Learned<'a> {
    /// A verified name is never replaced by an unverified one.
    pub username: Option<(&'a str, Verified)>,
    pub display_name: Option<&'a str>,
    pub given_name: Option<&'a str>,
    pub family_name: Option<&'a str>,
    pub email: Option<Mail<'a>>,
}

/// An address and who verified it, if anybody.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    pub address: &'a str,
    pub verified_by: Option<&'a str>,
    /// When it was stated.
    pub at: Timestamp,
}

/// What a source says of one method when it vouches for it. `None` changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Vouched<'a> {
    pub at: Timestamp,
    pub password_mark: Option<&'a str>,
    pub groups: Option<&'a [String]>,
}

/// One thing that an import writes.
#[derive(Clone, Debug)]
pub enum Entry {
    /// With its first method.
    Account(Box<(Account, Method)>),
    Method(Method),
    Binding(Binding),
}

#[async_trait]
pub trait AccountStore: Send + Sync {
    async fn account(&self, id: &AccountId) -> Result<Option<Account>, Unavailable>;
    async fn by_method(&self, source: &SourceId, subject: &Subject) -> Result<Option<Account>, Unavailable>;
    /// All accounts of that canonical username (it is not unique across sources).
    async fn by_username(&self, username: &str) -> Result<Vec<Account>, Unavailable>;
    /// All accounts with that address, whoever verified it. Compared without regard to ASCII case.
    async fn by_email(&self, address: &str) -> Result<Vec<Account>, Unavailable>;
    /// In order of creation, at most `limit`, after the account `after`.
    async fn list(&self, after: Option<&AccountId>, limit: u32) -> Result<Vec<Account>, Unavailable>;
    /// Account, first method and binding in one transaction: all or nothing. `Taken` also where one of `rivals` has
    /// brought an account of that name just now: two first sign-ins by two sources are never two accounts.
    async fn create(
        &self,
        account: &Account,
        method: &Method,
        binding: Option<&Binding>,
        rivals: &[SourceId],
    ) -> Result<Created, Unavailable>;
    /// Primary first, then in order of linking.
    async fn methods(&self, account: &AccountId) -> Result<Vec<Method>, Unavailable>;
    async fn method(&self, source: &SourceId, subject: &Subject) -> Result<Option<Method>, Unavailable>;
    /// A further method; where it is primary, the earlier primary is not any more.
    async fn link(&self, method: &Method) -> Result<Created, Unavailable>;
    /// False where it is not there, primary, or the account's last: those stay.
    async fn unlink(&self, account: &AccountId, source: &SourceId, subject: &Subject) -> Result<bool, Unavailable>;
    /// False where the account has no such method.
    async fn make_primary(
        &self,
        account: &AccountId,
        source: &SourceId,
        subject: &Subject,
    ) -> Result<bool, Unavailable>;
    /// How many methods each instance has, by the instance's name.
    async fn pinned(&self) -> Result<Vec<(SourceId, u64)>, Unavailable>;
    /// An instance's methods in the order of their subjects, at most `limit`, after `after`.
    async fn methods_of(
        &self,
        source: &SourceId,
        after: Option<&Subject>,
        limit: u32,
    ) -> Result<Vec<Method>, Unavailable>;
    /// Gives a method another instance and subject. `Taken` where that pair is somebody's already.
    async fn move_method(&self, from: (&SourceId, &Subject), to: (&SourceId, &Subject))
    -> Result<Created, Unavailable>;
    /// All methods of one instance become another's, with the same subjects: all or, where a pair is taken, none.
    async fn rename_source(&self, from: &SourceId, to: &SourceId) -> Result<Created, Unavailable>;
    /// Removes an instance's methods; the accounts stay. Returns how many there were.
    async fn drop_source(&self, source: &SourceId) -> Result<u64, Unavailable>;
    /// Moves methods and bindings of `from` to `into` and leaves `from` gone. `Taken` where both are bound at a site.
    async fn merge(&self, from: &AccountId, into: &AccountId) -> Result<Created, Unavailable>;
    async fn binding(&self, site: &SiteName, account: &AccountId) -> Result<Option<Binding>, Unavailable>;
    /// The sites at which an account is bound.
    async fn bound_sites(&self, account: &AccountId) -> Result<Vec<SiteName>, Unavailable>;
    async fn bound_account(&self, site: &SiteName, user: LmsUserId) -> Result<Option<AccountId>, Unavailable>;
    /// `Taken` where either side is bound already.
    async fn bind(&self, binding: &Binding) -> Result<Created, Unavailable>;
    /// A site's bindings in the order of their LMS users, at most `limit`, after `after`.
    async fn bindings(
        &self,
        site: &SiteName,
        after: Option<LmsUserId>,
        limit: u32,
    ) -> Result<Vec<Binding>, Unavailable>;
    /// False where the account is not bound there.
    async fn unbind(&self, site: &SiteName, account: &AccountId) -> Result<bool, Unavailable>;
    /// All entries in their order or, where a method or either side of a binding is taken, none.
    async fn import(&self, entries: &[Entry]) -> Result<Created, Unavailable>;
    /// The highest LMS user id bound at a site; 0 where there is none.
    async fn highest_bound(&self, site: &SiteName) -> Result<LmsUserId, Unavailable>;
    /// Records what the source now says; the epoch and the state stay.
    async fn learn(&self, id: &AccountId, learned: &Learned<'_>) -> Result<(), Unavailable>;
    /// Records what one source says of its own method, and the union of groups in the account.
    async fn vouch(&self, source: &SourceId, subject: &Subject, vouched: &Vouched<'_>) -> Result<(), Unavailable>;
    /// Sets the state in an operator's name; any change to something other than active raises the epoch. Returns the epoch in force,
    /// `None` if there is no such account.
    async fn set_state(&self, id: &AccountId, state: State) -> Result<Option<u32>, Unavailable>;
    /// A source says that it may not sign in (any more): the epoch rises, as by [`Self::set_state`]. Never touches what
    /// an operator switched off. True for one caller of many, and where that is news.
    async fn bar(&self, id: &AccountId, source: &SourceId, state: State) -> Result<bool, Unavailable>;
    /// Active again, where it was a source that barred it. True for one caller of many, and where that is news.
    async fn readmit(&self, id: &AccountId) -> Result<bool, Unavailable>;
    /// Which source barred it; `None` where an operator did, or nobody.
    async fn barred_by(&self, id: &AccountId) -> Result<Option<SourceId>, Unavailable>;
    /// Every instance that was ever in force, with its kind's name.
    async fn kinds(&self) -> Result<Vec<(SourceId, String)>, Unavailable>;
    async fn note_kind(&self, name: &SourceId, kind: &str) -> Result<(), Unavailable>;
    /// Raises the epoch by one and returns it.
    async fn raise_epoch(&self, id: &AccountId) -> Result<Option<u32>, Unavailable>;
}

/// Whether a name was stated by a source or merely typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    Yes,
    No,
}
