//! IS IT ENOUGH? Points, as in Moodle's tool_mfa: each factor and each signal brings its weight once, 100 pass. Pure:
//! everything it looks at is an argument. [`Satisfied`] is made here and nowhere else.
//!
//! The first rule that matches decides. A rule that names groups may or may not match somebody whose groups were never
//! read: of all that *could* decide, the strictest does (attack J16).

mod combinations;

pub use combinations::{AtDoors, Combination, RuleSheet};

use super::{
    config::{Config, FirstEnrolment, Rule, Signal, Stage},
    enrolment::{Enrolment, EnrolmentProof, Enrolments},
    known::Known,
    paths::{self, Paths},
    signals,
};
use crate::{
    accounts::Resolved,
    lms::PathGroup,
    types::{Amr, ClientAddr, Door, Fact, FactorKind, SiteName, SourceId, Timestamp},
};
use serde::{Deserialize, Serialize};
use std::{cmp::Reverse, collections::BTreeSet, time::Duration};

mod set_up;
mod why;

pub use why::Why;

/// What passes.
pub const ENOUGH: u32 = 100;

/// Proof that everything this site and door ask of an account was answered. Issuing a session or a token uses it up.
#[derive(Debug)]
pub struct Satisfied {
    resolved: Resolved,
    facts: Vec<Fact>,
    basis: Basis,
    no_setup: bool,
    device: bool,
}

/// What the satisfaction rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Asked factors were answered, with or without signals beside them.
    Factors,
    /// The named signals alone. At the app's door never under `required`.
    Signals { rule: String, signals: Vec<String> },
    /// The stage of the named rule let it through; and what `required` would have asked.
    Stage { rule: String, stage: Stage, would: Would },
    /// The named rule's grace.
    Grace { rule: String, ends: Timestamp },
    /// An exemption or a bypass.
    Exempt { until: Timestamp },
    /// The site's `app.mfa: off`.
    AppSwitch,
}

impl Basis {
    /// `None`: an asked factor was answered, and what is minted needs no reason to live on.
    pub fn unproven(&self) -> Option<Unproven> {
        match self {
            Basis::Factors => None,
            // Signals alone mint nothing under `required`; elsewhere it is the stage that lets.
            Basis::Signals { .. } | Basis::Stage { .. } => Some(Unproven::Stage),
            Basis::Grace { .. } => Some(Unproven::Grace),
            Basis::Exempt { .. } => Some(Unproven::Bypass),
            Basis::AppSwitch => Some(Unproven::AppSwitch),
        }
    }
}

/// What let a token be minted without an asked factor. It dies as soon as that no longer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unproven {
    /// The rule's stage was `off`, `report` or `optional`.
    Stage,
    /// The rule's grace.
    Grace,
    /// An exemption or a bypass.
    Bypass,
    /// The site said `app.mfa: off`.
    AppSwitch,
}

impl Unproven {
    const ALL: [Unproven; 4] = [Unproven::Stage, Unproven::Grace, Unproven::Bypass, Unproven::AppSwitch];

    pub fn as_str(self) -> &'static str {
        match self {
            Unproven::Stage => "stage",
            Unproven::Grace => "grace",
            Unproven::Bypass => "bypass",
            Unproven::AppSwitch => "app_switch",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unproven| unproven.as_str() == text)
    }
}

/// What a stage that lets through leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Would {
    Pass,
    Challenge,
    Enrol,
}

impl Would {
    pub fn as_str(self) -> &'static str {
        match self {
            Would::Pass => "pass",
            Would::Challenge => "challenge",
            Would::Enrol => "enrol",
        }
    }
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
        Amr::of(self.resolved.by(), &self.facts)
    }
    /// The account had nothing to be asked for.
    pub fn had_no_setup(&self) -> bool {
        self.no_setup
    }
    /// Without a trusted device it might have been less than enough: whoever uses this proof claims the device first.
    pub fn rests_on_a_device(&self) -> bool {
        self.device
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
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }
    pub fn into_parts(self) -> (Resolved, Vec<Fact>) {
        (self.resolved, self.facts)
    }
}

