//! What is taken over from another system, and groups that an LMS states, on every database.

use super::{HandClock, Samples};
use crate::{
    accounts::{LastReading, Reading, Vouched},
    mfa::{
        enrolment::MOST,
        takeover::{TakenOver, Takeover},
    },
    store::Stores,
    types::{Clock, FactorKind, RngExt, SiteName, SystemRng},
};
use std::time::Duration;

pub async fn a_factor_is_taken_over_once_for_good(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let site = SiteName::new(format!("site-{}", SystemRng.hex(4)));
    let account = samples.stored_account(stores).await.id;
    let takeover = |foreign, handle: Option<&str>| {
        let mut enrolment = samples.totp(&account);
        enrolment.site = site.clone();
        enrolment.handle = handle.map(str::to_owned);
        Takeover { enrolment, foreign }
    };
    let store = &stores.takeovers;
    let first = takeover(7, None);
    assert_eq!(store.would_take_over(&first).await.unwrap(), TakenOver::Now);
    assert!(!store.was_taken_over(&site, 7).await.unwrap(), "nothing was written");
    assert_eq!(store.take_over(&first).await.unwrap(), TakenOver::Now);
    let found = stores.enrolments.enrolments(&account).await.unwrap().all;
    assert_eq!((found.len(), &found[0].id, found[0].kind), (1, &first.enrolment.id, FactorKind::Totp));
    let again = takeover(7, None);
    for answer in [store.would_take_over(&again).await, store.take_over(&again).await] {
        assert_eq!(answer.unwrap(), TakenOver::Before);
    }
    // Whoever took it away meant it.
    assert!(stores.enrolments.remove(&account, &first.enrolment.id).await.unwrap());
    assert_eq!(store.take_over(&again).await.unwrap(), TakenOver::Before);
    assert!(stores.enrolments.enrolments(&account).await.unwrap().all.is_empty());
    // Numbers are one site's.
    assert!(!store.was_taken_over(&SiteName::new("elsewhere"), 7).await.unwrap());

    let handle = SystemRng.hex(16);
    assert_eq!(store.take_over(&takeover(8, Some(&handle))).await.unwrap(), TakenOver::Now);
    assert_eq!(store.take_over(&takeover(9, Some(&handle))).await.unwrap(), TakenOver::Taken);
    assert!(!store.was_taken_over(&site, 9).await.unwrap(), "it may be tried again");
    for n in 1..u64::from(MOST) {
        assert_eq!(store.take_over(&takeover(100 + n, None)).await.unwrap(), TakenOver::Now);
    }
    assert_eq!(store.take_over(&takeover(200, None)).await.unwrap(), TakenOver::Full);
}

pub async fn j16_an_lmss_groups_join_the_others_and_one_that_does_not_say_makes_them_unknown(
    stores: &Stores,
    clock: &HandClock,
) {
    let samples = Samples::at(clock);
    let (one, two) = (SiteName::new(SystemRng.hex(4)), SiteName::new(SystemRng.hex(4)));
    let account = samples.stored_account(stores).await.id;
    let methods = stores.accounts.methods(&account).await.unwrap();
    let (source, subject) = (&methods[0].source, &methods[0].subject);
    // `None`: the LMS does not say.
    let note = async |site, groups: Option<&[&str]>| {
        clock.forward(Duration::from_secs(1));
        let groups = groups.map(words);
        let reading = groups.as_deref().map_or(Reading::Unreadable, Reading::Groups);
        stores.lms_groups.note_groups(site, &account, reading, clock.now()).await.unwrap()
    };
    let known = async || stores.known.known(&account).await.unwrap().groups.clone();
    let staff = words(&["staff"]);
    let vouched = Vouched { at: samples.now, password_mark: None, groups: Some(&staff) };
    stores.accounts.vouch(source, subject, &vouched).await.unwrap();
    assert_eq!(known().await, Some(words(&["staff"])));
    assert_eq!(stores.lms_groups.last_reading(&one, &account).await.unwrap(), None);

    assert!(note(&one, Some(&["admin", "cohort:x"])).await, "news");
    assert_eq!(known().await, Some(words(&["admin", "cohort:x", "staff"])));
    assert!(!note(&one, Some(&["admin", "cohort:x"])).await, "the same again");
    assert!(note(&two, Some(&[])).await);
    assert_eq!(known().await, Some(words(&["admin", "cohort:x", "staff"])));

    assert!(note(&one, None).await);
    assert_eq!(known().await, None, "nobody knows the union");
    assert!(!note(&one, None).await, "it was so already");
    let last = Some(LastReading { at: clock.now(), readable: false });
    assert_eq!(stores.lms_groups.last_reading(&one, &account).await.unwrap(), last);
    stores.accounts.vouch(source, subject, &vouched).await.unwrap();
    assert_eq!(known().await, None, "another source's word does not mend it");
    assert!(note(&one, Some(&["cohort:y"])).await);
    assert_eq!(known().await, Some(words(&["cohort:y", "staff"])));

    note(&two, None).await;
    stores.lms_groups.keep_groups_of(std::slice::from_ref(&two)).await.unwrap();
    assert_eq!(known().await, None, "the one that does not say is still read");
    stores.lms_groups.keep_groups_of(&[]).await.unwrap();
    assert_eq!(known().await, Some(words(&["staff"])), "what is not read any more counts for nothing");
}

pub async fn groups_that_nobody_states_any_more_were_never_read(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let mut account = samples.account();
    (account.groups, account.groups_at) = (Vec::new(), None);
    let mut method = samples.method(&account.id);
    method.groups = None;
    let binding = samples.binding(&account.id);
    stores.accounts.create(&account, &method, Some(&binding), &[]).await.unwrap();
    let known = async || stores.known.known(&account.id).await.unwrap().groups.clone();
    assert_eq!(known().await, None);
    let groups = ["cohort:x".to_owned()];
    stores.lms_groups.note_groups(&binding.site, &account.id, Reading::Groups(&groups), clock.now()).await.unwrap();
    assert_eq!(known().await, Some(groups.to_vec()));
    assert!(stores.accounts.unbind(&binding.site, &account.id).await.unwrap());
    let now = stores.accounts.account(&account.id).await.unwrap().unwrap();
    assert_eq!((now.groups, now.groups_at), (Vec::new(), None), "the LMS user is somebody else's now");
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|word| (*word).to_owned()).collect()
}
