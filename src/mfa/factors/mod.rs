//! What can be asked for beyond the first identity, one file per factor.
//!
//! A factor is pure here: it makes its secrets from the injected `Rng`, judges an answer against the injected time,
//! and says what must be claimed. That an answer counts once, on all nodes, is the database's conditional update
//! (`mfa::enrolment::EnrolmentStore`, design R5); how many wrong answers are too many is `limits`; what the points
//! are enough for is `mfa::policy`.
//!
//! # Adding a factor
//!
//! One file here with a `pub const KIND: Kind`, one line in [`FACTORS`], a variant of `types::FactorKind`, and, if
//! it is asked, a template in `pages/templates/` for its question.

pub mod device;
pub mod mailed;
pub mod recovery;
pub mod totp;
pub mod webauthn;

use crate::types::FactorKind;

/// What the policy and the pages must know of a factor before anybody answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub factor: FactorKind,
    /// Points it brings where the configuration names no other weight; 100 pass (design §2 "MFA").
    pub weight: u32,
    /// Whether the user is asked. Only asked factors set "factor at"; the others are silent signals.
    pub asked: bool,
}

impl Kind {
    /// Its name in configuration, forms, API and store.
    pub fn name(&self) -> &'static str {
        self.factor.as_str()
    }
}

/// Every factor, in the order in which they are offered.
pub const FACTORS: &[Kind] = &[totp::KIND, webauthn::KIND, recovery::KIND];

/// The table's entry for a factor.
pub fn kind(factor: FactorKind) -> Option<&'static Kind> {
    FACTORS.iter().find(|kind| kind.factor == factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_factor_is_in_the_table_once() {
        for kind in FACTORS {
            assert_eq!(FACTORS.iter().filter(|other| other.factor == kind.factor).count(), 1, "{}", kind.name());
            assert_eq!(FactorKind::parse(kind.name()), Some(kind.factor));
        }
    }
}