/// Whether an action may be done.
#[expect(clippy::large_enum_variant, reason = "made once for an answer, and taken apart at once")]
#[derive(Debug)]
pub enum Permission {
    Given(Permitted),
    /// One of these must be answered first.
    Ask(Vec<FactorKind>),
    /// There is nothing to ask this account for, so it may not.
    NoFactor,
}

/// Who asks for what, and where.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub site: &'a SiteName,
    pub door: Door,
    /// Decoded; `None` at sign-in.
    pub path: Option<&'a str>,
    pub client: ClientAddr,
    /// The instance that vouched for the first identity.
    pub source: &'a SourceId,
    pub known: &'a Known,
    /// The browser, or the app, was trusted after an asked factor and still is.
    pub device: bool,
    /// The account has nothing to be asked for. Of a session: had, when it began; it ends with the first enrolment.
    pub no_setup: bool,
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
    /// The signals that hold.
    pub signals: Vec<String>,
    /// Which would be asked; empty where none is due.
    pub factors: Vec<FactorKind>,
    /// There is nothing to ask yet: which proof would open a first enrolment.
    pub first_enrolment: Option<EnrolmentProof>,
    /// Let through until then, by grace or an exemption.
    pub lenient_until: Option<Timestamp>,
}

/// What a path asks of a session beyond what it was given for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepUp {
    pub rule: String,
    /// `Report` and above. What that stage makes of it is the asker's to see to.
    pub stage: Stage,
    /// How young the factor must be; `None`: any age, it is more points that are missing.
    pub within: Option<Duration>,
}

/// The points of a case under a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Score {
    asked: u32,
    silent: u32,
    /// The signals that hold, by name.
    signals: Vec<String>,
}

impl Score {
    fn is_enough(&self) -> bool {
        self.asked.saturating_add(self.silent) >= ENOUGH
    }
}

/// A rule with its paths made ready.
#[derive(Clone, Debug)]
struct Ruled {
    rule: Rule,
    paths: Paths,
}

/// The rules of one configuration.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Vec<Ruled>,
    /// The places of the LMSes here.
    places: Vec<PathGroup>,
    weights: Vec<(FactorKind, u32)>,
    signals: Vec<Signal>,
    administrators: Vec<String>,
    /// Where a rule does not say.
    first_enrolment: FirstEnrolment,
}

/// What the policy takes from the rest of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `admin.administrators`, canonical.
    pub administrators: Vec<String>,
    /// Whether `outbound.mail` is set.
    pub mail: bool,
    /// What rules may call by name, of every LMS there is.
    pub places: Vec<PathGroup>,
}

impl Policy {
    pub fn new(config: &Config, surroundings: Surroundings) -> Self {
        Self {
            rules: config.rules.iter().map(|rule| Ruled::new(rule, &surroundings.places)).collect(),
            places: surroundings.places,
            weights: config.factors.iter().map(|f| (f.kind, f.weight)).collect(),
            signals: config.signals.clone(),
            administrators: surroundings.administrators,
            first_enrolment: default_enrolment(surroundings.mail),
        }
    }

    /// The rule that decides this case.
    pub fn rule(&self, case: &Case<'_>) -> Rule {
        self.find(case).cloned().unwrap_or_else(Rule::strictest)
    }

    /// `None`: no rule decides; at sign-in that is the strictest there is, of a path that nothing more is asked.
    fn find(&self, case: &Case<'_>) -> Option<&Rule> {
        let mut could: Vec<&Rule> = Vec::new();
        let mut sure = false;
        for ruled in &self.rules {
            match ruled.matches(case) {
                Some(false) => {}
                Some(true) => {
                    could.push(&ruled.rule);
                    sure = true;
                    break;
                }
                None => could.push(&ruled.rule),
            }
        }
        // The first of the strictest.
        let strictness = |rule: &&Rule| (rule.stage, Reverse(rule.fresh_minutes.unwrap_or(u64::MAX)));
        let strictest = could.into_iter().rev().max_by_key(strictness);
        let default_is_stricter = !sure && case.path.is_none();
        strictest.filter(|rule| !default_is_stricter || rule.stage == Stage::Required)
    }

