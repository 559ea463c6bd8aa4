//! May this account sign in? What a directory says of it, in attributes and in its answer to a bind.
//!
//! Three dialects: Active Directory (`userAccountControl` and its kin; sub-codes in the text of a refused bind), the
//! password-policy draft that OpenLDAP's ppolicy overlay implements (`pwdAccountLockedTime`, a control in the bind's
//! answer), and 389 Directory Server (`nsAccountLock`).
//!
//! A reason is given only once the password was right, as far as the directory lets that be known. "Locked" is the
//! state in which every dialect answers right and wrong passwords alike (so does ppolicy outside an account's start and
//! end); it is DENIED for both, because not even the right one would do.

use super::{
    ber::PasswordPolicy,
    entry::Entry,
    times::{filetime, generalized},
};
use crate::types::Timestamp;

pub const DISABLED: &str = "account disabled";
pub const LOCKED: &str = "account locked";
pub const EXPIRED: &str = "account expired";
pub const PASSWORD_EXPIRED: &str = "password expired";
pub const MUST_CHANGE: &str = "password must change";
pub const RESTRICTED: &str = "account restricted";
pub const REFUSED: &str = "refused by the directory";

/// Whose dialect is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenLDAP, 389 Directory Server and others that follow the standards.
    #[default]
    Standard,
    /// Microsoft's, and Samba's.
    ActiveDirectory,
}

impl Dialect {
    /// What a search asks for besides the person.
    pub fn state_attributes(self) -> &'static [&'static str] {
        match self {
            Dialect::Standard => &["pwdAccountLockedTime", "pwdStartTime", "pwdEndTime", "nsAccountLock"],
            Dialect::ActiveDirectory => &["userAccountControl", "accountExpires"],
        }
    }
}

/// What bars the person (and not only the password of now), read from the entry. Asked after a right password, and
/// without any for leavers: a lock that lapses by itself and an expired password are not among it, or strangers with
/// wrong passwords could end somebody's sessions.
pub fn barred(entry: &Entry, dialect: Dialect, now: Timestamp) -> Option<&'static str> {
    match dialect {
        Dialect::Standard => {
            let outside = |attribute: &str, is_outside: fn(&Timestamp, &Timestamp) -> bool| {
                entry.text(attribute).and_then(generalized).is_some_and(|moment| is_outside(&now, &moment))
            };
            if entry.text("nsAccountLock").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
                Some(DISABLED)
            } else if is_locked_for_good(entry) {
                Some(LOCKED)
            } else if outside("pwdStartTime", Timestamp::lt) || outside("pwdEndTime", Timestamp::ge) {
                Some(EXPIRED)
            } else {
                None
            }
        }
        Dialect::ActiveDirectory => {
            // MS-ADTS §2.2.16.
            const ACCOUNT_DISABLE: i64 = 0x2;
            let control = entry.text("userAccountControl").and_then(|text| text.parse::<i64>().ok());
            if control.is_some_and(|flags| flags & ACCOUNT_DISABLE != 0) {
                Some(DISABLED)
            } else if entry.text("accountExpires").and_then(filetime).is_some_and(|end| end <= now) {
                Some(EXPIRED)
            } else {
                None
            }
        }
    }
}

/// Locked by an administrator, until one opens it again (ppolicy's special value).
fn is_locked_for_good(entry: &Entry) -> bool {
    entry.text("pwdAccountLockedTime") == Some("000001010000Z")
}

/// How a directory answered somebody's own bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindSays {
    Right,
    Wrong,
    Barred(&'static str),
    /// An answer that says nothing about the person; with the result code.
    CannotSay(u32),
}

/// Reads the answer to a bind: its code, its text (Active Directory's sub-code stands there and nowhere else), and the
/// password-policy control where there was one.
pub fn of_bind(code: u32, text: &str, policy: Option<PasswordPolicy>, dialect: Dialect) -> BindSays {
    let policy = policy.and_then(|policy| policy.error);
    match (code, policy) {
        // Only a right password gets as far as these two.
        (0 | 49, Some(0)) => BindSays::Barred(PASSWORD_EXPIRED),
        (0 | 49, Some(2)) => BindSays::Barred(MUST_CHANGE),
        (0 | 49, Some(1)) => BindSays::Barred(LOCKED),
        (0, _) => BindSays::Right,
        (49, _) if dialect == Dialect::ActiveDirectory => of_sub_code(text),
        // 48: the entry has no password. 32: some say "no such object" where others say "invalid credentials".
        (49 | 48 | 32, _) => BindSays::Wrong,
        // How 389 Directory Server refuses inactivated accounts (53) and too many attempts (19).
        (53 | 19, _) => BindSays::Barred(REFUSED),
        (other, _) => BindSays::CannotSay(other),
    }
}

/// `80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 533, v1db1`: a Windows error in hex.
/// All but 775 (locked) are given for a right password only.
fn of_sub_code(text: &str) -> BindSays {
    let code = text.rsplit_once(", data ").map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default());
    match code.map(str::trim) {
        Some("530" | "531" | "52f") => BindSays::Barred(RESTRICTED), // hours, workstations, restrictions
        Some("532") => BindSays::Barred(PASSWORD_EXPIRED),
        Some("533") => BindSays::Barred(DISABLED),
        Some("701") => BindSays::Barred(EXPIRED),
        Some("773") => BindSays::Barred(MUST_CHANGE),
        Some("775") => BindSays::Barred(LOCKED),
        _ => BindSays::Wrong, // 525 unknown, 52e wrong password, and what nobody has documented
    }
}

