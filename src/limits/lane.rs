//! Whose counters an attempt goes to (attacks E5, E6, F2).
//!
//! Everybody's counters of an account can be filled by anybody who knows its name. A browser or an app that the
//! account's owner has used with an asked factor therefore has counters of its own, a *lane*: what strangers do
//! locks nobody out there. A lane's figures are everybody's, so a stolen mark is worth the guesses of one stranger.

use crate::types::KnownMark;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Everybody's.
    Common,
    /// Of one browser or app that is known for the account.
    Known(KnownMark),
}

impl Lane {
    pub fn of(mark: Option<KnownMark>) -> Self {
        mark.map_or(Lane::Common, Lane::Known)
    }
    pub fn is_known(&self) -> bool {
        matches!(self, Lane::Known(_))
    }
}
