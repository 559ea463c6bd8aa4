//! IS IT ENOUGH? Points, as in Moodle's tool_mfa: each factor brings its weight once, 100 pass. Pure: everything it
//! looks at is an argument. [`Satisfied`] is made here and nowhere else.

use super::{
    config::{Config, FirstEnrolment, Rule, Stage},
    enrolment::{EnrolmentProof, Enrolments, TotpEnrolment},
};
use crate::{
    accounts::Resolved,
    types::{Amr, Door, Fact, FactorKind, SiteName, Timestamp},
};
use std::collections::BTreeSet;

/// What passes.
const ENOUGH: u32 = 100;

/// Proof that everything this site and door ask of an account was answered. Issuing a session or a token uses it up.
#[derive(Debug)]
pub struct Satisfied {
    resolved: Resolved,
    facts: Vec<Fact>,
    basis: Basis,
}

/// What the satisfaction rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Asked factors were answered.
    Factors,
    /// The stage of the named rule let it through.
    Stage { rule: String, stage: Stage },
    /// The site's `app.mfa: off`.
    AppSwitch,
}

impl Satisfied {
    pub fn resolved(&self) -> &Resolved {
        &self.resolved
    }
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }
    pub fn basis(&self) -> &Basis {
        &self.basis
    }
    pub fn amr(&self) -> Amr {
        Amr::of_password_and(&self.facts)
    }
    pub fn into_parts(self) -> (Resolved, Vec<Fact>) {
        (self.resolved, self.facts)
    }
}

/// Proof that the account's own factor was answered for one named action, in that action's flow (design §2: linking
/// and the like). Doing the action uses it up.
#[derive(Debug)]
pub struct Permitted {
    resolved: Resolved,
    facts: Vec<Fact>,
}

impl Permitted {
    pub fn resolved(&self) -> &Resolved {
        &self.resolved
    }
    pub fn into_parts(self) -> (Resolved, Vec<Fact>) {
        (self.resolved, self.facts)
    }
}

/// Whether an action may be done.
#[derive(Debug)]
pub enum Permission {
    Given(Permitted),
    /// One of these must be answered first.
    Ask(Vec<FactorKind>),
    /// There is nothing to ask this account for, so it may not.
    NoFactor,
}

/// Where the question is asked.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub site: &'a SiteName,
    pub door: Door,
    pub now: Timestamp,
}

/// What comes next.
#[derive(Debug)]
pub enum Decision {
    Satisfied(Satisfied),
    /// One of these must be answered.
    Challenge(Resolved, Vec<FactorKind>),
    /// There is nothing to ask yet: a first enrolment, opened by this proof, under the named rule.
    Enrol(Resolved, EnrolmentProof, String),
}

/// What somebody would meet after a first proof, for those who look ahead. It proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    pub rule: String,
    pub stage: Stage,
    /// Which would be asked; empty where none is due.
    pub factors: Vec<FactorKind>,
    /// There is nothing to ask yet: which proof would open a first enrolment.
    pub first_enrolment: Option<EnrolmentProof>,
}

/// The rules of one configuration.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Vec<Rule>,
    weights: Vec<(FactorKind, u32)>,
}

impl Policy {
    pub fn new(config: &Config) -> Self {
        Self { rules: config.rules.clone(), weights: config.factors.iter().map(|f| (f.kind, f.weight)).collect() }
    }

    /// The first rule that matches, or the strictest there is.
    pub fn rule(&self, site: &SiteName, door: Door) -> Rule {
        self.rules.iter().find(|rule| rule.matches(site, door)).cloned().unwrap_or_else(Rule::strictest)
    }

    /// The points of these facts. A factor counts once however often it was answered; one that is no longer
    /// offered counts nothing.
    pub fn points(&self, facts: &[Fact]) -> u32 {
        let kinds: BTreeSet<FactorKind> = facts.iter().map(|fact| fact.factor).collect();
        kinds.into_iter().map(|kind| self.weight(kind)).fold(0, u32::saturating_add)
    }

    fn weight(&self, kind: FactorKind) -> u32 {
        self.weights.iter().find(|(known, _)| *known == kind).map_or(0, |(_, weight)| *weight)
    }

