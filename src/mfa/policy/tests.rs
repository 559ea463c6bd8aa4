//! The policy's rules, case by case.

use super::*;
use crate::{
    keys::Sealed,
    mfa::config::{Factor, Grace, SignalKind},
    types::{AccountId, EnrolmentId},
};
use proptest::prelude::*;

const DAY: i64 = 86_400_000;

fn of(yaml: &str) -> Policy {
    Policy::new(&serde_yaml::from_str(yaml).unwrap(), Surroundings::default())
}

fn weighing(totp: u32, recovery: u32, stage: Stage) -> Policy {
    let config = Config {
        factors: vec![
            Factor { weight: totp, ..Factor::of(FactorKind::Totp) },
            Factor { weight: recovery, ..Factor::of(FactorKind::Recovery) },
        ],
        rules: vec![Rule { stage, ..Rule::strictest() }],
        ..Config::default()
    };
    Policy::new(&config, Surroundings::default())
}

fn fact(factor: FactorKind) -> Fact {
    fact_at(factor, 0)
}

fn fact_at(factor: FactorKind, at: i64) -> Fact {
    Fact { factor, at: Timestamp(at), enrolment: None, made: None }
}

struct Scene {
    site: SiteName,
    source: SourceId,
    known: Known,
    client: ClientAddr,
    door: Door,
    path: Option<&'static str>,
    device: bool,
    now: i64,
}

impl Scene {
    fn new() -> Self {
        Self {
            site: SiteName::new("campus"),
            source: SourceId::new("staff-ad"),
            known: Known { username: Some("student1".into()), groups: Some(Vec::new()), ..Known::default() },
            client: ClientAddr::new([192, 0, 2, 1].into()),
            door: Door::Browser,
            path: None,
            device: false,
            now: 0,
        }
    }
    fn groups(mut self, groups: Option<&[&str]>) -> Self {
        self.known.groups = groups.map(|groups| groups.iter().map(|&group| group.to_owned()).collect());
        self
    }
    fn case(&self) -> Case<'_> {
        Case {
            site: &self.site,
            door: self.door,
            path: self.path,
            client: self.client,
            source: &self.source,
            known: &self.known,
            device: self.device,
            no_setup: false,
            now: Timestamp(self.now),
        }
    }
}

fn totp(rule: &str, proof: EnrolmentProof) -> Enrolment {
    Enrolment {
        id: EnrolmentId::new("a"),
        account: AccountId::new("a"),
        kind: FactorKind::Totp,
        label: "phone".into(),
        secret: Sealed::from_text("sealed"),
        detail: String::new(),
        counter: 0,
        handle: None,
        created: Timestamp(0),
        last_used: None,
        site: SiteName::new("campus"),
        rule: rule.into(),
        proof,
        suspended: false,
    }
}

