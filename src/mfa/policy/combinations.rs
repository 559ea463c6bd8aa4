//! What passes, rule by rule: the smallest sets of factors and signals that bring 100 points.
//!
//! Only sets that can hold together are told: nobody is signed in by two sources at once, is at two addresses, is and
//! is not in a group, or has nothing to be asked for and answers it.

use super::{ENOUGH, Policy, Rule, Signal};
use crate::{
    mfa::{config::SignalKind, words},
    types::{Cidr, Door, FactorKind, SourceId},
};
use serde::{Deserialize, Serialize};

/// A set that passes, and of which nothing can be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Combination {
    /// What is asked.
    pub asked: Vec<FactorKind>,
    /// The names of the signals that hold without a question.
    pub silent: Vec<String>,
    pub points: u32,
    /// The same for people.
    pub words: String,
}

/// What passes at some doors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtDoors {
    pub doors: Vec<Door>,
    pub combinations: Vec<Combination>,
}

/// One rule and all that passes under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSheet {
    pub rule: String,
    pub stage: String,
    /// Empty: all.
    pub sites: Vec<String>,
    /// Whom it is about; `None`: everybody.
    pub whom: Option<String>,
    /// Empty: it decides sign-ins. Else what is opened.
    pub paths: Vec<String>,
    pub fresh_minutes: Option<u64>,
    pub passes: Vec<AtDoors>,
}

/// Something that brings points.
#[derive(Clone, Copy)]
enum Item<'a> {
    Factor(FactorKind, u32),
    Signal(&'a Signal),
}

impl Item<'_> {
    fn weight(&self) -> u32 {
        match self {
            Item::Factor(_, weight) => *weight,
            Item::Signal(signal) => signal.weight,
        }
    }
    fn is_asked(&self) -> bool {
        matches!(self, Item::Factor(..))
    }
}

impl Policy {
    /// Every rule in its order, and the one that holds where none matches, if anybody can meet it; or the named one.
    pub fn overview(&self, named: Option<&str>) -> Vec<RuleSheet> {
        let strictest = Rule::strictest();
        let for_all = |rule: &Rule| {
            rule.paths.is_empty() && rule.sites.is_empty() && rule.doors.is_empty() && words::whom(rule).is_none()
        };
        let configured = || self.rules.iter().map(|ruled| &ruled.rule);
        let fallback = (!configured().any(for_all)).then_some(&strictest);
        let rules = configured().chain(fallback);
        rules.filter(|rule| named.is_none_or(|name| rule.name == name)).map(|rule| self.sheet(rule)).collect()
    }

    fn sheet(&self, rule: &Rule) -> RuleSheet {
        let doors = [Door::Browser, Door::App].into_iter().filter(|d| rule.doors.is_empty() || rule.doors.contains(d));
        let mut passes: Vec<AtDoors> = Vec::new();
        for door in doors {
            let combinations = self.combinations(rule, door);
            match passes.iter_mut().find(|known| known.combinations == combinations) {
                Some(known) => known.doors.push(door),
                None => passes.push(AtDoors { doors: vec![door], combinations }),
            }
        }
        RuleSheet {
            rule: rule.name.clone(),
            stage: rule.stage.as_str().to_owned(),
            sites: rule.sites.iter().map(ToString::to_string).collect(),
            whom: words::whom(rule),
            paths: rule.paths.clone(),
            fresh_minutes: rule.fresh_minutes,
            passes,
        }
    }

    /// The smallest sets that pass under a rule at a door, shortest first. Exponential in the signals, of which `check`
    /// allows few.
    pub fn combinations(&self, rule: &Rule, door: Door) -> Vec<Combination> {
        let factors = self.weights.iter().filter(|(kind, weight)| *weight > 0 && rule.counts(*kind));
        let factors = factors.map(|(kind, weight)| Item::Factor(*kind, *weight));
        // No signal makes a factor fresh.
        let counted = |signal: &&Signal| rule.fresh_minutes.is_none() && rule.counts_signal(&signal.name);
        let signals = self.signals.iter().filter(|signal| signal.weight > 0).filter(counted);
        let mut items: Vec<Item<'_>> = factors.chain(signals.map(Item::Signal)).collect();
        // Heaviest first: a set that passes with its last member, and not before, can lose no other one either.
        items.sort_by_key(|item| std::cmp::Reverse(item.weight()));
        let search = Search { items, rule, needs_asked: door == Door::App || rule.fresh_minutes.is_some() };
        let mut found = Vec::new();
        search.grow(0, &mut Vec::new(), &mut found);
        found.sort_by_key(|one: &Combination| (one.asked.len() + one.silent.len(), one.asked.len()));
        found
    }
}

struct Search<'a> {
    items: Vec<Item<'a>>,
    rule: &'a Rule,
    /// Signals alone mint no token and refresh nothing.
    needs_asked: bool,
}

