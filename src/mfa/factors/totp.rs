//! Time-based one-time passwords, RFC 6238: HMAC-SHA-1, six digits, 30-second steps unless the site says otherwise, one
//! step of drift either way.
//!
//! The usual values are the ones every authenticator app understands; several accept others and silently compute
//! these, which a new device's confirming code finds out. The secret has 160 bits (RFC 4226 §4 R6), is made here and
//! is never read back from a browser. [`check`] is told the last accepted step and refuses it and everything before
//! it (RFC 6238 §5.2), so that a clock that steps back revives no code; the caller then claims the accepted step in
//! the database.

use super::Kind;
use crate::{
    keys,
    types::{FactorKind, Rng, RngExt, Secret, Timestamp},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Totp};

pub const KIND: Kind = Kind { factor: FactorKind::Totp, weight: 100, asked: true };

/// Steps accepted before and after the present one.
const WINDOW: i64 = 1;
/// How far from now a code still tells that the phone's clock is wrong, in seconds. Never accepted.
const HINT_SECONDS: i64 = 300;
/// RFC 4226 §4 R6.
const LEAST_SECRET: usize = 16;
/// What Moodle's tool_mfa makes: 80 bits. Good for devices that were taken over from there, and for no new ones.
const LEAST_IMPORTED: usize = 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    #[default]
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    /// As the Key URI Format spells it.
    fn in_uri(self) -> &'static str {
        match self {
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
            Algorithm::Sha512 => "SHA512",
        }
    }
}

/// What a device computes its codes by. It is written down with the enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    pub algorithm: Algorithm,
    pub digits: u8,
    /// Length of a time step, in seconds.
    pub period: u32,
    /// Taken over from another system, whose secrets may be shorter than ours.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { algorithm: Algorithm::Sha1, digits: 6, period: 30, imported: false }
    }
}

impl Options {
    /// From an enrolment's `detail`; what cannot be read is the usual one.
    pub fn read(detail: &str) -> Self {
        serde_json::from_str(detail).unwrap_or_default()
    }
    pub fn write(&self) -> String {
        // A struct of three words always serialises.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Right and new; `step` is still to be claimed by the conditional update, which decides.
    Accepted {
        step: i64,
    },
    /// Right, but for a step at or before the last accepted one.
    AlreadyUsed,
    /// It would have been right at another time: the device's clock is so many seconds fast, or slow where negative.
    /// Whoever says so to anybody must see to it that `step` is never accepted later.
    Elsewhen {
        step: i64,
        fast: i64,
    },
    Wrong,
}

/// A fresh 160-bit secret.
pub fn new_secret(rng: &dyn Rng) -> Secret<Vec<u8>> {
    Secret::new(rng.array::<20>().to_vec())
}

/// The secret as apps take it when it is typed: RFC 4648 base32 without padding (32 characters for 160 bits).
pub fn base32(secret: &Secret<Vec<u8>>) -> Secret<String> {
    Secret::new(totp_rs::Secret::from(secret.expose().as_slice()).to_base32())
}

/// Back from [`base32`]; `None` where the text is not base32 of at least 128 bits.
pub fn from_base32(text: &str) -> Option<Secret<Vec<u8>>> {
    let secret = totp_rs::Secret::try_from_base32(text).ok()?;
    (secret.as_bytes().len() >= LEAST_SECRET).then(|| Secret::new(secret.as_bytes().to_vec()))
}

/// The enrolment URI that a QR code carries (Key URI Format, `otpauth://totp/ISSUER:ACCOUNT?…`).
///
/// `issuer` and `account_label` are for the user's eyes only. A colon would end the issuer early in most apps and is
/// replaced; both are cut to 64 characters, because a QR code that is too dense cannot be read from a screen.
pub fn otpauth_uri(issuer: &str, account_label: &str, secret: &Secret<Vec<u8>>, options: Options) -> Secret<String> {
    let (issuer, account) = (label(issuer), label(account_label));
    let secret = base32(secret);
    let Options { algorithm, digits, period, .. } = options;
    Secret::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm={}&digits={digits}&period={period}",
        secret.expose(),
        algorithm.in_uri()
    ))
}

/// Judges `code` at `now`, given the step that was last accepted for this secret (-1 where none was).
pub fn check(secret: &[u8], options: Options, code: &str, now: Timestamp, last_step: i64) -> Outcome {
    // Apps show "123 456", and that is how people copy it.
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let fits = code.len() == usize::from(options.digits) && code.bytes().all(|b| b.is_ascii_digit());
    let Some(totp) = fits.then(|| generator(options, secret)).flatten() else {
        return Outcome::Wrong;
    };
    let period = i64::from(options.period);
    let present = now.secs().div_euclid(period);
    let far = HINT_SECONDS / period;
    // Every step is looked at, also after a match, so that the time taken does not tell which one it was.
    let (mut matched, mut elsewhen) = (None, None);
    for step in present.saturating_sub(far)..=present.saturating_add(far) {
        if !code_at(&totp, step, period).is_some_and(|expected| keys::same(expected.as_bytes(), code.as_bytes())) {
            continue;
        }
        // The highest match wins: should two steps share a code, accepting the lower would leave it good once more.
        match step.abs_diff(present) <= WINDOW.unsigned_abs() {
            true => matched = Some(step),
            false => elsewhen = Some(step),
        }
    }
    match (matched, elsewhen) {
        (Some(step), _) if step > last_step => Outcome::Accepted { step },
        (Some(_), _) => Outcome::AlreadyUsed,
        // An old code that was used is no sign of a clock that is wrong.
        (None, Some(step)) if step > last_step => Outcome::Elsewhen { step, fast: (step - present) * period },
        (None, Some(_) | None) => Outcome::Wrong,
    }
}

