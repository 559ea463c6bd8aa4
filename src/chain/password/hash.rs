//! A stored password hash, whoever made it.
//!
//! Promises: [`StoredHash::parse`] does no costly work and refuses what would be costly to verify (attack E12: a row
//! with argon2 at 4 GiB is a denial of service, not a hash); nothing panics, whatever text a table holds; results are
//! compared in constant time; and a password that a format cannot hold is refused after the same work as any other
//! (attack E1), never shortened.

use super::{
    crypt::{Bcrypt, Phpass, ShaCrypt},
    derived::{Argon2Hash, Digested, Pbkdf2},
};
use crate::types::{Password, Rng};
use std::fmt;

/// A hash without a limit of its own sees at most this many bytes: SHA-crypt costs their square, and nobody types
/// more.
const LONGEST_PASSWORD: usize = 1024;
/// Stored text longer than this is no hash. The longest known shape (Django's, with a long salt) has under 300.
const LONGEST_HASH: usize = 1024;

/// A password hash read from where it is kept, known to be affordable.
#[derive(Clone)]
pub struct StoredHash {
    shape: Shape,
    /// Does the work and never matches: for names that do not exist.
    decoy: bool,
}

#[derive(Clone)]
enum Shape {
    Bcrypt(Bcrypt),
    Argon2(Argon2Hash),
    ShaCrypt(ShaCrypt),
    Pbkdf2(Pbkdf2),
    Phpass(Phpass),
    Digested(Digested),
}

/// Why a stored text is not a hash that anybody could sign in with. Each is the operator's to mend, except `Locked`,
/// which somebody meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    #[error("locked or empty: no password matches it")]
    Locked,
    #[error("its format is not known")]
    Unknown,
    #[error("it begins like {} and is not one", .0.name())]
    Malformed(Format),
    #[error("its {} parameters cost more than a sign-in may", .0.name())]
    TooCostly(Format),
}

/// The make of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Bcrypt,
    Argon2,
    Sha256Crypt,
    Sha512Crypt,
    Pbkdf2,
    Phpass,
    SaltedSha,
    Sha,
    Md5,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Format::Bcrypt => "bcrypt",
            Format::Argon2 => "argon2",
            Format::Sha256Crypt => "SHA-256 crypt",
            Format::Sha512Crypt => "SHA-512 crypt",
            Format::Pbkdf2 => "PBKDF2",
            Format::Phpass => "phpass",
            Format::SaltedSha => "salted SHA",
            Format::Sha => "unsalted SHA",
            Format::Md5 => "plain MD5",
        }
    }
    /// Fit only for the way from an old table to a better one: a stolen row is guessed at billions of tries a second.
    pub fn is_for_migration(self) -> bool {
        matches!(self, Format::SaltedSha | Format::Sha | Format::Md5)
    }
    /// crypt(3) and its relatives end a password at its first NUL byte (attack E12).
    fn ends_at_nul(self) -> bool {
        matches!(self, Format::Bcrypt | Format::Sha256Crypt | Format::Sha512Crypt | Format::Phpass)
    }
    /// Bytes of a password that count. bcrypt ignores what comes after the 72nd (attack E12).
    fn longest_password(self) -> usize {
        if self == Format::Bcrypt { Bcrypt::LONGEST_PASSWORD } else { LONGEST_PASSWORD }
    }
}

impl StoredHash {
    /// Reads what a table or file holds. Space around it is dropped, as fixed-width columns pad.
    pub fn parse(stored: &str) -> Result<Self, HashError> {
        let text = stored.trim();
        if text.len() > LONGEST_HASH {
            return Err(HashError::Unknown);
        }
        shape(unwrapped(text)).map(|shape| Self { shape, decoy: false })
    }

