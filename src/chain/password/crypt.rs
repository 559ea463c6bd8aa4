//! The formats of crypt(3) and its relatives: bcrypt, SHA-crypt, phpass.

use super::hash::{Format, HashError};
use crate::keys;
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use md5::{Digest, Md5};

/// crypt(3)'s alphabet for SHA-crypt and phpass, six bits a character, least significant first.
const ITOA64: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `$2b$cost$salt+digest` (Provos and Mazières 1999). `$2a$`, `$2y$` and `$2b$` differ only in defects of old
/// implementations; `$2x$` marks hashes made by one of them and is not read.
#[derive(Clone)]
pub(super) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
    digest: [u8; 23],
}

impl Bcrypt {
    /// The cipher's key has 72 bytes; what comes after them would not count.
    pub(super) const LONGEST_PASSWORD: usize = 72;
    /// 2^14 rounds are about a second of a core.
    const HIGHEST_COST: u32 = 14;

    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        // Implementations leave bits in the salt's last character that stand for nothing.
        const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone);
        const B64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, CONFIG);
        let malformed = HashError::Malformed(Format::Bcrypt);
        let (cost, rest) = text.get(4..).and_then(|rest| rest.split_once('$')).ok_or(malformed)?;
        let digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
        let cost: u32 = cost.parse().ok().filter(|_| digits).ok_or(malformed)?;
        let (salt, digest) = rest.split_at_checked(22).ok_or(malformed)?;
        let salt = B64.decode(salt).ok().and_then(|salt| salt.try_into().ok()).ok_or(malformed)?;
        let digest = B64.decode(digest).ok().and_then(|digest| digest.try_into().ok()).ok_or(malformed)?;
        match cost {
            4..=Self::HIGHEST_COST => Ok(Self { cost, salt, digest }),
            ..4 => Err(malformed),
            _ => Err(HashError::TooCostly(Format::Bcrypt)),
        }
    }

    /// At most [`Self::LONGEST_PASSWORD`] bytes.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        // The key is the password with the NUL that ends it in C, unless its 72 bytes fill the key.
        let mut key = zeroize::Zeroizing::new([0; Self::LONGEST_PASSWORD]);
        key[..password.len()].copy_from_slice(password);
        let used = (password.len() + 1).min(Self::LONGEST_PASSWORD);
        keys::same(&bcrypt::bcrypt(self.cost, self.salt, &key[..used])[..23], &self.digest)
    }
}

/// `$5$[rounds=N$]salt$digest` and `$6$…` (Drepper, "Unix crypt using SHA-256 and SHA-512", 2008). Moodle 4.3 and
/// later writes `$6$rounds=10000$`.
#[derive(Clone)]
pub(super) struct ShaCrypt {
    format: Format,
    params: sha_crypt::Params,
    salt: String,
    digest: String,
}

impl ShaCrypt {
    /// About a second of a core. passlib's default is 656 000.
    const MOST_ROUNDS: u32 = 1_000_000;

    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let (format, length) =
            if text.starts_with("$5$") { (Format::Sha256Crypt, 43) } else { (Format::Sha512Crypt, 86) };
        let malformed = HashError::Malformed(format);
        let mut rest = text.get(3..).ok_or(malformed)?;
        let mut rounds = sha_crypt::Params::RECOMMENDED_ROUNDS;
        if let Some((given, after)) = rest.strip_prefix("rounds=").and_then(|given| given.split_once('$')) {
            rounds = number(given).ok_or(malformed)?;
            rest = after;
        }
        if rounds > Self::MOST_ROUNDS {
            return Err(HashError::TooCostly(format));
        }
        // What crypt(3) would change (few rounds, a long salt) it writes changed: such a text never came from it.
        let params = sha_crypt::Params::new(rounds).map_err(|_| malformed)?;
        let (salt, digest) = rest.split_once('$').ok_or(malformed)?;
        let fits = salt.len() <= 16 && digest.len() == length && digest.bytes().all(|byte| ITOA64.contains(&byte));
        fits.then(|| Self { format, params, salt: salt.to_owned(), digest: digest.to_owned() }).ok_or(malformed)
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let salt = self.salt.as_bytes();
        let digest = if self.format == Format::Sha256Crypt {
            let raw = sha_crypt::sha256_crypt(password, salt, self.params);
            in_crypt_order(&raw, [0, 10, 20], [21, 1, 11], &[31, 30])
        } else {
            let raw = sha_crypt::sha512_crypt(password, salt, self.params);
            in_crypt_order(&raw, [0, 21, 42], [22, 43, 1], &[63])
        };
        keys::same(digest.as_bytes(), self.digest.as_bytes())
    }
}