impl<'a> Search<'a> {
    fn grow(&self, from: usize, chosen: &mut Vec<Item<'a>>, found: &mut Vec<Combination>) {
        if self.passes(chosen) {
            if (0..chosen.len()).all(|n| !self.passes(&without(chosen, n))) {
                found.push(combination(chosen));
            }
            return;
        }
        for (n, item) in self.items.iter().enumerate().skip(from) {
            chosen.push(*item);
            if can_hold_together(chosen, self.rule) {
                self.grow(n + 1, chosen, found);
            }
            chosen.pop();
        }
    }

    fn passes(&self, chosen: &[Item<'a>]) -> bool {
        let points = chosen.iter().map(Item::weight).fold(0, u32::saturating_add);
        points >= ENOUGH && (!self.needs_asked || chosen.iter().any(Item::is_asked))
    }
}

fn without<'a>(chosen: &[Item<'a>], n: usize) -> Vec<Item<'a>> {
    chosen.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, item)| *item).collect()
}

fn combination(chosen: &[Item<'_>]) -> Combination {
    let mut asked: Vec<FactorKind> = Vec::new();
    let mut signals: Vec<&Signal> = Vec::new();
    for item in chosen {
        match item {
            Item::Factor(kind, _) => asked.push(*kind),
            Item::Signal(signal) => signals.push(signal),
        }
    }
    asked.sort_unstable();
    let told: Vec<String> = signals.iter().map(|signal| words::signal(signal)).collect();
    let questions: Vec<&str> = asked.iter().map(|kind| words::factor(*kind)).collect();
    let words = match (questions.is_empty(), told.is_empty()) {
        (true, _) => format!("nothing is asked: {}", words::and(&told)),
        (false, true) => words::and(&questions),
        (false, false) => format!("{} ({})", words::and(&questions), words::and(&told)),
    };
    Combination {
        asked,
        silent: signals.into_iter().map(|signal| signal.name.clone()).collect(),
        points: chosen.iter().map(Item::weight).fold(0, u32::saturating_add),
        words,
    }
}

/// Whether anybody the rule is about can have all of these at once.
fn can_hold_together(chosen: &[Item<'_>], rule: &Rule) -> bool {
    let signals: Vec<&Signal> = chosen
        .iter()
        .filter_map(|item| match item {
            Item::Signal(signal) => Some(*signal),
            Item::Factor(..) => None,
        })
        .collect();
    let of = |kind: SignalKind| signals.iter().copied().filter(move |signal| signal.kind == kind);
    let nothing_set_up = of(SignalKind::NoSetup).next().is_some();
    let answers = chosen.iter().any(Item::is_asked);
    !(nothing_set_up && answers)
        && one_source(rule, of(SignalKind::Source))
        && one_address(rule, of(SignalKind::Network))
        && groups_agree(rule, of(SignalKind::Group), of(SignalKind::Administrator))
}

fn one_source<'a>(rule: &Rule, signals: impl Iterator<Item = &'a Signal>) -> bool {
    let of_rule = (!rule.sources.is_empty()).then(|| rule.sources.clone());
    let common = signals.fold(of_rule, |common: Option<Vec<SourceId>>, signal| {
        Some(match common {
            Some(common) => common.into_iter().filter(|source| signal.sources.contains(source)).collect(),
            None => signal.sources.clone(),
        })
    });
    common.is_none_or(|common| !common.is_empty())
}

fn one_address<'a>(rule: &Rule, signals: impl Iterator<Item = &'a Signal>) -> bool {
    let of_rule = (!rule.networks.is_empty()).then(|| rule.networks.clone());
    let common = signals.fold(of_rule, |common, signal| {
        Some(match common {
            Some(common) => meet(&common, &signal.networks),
            None => signal.networks.clone(),
        })
    });
    common.is_none_or(|common| !common.is_empty())
}

/// The addresses in both lists. Two ranges are apart, or one holds the other.
fn meet(these: &[Cidr], those: &[Cidr]) -> Vec<Cidr> {
    let pairs = these.iter().flat_map(|this| those.iter().map(move |that| (*this, *that)));
    pairs
        .filter_map(|(this, that)| if this.covers(that) { Some(that) } else { that.covers(this).then_some(this) })
        .collect()
}

/// Somebody may be in any number of groups, so each wish needs one group that nothing forbids.
fn groups_agree<'a>(
    rule: &'a Rule,
    groups: impl Iterator<Item = &'a Signal>,
    administrators: impl Iterator<Item = &'a Signal>,
) -> bool {
    let groups: Vec<&Signal> = groups.collect();
    let forbidden: Vec<&String> =
        groups.iter().copied().chain(administrators).flat_map(|signal| &signal.none_of).collect();
    let wishes = groups.iter().map(|signal| &signal.any_of).chain([&rule.groups]);
    wishes.filter(|wish| !wish.is_empty()).all(|wish| wish.iter().any(|group| !forbidden.contains(&group)))
}

#[cfg(test)]
mod tests;
