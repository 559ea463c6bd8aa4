//! AES-256-GCM with a random 96-bit nonce, and associated data that says where the value belongs.
//!
//! Text form: `v1.<key id>.<base64url(nonce ‖ ciphertext ‖ tag)>`. A value moved to another place (another key
//! name, cookie, site) does not open, because its associated data differs.

use super::{B64, Keyring, SealKey, ring::derive};
use crate::types::{Rng, RngExt, Secret};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use serde::{Deserialize, Serialize};
use std::{fmt, marker::PhantomData};

/// Why something did not open. The value itself is left alone.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("sealed under key {0}, which is not in the keyring (was the keyring restored from an old copy?)")]
    UnknownKey(String),
    #[error("not a sealed value of this format")]
    Form,
    #[error("altered, moved, or sealed for something else")]
    Forged,
}

impl Keyring {
    /// Seals under the newest key. `aad` names the place this value belongs to, and nothing secret.
    pub fn seal(&self, rng: &dyn Rng, purpose: &str, aad: &str, plain: &[u8]) -> String {
        let key = self.current();
        let body = seal_with(rng, &derive(&key.material, purpose), aad, plain);
        format!("v1.{}.{body}", key.id)
    }

    pub fn open(&self, purpose: &str, aad: &str, sealed: &str) -> Result<Secret<Vec<u8>>, OpenError> {
        let (id, body) = sealed.strip_prefix("v1.").and_then(|s| s.split_once('.')).ok_or(OpenError::Form)?;
        let key = self.key(id).ok_or_else(|| OpenError::UnknownKey(id.chars().take(16).collect()))?;
        open_with(&derive(&key.material, purpose), aad, body)
    }
}

/// Seals under a key of one's own (a session's seal key): base64url without a key id.
pub fn seal_with(rng: &dyn Rng, key: &SealKey, aad: &str, plain: &[u8]) -> String {
    let nonce: [u8; NONCE_LEN] = rng.array();
    let mut body = plain.to_vec();
    aead(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad.as_bytes()), &mut body)
        .expect("AES-GCM seals anything below 64 GiB");
    let mut out = nonce.to_vec();
    out.append(&mut body);
    B64.encode(out)
}

pub fn open_with(key: &SealKey, aad: &str, sealed: &str) -> Result<Secret<Vec<u8>>, OpenError> {
    let mut bytes = B64.decode(sealed).map_err(|_| OpenError::Form)?;
    if bytes.len() < NONCE_LEN {
        return Err(OpenError::Form);
    }
    let mut body = bytes.split_off(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| OpenError::Form)?;
    let plain = aead(key).open_in_place(nonce, Aad::from(aad.as_bytes()), &mut body).map_err(|_| OpenError::Forged)?;
    let length = plain.len();
    body.truncate(length);
    Ok(Secret::new(body))
}

fn aead(key: &SealKey) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.expose()).expect("a 32-byte AES-256 key"))
}

/// Another party's secret (an LMS token, a TOTP secret), sealed, with the type of what is inside.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed<T> {
    text: String,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

impl<T> Sealed<T> {
    /// Of text read back from a store.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self { text: text.into(), of: PhantomData }
    }
    /// The sealed form, which may be stored.
    pub fn as_text(&self) -> &str {
        &self.text
    }
}

impl Sealed<String> {
    pub fn seal(ring: &Keyring, rng: &dyn Rng, purpose: &str, aad: &str, plain: &Secret<String>) -> Self {
        Self::from_text(ring.seal(rng, purpose, aad, plain.expose().as_bytes()))
    }
    pub fn open(&self, ring: &Keyring, purpose: &str, aad: &str) -> Result<Secret<String>, OpenError> {
        let bytes = ring.open(purpose, aad, &self.text)?;
        String::from_utf8(bytes.expose().clone()).map(Secret::new).map_err(|_| OpenError::Form)
    }
}

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Self::from_text(self.text.clone())
    }
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{SystemRng, Timestamp};
    use proptest::prelude::*;

    fn ring() -> Keyring {
        Keyring::generate(&SystemRng, Timestamp(0))
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plain: Vec<u8>, aad: String) {
            let ring = ring();
            let sealed = ring.seal(&SystemRng, "p", &aad, &plain);
            let opened = ring.open("p", &aad, &sealed).unwrap();
            prop_assert_eq!(opened.expose(), &plain);
        }
    }

    #[test]
    fn i1_a_moved_or_altered_value_does_not_open() {
        let ring = ring();
        let sealed = ring.seal(&SystemRng, "p", "flow:a", b"secret");
        assert_eq!(ring.open("p", "flow:b", &sealed).unwrap_err(), OpenError::Forged);
        assert_eq!(ring.open("q", "flow:a", &sealed).unwrap_err(), OpenError::Forged);
        let mut bent = sealed.clone().into_bytes();
        let last = bent.len() - 5;
        bent[last] = if bent[last] == b'A' { b'B' } else { b'A' };
        assert_eq!(ring.open("p", "flow:a", std::str::from_utf8(&bent).unwrap()).unwrap_err(), OpenError::Forged);
        assert_eq!(ring.open("p", "flow:a", "v0.x.y").unwrap_err(), OpenError::Form);
    }

    #[test]
    fn rotation_still_opens_and_an_unknown_key_is_named() {
        let mut ring = ring();
        let sealed = ring.seal(&SystemRng, "p", "a", b"x");
        ring.rotate(&SystemRng, Timestamp(1));
        assert!(ring.open("p", "a", &sealed).is_ok());
        let other = super::super::Keyring::generate(&SystemRng, Timestamp(0));
        assert!(matches!(other.open("p", "a", &sealed), Err(OpenError::UnknownKey(_))));
    }
}
