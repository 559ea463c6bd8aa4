//! The key derivation functions (argon2, PBKDF2) and the bare digests.

use super::{
    crypt::number,
    hash::{Format, HashError},
};
use crate::{
    keys,
    types::{Rng, RngExt},
};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{digest, pbkdf2};
use base64::{
    Engine, alphabet,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD,
        general_purpose::STANDARD_NO_PAD,
    },
};
use md5::{Digest as _, Md5};
use std::num::NonZeroU32;

/// Base64 as tables hold it: with padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `$argon2id$v=19$m=…,t=…,p=…$salt$digest` (RFC 9106; the PHC string format). Without `v` it is version 1.0.
#[derive(Clone)]
pub(super) struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl Argon2Hash {
    /// RFC 9106 §4, the second recommended option: 64 MiB, 3 passes, 4 lanes.
    const M_KIB: u32 = 64 * 1024;
    const T: u32 = 3;
    const P: u32 = 4;
    const SALT: usize = 16;
    const DIGEST: usize = 32;
    /// A worker of the pool may hold this much memory.
    const MOST_KIB: u32 = 256 * 1024;
    const MOST_T: u32 = 16;
    const MOST_P: u32 = 16;
    /// Memory times passes is what the time goes by: 1 GiB is about a second of a core.
    const MOST_KIB_PASSES: u32 = 1024 * 1024;

    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let malformed = HashError::Malformed(Format::Argon2);
        let mut parts = text.split('$').skip(1).peekable();
        let algorithm = match parts.next() {
            Some("argon2id") => Algorithm::Argon2id,
            Some("argon2i") => Algorithm::Argon2i,
            Some("argon2d") => Algorithm::Argon2d,
            Some(_) | None => return Err(malformed),
        };
        let version = match parts.next_if(|part| part.starts_with("v=")) {
            Some("v=19") => Version::V0x13,
            Some("v=16") | None => Version::V0x10,
            Some(_) => return Err(malformed),
        };
        let (Some(params), Some(salt), Some(digest), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed);
        };
        let (m, t, p) = costs(params).ok_or(malformed)?;
        if m > Self::MOST_KIB || t > Self::MOST_T || p > Self::MOST_P || m * t > Self::MOST_KIB_PASSES {
            return Err(HashError::TooCostly(Format::Argon2));
        }
        let (Ok(salt), Ok(digest)) = (STANDARD_NO_PAD.decode(salt), STANDARD_NO_PAD.decode(digest)) else {
            return Err(malformed);
        };
        let fits = (8..=64).contains(&salt.len()) && (16..=64).contains(&digest.len());
        let params = Params::new(m, t, p, Some(digest.len())).ok().filter(|_| fits).ok_or(malformed)?;
        Ok(Self { algorithm, version, params, salt, digest })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        self.derive(password).is_some_and(|digest| keys::same(&digest, &self.digest))
    }

    pub(super) fn make(password: &[u8], rng: &dyn Rng) -> String {
        let mut hash = Self { salt: rng.array::<{ Self::SALT }>().to_vec(), ..Self::decoy() };
        // The parameters are constants inside every limit, so that only memory could fail, which aborts anyway.
        hash.digest = hash.derive(password).expect("the recommended parameters are valid");
        let (salt, digest) = (STANDARD_NO_PAD.encode(&hash.salt), STANDARD_NO_PAD.encode(&hash.digest));
        format!("$argon2id$v=19$m={},t={},p={}${salt}${digest}", Self::M_KIB, Self::T, Self::P)
    }

    /// Of the parameters that [`Argon2Hash::make`] uses.
    pub(super) fn decoy() -> Self {
        Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: Params::new(Self::M_KIB, Self::T, Self::P, Some(Self::DIGEST)).unwrap_or_default(),
            salt: vec![0; Self::SALT],
            digest: vec![0; Self::DIGEST],
        }
    }

    pub(super) fn is_current(&self) -> bool {
        let ours = (Self::M_KIB, Self::T, Self::P, Some(Self::DIGEST));
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && (self.params.m_cost(), self.params.t_cost(), self.params.p_cost(), self.params.output_len()) == ours
    }

    fn derive(&self, password: &[u8]) -> Option<Vec<u8>> {
        let mut digest = vec![0; self.digest.len()];
        let argon2 = Argon2::new(self.algorithm, self.version, self.params.clone());
        argon2.hash_password_into(password, &self.salt, &mut digest).ok()?;
        Some(digest)
    }
}

/// `m=…,t=…,p=…`, each once. A `keyid` or `data` would need what no table holds.
fn costs(text: &str) -> Option<(u32, u32, u32)> {
    let mut fields = text.split(',');
    let mut next = |key: &str| number(fields.next()?.strip_prefix(key)?);
    let found = (next("m=")?, next("t=")?, next("p=")?);
    fields.next().is_none().then_some(found)
}

