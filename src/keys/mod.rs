//! The keyring: seal and open (AEAD), keyed digests, the key that signs assertions, and the secret names of the
//! headers that an LMS trusts.
//!
//! One file, the same on all nodes, never in a store (design §6). Rotation adds a key and keeps the old ones for
//! opening; what was sealed under a key that is no longer here cannot be opened, is reported by key id, and is
//! never deleted for that.
//!
//! Every purpose has a key of its own, derived by HKDF-SHA256 (RFC 5869) from the ring key's 32 bytes, so that a
//! value sealed for one purpose is noise to every other.

mod config;
mod ring;
mod seal;
mod sign;
mod trusted;

pub use config::Config;
pub use ring::{Keyring, RingError, RingKey};
pub use seal::{OpenError, Sealed, open_with, seal_with};
pub use sign::SigningKey;
pub use trusted::{Attribute, TrustedHeader};

use crate::types::{Secret, SessionKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};

/// The store name of the session whose opaque id is `id`. A plain SHA-256: the id has 256 random bits, so nobody
/// can invert it, and every node computes the same without the keyring.
pub fn session_key(id: &str) -> SessionKey {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, id.as_bytes());
    SessionKey::from_digest(B64.encode(digest.as_ref()))
}

/// Constant-time equality for secrets of equal or unequal length.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// A fresh 32-byte AEAD key, such as a session's seal key.
pub type SealKey = Secret<[u8; 32]>;

/// The ring in force, which a rotation replaces while requests are running.
pub type SharedKeyring = std::sync::Arc<arc_swap::ArcSwap<Keyring>>;
