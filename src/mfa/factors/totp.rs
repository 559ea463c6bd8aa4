//! Time-based one-time passwords, RFC 6238: HMAC-SHA-1, six digits, 30-second steps, one step of drift either way.
//!
//! These are the values every authenticator app understands; several accept others and silently compute these. The
//! secret has 160 bits (RFC 4226 §4 R6), is made here and is never read back from a browser. [`check`] is told the
//! last accepted step and refuses it and everything before it (RFC 6238 §5.2), so that a clock that steps back
//! revives no code; the caller then claims the accepted step in the database.

use super::Kind;
use crate::{
    keys,
    types::{FactorKind, Rng, RngExt, Secret, Timestamp},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use totp_rs::{Algorithm, Builder, Totp};

pub const KIND: Kind = Kind { factor: FactorKind::Totp, weight: 100, asked: true };

/// Length of a time step, in seconds.
pub const STEP_SECONDS: i64 = 30;
/// How many digits a code has.
pub const DIGITS: u8 = 6;
/// Steps accepted before and after the present one.
const WINDOW: i64 = 1;

/// What an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Right and new; `step` is still to be claimed by the conditional update, which decides.
    Accepted {
        step: i64,
    },
    /// Right, but for a step at or before the last accepted one.
    AlreadyUsed,
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
    (secret.as_bytes().len() >= 16).then(|| Secret::new(secret.as_bytes().to_vec()))
}

/// The enrolment URI that a QR code carries (Key URI Format, `otpauth://totp/ISSUER:ACCOUNT?…`).
///
/// `issuer` and `account_label` are for the user's eyes only. A colon would end the issuer early in most apps and is
/// replaced; both are cut to 64 characters, because a QR code that is too dense cannot be read from a screen.
pub fn otpauth_uri(issuer: &str, account_label: &str, secret: &Secret<Vec<u8>>) -> Secret<String> {
    let (issuer, account) = (label(issuer), label(account_label));
    let secret = base32(secret);
    Secret::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}",
        secret.expose()
    ))
}

/// Judges `code` at `now`, given the step that was last accepted for this secret (-1 where none was).
pub fn check(secret: &[u8], code: &str, now: Timestamp, last_step: i64) -> Outcome {
    check_digits(DIGITS, secret, code, now, last_step)
}

fn check_digits(digits: u8, secret: &[u8], code: &str, now: Timestamp, last_step: i64) -> Outcome {
    // Apps show "123 456", and that is how people copy it.
    let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let fits = code.len() == usize::from(digits) && code.bytes().all(|b| b.is_ascii_digit());
    let Some(totp) = fits.then(|| generator(digits, secret)).flatten() else {
        return Outcome::Wrong;
    };
    let present = now.secs().div_euclid(STEP_SECONDS);
    // Every step is looked at, also after a match, so that the time taken does not tell which one it was.
    let mut matched = None;
    for step in present.saturating_sub(WINDOW)..=present.saturating_add(WINDOW) {
        // The highest match wins: should two steps share a code, accepting the lower would leave it good once more.
        if code_at(&totp, step).is_some_and(|expected| keys::same(expected.as_bytes(), code.as_bytes())) {
            matched = Some(step);
        }
    }
    match matched {
        Some(step) if step > last_step => Outcome::Accepted { step },
        Some(_) => Outcome::AlreadyUsed,
        None => Outcome::Wrong,
    }
}

/// `None` for a secret below RFC 4226's 128 bits: nothing is right for it.
fn generator(digits: u8, secret: &[u8]) -> Option<Totp> {
    let step = u64::try_from(STEP_SECONDS).ok()?;
    let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(digits).with_step_duration(step);
    builder.with_secret(secret).build().ok()
}