proptest! {
    #[test]
    fn points_are_monotonic_and_count_no_factor_twice_in_any_order(
        weights in prop::array::uniform5(1u32..=100), kinds in prop::collection::vec(0usize..5, 0..8), extra in 0usize..5,
        signal in 1u32..=100, on_campus: bool,
    ) {
        let factors = FactorKind::ALL.iter().zip(weights).map(|(kind, weight)| Factor { weight, ..Factor::of(*kind) });
        let mut config = Config {
            factors: factors.collect(),
            rules: vec![Rule { stage: Stage::Required, ..Rule::strictest() }],
            ..Config::default()
        };
        let yaml = format!("{{name: net, kind: network, weight: {signal}, networks: [192.0.2.0/24]}}");
        config.signals = vec![serde_yaml::from_str(&yaml).unwrap()];
        let policy = Policy::new(&config, Surroundings::default());
        let mut scene = Scene::new();
        if !on_campus {
            scene.client = ClientAddr::new([198, 51, 100, 1].into());
        }
        let rule = policy.rule(&scene.case());
        let points = |facts: &[Fact]| {
            let score = policy.score(&rule, &scene.case(), facts);
            score.asked.saturating_add(score.silent)
        };
        let facts: Vec<_> = kinds.iter().map(|n| fact(FactorKind::ALL[*n])).collect();
        let more = [facts.clone(), vec![fact(FactorKind::ALL[extra])]].concat();
        prop_assert!(points(&more) >= points(&facts));
        prop_assert!(!policy.still_enough(&facts, &scene.case()) || policy.still_enough(&more, &scene.case()));
        let mut reversed = facts.clone();
        reversed.reverse();
        prop_assert_eq!(points(&reversed), points(&facts));
        prop_assert_eq!(points(&[facts.clone(), facts.clone()].concat()), points(&facts));
    }

    #[test]
    fn a_factor_that_is_not_offered_or_not_counted_brings_nothing(kinds in prop::collection::vec(0usize..5, 0..8)) {
        let policy = of("{factors: [{kind: totp, weight: 60}], rules: [{name: a, factors: [totp]}]}");
        let facts: Vec<_> = kinds.iter().map(|n| fact(FactorKind::ALL[*n])).collect();
        let rule = policy.rule(&Scene::new().case());
        let totp = facts.iter().any(|fact| fact.factor == FactorKind::Totp);
        prop_assert_eq!(policy.asked(&rule, &facts, Timestamp(0)), if totp { 60 } else { 0 });
    }
}

#[test]
fn f10_ninety_nine_points_are_not_enough() {
    let scene = Scene::new();
    let still = |policy: Policy, facts: &[Fact]| policy.still_enough(facts, &scene.case());
    assert!(!still(weighing(99, 1, Stage::Required), &[fact(FactorKind::Totp)]));
    assert!(still(weighing(100, 1, Stage::Required), &[fact(FactorKind::Totp)]));
    assert!(!still(weighing(50, 50, Stage::Required), &[fact(FactorKind::Totp), fact(FactorKind::Totp)]));
    assert!(still(weighing(50, 50, Stage::Required), &[fact(FactorKind::Totp), fact(FactorKind::Recovery)]));
}

