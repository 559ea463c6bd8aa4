//! The code itself, and what a flow remembers of it.

use crate::{
    keys::{Keyring, same},
    outbound::mail::CODE_LIVES,
    types::{AccountId, FlowId, Rng, RngExt, Secret, Timestamp},
};
use serde::{Deserialize, Serialize};

pub const DIGITS: usize = 6;

/// What a code is good for, and nothing else: one account, one flow, one enrolment of it.
#[derive(Clone, Copy, Debug)]
pub struct Purpose<'a> {
    pub account: &'a AccountId,
    pub flow: &'a FlowId,
    /// The enrolment's id, or another name for where the code goes.
    pub target: &'a str,
}

/// The one live code of a flow. Kept sealed with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// As in [`Purpose`].
    pub target: String,
    /// Random; names the letter, so that the link of an earlier one passes nothing.
    pub letter: String,
    pub sent: Timestamp,
    digest: String,
}

/// How a typed code was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Right,
    /// It may have been right, ten minutes ago.
    Late,
    Wrong,
}

impl Live {
    /// A new code, and what is to be remembered of it.
    pub fn make(ring: &Keyring, rng: &dyn Rng, purpose: Purpose<'_>, now: Timestamp) -> (Self, Secret<String>) {
        let code = generate(rng);
        let letter = rng.hex(8);
        let digest = digest(ring, purpose, &letter, code.expose());
        (Self { target: purpose.target.to_owned(), letter, sent: now, digest }, code)
    }

    /// `typed` in canonical form.
    pub fn judge(&self, ring: &Keyring, purpose: Purpose<'_>, typed: &str, now: Timestamp) -> Outcome {
        let right = same(digest(ring, purpose, &self.letter, typed).as_bytes(), self.digest.as_bytes());
        match right {
            true if self.is_good(now) => Outcome::Right,
            true => Outcome::Late,
            false => Outcome::Wrong,
        }
    }

    /// Also not before it was sent: a clock that went back prolongs nothing.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.sent <= now && now.since(self.sent) < CODE_LIVES
    }
}

/// What somebody typed, as [`generate`] made it: six ASCII digits, however they were grouped.
pub fn canonical(typed: &str) -> Option<String> {
    let digits: String = typed.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{200b}')).collect();
    (digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// Every number of six digits is equally likely, those with leading zeros too.
fn generate(rng: &dyn Rng) -> Secret<String> {
    const ALL: u32 = 1_000_000;
    /// The largest multiple of [`ALL`] below 2³²: numbers above it would favour small codes.
    const FAIR: u32 = u32::MAX / ALL * ALL;
    loop {
        let number = u32::from_be_bytes(rng.array());
        if number < FAIR {
            return Secret::new(format!("{:06}", number % ALL));
        }
    }
}

fn digest(ring: &Keyring, Purpose { account, flow, target }: Purpose<'_>, letter: &str, code: &str) -> String {
    ring.digest("mailed-code", format!("{account}\n{}\n{target}\n{letter}\n{code}", flow.expose()).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;
    use std::{collections::HashSet, time::Duration};

    const NOW: Timestamp = Timestamp(1_795_219_200_000);

    fn flow(of: char) -> FlowId {
        FlowId::parse(&of.to_string().repeat(43)).unwrap()
    }

    #[test]
    fn f5_a_code_is_good_for_its_account_flow_and_enrolment_alone() {
        let ring = Keyring::generate(&SystemRng, NOW);
        let (ann, bob) = (AccountId::new("ann"), AccountId::new("bob"));
        let (own, other) = (flow('a'), flow('b'));
        let purpose = Purpose { account: &ann, flow: &own, target: "phone" };
        let (live, code) = Live::make(&ring, &SystemRng, purpose, NOW);
        let judge = |purpose| live.judge(&ring, purpose, code.expose(), NOW);
        assert_eq!(judge(purpose), Outcome::Right);
        assert_eq!(judge(Purpose { account: &bob, ..purpose }), Outcome::Wrong);
        assert_eq!(judge(Purpose { flow: &other, ..purpose }), Outcome::Wrong);
        assert_eq!(judge(Purpose { target: "mail", ..purpose }), Outcome::Wrong);
        let stranger = Keyring::generate(&SystemRng, NOW);
        assert_eq!(live.judge(&stranger, purpose, code.expose(), NOW), Outcome::Wrong);
    }

    #[test]
    fn f5_a_code_lives_ten_minutes_and_a_resend_voids_it() {
        let ring = Keyring::generate(&SystemRng, NOW);
        let (ann, flow) = (AccountId::new("ann"), flow('a'));
        let purpose = Purpose { account: &ann, flow: &flow, target: "mail" };
        let (first, code) = Live::make(&ring, &SystemRng, purpose, NOW);
        let at = |seconds| first.judge(&ring, purpose, code.expose(), NOW.plus(Duration::from_secs(seconds)));
        assert_eq!((at(599), at(600)), (Outcome::Right, Outcome::Late));
        assert_eq!(first.judge(&ring, purpose, code.expose(), NOW.minus(Duration::from_secs(1))), Outcome::Late);
        let (second, _) = Live::make(&ring, &SystemRng, purpose, NOW);
        assert_ne!(first.letter, second.letter);
        // The old code could be the new one by chance: it is another digest all the same.
        assert_ne!(first.digest, second.digest);
    }

    #[test]
    fn codes_are_six_digits_and_differ() {
        let codes: HashSet<String> = (0..500).map(|_| generate(&SystemRng).expose().clone()).collect();
        assert!(codes.len() > 450);
        assert!(codes.iter().all(|code| canonical(code).as_ref() == Some(code)));
    }

    #[test]
    fn a_number_beyond_the_fair_range_is_drawn_again() {
        struct Drawn(std::sync::Mutex<Vec<u32>>);
        impl Rng for Drawn {
            fn fill(&self, bytes: &mut [u8]) {
                let next = self.0.lock().unwrap().pop().unwrap_or(7);
                bytes.copy_from_slice(&next.to_be_bytes());
            }
        }
        assert_eq!(generate(&Drawn(vec![7, u32::MAX, 4_294_000_000].into())).expose(), "000007");
    }

    #[test]
    fn what_was_typed_is_read_in_any_usual_way_and_nothing_else_is() {
        for typed in ["123456", " 123 456 ", "123-456", "1 2 3 4 5 6"] {
            assert_eq!(canonical(typed).as_deref(), Some("123456"), "{typed}");
        }
        for typed in ["", "12345", "1234567", "12345a", "１２３４５６", "123456\0"] {
            assert_eq!(canonical(typed), None, "{typed}");
        }
    }

    #[test]
    fn no_debug_shows_a_code() {
        let ring = Keyring::generate(&SystemRng, NOW);
        let (account, flow) = (AccountId::new("ann"), flow('a'));
        let (live, code) = Live::make(&ring, &SystemRng, Purpose { account: &account, flow: &flow, target: "x" }, NOW);
        assert!(!format!("{live:?}{code:?}").contains(code.expose().as_str()));
    }
}
