//! The ring itself: its file format, its current key, rotation.

use super::{B64, TrustedHeader};
use crate::types::{Rng, RngExt, Secret, SiteName, Timestamp};
use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One key of the ring.
pub struct RingKey {
    /// 8 hex digits, written in front of everything it sealed.
    pub id: String,
    pub created: Timestamp,
    pub(super) material: Secret<[u8; 32]>,
}

/// All keys, newest last. The newest seals and signs; all of them open and verify.
pub struct Keyring {
    keys: Vec<RingKey>,
    /// For digests that are looked up by (surrogates, recovery codes): never rotated, or nothing would be found.
    lookup: Secret<[u8; 32]>,
    /// For the sites that sign in by header.
    headers: BTreeMap<SiteName, TrustedHeader>,
}

/// Why a keyring file is unusable. All of these are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    #[error("the keyring is not valid JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("the keyring holds no key")]
    Empty,
    #[error("key {0} is not 32 bytes of base64url")]
    Material(String),
    #[error("the header name of site {0} is not X-V- and 32 hex digits")]
    Header(SiteName),
    #[error("the keyring has format {0}; this version reads format 1")]
    Format(u32),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    format: u32,
    lookup: String,
    keys: Vec<KeyForm>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<SiteName, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyForm {
    id: String,
    created: Timestamp,
    material: String,
}

impl Keyring {
    /// A new ring with one key.
    pub fn generate(rng: &dyn Rng, now: Timestamp) -> Self {
        let mut ring = Self { keys: Vec::new(), lookup: Secret::new(rng.array()), headers: BTreeMap::new() };
        ring.rotate(rng, now);
        ring
    }

    /// Adds a key, which becomes the one that seals; returns its id.
    pub fn rotate(&mut self, rng: &dyn Rng, now: Timestamp) -> &str {
        self.keys.push(RingKey { id: rng.hex(4), created: now, material: Secret::new(rng.array()) });
        &self.current().id
    }

    pub fn parse(text: &str) -> Result<Self, RingError> {
        let form: FileForm = serde_json::from_str(text)?;
        if form.format != 1 {
            return Err(RingError::Format(form.format));
        }
        let keys = form
            .keys
            .into_iter()
            .map(|key| {
                let material = material(&key.material).ok_or_else(|| RingError::Material(key.id.clone()))?;
                Ok(RingKey { id: key.id, created: key.created, material })
            })
            .collect::<Result<Vec<_>, RingError>>()?;
        if keys.is_empty() {
            return Err(RingError::Empty);
        }
        let lookup = material(&form.lookup).ok_or_else(|| RingError::Material("lookup".into()))?;
        let header = |(site, name): (SiteName, String)| match TrustedHeader::parse(&name) {
            Some(header) => Ok((site, header)),
            None => Err(RingError::Header(site)),
        };
        let headers = form.headers.into_iter().map(header).collect::<Result<_, RingError>>()?;
        Ok(Self { keys, lookup, headers })
    }

    /// The header by which this site's LMS is told who came; `None` where none was made.
    pub fn trusted_header(&self, site: &SiteName) -> Option<&TrustedHeader> {
        self.headers.get(site)
    }

    /// Makes a new name for it. The old one counts no longer, on either side once the LMS was told.
    pub fn rotate_header(&mut self, site: &SiteName, rng: &dyn Rng) -> &TrustedHeader {
        let entry = self.headers.entry(site.clone());
        entry.insert_entry(TrustedHeader::generate(rng)).into_mut()
    }

    /// The file's text. Holds every secret: write it with mode 0600 and nowhere else.
    pub fn to_text(&self) -> Secret<String> {
        let form = FileForm {
            format: 1,
            lookup: B64.encode(self.lookup.expose()),
            keys: self
                .keys
                .iter()
                .map(|key| KeyForm {
                    id: key.id.clone(),
                    created: key.created,
                    material: B64.encode(key.material.expose()),
                })
                .collect(),
            headers: self.headers.iter().map(|(site, header)| (site.clone(), header.user().expose().clone())).collect(),
        };
        Secret::new(serde_json::to_string_pretty(&form).unwrap_or_default() + "\n")
    }

    pub fn keys(&self) -> &[RingKey] {
        &self.keys
    }

    pub(super) fn current(&self) -> &RingKey {
        // `parse` and `generate` both refuse an empty ring.
        self.keys.last().expect("a keyring has a key")
    }