    /// Decides for an account that has just proven its first identity, or answered a factor.
    pub fn decide(&self, resolved: Resolved, enrolments: &Enrolments, facts: Vec<Fact>, place: Place<'_>) -> Decision {
        let rule = self.rule(place.site, place.door);
        if self.points(&facts) >= ENOUGH {
            return Decision::Satisfied(Satisfied { resolved, facts, basis: Basis::Factors });
        }
        let kinds = self.askable(&rule, enrolments, &facts);
        let through = |resolved| {
            let basis = Basis::Stage { rule: rule.name.clone(), stage: rule.stage };
            Decision::Satisfied(Satisfied { resolved, facts: facts.clone(), basis })
        };
        match rule.stage {
            Stage::Off | Stage::Report => through(resolved),
            Stage::Optional if kinds.is_empty() => through(resolved),
            Stage::Optional | Stage::Required if !kinds.is_empty() => Decision::Challenge(resolved, kinds),
            Stage::Optional | Stage::Required => {
                let by_help_desk_only = resolved.account().enrol_by_help_desk_only;
                let proof = first_enrolment(&rule, by_help_desk_only, enrolments, place.now);
                Decision::Enrol(resolved, proof, rule.name)
            }
        }
    }

    /// What [`Self::decide`] would say of an account with these enrolments and no fact yet.
    pub fn outlook(&self, by_help_desk_only: bool, enrolments: &Enrolments, place: Place<'_>) -> Outlook {
        let rule = self.rule(place.site, place.door);
        let kinds = self.askable(&rule, enrolments, &[]);
        let (factors, first) = match rule.stage {
            Stage::Off | Stage::Report => (Vec::new(), None),
            Stage::Optional => (kinds, None),
            Stage::Required if kinds.is_empty() => {
                (kinds, Some(first_enrolment(&rule, by_help_desk_only, enrolments, place.now)))
            }
            Stage::Required => (kinds, None),
        };
        Outlook { rule: rule.name, stage: rule.stage, factors, first_enrolment: first }
    }

    /// Whether the facts answered in an action's own flow permit it. Whatever the stage, an asked factor is needed:
    /// what a sign-in was let through by permits nothing here.
    pub fn permit(
        &self,
        resolved: Resolved,
        enrolments: &Enrolments,
        facts: Vec<Fact>,
        place: Place<'_>,
    ) -> Permission {
        if self.points(&facts) >= ENOUGH {
            return Permission::Given(Permitted { resolved, facts });
        }
        match self.askable(&self.rule(place.site, place.door), enrolments, &facts) {
            kinds if kinds.is_empty() => Permission::NoFactor,
            kinds => Permission::Ask(kinds),
        }
    }

    /// `app.mfa: off` at the app's door.
    pub fn app_switched_off(resolved: Resolved) -> Satisfied {
        Satisfied { resolved, facts: Vec::new(), basis: Basis::AppSwitch }
    }

    /// Whether what a session or token was given for still holds. Sessions keep facts, not verdicts.
    pub fn still_enough(&self, facts: &[Fact], site: &SiteName, door: Door) -> bool {
        match self.rule(site, door).stage {
            Stage::Off | Stage::Report | Stage::Optional => true,
            Stage::Required => self.points(facts) >= ENOUGH,
        }
    }

    /// The factors that this account has, that score under this rule, that are offered, and that were not
    /// answered yet.
    fn askable(&self, rule: &Rule, enrolments: &Enrolments, facts: &[Fact]) -> Vec<FactorKind> {
        let scoring = Enrolments {
            totp: enrolments.totp.iter().filter(|e| scores(rule, e)).cloned().collect(),
            recovery_left: enrolments.recovery_left,
        };
        let answered = |kind: FactorKind| facts.iter().any(|fact| fact.factor == kind);
        scoring.kinds().into_iter().filter(|kind| self.weight(*kind) > 0 && !answered(*kind)).collect()
    }
}

/// An enrolment scores only under rules that would have allowed it (design §2 "First enrolment").
pub fn scores(rule: &Rule, enrolment: &TotpEnrolment) -> bool {
    enrolment.rule == rule.name
        || match rule.first_enrolment {
            FirstEnrolment::AtSignIn => true,
            FirstEnrolment::ByHelpDesk => enrolment.proof == EnrolmentProof::ByHelpDesk,
        }
}