    /// Whether this is the password. Takes as long as the format wants: call it in the hashing pool.
    pub fn verify(&self, password: &Password) -> bool {
        let typed = password.expose().as_bytes();
        let used = &typed[..typed.len().min(self.format().longest_password())];
        let fits =
            !typed.is_empty() && used.len() == typed.len() && !(self.format().ends_at_nul() && typed.contains(&0));
        // All of it, whatever is already known: the time must not tell.
        let matches = match &self.shape {
            Shape::Bcrypt(hash) => hash.matches(used),
            Shape::Argon2(hash) => hash.matches(used),
            Shape::ShaCrypt(hash) => hash.matches(used),
            Shape::Pbkdf2(hash) => hash.matches(used),
            Shape::Phpass(hash) => hash.matches(used),
            Shape::Digested(hash) => hash.matches(used),
        };
        matches & fits & !self.decoy
    }

    pub fn format(&self) -> Format {
        match &self.shape {
            Shape::Bcrypt(_) => Format::Bcrypt,
            Shape::Argon2(_) => Format::Argon2,
            Shape::ShaCrypt(hash) => hash.format(),
            Shape::Pbkdf2(_) => Format::Pbkdf2,
            Shape::Phpass(_) => Format::Phpass,
            Shape::Digested(hash) => hash.format(),
        }
    }

    /// What to verify against where a name is unknown: equal work, no match (attack E1). This one costs what
    /// [`new_hash`] does.
    pub fn decoy() -> Self {
        Self { shape: Shape::Argon2(Argon2Hash::decoy()), decoy: true }
    }

    /// A decoy that costs what this hash does, for tables that hold another format.
    pub fn decoy_like(&self) -> Self {
        Self { shape: self.shape.clone(), decoy: true }
    }

    /// Made with the parameters that [`new_hash`] uses.
    pub fn is_current(&self) -> bool {
        matches!(&self.shape, Shape::Argon2(hash) if hash.is_current())
    }
}

impl fmt::Debug for StoredHash {
    /// A hash can be guessed at: its make is shown, nothing else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredHash({})", self.format().name())
    }
}

/// argon2id with the second recommended option of RFC 9106 §4 (3 passes, 4 lanes, 64 MiB), as a PHC string. Takes
/// about 0.2 s of a core: call it in the hashing pool.
pub fn new_hash(password: &Password, rng: &dyn Rng) -> String {
    Argon2Hash::make(password.expose().as_bytes(), rng)
}

/// Without the wrapping that says only "what follows is a hash": `{CRYPT}` of LDAP exports and Django's `argon2`.
fn unwrapped(text: &str) -> &str {
    match (text.get(..7), text.strip_prefix("argon2$argon2")) {
        (Some(scheme), _) if scheme.eq_ignore_ascii_case("{CRYPT}") => &text[7..],
        (_, Some(_)) => &text["argon2".len()..],
        _ => text,
    }
}

fn shape(text: &str) -> Result<Shape, HashError> {
    // shadow(5): `!` and `*` lock, `x` says "elsewhere"; crypt(3) answers `*0` to what it cannot hash. Django marks
    // an unusable password with `!`, Moodle with the two words.
    if text.is_empty() || text.starts_with(['!', '*']) || matches!(text, "x" | "not cached") {
        return Err(HashError::Locked);
    }
    if text.starts_with('{') || (text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Digested::parse(text).map(Shape::Digested);
    }
    if text.starts_with("pbkdf2_sha") {
        return Pbkdf2::parse_django(text).map(Shape::Pbkdf2);
    }
    let id = text.strip_prefix('$').and_then(|rest| rest.split('$').next()).ok_or(HashError::Unknown)?;
    match id {
        "2a" | "2b" | "2y" => Bcrypt::parse(text).map(Shape::Bcrypt),
        "argon2i" | "argon2d" | "argon2id" => Argon2Hash::parse(text).map(Shape::Argon2),
        "5" | "6" => ShaCrypt::parse(text).map(Shape::ShaCrypt),
        "pbkdf2" | "pbkdf2-sha256" | "pbkdf2-sha512" => Pbkdf2::parse_passlib(text).map(Shape::Pbkdf2),
        "P" | "H" => Phpass::parse(text).map(Shape::Phpass),
        _ => Err(HashError::Unknown),
    }
}

#[cfg(test)]
#[path = "hash_tests.rs"]
mod tests;