/// SHA-crypt's text of a digest: three bytes at a time from three places, each step derived from the one before by
/// the rule that leads from `first` to `second` (every place moves one on and the three turn round), then the `rest`.
fn in_crypt_order(raw: &[u8], first: [usize; 3], second: [usize; 3], rest: &[usize]) -> String {
    // SHA-256 turns its three places to the right, SHA-512 to the left.
    let right = second[0] == first[2] + 1;
    let mut text = String::with_capacity(88);
    let mut places = first;
    for _ in 0..raw.len() / 3 {
        push(&mut text, places.map(|at| raw[at]), 4);
        let [a, b, c] = places.map(|at| at + 1);
        places = if right { [c, a, b] } else { [b, c, a] };
    }
    match *rest {
        [high, low] => push(&mut text, [0, raw[high], raw[low]], 3),
        [low] => push(&mut text, [0, 0, raw[low]], 2),
        _ => {}
    }
    text
}

/// `b64_from_24bit` of glibc: most significant byte first in the number, least significant six bits first in the text.
fn push(text: &mut String, bytes: [u8; 3], characters: usize) {
    let mut number = bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
    for _ in 0..characters {
        text.push(char::from(ITOA64[number as usize % 64]));
        number >>= 6;
    }
}

/// `$P$` and phpBB's `$H$` (Openwall's portable PHP hashes): MD5 repeated 2^n times.
#[derive(Clone)]
pub(super) struct Phpass {
    rounds: u32,
    salt: [u8; 8],
    digest: [u8; 22],
}

impl Phpass {
    /// 2^20 are about a quarter of a second; phpass itself writes 2^13.
    const HIGHEST_LOG2: usize = 20;

    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let malformed = HashError::Malformed(Format::Phpass);
        let rest = text.get(3..).ok_or(malformed)?.as_bytes();
        let (Some((log2, rest)), 31) = (rest.split_first(), rest.len()) else { return Err(malformed) };
        let log2 = ITOA64.iter().position(|byte| byte == log2).ok_or(malformed)?;
        let (salt, digest) = rest.split_at(8);
        let (Ok(salt), Ok(digest)) = (salt.try_into(), digest.try_into()) else { return Err(malformed) };
        match log2 {
            7..=Self::HIGHEST_LOG2 => Ok(Self { rounds: 1 << log2, salt, digest }),
            ..7 => Err(malformed),
            _ => Err(HashError::TooCostly(Format::Phpass)),
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut digest = Md5::new().chain_update(self.salt).chain_update(password).finalize();
        for _ in 0..self.rounds {
            digest = Md5::new().chain_update(digest).chain_update(password).finalize();
        }
        let mut text = String::with_capacity(24);
        for three in digest.chunks(3) {
            match *three {
                // Here the first byte is the least significant.
                [a, b, c] => push(&mut text, [c, b, a], 4),
                [a] => push(&mut text, [0, 0, a], 2),
                _ => {}
            }
        }
        keys::same(text.as_bytes(), &self.digest)
    }
}

/// A decimal number as all these formats write it: digits, no sign, no leading zero.
pub(super) fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    // Nine digits and more are over every cap; they must say TooCostly rather than fail to parse.
    plain.then(|| if text.len() > 9 { Some(u32::MAX) } else { text.parse().ok() }).flatten()
}
