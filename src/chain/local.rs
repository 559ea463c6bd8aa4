//! Accounts of the gateway itself: the record, and the port that keeps them.
//!
//! Each belongs to one instance of the source `local`; instances do not see each other's. The subject is random and
//! outlives a change of name. Removing an account and making it again gives another subject: nobody inherits what a
//! namesake had.

use crate::types::{Password, Rng, RngExt, Secret, SourceId, Subject, Timestamp, Unavailable};
use async_trait::async_trait;

/// One account as it is stored.
#[derive(Clone, Debug)]
pub struct LocalAccount {
    pub source: SourceId,
    pub id: Subject,
    /// Canonical, without the instance's suffix.
    pub username: String,
    /// As [`super::password::StoredHash`] reads it; something locked where no password matches.
    pub hash: Secret<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    /// The whole name, as it is shown.
    pub name: Option<String>,
    pub email: Option<String>,
    pub created: Timestamp,
    /// Changes with every new password, and with nothing else.
    pub password_changed: Timestamp,
    /// The password is right and opens nothing until it is another.
    pub must_change: bool,
    /// The password works for one sign-in (`vestibule account break-glass`).
    pub one_time: bool,
}

/// A password being set.
#[derive(Debug)]
pub struct NewPassword {
    pub hash: Secret<String>,
    pub at: Timestamp,
    pub must_change: bool,
    pub one_time: bool,
}

/// What became of new accounts.
#[derive(Debug, PartialEq, Eq)]
pub enum Inserted {
    All,
    /// An account of that name exists in its instance; nothing was written.
    Taken,
}

#[async_trait]
pub trait LocalStore: Send + Sync {
    async fn by_username(&self, source: &SourceId, username: &str) -> Result<Option<LocalAccount>, Unavailable>;
    async fn by_id(&self, source: &SourceId, id: &Subject) -> Result<Option<LocalAccount>, Unavailable>;
    /// All in one transaction, or none.
    async fn insert(&self, accounts: &[LocalAccount]) -> Result<Inserted, Unavailable>;
    /// False where there is no such account.
    async fn set_password(&self, source: &SourceId, id: &Subject, new: &NewPassword) -> Result<bool, Unavailable>;
    /// Another hash of the same password, if `old` is still the stored one.
    async fn rehash(&self, source: &SourceId, id: &Subject, old: &str, new: &str) -> Result<bool, Unavailable>;
    /// Uses up the one-time password whose hash this is. Of many callers at once one is told true.
    async fn spend(&self, source: &SourceId, id: &Subject, hash: &str) -> Result<bool, Unavailable>;
    /// In order of their names, at most `limit`, after the name `after`.
    async fn list(&self, source: &SourceId, after: Option<&str>, limit: u32) -> Result<Vec<LocalAccount>, Unavailable>;
    /// False where there is no such account.
    async fn remove(&self, source: &SourceId, id: &Subject) -> Result<bool, Unavailable>;
}

/// The subject of a new account.
pub fn new_subject(rng: &dyn Rng) -> Subject {
    Subject::new(rng.hex(16))
}

/// What is stored in place of a one-time password's hash once it was used: locked, as shadow(5) writes it.
pub const SPENT: &str = "!spent";

/// Characters of a one-time password: 31^30 is 148 bits, far beyond guessing even if its hash is stolen.
const ONE_TIME_LENGTH: usize = 30;
/// Without what is misread on paper: `0 o 1 l i`.
const ONE_TIME_ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// A password for one sign-in, to be printed once.
pub fn one_time_password(rng: &dyn Rng) -> Password {
    let mut text = String::with_capacity(ONE_TIME_LENGTH);
    while text.len() < ONE_TIME_LENGTH {
        for byte in rng.array::<ONE_TIME_LENGTH>() {
            // 248 = 8 × 31: bytes above it would favour the alphabet's first letters.
            if byte < 248 && text.len() < ONE_TIME_LENGTH {
                text.push(char::from(ONE_TIME_ALPHABET[usize::from(byte) % ONE_TIME_ALPHABET.len()]));
            }
        }
    }
    Password::new(text)
}

#[cfg(test)]
#[path = "local_memory.rs"]
pub mod memory;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chain::password::{StoredHash, policy},
        types::SystemRng,
    };

    #[test]
    fn a_one_time_password_is_long_readable_and_another_each_time() {
        let (one, other) = (one_time_password(&SystemRng), one_time_password(&SystemRng));
        assert_eq!(one.expose().len(), 30);
        assert!(one.expose().bytes().all(|byte| ONE_TIME_ALPHABET.contains(&byte)));
        assert!(!ONE_TIME_ALPHABET.iter().any(|byte| b"0o1li".contains(byte)));
        assert_ne!(one.expose(), other.expose());
        assert_eq!(policy::check(&one, "admin"), Ok(()));
    }

    #[test]
    fn a_spent_password_is_no_hash() {
        assert!(StoredHash::parse(SPENT).is_err());
    }
}