/// PBKDF2 (RFC 8018 §5.2) in Django's shape `pbkdf2_sha256$iterations$salt$base64` and in passlib's
/// `$pbkdf2-sha256$iterations$salt$digest`.
#[derive(Clone)]
pub(super) struct Pbkdf2 {
    algorithm: pbkdf2::Algorithm,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl Pbkdf2 {
    /// About a second of a core. Django 6.0 writes 1 200 000.
    const MOST_ITERATIONS: u32 = 2_000_000;

    /// The salt is text, used as it stands.
    pub(super) fn parse_django(text: &str) -> Result<Self, HashError> {
        let malformed = HashError::Malformed(Format::Pbkdf2);
        let parts: Vec<&str> = text.split('$').collect();
        let [name, iterations, salt, digest] = parts[..] else { return Err(malformed) };
        let (algorithm, length) = match name {
            "pbkdf2_sha256" => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
            "pbkdf2_sha1" => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
            _ => return Err(HashError::Unknown),
        };
        let digest = STANDARD.decode(digest).map_err(|_| malformed)?;
        Self::new(algorithm, length, iterations, salt.as_bytes().to_vec(), digest)
    }

    /// Salt and digest in passlib's base64: `.` for `+`, no padding.
    pub(super) fn parse_passlib(text: &str) -> Result<Self, HashError> {
        let malformed = HashError::Malformed(Format::Pbkdf2);
        let parts: Vec<&str> = text.split('$').collect();
        let ["", name, iterations, salt, digest] = parts[..] else { return Err(malformed) };
        let (algorithm, length) = match name {
            "pbkdf2-sha256" => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
            "pbkdf2-sha512" => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
            _ => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
        };
        let ab64 = |text: &str| STANDARD_NO_PAD.decode(text.replace('.', "+")).map_err(|_| malformed);
        Self::new(algorithm, length, iterations, ab64(salt)?, ab64(digest)?)
    }

    fn new(
        algorithm: pbkdf2::Algorithm,
        length: usize,
        iterations: &str,
        salt: Vec<u8>,
        digest: Vec<u8>,
    ) -> Result<Self, HashError> {
        let malformed = HashError::Malformed(Format::Pbkdf2);
        let iterations = number(iterations).and_then(NonZeroU32::new).ok_or(malformed)?;
        if iterations.get() > Self::MOST_ITERATIONS {
            return Err(HashError::TooCostly(Format::Pbkdf2));
        }
        (digest.len() == length).then_some(Self { algorithm, iterations, salt, digest }).ok_or(malformed)
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        // Compares in constant time.
        pbkdf2::verify(self.algorithm, self.iterations, &self.salt, password, &self.digest).is_ok()
    }
}

/// One round of a fast digest, with a salt after the password (`{SSHA}` of LDAP, RFC 2307bis practice) or none.
#[derive(Clone)]
pub(super) struct Digested {
    algorithm: Fast,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fast {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Digested {
    const LONGEST_SALT: usize = 64;

    /// `{SCHEME}base64`, or 32 hex digits.
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let Some((scheme, encoded)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) else {
            let digest =
                (0..16).map(|at| text.get(2 * at..2 * at + 2).and_then(|hex| u8::from_str_radix(hex, 16).ok()));
            let digest = digest.collect::<Option<_>>().ok_or(HashError::Unknown)?;
            return Ok(Self { algorithm: Fast::Md5, salt: vec![], digest });
        };
        let (algorithm, length, salted) = match scheme.to_ascii_uppercase().as_str() {
            "SSHA" => (Fast::Sha1, 20, true),
            "SSHA256" => (Fast::Sha256, 32, true),
            "SSHA512" => (Fast::Sha512, 64, true),
            "SHA" => (Fast::Sha1, 20, false),
            "SHA256" => (Fast::Sha256, 32, false),
            "SHA512" => (Fast::Sha512, 64, false),
            "MD5" => (Fast::Md5, 16, false),
            _ => return Err(HashError::Unknown),
        };
        let mut hash = Self { algorithm, salt: vec![], digest: vec![] };
        let format = if salted { Format::SaltedSha } else { hash.format() };
        hash.digest = LENIENT.decode(encoded).map_err(|_| HashError::Malformed(format))?;
        if hash.digest.len() < length {
            return Err(HashError::Malformed(format));
        }
        hash.salt = hash.digest.split_off(length);
        let fits = hash.salt.is_empty() != salted && hash.salt.len() <= Self::LONGEST_SALT;
        if fits { Ok(hash) } else { Err(HashError::Malformed(format)) }
    }

    pub(super) fn format(&self) -> Format {
        match (self.algorithm, self.salt.is_empty()) {
            (Fast::Md5, _) => Format::Md5,
            (_, true) => Format::Sha,
            (_, false) => Format::SaltedSha,
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let sha = |algorithm: &'static digest::Algorithm| {
            let mut context = digest::Context::new(algorithm);
            context.update(password);
            context.update(&self.salt);
            keys::same(context.finish().as_ref(), &self.digest)
        };
        match self.algorithm {
            Fast::Md5 => keys::same(&Md5::digest(password), &self.digest),
            Fast::Sha1 => sha(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Fast::Sha256 => sha(&digest::SHA256),
            Fast::Sha512 => sha(&digest::SHA512),
        }
    }
}