    /// Whether any answer depends on what is known of the account.
    pub fn needs_known(&self) -> bool {
        let by_account = |rule: &Rule| !rule.groups.is_empty() || rule.grace.is_some();
        // An exemption makes a difference wherever something is required.
        let mut rules = self.rules.iter().map(|ruled| &ruled.rule);
        self.rules.is_empty() || rules.any(|r| by_account(r) || r.stage == Stage::Required)
    }

    /// Whether some rule is about this path.
    pub fn names_path(&self, path: &str) -> bool {
        self.rules.iter().any(|ruled| ruled.rule.stage != Stage::Off && ruled.paths.cover(path))
    }

    /// Whether the path of this case is one that somebody may be kept from.
    pub fn guards(&self, case: &Case<'_>) -> bool {
        self.find(case).is_some_and(|rule| rule.stage >= Stage::Optional)
    }

    /// What the LMS's adapter calls the place of this path.
    pub fn place(&self, path: &str) -> Option<&'static str> {
        paths::place(&self.places, path)
    }

    pub fn offers(&self, kind: FactorKind) -> bool {
        self.weight(kind) > 0
    }

    pub fn weight(&self, kind: FactorKind) -> u32 {
        self.weights.iter().find(|(known, _)| *known == kind).map_or(0, |(_, weight)| *weight)
    }

    /// Whether a signal of that name counts under the rule that decides this case.
    pub fn counts(&self, case: &Case<'_>, kind: super::SignalKind) -> bool {
        let rule = self.rule(case);
        self.signals.iter().any(|signal| signal.kind == kind && rule.counts_signal(&signal.name))
    }

    /// How long a device may be trusted that answers a factor in this case; `None`: the rule counts no device.
    pub fn trust_device(&self, case: &Case<'_>) -> Option<super::factors::device::Lifetime> {
        let rule = self.rule(case);
        let mut counted = self.signals.iter().filter(|signal| rule.counts_signal(&signal.name));
        counted.find(|signal| signal.kind == super::SignalKind::Device).map(Signal::lifetime)
    }

    /// The points of these facts. A factor counts once however often it was answered; one that is no longer
    /// offered, or that the rule doesn't count, counts nothing.
    fn asked(&self, rule: &Rule, facts: &[Fact], now: Timestamp) -> u32 {
        let fresh = |fact: &&Fact| match within(rule) {
            // Neither older nor from a future that a clock has taken back.
            Some(within) => now.since(fact.at) < within && fact.at.since(now) < within,
            None => true,
        };
        // What a session was given for may rest on an enrolment that this rule would not have allowed (attack J3).
        let allowed = |fact: &&Fact| fact.made.as_ref().is_none_or(|made| self.allows(rule, &made.rule, made.proof));
        let kinds: BTreeSet<FactorKind> = facts.iter().filter(fresh).filter(allowed).map(|fact| fact.factor).collect();
        let counted = kinds.into_iter().filter(|kind| rule.counts(*kind));
        counted.map(|kind| self.weight(kind)).fold(0, u32::saturating_add)
    }

    fn score(&self, rule: &Rule, case: &Case<'_>, facts: &[Fact]) -> Score {
        let counted = self.signals.iter().filter(|signal| rule.counts_signal(&signal.name));
        let holding: Vec<&Signal> =
            counted.filter(|signal| signals::holds(signal, case, &self.administrators)).collect();
        Score {
            asked: self.asked(rule, facts, case.now),
            silent: holding.iter().map(|signal| signal.weight).fold(0, u32::saturating_add),
            signals: holding.into_iter().map(|signal| signal.name.clone()).collect(),
        }
    }

    /// Decides for an account that has just proven its first identity, or answered a factor.
    pub fn decide(&self, resolved: Resolved, enrolments: &Enrolments, facts: Vec<Fact>, case: &Case<'_>) -> Decision {
        let rule = self.rule(case);
        let score = self.score(&rule, case, &facts);
        let no_setup = case.no_setup;
        let satisfied = |resolved, basis| {
            let by_points = matches!(basis, Basis::Factors | Basis::Signals { .. });
            let device = by_points && case.device && score.asked < ENOUGH;
            Decision::Satisfied(Satisfied { resolved, facts: facts.clone(), basis, no_setup, device })
        };
        if score.is_enough() && score.asked > 0 {
            return satisfied(resolved, Basis::Factors);
        }
        if score.is_enough() && signals_pass(&rule, case) {
            return satisfied(resolved, Basis::Signals { rule: rule.name, signals: score.signals.clone() });
        }
        let kinds = self.askable(&rule, enrolments, &facts, case);
        // Somebody who has a factor that rests under a doubt is nobody who has set up nothing (attack J10).
        let doubted = enrolments.all.iter().any(|enrolment| enrolment.suspended);
        let would = match (score.is_enough(), kinds.is_empty()) {
            (true, _) => Would::Pass,
            (false, false) => Would::Challenge,
            (false, true) => Would::Enrol,
        };
        let through =
            |resolved| satisfied(resolved, Basis::Stage { rule: rule.name.clone(), stage: rule.stage, would });
        match rule.stage {
            Stage::Off | Stage::Report => through(resolved),
            Stage::Optional if kinds.is_empty() && !doubted => through(resolved),
            Stage::Optional | Stage::Required => {
                match self.lenient(&rule, case, doubted || self.reachable(&rule, &score, &kinds)) {
                    Some(basis) => satisfied(resolved, basis),
                    None if !kinds.is_empty() => Decision::Challenge(resolved, kinds),
                    None => {
                        let proof = self.first_enrolment(&rule, resolved.account(), enrolments, case.now);
                        Decision::Enrol(resolved, proof, rule.name)
                    }
                }
            }
        }
    }

    /// Whether answering all that can be asked would be enough.
    fn reachable(&self, rule: &Rule, score: &Score, kinds: &[FactorKind]) -> bool {
        let more = kinds.iter().filter(|kind| rule.counts(**kind)).map(|kind| self.weight(*kind));
        more.fold(score.asked.saturating_add(score.silent), u32::saturating_add) >= ENOUGH
    }

    /// What lets through somebody of whom a factor is required: an exemption whatever they have, grace those who have
    /// not enough to be asked for (as tool_mfa's factor of that name is neutral for the others).
    fn lenient(&self, rule: &Rule, case: &Case<'_>, reachable: bool) -> Option<Basis> {
        if let Some(until) = exempt(case) {
            return Some(Basis::Exempt { until });
        }
        let ends = in_grace(rule, case).filter(|_| !reachable)?;
        Some(Basis::Grace { rule: rule.name.clone(), ends })
    }

    /// Until when the grace of its rule lets in an account that has not enough to be asked for; `None`: it does not, or
    /// something else does.
    pub fn grace(&self, enrolments: &Enrolments, case: &Case<'_>) -> Option<Timestamp> {
        let rule = self.rule(case);
        let score = self.score(&rule, case, &[]);
        let kinds = self.askable(&rule, enrolments, &[], case);
        match self.lenient(&rule, case, self.reachable(&rule, &score, &kinds))? {
            Basis::Grace { ends, .. } => Some(ends).filter(|_| rule.stage == Stage::Required && !score.is_enough()),
            Basis::Exempt { .. } | Basis::Factors | Basis::Signals { .. } | Basis::Stage { .. } | Basis::AppSwitch => {
                None
            }
        }
    }

    /// What [`Self::decide`] would say of an account with these enrolments and no fact yet.
    pub fn outlook(&self, by_help_desk_only: bool, address: bool, enrolments: &Enrolments, case: &Case<'_>) -> Outlook {
        let rule = self.rule(case);
        let score = self.score(&rule, case, &[]);
        let kinds = self.askable(&rule, enrolments, &[], case);
        let by_signals = score.is_enough() && signals_pass(&rule, case);
        let lenient = match self.lenient(&rule, case, self.reachable(&rule, &score, &kinds)) {
            Some(Basis::Grace { ends, .. }) => Some(ends),
            Some(Basis::Exempt { until }) => Some(until),
            Some(_) | None => None,
        };
        let asks = rule.stage >= Stage::Optional && !by_signals && lenient.is_none();
        let first = (asks && rule.stage == Stage::Required && kinds.is_empty())
            .then(|| self.opens(&rule, (by_help_desk_only, address), enrolments, case.now));
        Outlook {
            rule: rule.name,
            stage: rule.stage,
            signals: score.signals,
            factors: if asks { kinds } else { Vec::new() },
            first_enrolment: first,
            lenient_until: lenient.filter(|_| rule.stage >= Stage::Optional && !by_signals),
        }
    }

    /// Whether the facts answered in an action's own flow permit it. Whatever the stage, an asked factor is needed:
    /// what a sign-in was let through by permits nothing here, and no signal does. `need` is the weight of the factor
    /// that is touched, where it is one (attack F7), else [`ENOUGH`].
    pub fn permit(
        &self,
        resolved: Resolved,
        enrolments: &Enrolments,
        facts: Vec<Fact>,
        case: &Case<'_>,
        need: u32,
    ) -> Permission {
        let rule = self.rule(case);
        let points = self.asked(&rule, &facts, case.now);
        if points > 0 && points >= need {
            return Permission::Given(Permitted { resolved, facts });
        }
        match self.askable(&rule, enrolments, &facts, case) {
            kinds if kinds.is_empty() => Permission::NoFactor,
            kinds => Permission::Ask(kinds),
        }
    }

    /// `app.mfa: off` at the app's door.
    pub fn app_switched_off(resolved: Resolved) -> Satisfied {
        Satisfied { resolved, facts: Vec::new(), basis: Basis::AppSwitch, no_setup: false, device: false }
    }

    /// Whether what a session was given for still holds. Sessions keep facts, not verdicts: the rule, its grace, the
    /// visitor's network and groups are what they are now.
    pub fn still_enough(&self, facts: &[Fact], case: &Case<'_>) -> bool {
        let rule = self.find(case);
        match rule.map_or(Stage::Required, |rule| rule.stage) {
            Stage::Off | Stage::Report | Stage::Optional => true,
            Stage::Required => {
                let strictest;
                let rule = match rule {
                    Some(rule) => rule,
                    None => {
                        strictest = Rule::strictest();
                        &strictest
                    }
                };
                // Nearly every session: factors alone, and no signal is looked at.
                self.asked(rule, facts, case.now) >= ENOUGH
                    || exempt(case).is_some()
                    || (facts.is_empty() && in_grace(rule, case).is_some())
                    || self.score(rule, case, facts).is_enough()
            }
        }
    }

    /// What the path of this case asks of a session beyond what it was given for; `None`: nothing more.
    pub fn step_up(&self, facts: &[Fact], case: &Case<'_>) -> Option<StepUp> {
        let rule = self.find(case)?;
        if rule.stage == Stage::Off {
            return None;
        }
        let score = self.score(rule, case, facts);
        let enough = match rule.fresh_minutes {
            // A signal is no proof of presence, and nobody is exempt from what guards the rest.
            Some(_) => score.asked >= ENOUGH,
            None => score.is_enough() || exempt(case).is_some(),
        };
        (!enough).then(|| StepUp { rule: rule.name.clone(), stage: rule.stage, within: within(rule) })
    }

    /// Whether what was answered in a step-up's own flow opens the path of this case, beside what the session `had`.
    /// Something must have been answered there: a session that is enough is asked nothing.
    pub fn permit_path(
        &self,
        resolved: Resolved,
        enrolments: &Enrolments,
        had: &[Fact],
        facts: Vec<Fact>,
        case: &Case<'_>,
    ) -> Permission {
        match self.path_asks(enrolments, had, &facts, case) {
            None => Permission::Given(Permitted { resolved, facts }),
            Some(kinds) if kinds.is_empty() => Permission::NoFactor,
            Some(kinds) => Permission::Ask(kinds),
        }
    }

    /// `None`: nothing more.
    fn path_asks(
        &self,
        enrolments: &Enrolments,
        had: &[Fact],
        facts: &[Fact],
        case: &Case<'_>,
    ) -> Option<Vec<FactorKind>> {
        let all = [had, facts].concat();
        let enough = !facts.is_empty() && self.step_up(&all, case).is_none();
        (!enough).then(|| {
            let taken = enrolments.all.iter().filter(|enrolment| self.takes(case, enrolment));
            let taken = Enrolments { all: taken.cloned().collect(), recovery_left: enrolments.recovery_left };
            self.askable(&self.rule(case), &taken, &all, case)
        })
    }

    /// Whether what let a token be minted without an asked factor still does (attack J8).
    pub fn still_lets(&self, unproven: Unproven, case: &Case<'_>) -> bool {
        let rule = self.rule(case);
        match unproven {
            Unproven::Stage => rule.stage != Stage::Required,
            Unproven::Grace => in_grace(&rule, case).is_some(),
            Unproven::Bypass => exempt(case).is_some(),
            // The site's own, not a rule's.
            Unproven::AppSwitch => false,
        }
    }

    /// The factors that this account has, that score under this rule, that are offered, and that were not
    /// answered yet. What stands in for others is not asked where it could add nothing.
    fn askable(&self, rule: &Rule, enrolments: &Enrolments, facts: &[Fact], case: &Case<'_>) -> Vec<FactorKind> {
        let scoring = Enrolments {
            all: enrolments.all.iter().filter(|e| is_usable(e, case.site) && self.scores(rule, e)).cloned().collect(),
            recovery_left: enrolments.recovery_left,
        };
        let answered = |kind: FactorKind| {
            facts.iter().any(|fact| fact.factor == kind && self.asked(rule, std::slice::from_ref(fact), case.now) > 0)
        };
        let counts = |kind: &FactorKind| rule.counts(*kind) && self.weight(*kind) > 0 && !answered(*kind);
        scoring.kinds().into_iter().filter(counts).collect()
    }

    /// An enrolment scores only under rules that would have allowed it (design §2 "First enrolment").
    pub fn scores(&self, rule: &Rule, enrolment: &Enrolment) -> bool {
        self.allows(rule, &enrolment.rule, enrolment.proof)
    }

    /// Whether it counts in this case: under the rule of the sign-in, and under that of the path where there is one.
    pub fn takes(&self, case: &Case<'_>, enrolment: &Enrolment) -> bool {
        let sign_in = self.rule(&Case { path: None, ..*case });
        is_usable(enrolment, case.site) && self.scores(&sign_in, enrolment) && self.scores(&self.rule(case), enrolment)
    }

    fn allows(&self, rule: &Rule, made_under: &str, proof: EnrolmentProof) -> bool {
        made_under == rule.name
            || match rule.first_enrolment.unwrap_or(self.first_enrolment) {
                // It decides no sign-in: without a word of its own it takes what that one's rule takes.
                _ if rule.first_enrolment.is_none() && !rule.paths.is_empty() => true,
                FirstEnrolment::AtSignIn => true,
                FirstEnrolment::AfterEmailCode => proof >= EnrolmentProof::AfterEmailCode,
                FirstEnrolment::ByHelpDesk => proof >= EnrolmentProof::ByHelpDesk,
            }
    }

    fn first_enrolment(
        &self,
        rule: &Rule,
        account: &crate::accounts::Account,
        enrolments: &Enrolments,
        now: Timestamp,
    ) -> EnrolmentProof {
        self.opens(rule, (account.enrol_by_help_desk_only, account.settled_email(now).is_some()), enrolments, now)
    }

    /// Which proof opens a first enrolment now. The help desk's code is always one; the password alone only inside the
    /// window; and neither that nor a mailed code after a reset, or where factors exist that merely don't score here.
    fn opens(
        &self,
        rule: &Rule,
        (by_help_desk_only, address): (bool, bool),
        enrolments: &Enrolments,
        now: Timestamp,
    ) -> EnrolmentProof {
        if !enrolments.all.is_empty() || by_help_desk_only {
            return EnrolmentProof::ByHelpDesk;
        }
        match (rule.first_enrolment.unwrap_or(self.first_enrolment), &rule.enrolment_window) {
            (FirstEnrolment::AtSignIn, Some(window)) if window.is_open(now) => EnrolmentProof::AtSignIn,
            (FirstEnrolment::AfterEmailCode, _) if address => EnrolmentProof::AfterEmailCode,
            (FirstEnrolment::AtSignIn | FirstEnrolment::AfterEmailCode | FirstEnrolment::ByHelpDesk, _) => {
                EnrolmentProof::ByHelpDesk
            }
        }
    }
}

