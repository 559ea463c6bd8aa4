//! The list against the policy itself, in every case a small world has.

use super::*;
use crate::{
    mfa::{
        config::{Config, Factor, Stage},
        known::Known,
        policy::{Case, Surroundings},
        signals,
    },
    types::{ClientAddr, Fact, SiteName, Timestamp},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

const ADDRESSES: [[u8; 4]; 3] = [[10, 1, 0, 1], [10, 2, 0, 1], [192, 0, 2, 1]];
const SOURCES: [&str; 2] = ["a", "b"];
const GROUPS: [&str; 2] = ["x", "y"];

/// Every kind of signal, with lists that overlap and lists that exclude each other.
const SIGNALS: [&str; 11] = [
    "{name: s0, kind: network, networks: [10.0.0.0/8]}",
    "{name: s1, kind: network, networks: [10.1.0.0/16, 192.0.2.0/24]}",
    "{name: s2, kind: source, sources: [a]}",
    "{name: s3, kind: source, sources: [a, b]}",
    "{name: s4, kind: source, sources: [b]}",
    "{name: s5, kind: group, any_of: [x]}",
    "{name: s6, kind: group, none_of: [x]}",
    "{name: s7, kind: group, any_of: [x, y]}",
    "{name: s8, kind: administrator, none_of: [y]}",
    "{name: s9, kind: device}",
    "{name: s10, kind: no_setup}",
];

const RULES: [&str; 6] = [
    "{name: r}",
    "{name: r, networks: [10.2.0.0/16]}",
    "{name: r, sources: [b]}",
    "{name: r, groups: [x]}",
    "{name: r, factors: [totp, recovery], signals: [s0, s5, s9]}",
    "{name: r, fresh_minutes: 5, paths: [/admin/]}",
];

/// What a case holds: factors and signals by name.
type Held = BTreeSet<String>;

/// Whether the policy lets it pass by points, and what holds in it, for every case there is.
fn cases(policy: &Policy, rule: &Rule, door: Door) -> Vec<(bool, Held)> {
    let mut all = Vec::new();
    let site = SiteName::new("campus");
    let path = rule.paths.first().map(String::as_str);
    for address in ADDRESSES {
        for source in SOURCES.map(SourceId::new) {
            for bits in 0..(1u32 << (GROUPS.len() + 2 + FactorKind::ALL.len())) {
                let bit = |n: usize| bits & (1 << n) != 0;
                let groups = GROUPS.iter().enumerate().filter(|(n, _)| bit(*n)).map(|(_, g)| (*g).to_owned()).collect();
                let known = Known { username: Some("u".into()), groups: Some(groups), ..Known::default() };
                let facts: Vec<Fact> = (0..FactorKind::ALL.len())
                    .filter(|n| bit(4 + n))
                    .map(|n| Fact { factor: FactorKind::ALL[n], at: Timestamp(0), enrolment: None, made: None })
                    .collect();
                let case = Case {
                    site: &site,
                    door,
                    path,
                    client: ClientAddr::new(address.into()),
                    source: &source,
                    known: &known,
                    device: bit(2),
                    no_setup: bit(3),
                    now: Timestamp(0),
                };
                if (case.no_setup && !facts.is_empty())
                    || crate::mfa::policy::Ruled::new(rule, &[]).matches(&case) != Some(true)
                {
                    continue;
                }
                let score = policy.score(rule, &case, &facts);
                let asked = facts.iter().map(|fact| fact.factor.as_str().to_owned());
                let held = policy.signals.iter().filter(|signal| signals::holds(signal, &case, &[]));
                let held = held.map(|signal| signal.name.clone()).chain(asked).collect();
                // As `decide` and `step_up` have it.
                let passes = match rule.fresh_minutes {
                    Some(_) => score.asked >= ENOUGH,
                    None => score.is_enough() && (score.asked > 0 || door == Door::Browser),
                };
                all.push((passes, held));
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_list_is_exactly_what_the_policy_lets_pass(
        weights in prop::array::uniform5(1u32..=100), offered in prop::collection::btree_set(0usize..5, 0..4),
        chosen in prop::collection::btree_map(0usize..SIGNALS.len(), 1u32..=100, 0..5), rule in 0usize..RULES.len(),
        app: bool,
    ) {
        let factor = |n: &usize| Factor { weight: weights[*n], ..Factor::of(FactorKind::ALL[*n]) };
        let signal = |(n, weight): (&usize, &u32)| {
            Signal { weight: *weight, ..serde_yaml::from_str(SIGNALS[*n]).unwrap() }
        };
        let rule: Rule = serde_yaml::from_str(RULES[rule]).unwrap();
        let config = Config {
            factors: offered.iter().map(factor).collect(),
            signals: chosen.iter().map(signal).collect(),
            rules: vec![rule.clone()],
            ..Config::default()
        };
        let policy = Policy::new(&config, Surroundings::default());
        let door = if app { Door::App } else { Door::Browser };
        let names = |one: &Combination| -> Held {
            one.asked.iter().map(|kind| kind.as_str().to_owned()).chain(one.silent.iter().cloned()).collect()
        };
        let listed: Vec<Held> = policy.combinations(&rule, door).iter().map(names).collect();
        for (n, one) in listed.iter().enumerate() {
            prop_assert!(listed.iter().enumerate().all(|(m, other)| n == m || !one.is_superset(other)), "{listed:?}");
        }
        let cases = cases(&policy, &rule, door);
        for (passes, held) in &cases {
            prop_assert_eq!(*passes, listed.iter().any(|one| one.is_subset(held)), "{:?} of {:?}", held, listed);
        }
        for one in &listed {
            prop_assert!(cases.iter().any(|(passes, held)| *passes && one.is_subset(held)), "{one:?} never holds");
        }
    }
}

fn of(yaml: &str) -> Policy {
    Policy::new(&serde_yaml::from_str(yaml).unwrap(), Surroundings::default())
}

#[test]
fn what_passes_is_told_in_words_with_what_is_silent() {
    let policy = of("{factors: [{kind: totp, weight: 60}, {kind: recovery, weight: 60}], \
        signals: [{name: campus, kind: network, weight: 40, networks: [10.0.0.0/8]}, {name: known, kind: device}], \
        rules: [{name: all}]}");
    let sheet = &policy.overview(None)[0];
    let told = |at: &AtDoors| at.combinations.iter().map(|one| one.words.clone()).collect::<Vec<_>>();
    let beside = ["TOTP (from 10.0.0.0/8)", "a recovery code (from 10.0.0.0/8)", "TOTP and a recovery code"];
    let [browser, app] = &sheet.passes[..] else { panic!("{sheet:?}") };
    assert_eq!(browser.doors, [Door::Browser]);
    assert_eq!(told(browser), [&["nothing is asked: on a trusted device"], &beside[..]].concat());
    let known = ["TOTP (on a trusted device)", "a recovery code (on a trusted device)"];
    assert_eq!(told(app).len(), 5, "{:?}", told(app));
    assert!(known.iter().chain(&beside).all(|words| told(app).iter().any(|told| told == words)), "{:?}", told(app));
    assert_eq!(browser.combinations[0].silent, ["known"]);
    assert_eq!(browser.combinations[0].asked, []);
}

#[test]
fn where_no_rule_is_for_everybody_the_one_that_holds_then_is_listed_too() {
    let names = |yaml: &str, named| of(yaml).overview(named).into_iter().map(|sheet| sheet.rule).collect::<Vec<_>>();
    assert_eq!(names("rules: [{name: staff, groups: [staff]}]", None), ["staff", "default"]);
    assert_eq!(names("rules: [{name: staff, groups: [staff]}, {name: rest}]", None), ["staff", "rest"]);
    assert_eq!(names("rules: [{name: staff, groups: [staff]}, {name: rest}]", Some("rest")), ["rest"]);
    assert_eq!(names("rules: [{name: rest, paths: [/admin/]}]", None), ["rest", "default"]);
    assert_eq!(names("{}", Some("nothing")), Vec::<String>::new());
    assert_eq!(of("{}").overview(None)[0].passes[0].doors, [Door::Browser, Door::App]);
}

#[test]
fn nothing_passes_where_the_points_are_not_there() {
    let policy = of("{factors: [{kind: totp, weight: 99}], rules: [{name: all, stage: required}]}");
    assert_eq!(policy.combinations(&policy.rules[0].rule, Door::Browser), []);
    assert_eq!(Stage::Required, policy.rules[0].rule.stage);
}
