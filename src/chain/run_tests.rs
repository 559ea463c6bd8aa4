//! The walk, over every sequence of verdicts.

use super::*;
use crate::{
    chain::{Credentials, Standing, Trace, sources},
    types::{ClientAddr, Password, Subject, SystemClock},
};
use async_trait::async_trait;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Ok,
    Declined,
    Denied,
    Error,
    Hangs,
}

struct Fixed(Says, Arc<AtomicUsize>);

#[async_trait]
impl PasswordSource for Fixed {
    async fn judge(&self, asked: &Asked<'_>) -> Verdict {
        self.1.fetch_add(1, Ordering::Relaxed);
        match self.0 {
            Says::Ok => {
                let person = Person { username: Some(asked.username.into()), ..Person::of(Subject::new("3")) };
                Verdict::Ok(Box::new(Proven { person, lms: None }))
            }
            Says::Declined => Verdict::Declined(None),
            Says::Denied => Verdict::Denied("suspended", None),
            Says::Error => Verdict::Error("down".into()),
            Says::Hangs => std::future::pending().await,
        }
    }
    async fn probe(&self) -> Result<(), String> {
        Ok(())
    }
}

fn instance(name: &str, says: Says, asked: &Arc<AtomicUsize>) -> Instance {
    Instance {
        name: SourceId::new(name),
        kind: &sources::lms::KIND,
        password: Some(Arc::new(Fixed(says, asked.clone()))),
        redirect: None,
        directory: None,
        deadline: Duration::from_millis(50),
        rules: Rules::default(),
        health: Arc::default(),
    }
}

fn attempt(password: &str) -> Attempt {
    let (username, password) = ("alice".to_owned(), Password::new(password.into()));
    Attempt {
        credentials: Credentials::Token { username, password, service: "s".into() },
        client: ClientAddr::new([127, 0, 0, 1].into()),
        trace: Trace::off(),
    }
}

async fn walk(instances: &[Instance], selection: &Selection, name: &str) -> Outcome {
    run(instances, selection, Username::canonical(name).as_ref(), &attempt("p"), &SystemClock).await
}

/// The table of design §2, over every sequence of verdicts up to length five.
#[tokio::test]
async fn the_result_depends_only_on_the_order_of_verdicts() {
    let all = [Says::Ok, Says::Declined, Says::Denied, Says::Error];
    let mut sequences: Vec<Vec<Says>> = vec![vec![]];
    for length in 0..5 {
        let longest: Vec<_> = sequences.iter().filter(|s| s.len() == length).cloned().collect();
        sequences.extend(longest.iter().flat_map(|s| all.map(|v| [s.as_slice(), &[v]].concat())));
    }
    assert_eq!(sequences.len(), (0..=5).map(|n| 4_usize.pow(n)).sum::<usize>());
    for sequence in sequences {
        let asked = Arc::new(AtomicUsize::new(0));
        let instances: Vec<_> =
            sequence.iter().enumerate().map(|(i, says)| instance(&format!("i{i}"), *says, &asked)).collect();
        let outcome = walk(&instances, &Selection::All, "alice").await;
        let stop = sequence.iter().position(|s| matches!(s, Says::Ok | Says::Denied));
        let walked = &sequence[..stop.unwrap_or(sequence.len())];
        assert_eq!(asked.load(Ordering::Relaxed), stop.map_or(sequence.len(), |i| i + 1), "{sequence:?}");
        assert_eq!(outcome.verdicts.len(), stop.map_or(sequence.len(), |i| i + 1), "{sequence:?}");
        let errors = walked.contains(&Says::Error);
        assert_eq!(outcome.unavailable, errors, "{sequence:?}");
        match (outcome.end, stop.map(|i| sequence[i])) {
            (End::Authenticated(proof), Some(Says::Ok)) => assert_eq!(proof.after_error(), errors, "{sequence:?}"),
            (End::Refused { why: Why::Denied, .. }, Some(Says::Denied)) => {}
            (End::Refused { why, .. }, None) => {
                let nobody = errors && !walked.contains(&Says::Declined);
                assert_eq!(why == Why::NobodyLooked, nobody, "{sequence:?}");
            }
            (_, stop) => panic!("{sequence:?} ended wrongly at {stop:?}"),
        }
    }
}