/// Whether signals may be enough alone: no token is minted on them under `required` (attack J8).
fn signals_pass(rule: &Rule, case: &Case<'_>) -> bool {
    case.door == Door::Browser || rule.stage < Stage::Required
}

/// Where a rule does not say what opens a first enrolment.
pub fn default_enrolment(mail: bool) -> FirstEnrolment {
    if mail { FirstEnrolment::AfterEmailCode } else { FirstEnrolment::ByHelpDesk }
}

impl Ruled {
    fn new(rule: &Rule, places: &[PathGroup]) -> Self {
        Self { rule: rule.clone(), paths: Paths::new(&rule.paths, places) }
    }

    /// Whether a rule is about this case; `None`: it is, if the account is in one of its groups, which nobody knows.
    fn matches(&self, case: &Case<'_>) -> Option<bool> {
        let rule = &self.rule;
        let path = match case.path {
            Some(path) => self.paths.cover(path),
            None => rule.paths.is_empty(),
        };
        let source = rule.sources.is_empty() || rule.sources.contains(case.source);
        let network = rule.networks.is_empty() || rule.networks.iter().any(|range| range.contains(case.client));
        if !rule.serves(case.site, case.door) || !path || !source || !network {
            return Some(false);
        }
        match (&case.known.groups, rule.groups.is_empty()) {
            (_, true) => Some(true),
            (Some(groups), false) => Some(groups.iter().any(|group| rule.groups.contains(group))),
            (None, false) => None,
        }
    }
}

fn within(rule: &Rule) -> Option<Duration> {
    rule.fresh_minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)))
}

fn exempt(case: &Case<'_>) -> Option<Timestamp> {
    case.known.exempt.filter(|until| case.now < *until)
}

fn in_grace(rule: &Rule, case: &Case<'_>) -> Option<Timestamp> {
    let ends = rule.grace.as_ref()?.ends(case.known.imported)?;
    (case.now < ends).then_some(ends)
}

/// Whether an enrolment can be asked for at a site. A passkey is bound to the host of the one it was made at.
pub fn is_usable(enrolment: &Enrolment, site: &SiteName) -> bool {
    !enrolment.suspended && (enrolment.kind != FactorKind::Webauthn || enrolment.site == *site)
}

#[cfg(test)]
mod tests;
