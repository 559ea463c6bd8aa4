//! Why a question is asked: which of the silent signals would have spared it. Pure, and for its reader's eyes alone;
//! nothing is decided by it.

use super::{Case, ENOUGH, Policy, in_grace};
use crate::{
    mfa::{
        config::{Signal, SignalKind, Stage},
        enrolment::Enrolments,
        signals,
    },
    types::{Fact, Timestamp},
};

/// A reason that its reader knows something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The address is in none of the networks that count here.
    Network,
    /// The browser is not trusted, or not any more.
    Device,
    /// The time in which nothing was asked of those who have no factor is over, since then.
    GraceEnded(Timestamp),
    /// This part of the site asks again, whatever was answered before.
    Again,
}

impl Policy {
    /// The signals that counted and did not hold, where they would have been enough beside what is there; of somebody
    /// who has nothing to be asked for, that the grace is over. Empty: everybody is asked.
    pub fn reasons(&self, facts: &[Fact], enrolments: &Enrolments, case: &Case<'_>) -> Vec<Why> {
        if case.path.is_some() {
            return self.step_up(facts, case).map(|_| Why::Again).into_iter().collect();
        }
        let rule = self.rule(case);
        if enrolments.kinds().is_empty() {
            let ends = rule.grace.as_ref().and_then(|grace| grace.ends(case.known.imported));
            return ends.filter(|ends| *ends <= case.now).map(Why::GraceEnded).into_iter().collect();
        }
        let missing: Vec<&Signal> = self
            .signals
            .iter()
            .filter(|signal| reason(signal).is_some() && rule.counts_signal(&signal.name))
            .filter(|signal| !signals::holds(signal, case, &self.administrators))
            .collect();
        let score = self.score(&rule, case, facts);
        let held = score.asked.saturating_add(score.silent);
        let with_them = missing.iter().map(|signal| signal.weight).fold(held, u32::saturating_add);
        let mut reasons: Vec<Why> = missing.into_iter().filter_map(reason).collect();
        reasons.dedup();
        if with_them >= ENOUGH { reasons } else { Vec::new() }
    }

    /// Until when this account is let through without a factor, having none; what its page reminds of.
    pub fn due(&self, enrolments: &Enrolments, case: &Case<'_>) -> Option<Timestamp> {
        let rule = self.rule(case);
        in_grace(&rule, case).filter(|_| rule.stage == Stage::Required && enrolments.kinds().is_empty())
    }
}

/// Of the other kinds nobody can say in one sentence what to do about them.
fn reason(signal: &Signal) -> Option<Why> {
    match signal.kind {
        SignalKind::Network => Some(Why::Network),
        SignalKind::Device => Some(Why::Device),
        SignalKind::Source | SignalKind::Group | SignalKind::Administrator | SignalKind::NoSetup => None,
    }
}