#[tokio::test]
async fn e11_denied_by_one_instance_is_denied_whatever_a_lower_one_knows() {
    let asked = Arc::new(AtomicUsize::new(0));
    let instances = [instance("a", Says::Denied, &asked), instance("b", Says::Ok, &asked)];
    assert!(!walk(&instances, &Selection::All, "alice").await.accepted());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn e10_a_pinned_name_asks_its_own_methods_alone_even_while_they_are_down() {
    let asked = Arc::new(AtomicUsize::new(0));
    let instances = [instance("a", Says::Error, &asked), instance("b", Says::Ok, &asked)];
    let only = Selection::Only(vec![SourceId::new("a")]);
    let outcome = walk(&instances, &only, "alice").await;
    assert!(matches!(outcome.end, End::Refused { why: Why::NobodyLooked, .. }));
    // Pinned to an instance that is not there: nobody is asked.
    let outcome = walk(&instances, &Selection::Only(vec![SourceId::new("gone")]), "alice").await;
    assert!(!outcome.accepted());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn x8_an_open_breaker_costs_nobody_any_time_and_is_error_at_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let instances = [instance("a", Says::Hangs, &asked), instance("b", Says::Ok, &asked)];
    for _ in 0..super::super::health::OPENS_AFTER {
        assert!(walk(&instances, &Selection::All, "alice").await.accepted());
    }
    let before = asked.load(Ordering::Relaxed);
    let began = Instant::now();
    let outcome = walk(&instances, &Selection::All, "alice").await;
    assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());
    assert_eq!(asked.load(Ordering::Relaxed), before + 1, "only the one that can answer was asked");
    let End::Authenticated(proof) = outcome.end else { panic!("refused") };
    assert!(proof.after_error() && outcome.unavailable);
    instances[0].health.recovered();
    assert!(!walk(&instances[1..], &Selection::All, "alice").await.unavailable);
}

#[tokio::test]
async fn names_outside_the_pattern_are_declined_without_asking_also_while_it_is_down() {
    let asked = Arc::new(AtomicUsize::new(0));
    let mut staff = instance("staff", Says::Error, &asked);
    staff.rules.names = Some(NamePattern::new("t[0-9]+").unwrap());
    let instances = [staff, instance("b", Says::Ok, &asked)];
    let End::Authenticated(proof) = walk(&instances, &Selection::All, "alice").await.end else { panic!("refused") };
    assert!(!proof.after_error(), "what could not own the name says nothing about it");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_suffix_tells_two_sources_of_one_name_apart() {
    let asked = Arc::new(AtomicUsize::new(0));
    let mut staff = instance("staff", Says::Ok, &asked);
    staff.rules.username_suffix = Some("@staff".into());
    assert!(!walk(&[staff.clone()], &Selection::All, "alice").await.accepted());
    let End::Authenticated(proof) = walk(&[staff], &Selection::All, "Alice@Staff").await.end else { panic!("refused") };
    assert_eq!(proof.person().username.as_deref(), Some("alice"), "the source is asked without it");
    assert_eq!(proof.username().unwrap().as_str(), "alice@staff");
}

#[tokio::test]
async fn e7_an_empty_password_is_nobodys_and_no_source_hears_of_it() {
    let asked = Arc::new(AtomicUsize::new(0));
    let instances = [instance("a", Says::Ok, &asked)];
    let name = Username::canonical("alice");
    let outcome = run(&instances, &Selection::All, name.as_ref(), &attempt(""), &SystemClock).await;
    assert!(matches!(outcome.end, End::Refused { why: Why::Declined, .. }));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}

struct Knows(Result<Standing, String>);

#[async_trait]
impl Directory for Knows {
    async fn standing(&self, subject: &Subject) -> Result<Standing, String> {
        match &self.0 {
            Ok(Standing::Active(_)) => Ok(Standing::Active(Box::new(Person::of(subject.clone())))),
            other => other.clone(),
        }
    }
    async fn find(&self, _: &str) -> Result<Option<Person>, String> {
        Ok(None)
    }
}

#[tokio::test]
async fn without_a_password_the_source_vouches_or_nobody_is_authenticated() {
    let asked = Arc::new(AtomicUsize::new(0));
    let subject = Subject::new("3");
    let source = |says: Option<Result<Standing, String>>| Instance {
        directory: says.map(|says| Arc::new(Knows(says)) as Arc<dyn Directory>),
        ..instance("a", Says::Ok, &asked)
    };
    let active = Standing::Active(Box::new(Person::of(subject.clone())));
    for (says, accepted, unavailable) in [
        (Some(Ok(active.clone())), true, false),
        (Some(Ok(Standing::Barred("suspended"))), false, false),
        (Some(Ok(Standing::Unknown)), false, false),
        (Some(Err("down".into())), false, true),
        (None, true, false),
    ] {
        let outcome = vouch(&source(says.clone()), &subject, &SystemClock).await;
        assert_eq!((outcome.accepted(), outcome.unavailable), (accepted, unavailable), "{says:?}");
    }
    let broken = source(Some(Ok(active)));
    (0..super::super::health::OPENS_AFTER).for_each(|_| broken.health.failed());
    let outcome = vouch(&broken, &subject, &SystemClock).await;
    assert!(!outcome.accepted() && outcome.unavailable, "nobody waits for an open breaker");
    assert_eq!(asked.load(Ordering::Relaxed), 0, "no password is judged");
}