/// `None` for a secret below RFC 4226's 128 bits (or what another system made): nothing is right for it.
fn generator(options: Options, secret: &[u8]) -> Option<Totp> {
    let least = if options.imported { LEAST_IMPORTED } else { LEAST_SECRET };
    if secret.len() < least || options.period == 0 {
        return None;
    }
    let algorithm = match options.algorithm {
        Algorithm::Sha1 => totp_rs::Algorithm::SHA1,
        Algorithm::Sha256 => totp_rs::Algorithm::SHA256,
        Algorithm::Sha512 => totp_rs::Algorithm::SHA512,
    };
    let step = u64::from(options.period);
    let builder = Builder::new().with_algorithm(algorithm).with_digits(options.digits).with_step_duration(step);
    let builder = builder.with_secret(secret);
    match options.imported {
        true => Some(builder.build_noncompliant()),
        false => builder.build().ok(),
    }
}

/// `None` before 1970, which only a broken clock says.
fn code_at(totp: &Totp, step: i64, period: i64) -> Option<String> {
    let seconds = u64::try_from(step.checked_mul(period)?).ok()?;
    Some(totp.generate(seconds).to_string())
}

fn label(text: &str) -> String {
    const KEEP: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let plain: String = text.chars().map(|c| if c == ':' || c.is_control() { ' ' } else { c }).take(64).collect();
    let plain = plain.trim();
    utf8_percent_encode(if plain.is_empty() { "account" } else { plain }, &KEEP).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;
    use proptest::prelude::*;

    const SEED: &[u8] = b"12345678901234567890";
    const STEP_SECONDS: i64 = 30;
    const USUAL: Options = Options { algorithm: Algorithm::Sha1, digits: 6, period: 30, imported: false };

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn code(secs: i64) -> String {
        code_at(&generator(USUAL, SEED).unwrap(), secs / STEP_SECONDS, STEP_SECONDS).unwrap()
    }

    #[test]
    fn rfc6238_appendix_b() {
        let vectors = [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ];
        for (secs, code) in vectors {
            let step = secs / STEP_SECONDS;
            assert_eq!(
                check(SEED, Options { digits: 8, ..USUAL }, code, at(secs), -1),
                Outcome::Accepted { step },
                "{secs}"
            );
            // The six-digit code is the last six of the eight.
            assert_eq!(check(SEED, USUAL, &code[2..], at(secs), -1), Outcome::Accepted { step }, "{secs}");
        }
    }

    #[test]
    fn f3_one_step_of_drift_is_accepted_and_two_are_not() {
        let now = 1_700_000_010;
        for (drift, accepted) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let outcome = check(SEED, USUAL, &code(now + drift * STEP_SECONDS), at(now), -1);
            assert_eq!(matches!(outcome, Outcome::Accepted { .. }), accepted, "drift {drift}: {outcome:?}");
        }
    }

    #[test]
    fn f3_no_code_counts_twice_even_when_the_clock_steps_back() {
        let now = 1_700_000_010;
        let last = now / STEP_SECONDS;
        assert_eq!(check(SEED, USUAL, &code(now), at(now), last), Outcome::AlreadyUsed);
        assert_eq!(check(SEED, USUAL, &code(now), at(now + 29), last), Outcome::AlreadyUsed);
        let back = now - 90;
        for drift in -1..=1 {
            let old = code(back + drift * STEP_SECONDS);
            assert_eq!(check(SEED, USUAL, &old, at(back), last), Outcome::AlreadyUsed, "drift {drift}");
        }
        // The next step is still good.
        assert_eq!(check(SEED, USUAL, &code(now + 30), at(now), last), Outcome::Accepted { step: last + 1 });
    }

    #[test]
    fn rfc6238_appendix_b_with_sha_256_and_sha_512() {
        let sha256 = b"12345678901234567890123456789012";
        let sha512 = b"1234567890123456789012345678901234567890123456789012345678901234";
        let of = |algorithm| Options { algorithm, digits: 8, ..USUAL };
        let accepted = |step| Outcome::Accepted { step };
        assert_eq!(check(sha256, of(Algorithm::Sha256), "46119246", at(59), -1), accepted(1));
        assert_eq!(check(sha512, of(Algorithm::Sha512), "90693936", at(59), -1), accepted(1));
        assert_eq!(check(sha256, of(Algorithm::Sha256), "68084774", at(1_111_111_109), -1), accepted(37_037_036));
        assert_eq!(check(sha512, of(Algorithm::Sha1), "90693936", at(59), -1), Outcome::Wrong);
    }

    #[test]
    fn a_code_near_the_window_tells_how_wrong_the_clock_is_and_is_not_accepted() {
        let now = 1_700_000_010;
        let fast = check(SEED, USUAL, &code(now + 120), at(now), -1);
        assert_eq!(fast, Outcome::Elsewhen { step: (now + 120) / 30, fast: 120 });
        let slow = check(SEED, USUAL, &code(now - 120), at(now), -1);
        assert_eq!(slow, Outcome::Elsewhen { step: (now - 120) / 30, fast: -120 });
        assert_eq!(check(SEED, USUAL, &code(now - 120), at(now), now / 30), Outcome::Wrong, "it was used");
        assert_eq!(check(SEED, USUAL, &code(now + 360), at(now), -1), Outcome::Wrong, "too far to say");
    }

    #[test]
    fn a_shorter_secret_is_good_where_it_was_taken_over_and_nowhere_else() {
        let short = &SEED[..10];
        let imported = Options { imported: true, ..USUAL };
        let code = code_at(&generator(imported, short).unwrap(), 1, 30).unwrap();
        assert_eq!(check(short, imported, &code, at(59), -1), Outcome::Accepted { step: 1 });
        assert_eq!(check(short, USUAL, &code, at(59), -1), Outcome::Wrong);
        assert_eq!(check(&SEED[..9], imported, &code, at(59), -1), Outcome::Wrong);
        assert_eq!(Options::read(&imported.write()), imported);
        assert_eq!(Options::read("{}"), USUAL);
    }

    #[test]
    fn only_six_digits_are_a_code_and_spaces_do_not_matter() {
        let good = code(59);
        let spaced = format!(" {} {}\u{a0}", &good[..3], &good[3..]);
        assert_eq!(check(SEED, USUAL, &spaced, at(59), -1), Outcome::Accepted { step: 1 });
        let signed = format!("+{}", &good[1..]);
        for bad in ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", signed.as_str()] {
            assert_eq!(check(SEED, USUAL, bad, at(59), -1), Outcome::Wrong, "{bad:?}");
        }
    }

    #[test]
    fn f4_the_code_of_another_secret_is_wrong() {
        assert_eq!(check(b"another secret of 20", USUAL, &code(59), at(59), -1), Outcome::Wrong);
    }

    #[test]
    fn a_short_secret_or_a_clock_before_1970_lets_nobody_in() {
        assert_eq!(check(b"", USUAL, "000000", at(59), -1), Outcome::Wrong);
        assert_eq!(check(b"short", USUAL, "000000", at(59), -1), Outcome::Wrong);
        assert_eq!(check(SEED, USUAL, "000000", at(-3600), i64::MIN), Outcome::Wrong);
        assert_eq!(check(SEED, USUAL, "000000", Timestamp(i64::MAX), -1), Outcome::Wrong);
        assert_eq!(check(SEED, USUAL, "000000", Timestamp(i64::MIN), -1), Outcome::Wrong);
    }

    #[test]
    fn a_new_secret_has_160_bits_and_survives_base32() {
        let (a, b) = (new_secret(&SystemRng), new_secret(&SystemRng));
        assert_eq!(a.expose().len(), 20);
        assert_ne!(a.expose(), b.expose());
        let text = base32(&a);
        assert_eq!(text.expose().len(), 32);
        assert_eq!(from_base32(text.expose()).unwrap().expose(), a.expose());
        assert!(from_base32("ABC").is_none() && from_base32("not base32!").is_none());
    }

    #[test]
    fn the_uri_reads_back_in_another_implementation() {
        let secret = Secret::new(SEED.to_vec());
        let uri = otpauth_uri("localhost:8443", "Zoë & <b>:1", &secret, USUAL);
        let read = Totp::from_url(uri.expose()).unwrap();
        assert_eq!(read.issuer(), Some("localhost 8443"));
        assert_eq!(read.account_name(), "Zoë & <b> 1");
        assert_eq!(read.secret().as_bytes(), SEED);
        assert_eq!((read.digits(), read.step()), (6, 30));
        assert!(otpauth_uri("", "", &secret, USUAL).expose().starts_with("otpauth://totp/account:account?"));
    }

    proptest! {
        #[test]
        fn no_answer_panics(code: String, now: i64, last: i64) {
            let _ = check(SEED, USUAL, &code, Timestamp(now), last);
        }

        #[test]
        fn an_accepted_step_is_never_accepted_again(secs in 30i64..10_000_000_000, back in 0i64..120) {
            let Outcome::Accepted { step } = check(SEED, USUAL, &code(secs), at(secs), -1) else {
                return Err(TestCaseError::fail("a right code was refused"));
            };
            let again = check(SEED, USUAL, &code(secs), at((secs - back).max(0)), step);
            let refused = !matches!(again, Outcome::Accepted { .. });
            prop_assert!(refused);
        }
    }
}
