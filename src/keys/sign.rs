//! The Ed25519 key (RFC 8032) behind the signed assertion, derived from a ring key, and its public half.

use super::{B64, Keyring, RingKey, ring::derive};
use crate::types::Secret;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;

/// A signing key of the ring: PKCS#8 for the JWT library, `x` for the JWKS document (RFC 8037 §2).
pub struct SigningKey {
    pub kid: String,
    pub pkcs8: Secret<Vec<u8>>,
    pub x: String,
}

impl Keyring {
    /// The id of the key that signs now.
    pub fn signing_key_id(&self) -> &str {
        &self.current().id
    }
    /// The newest key, for signing.
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::of(self.current())
    }
    /// Every key whose signatures may still be looked at, newest first.
    pub fn verification_keys(&self) -> Vec<SigningKey> {
        self.keys().iter().rev().map(SigningKey::of).collect()
    }
}

impl SigningKey {
    fn of(key: &RingKey) -> Self {
        let seed = derive(&key.material, "assertion-ed25519");
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).expect("any 32 bytes are an Ed25519 seed");
        let x = B64.encode(pair.public_key().as_ref());
        Self { kid: key.id.clone(), pkcs8: Secret::new(pkcs8(seed.expose())), x }
    }
}

/// PKCS#8 v1 around a 32-byte seed (RFC 8410 §7): a constant prefix, then the seed.
fn pkcs8(seed: &[u8; 32]) -> Vec<u8> {
    const PREFIX: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    [&PREFIX[..], seed].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{SystemRng, Timestamp};

    #[test]
    fn the_pkcs8_form_is_the_same_key() {
        let ring = Keyring::generate(&SystemRng, Timestamp(0));
        let key = ring.signing_key();
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.pkcs8.expose()).unwrap();
        assert_eq!(B64.encode(pair.public_key().as_ref()), key.x);
    }
}