/// Which proof opens a first enrolment now. The help desk's code is always one; the password alone only inside the
/// window, and never after a reset or where factors exist that merely don't score here.
fn first_enrolment(rule: &Rule, by_help_desk_only: bool, enrolments: &Enrolments, now: Timestamp) -> EnrolmentProof {
    if !enrolments.totp.is_empty() || by_help_desk_only {
        return EnrolmentProof::ByHelpDesk;
    }
    match (rule.first_enrolment, &rule.enrolment_window) {
        (FirstEnrolment::AtSignIn, Some(window)) if window.is_open(now) => EnrolmentProof::AtSignIn,
        (FirstEnrolment::AtSignIn | FirstEnrolment::ByHelpDesk, _) => EnrolmentProof::ByHelpDesk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfa::config::Factor;
    use proptest::prelude::*;

    fn policy(totp: u32, recovery: u32, stage: Stage) -> Policy {
        let rule = Rule { stage, ..Rule::strictest() };
        Policy::new(&Config {
            factors: vec![
                Factor { kind: FactorKind::Totp, weight: totp },
                Factor { kind: FactorKind::Recovery, weight: recovery },
            ],
            rules: vec![rule],
            ..Config::default()
        })
    }

    fn fact(factor: FactorKind) -> Fact {
        Fact { factor, at: Timestamp(0) }
    }

    proptest! {
        #[test]
        fn points_are_monotonic_and_count_no_factor_twice(
            totp in 1u32..=100, recovery in 1u32..=100, kinds in prop::collection::vec(any::<bool>(), 0..6), extra: bool
        ) {
            let policy = policy(totp, recovery, Stage::Required);
            let of = |b: bool| fact(if b { FactorKind::Totp } else { FactorKind::Recovery });
            let facts: Vec<_> = kinds.iter().map(|b| of(*b)).collect();
            let mut more = facts.clone();
            more.push(of(extra));
            prop_assert!(policy.points(&more) >= policy.points(&facts));
            let mut reversed = facts.clone();
            reversed.reverse();
            prop_assert_eq!(policy.points(&reversed), policy.points(&facts));
            let doubled = [facts.clone(), facts.clone()].concat();
            prop_assert_eq!(policy.points(&doubled), policy.points(&facts));
        }
    }

    #[test]
    fn f10_ninety_nine_points_are_not_enough() {
        let site = SiteName::new("campus");
        assert!(!policy(99, 1, Stage::Required).still_enough(&[fact(FactorKind::Totp)], &site, Door::Browser));
        assert!(policy(100, 1, Stage::Required).still_enough(&[fact(FactorKind::Totp)], &site, Door::Browser));
        let twice = [fact(FactorKind::Totp), fact(FactorKind::Totp)];
        assert!(!policy(50, 50, Stage::Required).still_enough(&twice, &site, Door::Browser));
    }

    #[test]
    fn who_looks_ahead_sees_what_would_be_decided() {
        let site = SiteName::new("campus");
        let place = Place { site: &site, door: Door::Browser, now: Timestamp(0) };
        let totp = TotpEnrolment {
            id: "a".into(),
            account: crate::types::AccountId::new("a"),
            label: "phone".into(),
            secret: crate::keys::Sealed::from_text("sealed"),
            last_step: 0,
            created: Timestamp(0),
            site: site.clone(),
            rule: Rule::strictest().name,
            proof: EnrolmentProof::ByHelpDesk,
        };
        let with_codes = Enrolments { totp: vec![totp], recovery_left: 3 };
        let of = |stage, enrolments: &Enrolments| {
            let outlook = policy(100, 100, stage).outlook(false, enrolments, place);
            (outlook.factors, outlook.first_enrolment)
        };
        let none = Enrolments::default();
        for stage in [Stage::Off, Stage::Report] {
            assert_eq!(of(stage, &with_codes), (Vec::new(), None));
        }
        assert_eq!(of(Stage::Optional, &none), (Vec::new(), None));
        assert_eq!(of(Stage::Required, &none), (Vec::new(), Some(EnrolmentProof::ByHelpDesk)));
        for stage in [Stage::Optional, Stage::Required] {
            assert_eq!(of(stage, &with_codes), (with_codes.kinds(), None));
        }
    }

    #[test]
    fn without_a_matching_rule_the_strictest_holds() {
        let policy = Policy::new(&Config::default());
        let rule = policy.rule(&SiteName::new("anything"), Door::App);
        assert_eq!((rule.stage, rule.first_enrolment), (Stage::Required, FirstEnrolment::ByHelpDesk));
    }
}
