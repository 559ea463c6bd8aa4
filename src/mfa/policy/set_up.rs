//! Setting up a first factor without being made to: from the account page, of somebody who was let in without one.

use super::{Basis, Case, Policy};
use crate::{
    accounts::Account,
    mfa::{
        config::Stage,
        enrolment::{EnrolmentProof, Enrolments},
    },
};

impl Policy {
    /// Which proof opens a first enrolment that nobody demands yet, and under which rule. `None`: there is something to
    /// ask, so that an answered factor is what opens a further one; or the rule has nothing to do with factors.
    ///
    /// The proof is the one that a sign-in under this rule would ask for. That somebody is signed in is none.
    pub fn set_up(
        &self,
        account: &Account,
        enrolments: &Enrolments,
        case: &Case<'_>,
    ) -> Option<(EnrolmentProof, String)> {
        let rule = self.rule(case);
        let may = rule.stage > Stage::Off && self.askable(&rule, enrolments, &[], case).is_empty();
        may.then(|| (self.first_enrolment(&rule, account, enrolments, case.now), rule.name))
    }

    /// Whether somebody who was let in on this is sent to set up a factor.
    pub fn sends_to_set_up(&self, basis: &Basis) -> bool {
        let Basis::Grace { rule: name, .. } = basis else { return false };
        let ruled = self.rules.iter().find(|ruled| ruled.rule.name == *name);
        ruled.and_then(|ruled| ruled.rule.grace.as_ref()).is_some_and(|grace| grace.force_setup)
    }
}