/// `None` before 1970, which only a broken clock says.
fn code_at(totp: &Totp, step: i64) -> Option<String> {
    let seconds = u64::try_from(step.checked_mul(STEP_SECONDS)?).ok()?;
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

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn code(secs: i64) -> String {
        code_at(&generator(DIGITS, SEED).unwrap(), secs / STEP_SECONDS).unwrap()
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
            assert_eq!(check_digits(8, SEED, code, at(secs), -1), Outcome::Accepted { step }, "{secs}");
            // The six-digit code is the last six of the eight.
            assert_eq!(check(SEED, &code[2..], at(secs), -1), Outcome::Accepted { step }, "{secs}");
        }
    }

    #[test]
    fn f3_one_step_of_drift_is_accepted_and_two_are_not() {
        let now = 1_700_000_010;
        for (drift, accepted) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let outcome = check(SEED, &code(now + drift * STEP_SECONDS), at(now), -1);
            assert_eq!(matches!(outcome, Outcome::Accepted { .. }), accepted, "drift {drift}: {outcome:?}");
        }
    }

    #[test]
    fn f3_no_code_counts_twice_even_when_the_clock_steps_back() {
        let now = 1_700_000_010;
        let last = now / STEP_SECONDS;
        assert_eq!(check(SEED, &code(now), at(now), last), Outcome::AlreadyUsed);
        assert_eq!(check(SEED, &code(now), at(now + 29), last), Outcome::AlreadyUsed);
        let back = now - 90;
        for drift in -1..=1 {
            let old = code(back + drift * STEP_SECONDS);
            assert_eq!(check(SEED, &old, at(back), last), Outcome::AlreadyUsed, "drift {drift}");
        }
        // The next step is still good.
        assert_eq!(check(SEED, &code(now + 30), at(now), last), Outcome::Accepted { step: last + 1 });
    }

    #[test]
    fn only_six_digits_are_a_code_and_spaces_do_not_matter() {
        let good = code(59);
        let spaced = format!(" {} {}\u{a0}", &good[..3], &good[3..]);
        assert_eq!(check(SEED, &spaced, at(59), -1), Outcome::Accepted { step: 1 });
        let signed = format!("+{}", &good[1..]);
        for bad in ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", signed.as_str()] {
            assert_eq!(check(SEED, bad, at(59), -1), Outcome::Wrong, "{bad:?}");
        }
    }

    #[test]
    fn f4_the_code_of_another_secret_is_wrong() {
        assert_eq!(check(b"another secret of 20", &code(59), at(59), -1), Outcome::Wrong);
    }

    #[test]
    fn a_short_secret_or_a_clock_before_1970_lets_nobody_in() {
        assert_eq!(check(b"", "000000", at(59), -1), Outcome::Wrong);
        assert_eq!(check(b"short", "000000", at(59), -1), Outcome::Wrong);
        assert_eq!(check(SEED, "000000", at(-3600), i64::MIN), Outcome::Wrong);
        assert_eq!(check(SEED, "000000", Timestamp(i64::MAX), -1), Outcome::Wrong);
        assert_eq!(check(SEED, "000000", Timestamp(i64::MIN), -1), Outcome::Wrong);
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
        let uri = otpauth_uri("localhost:8443", "Zoë & <b>:1", &secret);
        let read = Totp::from_url(uri.expose()).unwrap();
        assert_eq!(read.issuer(), Some("localhost 8443"));
        assert_eq!(read.account_name(), "Zoë & <b> 1");
        assert_eq!(read.secret().as_bytes(), SEED);
        assert_eq!((read.digits(), read.step()), (DIGITS, 30));
        assert!(otpauth_uri("", "", &secret).expose().starts_with("otpauth://totp/account:account?"));
    }

    proptest! {
        #[test]
        fn no_answer_panics(code: String, now: i64, last: i64) {
            let _ = check(SEED, &code, Timestamp(now), last);
        }

        #[test]
        fn an_accepted_step_is_never_accepted_again(secs in 30i64..10_000_000_000, back in 0i64..120) {
            let Outcome::Accepted { step } = check(SEED, &code(secs), at(secs), -1) else {
                return Err(TestCaseError::fail("a right code was refused"));
            };
            let again = check(SEED, &code(secs), at((secs - back).max(0)), step);
            let refused = !matches!(again, Outcome::Accepted { .. });
            prop_assert!(refused);
        }
    }
}