#[test]
fn who_looks_ahead_sees_what_would_be_decided() {
    let scene = Scene::new();
    let with_codes = Enrolments { all: vec![totp("default", EnrolmentProof::ByHelpDesk)], recovery_left: 3 };
    let of = |stage, enrolments: &Enrolments| {
        let outlook = weighing(100, 100, stage).outlook(false, true, enrolments, &scene.case());
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
    let policy = Policy::new(&Config::default(), Surroundings::default());
    let rule = policy.rule(&Scene::new().case());
    assert_eq!((rule.stage, rule.first_enrolment), (Stage::Required, Some(FirstEnrolment::ByHelpDesk)));
}

#[test]
fn j16_where_groups_were_never_read_the_strictest_rule_that_could_match_decides() {
    let policy = of("rules: [{name: pupils, groups: [pupils], stage: off}, {name: staff, groups: [staff]}, \
                     {name: rest, stage: optional}]");
    let named = |groups: Option<&[&str]>| policy.rule(&Scene::new().groups(groups).case()).name;
    assert_eq!(named(Some(&["pupils"])), "pupils");
    assert_eq!(named(Some(&["staff"])), "staff");
    assert_eq!(named(Some(&["staff", "pupils"])), "pupils", "the first that matches");
    assert_eq!(named(Some(&[])), "rest");
    assert_eq!(named(None), "staff");
    // Nothing is stricter than what holds where no rule matches.
    let open = of("rules: [{name: pupils, groups: [pupils], stage: off}]");
    assert_eq!(open.rule(&Scene::new().groups(None).case()).name, "default");
}

#[test]
fn the_first_rule_that_matches_site_door_source_group_and_network_decides() {
    let policy = of("rules: [{name: elsewhere, sites: [other]}, {name: apps, doors: [app]}, \
                     {name: students, sources: [students]}, {name: lab, networks: [192.0.2.0/28], stage: off}, \
                     {name: rest, stage: optional}]");
    let mut scene = Scene::new();
    assert_eq!(policy.rule(&scene.case()).name, "lab");
    scene.client = ClientAddr::new([192, 0, 2, 77].into());
    assert_eq!(policy.rule(&scene.case()).name, "rest");
    scene.source = SourceId::new("students");
    assert_eq!(policy.rule(&scene.case()).name, "students");
    scene.door = Door::App;
    assert_eq!(policy.rule(&scene.case()).name, "apps");
}

#[test]
fn signals_hold_as_their_namesakes_of_tool_mfa_do() {
    let signal = |yaml: &str| serde_yaml::from_str::<Signal>(yaml).unwrap();
    let admins = ["root".to_owned()];
    let holds = |yaml: &str, scene: &Scene| signals::holds(&signal(yaml), &scene.case(), &admins);
    let mut scene = Scene::new().groups(Some(&["cohort:a"]));
    assert!(holds("{name: n, kind: network, networks: [192.0.2.0/24]}", &scene));
    assert!(!holds("{name: n, kind: network, networks: [10.0.0.0/8]}", &scene));
    assert!(holds("{name: n, kind: source, sources: [staff-ad]}", &scene));
    assert!(!holds("{name: n, kind: source, sources: [other]}", &scene));
    assert!(holds("{name: n, kind: group, none_of: [cohort:b]}", &scene));
    assert!(!holds("{name: n, kind: group, none_of: [cohort:a]}", &scene));
    assert!(holds("{name: n, kind: group, any_of: [cohort:a, cohort:c]}", &scene));
    assert!(!holds("{name: n, kind: group, any_of: [cohort:c]}", &scene));
    assert!(holds("{name: n, kind: administrator}", &scene));
    assert!(!holds("{name: n, kind: device}", &scene) && !holds("{name: n, kind: no_setup}", &scene));
    scene.known.username = Some("root".into());
    assert!(!holds("{name: n, kind: administrator}", &scene));
    scene.known.username = None;
    assert!(!holds("{name: n, kind: administrator}", &scene), "a name that no source stated");
    let unread = Scene::new().groups(None);
    assert!(!holds("{name: n, kind: group, none_of: [cohort:b]}", &unread));
    assert!(!holds("{name: n, kind: administrator, none_of: [admin]}", &unread));
}

#[test]
fn an_exemption_and_grace_end_by_the_servers_clock() {
    let rule = Rule { grace: Some(Grace { days_after_import: Some(7), ..Grace::default() }), ..Rule::strictest() };
    let config = Config { rules: vec![rule], ..Config::default() };
    let policy = Policy::new(&config, Surroundings::default());
    let mut scene = Scene::new();
    assert!(!policy.still_enough(&[], &scene.case()));
    scene.known.imported = Some(Timestamp(0));
    assert!(policy.still_enough(&[], &scene.case()) && policy.still_lets(Unproven::Grace, &scene.case()));
    scene.now = 7 * DAY;
    assert!(!policy.still_enough(&[], &scene.case()), "J4, F11: it ends by itself");
    assert!(!policy.still_lets(Unproven::Grace, &scene.case()), "J8");
    scene.known.exempt = Some(Timestamp(8 * DAY));
    assert!(policy.still_enough(&[], &scene.case()) && policy.still_lets(Unproven::Bypass, &scene.case()));
    scene.now = 8 * DAY;
    assert!(!policy.still_enough(&[], &scene.case()) && !policy.still_lets(Unproven::Bypass, &scene.case()));
}

#[test]
fn grace_is_for_those_who_have_nothing_to_be_asked_for() {
    let rule = Rule {
        grace: Some(Grace { until: Some("2030-01-01".parse().unwrap()), ..Grace::default() }),
        ..Rule::strictest()
    };
    let policy = Policy::new(&Config { rules: vec![rule], ..Config::default() }, Surroundings::default());
    let scene = Scene::new();
    let enrolled = Enrolments { all: vec![totp("default", EnrolmentProof::ByHelpDesk)], recovery_left: 0 };
    assert_eq!(policy.outlook(false, true, &enrolled, &scene.case()).factors, [FactorKind::Totp]);
    let without = policy.outlook(false, true, &Enrolments::default(), &scene.case());
    assert!(without.lenient_until.is_some() && without.first_enrolment.is_none());
}

#[test]
fn j4_a_pass_by_network_ends_where_the_network_does() {
    let policy = of("{signals: [{name: lab, kind: network, networks: [192.0.2.0/24]}], rules: [{name: all}]}");
    let mut scene = Scene::new();
    assert!(policy.still_enough(&[], &scene.case()));
    scene.client = ClientAddr::new([198, 51, 100, 1].into());
    assert!(!policy.still_enough(&[], &scene.case()));
    assert!(policy.still_enough(&[fact(FactorKind::Totp)], &scene.case()));
}

#[test]
fn a_path_asks_for_a_factor_younger_than_it_says_whatever_signals_hold() {
    let policy = of("{signals: [{name: lab, kind: network, networks: [192.0.2.0/24]}], \
                     rules: [{name: all}, {name: admin, paths: [/admin/, /course/loginas.php], fresh_minutes: 15}]}");
    let mut scene = Scene::new();
    scene.now = 3_600_000;
    let at = |path, facts: &[Fact]| {
        let mut scene = Scene { known: scene.known.clone(), ..Scene::new() };
        (scene.path, scene.now) = (Some(path), 3_600_000);
        policy.step_up(facts, &scene.case()).map(|step| step.rule)
    };
    let (old, young) = (fact_at(FactorKind::Totp, 0), fact_at(FactorKind::Totp, 3_000_000));
    assert_eq!(at("/my/", std::slice::from_ref(&old)), None);
    for path in ["/admin/", "/admin/search.php", "/ADMIN/x", "/admin", "/course/loginas.php", "/course/loginas.php/x"] {
        assert_eq!(at(path, std::slice::from_ref(&old)).as_deref(), Some("admin"), "{path}");
        assert_eq!(at(path, &[]).as_deref(), Some("admin"), "{path}: the network is no factor");
        assert_eq!(at(path, &[old.clone(), young.clone()]), None, "{path}");
    }
    assert_eq!(at("/course/loginas.phpx", &[]), None);
    assert_eq!(at("/administrator/", &[]), None);
    let from_the_future = fact_at(FactorKind::Totp, 3_600_000 + DAY);
    assert!(at("/admin/", &[from_the_future]).is_some(), "a clock that jumped makes no factor young for ever");
    scene.path = None;
    assert_eq!(policy.rule(&scene.case()).name, "all", "a path's rule decides no sign-in");
}

#[test]
fn j3_j10_an_enrolment_scores_only_under_rules_that_would_have_allowed_it() {
    let policy = of("{rules: [{name: desk, first_enrolment: by_help_desk}]}");
    let scores = |rule: &str, how: FirstEnrolment, proof| {
        policy
            .scores(&Rule { name: rule.into(), first_enrolment: Some(how), ..Rule::strictest() }, &totp("made", proof))
    };
    use EnrolmentProof::*;
    for (how, allowed) in [
        (FirstEnrolment::AtSignIn, [true, true, true, true]),
        (FirstEnrolment::AfterEmailCode, [false, true, true, true]),
        (FirstEnrolment::ByHelpDesk, [false, false, true, true]),
    ] {
        for (proof, allowed) in [AtSignIn, AfterEmailCode, ByHelpDesk, Imported].into_iter().zip(allowed) {
            assert_eq!(scores("other", how, proof), allowed, "{how:?} {proof:?}");
            assert!(scores("made", how, proof), "under its own rule");
        }
    }
}

#[test]
fn j3_what_opens_a_first_enrolment() {
    let policy = of("rules: [{name: all}]");
    let window = "{name: w, first_enrolment: at_sign_in, enrolment_window: {until: 1970-01-10}}";
    let window: Rule = serde_yaml::from_str(window).unwrap();
    let by_mail = Rule { first_enrolment: Some(FirstEnrolment::AfterEmailCode), ..Rule::strictest() };
    let opens = |rule: &Rule, desk, address, enrolments: &Enrolments, day| {
        policy.opens(rule, (desk, address), enrolments, Timestamp(day * DAY))
    };
    let none = Enrolments::default();
    let some = Enrolments { all: vec![totp("x", EnrolmentProof::AtSignIn)], recovery_left: 0 };
    assert_eq!(opens(&window, false, true, &none, 0), EnrolmentProof::AtSignIn);
    assert_eq!(opens(&window, false, true, &none, 30), EnrolmentProof::ByHelpDesk);
    assert_eq!(opens(&by_mail, false, true, &none, 0), EnrolmentProof::AfterEmailCode);
    assert_eq!(opens(&by_mail, false, false, &none, 0), EnrolmentProof::ByHelpDesk, "nowhere to mail to");
    for rule in [&window, &by_mail] {
        assert_eq!(opens(rule, true, true, &none, 0), EnrolmentProof::ByHelpDesk, "after a reset");
        assert_eq!(opens(rule, false, true, &some, 0), EnrolmentProof::ByHelpDesk, "one that does not score here");
    }
}

#[test]
fn rule_stages_and_signal_kinds_have_their_names_in_yaml() {
    for kind in ["network", "source", "group", "administrator", "device", "no_setup"] {
        assert_eq!(serde_yaml::from_str::<SignalKind>(kind).unwrap().as_str(), kind);
    }
}

fn enrolled(kinds: &[FactorKind]) -> Enrolments {
    let all = kinds.iter().map(|kind| Enrolment { kind: *kind, ..totp("everybody", EnrolmentProof::ByHelpDesk) });
    Enrolments { all: all.collect(), recovery_left: 10 }
}

#[test]
fn the_reasons_are_the_signals_that_would_have_spared_the_question() {
    let policy = of("
signals:
  - { name: campus, kind: network, weight: 60, networks: [ 10.0.0.0/8 ] }
  - { name: trusted, kind: device, weight: 40 }
rules: [ { name: everybody } ]
");
    let asked = |scene: &Scene| policy.reasons(&[], &enrolled(&[FactorKind::Totp]), &scene.case());
    let mut scene = Scene::new();
    assert_eq!(asked(&scene), [Why::Network, Why::Device]);
    scene.client = ClientAddr::new([10, 0, 0, 1].into());
    assert_eq!(asked(&scene), [Why::Device], "what holds is no reason");
    scene.client = ClientAddr::new([192, 0, 2, 1].into());
    scene.device = true;
    assert_eq!(asked(&scene), [Why::Network]);
    // A rule that does not count the other: neither alone would have been enough, so neither is the reason.
    let rule = "rules: [ { name: everybody, signals: [ campus ] } ]";
    let narrow =
        of(&format!("signals: [ {{ name: campus, kind: network, weight: 60, networks: [ 10.0.0.0/8 ] }} ]\n{rule}"));
    assert_eq!(narrow.reasons(&[], &enrolled(&[FactorKind::Totp]), &Scene::new().case()), []);
}

#[test]
fn whoever_has_nothing_yet_reads_that_grace_is_over_and_a_path_says_that_it_asks_again() {
    let policy = of("rules:
  - { name: fresh, paths: [ /admin/ ], fresh_minutes: 5 }
  - { name: everybody, grace: { until: 1970-01-02 } }
");
    let mut scene = Scene::new();
    let ends = Timestamp(2 * DAY);
    assert_eq!(policy.reasons(&[], &enrolled(&[]), &scene.case()), [], "it is not over");
    assert_eq!(policy.due(&enrolled(&[]), &scene.case()), Some(ends));
    assert_eq!(policy.due(&enrolled(&[FactorKind::Totp]), &scene.case()), None);
    scene.now = 2 * DAY;
    assert_eq!(policy.reasons(&[], &enrolled(&[]), &scene.case()), [Why::GraceEnded(ends)]);
    assert_eq!(policy.due(&enrolled(&[]), &scene.case()), None);
    scene.path = Some("/admin/index.php");
    let old = fact_at(FactorKind::Totp, DAY);
    assert_eq!(policy.reasons(&[old], &enrolled(&[FactorKind::Totp]), &scene.case()), [Why::Again]);
    let young = fact_at(FactorKind::Totp, scene.now);
    assert_eq!(policy.reasons(&[young], &enrolled(&[FactorKind::Totp]), &scene.case()), []);
}

#[test]
fn the_factor_used_last_is_offered_first() {
    let mut enrolments = enrolled(&[FactorKind::Totp, FactorKind::Webauthn, FactorKind::Email]);
    let kinds = enrolments.kinds();
    let usual = [FactorKind::Totp, FactorKind::Webauthn, FactorKind::Email, FactorKind::Recovery];
    assert_eq!(enrolments.recent_first(kinds.clone()), usual, "none was used yet");
    enrolments.all[1].last_used = Some(Timestamp(2));
    enrolments.all[2].last_used = Some(Timestamp(1));
    let recent = [FactorKind::Webauthn, FactorKind::Email, FactorKind::Totp, FactorKind::Recovery];
    assert_eq!(enrolments.recent_first(kinds), recent);
}

#[test]
fn d9_a_path_opens_by_what_was_answered_in_its_own_flow_and_by_nothing_else() {
    let policy = of("{signals: [{name: lab, kind: network, networks: [192.0.2.0/24]}], \
                     rules: [{name: all}, {name: admin, paths: [/admin/], fresh_minutes: 15}]}");
    let enrolled = Enrolments { all: vec![totp("admin", EnrolmentProof::ByHelpDesk)], recovery_left: 3 };
    let mut scene = Scene::new();
    (scene.path, scene.now) = (Some("/admin/user.php"), 3_600_000);
    let (old, young) = (fact_at(FactorKind::Totp, 0), fact_at(FactorKind::Totp, 3_600_000));
    let asked = |had: &[Fact], facts: &[Fact], enrolments: &Enrolments| {
        policy.path_asks(enrolments, had, facts, &scene.case()).map(|kinds| kinds.len())
    };
    let (totp, none) = (std::slice::from_ref(&young), Enrolments::default());
    assert_eq!(asked(std::slice::from_ref(&old), &[], &enrolled), Some(2), "an old fact is no answer, nor the network");
    assert_eq!(asked(std::slice::from_ref(&old), totp, &enrolled), None);
    assert_eq!(asked(&[], std::slice::from_ref(&old), &enrolled), Some(2), "an answer that has aged in its flow");
    assert_eq!(asked(&[], &[], &none), Some(0));
}

#[test]
fn report_and_optional_say_what_they_would_ask_and_off_says_nothing() {
    let policy = of("{rules: [{name: all}, {name: a, paths: [/a/], fresh_minutes: 5, stage: report}, \
                     {name: b, paths: [/b/], fresh_minutes: 5, stage: off}]}");
    let mut scene = Scene::new();
    scene.path = Some("/a/x");
    assert_eq!(policy.step_up(&[], &scene.case()).map(|step| step.stage), Some(Stage::Report));
    assert!(policy.names_path("/a/x") && !policy.guards(&scene.case()));
    scene.path = Some("/b/x");
    assert_eq!(policy.step_up(&[], &scene.case()), None);
    assert!(!policy.names_path("/b/x"));
}

#[test]
fn j16_of_two_rules_that_could_decide_a_path_the_one_that_wants_the_younger_factor_does() {
    let policy = of("{rules: [{name: all}, {name: staff, groups: [staff], paths: [/x/], fresh_minutes: 60}, \
                     {name: rest, paths: [/x/], fresh_minutes: 5}]}");
    let mut scene = Scene::new();
    (scene.path, scene.known.groups) = (Some("/x/"), None);
    assert_eq!(policy.step_up(&[], &scene.case()).map(|step| step.rule).as_deref(), Some("rest"));
}