    pub(super) fn key(&self, id: &str) -> Option<&RingKey> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// HMAC-SHA256 of `value` for one purpose, as 43 base64url characters: how our own tokens are stored.
    pub fn digest(&self, purpose: &str, value: &[u8]) -> String {
        B64.encode(self.mac(purpose, value))
    }

    /// 64 characters of `[A-Za-z0-9]` that follow from `value`: a stable surrogate that need not be stored.
    pub fn derived_alphanumeric64(&self, purpose: &str, value: &[u8]) -> String {
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut text = String::with_capacity(64);
        for block in 0u8..=255 {
            let mut input = vec![block];
            input.extend_from_slice(value);
            for byte in self.mac(purpose, &input) {
                if byte < 248 && text.len() < 64 {
                    text.push(char::from(ALPHABET[usize::from(byte) % 62]));
                }
            }
        }
        text
    }

    fn mac(&self, purpose: &str, value: &[u8]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, derive(&self.lookup, purpose).expose());
        let mut out = [0; 32];
        out.copy_from_slice(hmac::sign(&key, value).as_ref());
        out
    }
}

fn material(text: &str) -> Option<Secret<[u8; 32]>> {
    let bytes = B64.decode(text).ok()?;
    Some(Secret::new(<[u8; 32]>::try_from(bytes).ok()?))
}

/// HKDF-SHA256 with the purpose as `info` (RFC 5869 §3.2).
pub(super) fn derive(material: &Secret<[u8; 32]>, purpose: &str) -> Secret<[u8; 32]> {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"vestibule").extract(material.expose());
    let mut out = [0; 32];
    let info = [purpose.as_bytes()];
    prk.expand(&info, hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut out))
        .expect("32 bytes are within HKDF-SHA256's limit");
    Secret::new(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;

    #[test]
    fn a_ring_survives_its_file() {
        let ring = Keyring::generate(&SystemRng, Timestamp(1));
        let again = Keyring::parse(ring.to_text().expose()).unwrap();
        assert_eq!(ring.digest("t", b"x"), again.digest("t", b"x"));
        assert_eq!(ring.current().id, again.current().id);
    }

    #[test]
    fn rotation_keeps_lookup_digests() {
        let mut ring = Keyring::generate(&SystemRng, Timestamp(1));
        let before = ring.digest("t", b"x");
        ring.rotate(&SystemRng, Timestamp(2));
        assert_eq!(before, ring.digest("t", b"x"));
    }

    #[test]
    fn header_names_are_kept_by_the_file_and_by_a_rotation_of_keys() {
        let (site, other) = (SiteName::new("campus"), SiteName::new("other"));
        let mut ring = Keyring::generate(&SystemRng, Timestamp(1));
        assert!(!ring.to_text().expose().contains("headers"), "a ring without them is the file it was before");
        let first = ring.rotate_header(&site, &SystemRng).clone();
        ring.rotate(&SystemRng, Timestamp(2));
        let again = Keyring::parse(ring.to_text().expose()).unwrap();
        assert_eq!(again.trusted_header(&site).unwrap().user().expose(), first.user().expose());
        assert!(again.trusted_header(&other).is_none());
        assert_ne!(ring.rotate_header(&site, &SystemRng).user().expose(), first.user().expose());
        let open = ring.to_text().expose().replace("X-V-", "X-W-");
        assert!(matches!(Keyring::parse(&open), Err(RingError::Header(named)) if named == site));
    }

    #[test]
    fn purposes_do_not_mix() {
        let ring = Keyring::generate(&SystemRng, Timestamp(1));
        assert_ne!(ring.digest("a", b"x"), ring.digest("b", b"x"));
        let key = ring.derived_alphanumeric64("file-key", b"x");
        assert!(key.len() == 64 && key.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(key, ring.derived_alphanumeric64("file-key", b"x"));
    }

    #[test]
    fn bad_files_say_what_is_wrong() {
        assert!(matches!(Keyring::parse("{}"), Err(RingError::Syntax(_))));
        let empty = r#"{"format":1,"lookup":"","keys":[]}"#;
        assert!(matches!(Keyring::parse(empty), Err(RingError::Empty)));
        assert!(matches!(Keyring::parse(r#"{"format":2,"lookup":"","keys":[]}"#), Err(RingError::Format(2))));
    }
}