/// The same, knowing the entry: a directory that hides its lock in the answer may show it there, and what it calls
/// locked may have a better name.
pub fn of_bind_and_entry(bound: BindSays, entry: &Entry, dialect: Dialect, now: Timestamp) -> BindSays {
    match bound {
        BindSays::Wrong if dialect == Dialect::Standard && is_locked_for_good(entry) => BindSays::Barred(LOCKED),
        BindSays::Barred(LOCKED) => BindSays::Barred(barred(entry, dialect, now).unwrap_or(LOCKED)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{ActiveDirectory, Standard};

    fn now() -> Timestamp {
        generalized("20260601120000Z").unwrap()
    }

    fn entry(name: &str, value: &str) -> Entry {
        Entry::of("cn=a,dc=x", &[(name, value.as_bytes())])
    }

    #[test]
    fn active_directory_says_why_by_sub_code() {
        let said = |data: &str| {
            let text =
                format!("80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {data}, v1db1");
            of_bind(49, &text, None, ActiveDirectory)
        };
        assert_eq!(said("52e"), BindSays::Wrong);
        assert_eq!(said("525"), BindSays::Wrong);
        assert_eq!(said("533"), BindSays::Barred(DISABLED));
        assert_eq!(said("532"), BindSays::Barred(PASSWORD_EXPIRED));
        assert_eq!(said("701"), BindSays::Barred(EXPIRED));
        assert_eq!(said("773"), BindSays::Barred(MUST_CHANGE));
        assert_eq!(said("775"), BindSays::Barred(LOCKED));
        assert_eq!(said("530"), BindSays::Barred(RESTRICTED));
        assert_eq!(said("5330"), BindSays::Wrong);
        assert_eq!(of_bind(49, "data 533", None, Standard), BindSays::Wrong, "no other directory is read by its text");
        assert_eq!(of_bind(49, "", None, ActiveDirectory), BindSays::Wrong);
    }

    #[test]
    fn the_password_policy_says_why_by_control() {
        let said = |code, error| of_bind(code, "", Some(PasswordPolicy { error, grace: None }), Standard);
        assert_eq!(said(0, None), BindSays::Right);
        assert_eq!(said(49, None), BindSays::Wrong);
        assert_eq!(said(49, Some(0)), BindSays::Barred(PASSWORD_EXPIRED));
        assert_eq!(said(49, Some(1)), BindSays::Barred(LOCKED));
        assert_eq!(said(0, Some(2)), BindSays::Barred(MUST_CHANGE));
    }

    #[test]
    fn a_grace_sign_in_is_right_because_the_directory_says_so() {
        let grace = PasswordPolicy { error: None, grace: Some(2) };
        assert_eq!(of_bind(0, "", Some(grace), Standard), BindSays::Right);
    }

    #[test]
    fn e8_only_codes_about_the_person_are_verdicts_on_the_person() {
        for code in [1, 2, 3, 8, 10, 11, 13, 34, 50, 51, 52, 54, 80] {
            assert_eq!(of_bind(code, "", None, Standard), BindSays::CannotSay(code));
        }
        assert_eq!(of_bind(48, "", None, Standard), BindSays::Wrong);
        assert_eq!(of_bind(53, "", None, Standard), BindSays::Barred(REFUSED));
    }

    #[test]
    fn an_entry_says_whether_its_person_is_barred() {
        assert_eq!(barred(&entry("userAccountControl", "512"), ActiveDirectory, now()), None);
        assert_eq!(barred(&entry("userAccountControl", "514"), ActiveDirectory, now()), Some(DISABLED));
        assert_eq!(barred(&entry("accountExpires", "133444736000000000"), ActiveDirectory, now()), Some(EXPIRED));
        assert_eq!(barred(&entry("accountExpires", "9223372036854775807"), ActiveDirectory, now()), None);
        assert_eq!(barred(&entry("nsAccountLock", "TRUE"), Standard, now()), Some(DISABLED));
        assert_eq!(barred(&entry("pwdAccountLockedTime", "000001010000Z"), Standard, now()), Some(LOCKED));
        assert_eq!(barred(&entry("pwdAccountLockedTime", "20260601115900Z"), Standard, now()), None, "it lapses");
        assert_eq!(barred(&entry("pwdEndTime", "20260601115959Z"), Standard, now()), Some(EXPIRED));
        assert_eq!(barred(&entry("pwdEndTime", "20260601120001Z"), Standard, now()), None);
        assert_eq!(barred(&entry("pwdStartTime", "20260601120001Z"), Standard, now()), Some(EXPIRED));
    }

    #[test]
    fn a_lock_for_good_is_known_from_the_entry_where_the_bind_hides_it() {
        let locked = entry("pwdAccountLockedTime", "000001010000Z");
        let with = |bound, entry: &Entry| of_bind_and_entry(bound, entry, Standard, now());
        assert_eq!(with(BindSays::Wrong, &locked), BindSays::Barred(LOCKED));
        assert_eq!(with(BindSays::Wrong, &entry("uid", "a")), BindSays::Wrong);
        assert_eq!(with(BindSays::Right, &locked), BindSays::Right, "`barred` is asked next");
        let ended = entry("pwdEndTime", "20260101000000Z");
        assert_eq!(with(BindSays::Barred(LOCKED), &ended), BindSays::Barred(EXPIRED), "ppolicy says locked for both");
    }
}
