//! Who an account is inside one site's LMS, and the only maker of [`Bound`] (design §2 "Binding to the LMS").
//!
//! The LMS was asked who its session or token belongs to; here that answer is held against what is known. A name
//! sent to the LMS is the binding's. The first time there is none, so the LMS must have made the user just then: an
//! id that existed before belongs to somebody, and is bound by import or by proof of the LMS password.

use super::{AccountStore, Binding, BoundBy, Created, Resolved};
use crate::{
    lms::LmsUser,
    types::{AccountId, LmsUserId, SiteName, Timestamp, Unavailable},
};

/// Proof that this LMS user is this account's.
#[derive(Debug)]
pub struct Bound {
    account: AccountId,
    user: LmsUserId,
}

impl Bound {
    /// The LMS user.
    ///
    /// # Panics
    /// Where the proof is another account's: two people were mixed up, and the request must not go on.
    pub fn user_of(&self, account: &AccountId) -> LmsUserId {
        assert_eq!(self.account, *account, "a binding of another account");
        self.user
    }
}

/// What the LMS's word rests on.
#[derive(Clone, Copy, Debug)]
pub enum How<'a> {
    /// It judged the password itself.
    Judged,
    /// Its password was proven once, for an LMS user who existed before.
    Proof,
    /// It was sent this name in the trusted header, when no LMS user above `before` was known to exist.
    Header { sent: &'a str, before: LmsUserId },
}

/// `Err`: why the LMS's session or token must be withheld and ended, for the audit.
pub async fn bind(
    store: &dyn AccountStore,
    resolved: &Resolved,
    site: &SiteName,
    said: &LmsUser,
    how: How<'_>,
    now: Timestamp,
) -> Result<Result<Bound, &'static str>, Unavailable> {
    let account = &resolved.account().id;
    let bound = || Ok(Ok(Bound { account: account.clone(), user: said.id }));
    if let Some(binding) = store.binding(site, account).await? {
        return match (binding.lms_user == said.id, how) {
            (false, _) => Ok(Err("binding_differs")),
            // The LMS may not say the name again; where it does, it is the one that was sent, byte for byte.
            (true, How::Header { sent, .. }) if said.username.as_deref().is_some_and(|name| name != sent) => {
                Ok(Err("lms_name_differs"))
            }
            (true, _) => bound(),
        };
    }
    if store.bound_account(site, said.id).await?.is_some() {
        return Ok(Err("name_collision"));
    }
    let bound_by = match how {
        How::Judged => BoundBy::Lms,
        How::Proof => BoundBy::Proof,
        How::Header { sent, .. } if said.username.as_deref() != Some(sent) => return Ok(Err("lms_name_differs")),
        How::Header { before, .. } if said.id <= before => return Ok(Err(EXISTED)),
        How::Header { .. } => BoundBy::Created,
    };
    let binding = Binding {
        site: site.clone(),
        lms_user: said.id,
        account: account.clone(),
        created: now,
        lms_username: said.username.clone(),
        bound_by,
    };
    match store.bind(&binding).await? {
        Created::Yes => bound(),
        // Another request of the same person was faster, or somebody else's was.
        Created::Taken => match store.binding(site, account).await? {
            Some(binding) if binding.lms_user == said.id => bound(),
            Some(_) | None => Ok(Err("name_collision")),
        },
    }
}

/// The LMS user was there before the first header sign-in: its password must be proven once.
pub const EXISTED: &str = "lms_user_existed";

/// The name under which the LMS is told of an account: the binding's, or, the first time, the canonical one.
/// `None`: no name that the LMS reads in one way only (attack J1).
pub async fn name_for_lms(
    store: &dyn AccountStore,
    resolved: &Resolved,
    site: &SiteName,
) -> Result<Option<String>, Unavailable> {
    let account = resolved.account();
    let name = match store.binding(site, &account.id).await? {
        Some(Binding { lms_username: Some(name), .. }) => Some(name),
        Some(_) | None => account.username.clone().filter(|_| account.username_verified),
    };
    Ok(name.filter(|name| is_plain(name)))
}

/// Databases fold `é` to `e`, and wide forms and trailing spaces away: only what nothing folds is sent.
pub fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'@' | b'-');
    (1..=100).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j1_only_names_that_no_database_folds_are_sent() {
        assert!(is_plain("student1") && is_plain("a.b_c-d@example.org"));
        for name in ["", "studént1", "ｓtudent1", "student1 ", "Student1", "a+b", "a\0", &"a".repeat(101)] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
