//! What sessions, flows and counters must do on every state backend.

use super::{HandClock, PARALLEL, Samples, winners};
use crate::{
    accounts::State,
    flow::step::Caps,
    flow::step::Stage,
    sessions::Session,
    store::Stores,
    types::{Clock, RngExt, SystemRng},
};
use std::{collections::BTreeSet, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);

pub async fn state(stores: &Stores, clock: &HandClock) {
    sessions_are_kept_used_and_removed(stores, clock).await;
    sessions_end_by_the_clock(stores, clock).await;
    sessions_die_with_their_account(stores, clock).await;
    sessions_die_with_their_parent_token(stores, clock).await;
    sessions_are_capped_per_account(stores, clock).await;
    flows_are_replaced_by_version_and_taken_once(stores, clock).await;
    flows_end_and_are_reaped_once(stores, clock).await;
    flows_are_capped_and_the_oldest_goes(stores, clock).await;
    counters_count_exactly(stores).await;
    counters_keep_their_window(stores, clock).await;
    i2_hostile_names_are_names(stores).await;
}

async fn sessions_are_kept_used_and_removed(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let account = samples.stored_account(stores).await;
    let (first, second, guest) =
        (samples.session(Some(&account)), samples.session(Some(&account)), samples.session(None));
    for session in [&first, &second, &guest] {
        stores.sessions.put(session).await.unwrap();
        assert_eq!(*stores.sessions.get(&session.key).await.unwrap().unwrap(), *session, "comes back as it was put");
    }
    let later = samples.now.plus(Duration::from_secs(5));
    stores.sessions.touch(&first.key, later).await.unwrap();
    assert_eq!(stores.sessions.get(&first.key).await.unwrap().unwrap().last_used, later, "use is noted at once");
    let stepped_up = Session { facts: Vec::new(), ..first.clone() };
    stores.sessions.put(&stepped_up).await.unwrap();
    assert_eq!(*stores.sessions.get(&first.key).await.unwrap().unwrap(), stepped_up, "is replaced");

    assert!(stores.sessions.confirmed(&first.key).await.unwrap(), "the store has it");

    assert_eq!(stores.sessions.of_account(&account.id).await.unwrap().len(), 2);
    let listed = stores.sessions.list(usize::MAX).await.unwrap();
    assert!(listed.iter().any(|session| session.key == guest.key), "lists name guests too");
    assert!(stores.sessions.list(1).await.unwrap().len() == 1, "lists are limited");

    assert!(stores.sessions.remove(&first.key).await.unwrap(), "was there");
    assert!(!stores.sessions.remove(&first.key).await.unwrap(), "was not there any more");
    assert!(!stores.sessions.confirmed(&first.key).await.unwrap(), "and the store says so");
    stores.sessions.touch(&first.key, later.plus(2 * MINUTE)).await.unwrap();
    assert!(stores.sessions.get(&first.key).await.unwrap().is_none(), "a touch does not bring it back");
    assert_eq!(stores.sessions.remove_account(&account.id).await.unwrap(), 1);
    assert!(stores.sessions.get(&second.key).await.unwrap().is_none());
    assert!(stores.sessions.of_account(&account.id).await.unwrap().is_empty());
    assert!(stores.sessions.get(&guest.key).await.unwrap().is_some());
}

async fn sessions_end_by_the_clock(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let session = Session { ends: samples.now.plus(MINUTE), ..samples.session(None) };
    stores.sessions.put(&session).await.unwrap();
    clock.forward(MINUTE - Duration::from_millis(1));
    assert!(stores.sessions.get(&session.key).await.unwrap().is_some(), "lives until its end");
    clock.forward(Duration::from_millis(1));
    assert!(stores.sessions.get(&session.key).await.unwrap().is_none(), "and not beyond");
    assert!(stores.sessions.list(usize::MAX).await.unwrap().iter().all(|listed| listed.key != session.key));
}

async fn sessions_die_with_their_account(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let mut account = samples.stored_account(stores).await;
    let session = samples.session(Some(&account));
    stores.sessions.put(&session).await.unwrap();
    account.epoch = stores.accounts.raise_epoch(&account.id).await.unwrap().unwrap();
    assert!(stores.sessions.get(&session.key).await.unwrap().is_none(), "older than the epoch");
    stores.sessions.put(&session).await.expect_err("F13: a session of an older epoch is not kept");

    let session = samples.session(Some(&account));
    stores.sessions.put(&session).await.unwrap();
    stores.accounts.set_state(&account.id, State::Suspended).await.unwrap();
    assert!(stores.sessions.get(&session.key).await.unwrap().is_none(), "of a suspended account");
    stores.sessions.put(&samples.session(Some(&account))).await.expect_err("F13: nor one of a suspended account");
    let unknown = samples.session(Some(&samples.account()));
    stores.sessions.put(&unknown).await.expect_err("nor one of nobody");
    assert!(stores.sessions.get(&unknown.key).await.unwrap().is_none());
}

async fn sessions_die_with_their_parent_token(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let account = samples.stored_account(stores).await;
    let token = samples.token(&account, None);
    stores.ledger.insert(&token).await.unwrap();
    let session = Session { parent: Some(token.id.clone()), ..samples.session(Some(&account)) };
    stores.sessions.put(&session).await.unwrap();
    assert!(stores.sessions.get(&session.key).await.unwrap().is_some());
    stores.ledger.revoke(&token.id, samples.now).await.unwrap();
    assert!(stores.sessions.get(&session.key).await.unwrap().is_none(), "J13: descendants die");
}

async fn sessions_are_capped_per_account(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let account = samples.stored_account(stores).await;
    let sessions: Vec<_> = (0..201).map(|_| samples.session(Some(&account))).collect();
    for session in &sessions {
        stores.sessions.put(session).await.unwrap();
    }
    assert!(stores.sessions.get(&sessions[0].key).await.unwrap().is_none(), "200 per account, the oldest goes");
    assert!(stores.sessions.get(&sessions[1].key).await.unwrap().is_some());
    assert_eq!(stores.sessions.remove_account(&account.id).await.unwrap(), 200);
}

async fn flows_are_replaced_by_version_and_taken_once(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let mut flow = samples.flow(&samples.account().id, samples.client());
    assert!(stores.flows.open(&flow, Caps::default()).await.unwrap().is_empty());
    stores.flows.open(&flow, Caps::default()).await.map(|_| ()).expect_err("an id is opened once");
    flow.stage = Stage::HelpDesk;
    assert!(stores.flows.replace(&flow).await.unwrap());
    assert!(!stores.flows.replace(&flow).await.unwrap(), "a stale writer loses");
    let stored = stores.flows.get(&flow.id).await.unwrap().unwrap();
    assert!(stored.version == 1 && matches!(stored.stage, Stage::HelpDesk));

    let (flows, racing) = (stores.flows.clone(), stored.clone());
    let won = winners(move |_| {
        let (flows, racing) = (flows.clone(), racing.clone());
        async move { flows.replace(&racing).await.unwrap() }
    });
    assert_eq!(won.await, 1, "one of many writers of one version wins");
    let (flows, id) = (stores.flows.clone(), flow.id.clone());
    let won = winners(move |_| {
        let (flows, id) = (flows.clone(), id.clone());
        async move { flows.take(&id).await.unwrap().is_some() }
    });
    assert_eq!(won.await, 1, "one of many takers gets it");
    assert!(stores.flows.get(&flow.id).await.unwrap().is_none());
    assert!(!stores.flows.replace(&stored).await.unwrap(), "a replacement does not bring it back");
}

async fn flows_end_and_are_reaped_once(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let flow = samples.flow(&samples.account().id, samples.client());
    stores.flows.open(&flow, Caps::default()).await.unwrap();
    let reaped = stores.flows.reap(clock.now(), 1000).await.unwrap();
    assert!(reaped.iter().all(|reaped| reaped.id != flow.id), "not before its end");
    clock.forward(Duration::from_secs(601));
    assert!(stores.flows.get(&flow.id).await.unwrap().is_none(), "ended");
    assert!(stores.flows.take(&flow.id).await.unwrap().is_none(), "what ended is not handed over");
    let (flows, now, id) = (stores.flows.clone(), clock.now(), flow.id.clone());
    let won = winners(move |_| {
        let (flows, id) = (flows.clone(), id.clone());
        async move { flows.reap(now, 1000).await.unwrap().iter().any(|flow| flow.id == id) }
    });
    assert_eq!(won.await, 1, "one reaper gets it, with what the LMS gave");
}

async fn flows_are_capped_and_the_oldest_goes(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let account = samples.account().id;
    let mut opened = Vec::new();
    for n in 0..22 {
        let flow = samples.flow(&account, samples.client());
        let gone = stores.flows.open(&flow, Caps::default()).await.unwrap();
        opened.push(flow.id);
        match n {
            0..20 => assert!(gone.is_empty(), "20 are allowed per account"),
            _ => assert!(gone.len() == 1 && gone[0].id == opened[n - 20], "then the oldest goes, and is returned"),
        }
    }
    let (client, mut evicted) = (samples.client(), 0);
    for _ in 0..203 {
        evicted +=
            stores.flows.open(&samples.flow(&samples.account().id, client), Caps::default()).await.unwrap().len();
    }
    assert_eq!(evicted, 3, "200 per address");
}

async fn counters_count_exactly(stores: &Stores) {
    let name = format!("exact {}", SystemRng.hex(8));
    let attempts: Vec<_> = (0..PARALLEL)
        .map(|_| {
            let (counters, name) = (stores.counters.clone(), name.clone());
            tokio::spawn(async move { counters.add(&name, 1, MINUTE).await.unwrap().value })
        })
        .collect();
    let mut seen = BTreeSet::new();
    for attempt in attempts {
        seen.insert(attempt.await.unwrap());
    }
    assert_eq!(seen, (1..=PARALLEL as i64).collect(), "each caller sees a value of its own");
    assert_eq!(stores.counters.value(&name).await.unwrap(), PARALLEL as i64);
    stores.counters.clear(&name).await.unwrap();
    assert_eq!(stores.counters.value(&name).await.unwrap(), 0);
}

async fn counters_keep_their_window(stores: &Stores, clock: &HandClock) {
    let name = format!("window {}", SystemRng.hex(8));
    let counters = &stores.counters;
    assert_eq!(counters.add(&name, -1, MINUTE).await.unwrap().value, 0, "never below zero");
    clock.forward(Duration::from_secs(1));
    assert_eq!(counters.add(&name, 2, MINUTE).await.unwrap().resets_in, MINUTE, "the first hit opens the window");
    clock.forward(Duration::from_secs(40));
    let second = counters.add(&name, 1, MINUTE).await.unwrap();
    assert_eq!((second.value, second.resets_in), (3, Duration::from_secs(20)), "later ones do not prolong it");
    assert_eq!(counters.look(&name).await.unwrap(), second, "looking changes nothing");
    assert_eq!(counters.add(&name, -5, MINUTE).await.unwrap().value, 0, "taking back stops at zero");
    counters.add(&name, 1, MINUTE).await.unwrap();
    clock.back(Duration::from_secs(3600));
    assert!(
        counters.add(&name, 1, MINUTE).await.unwrap().resets_in <= MINUTE,
        "X18: a clock put back locks nobody out"
    );
    clock.forward(Duration::from_secs(3600 + 60));
    assert_eq!(counters.value(&name).await.unwrap(), 0, "the window ends by itself");
    assert_eq!(counters.look(&name).await.unwrap().resets_in, Duration::ZERO);
    assert_eq!(counters.add(&name, 1, MINUTE).await.unwrap().value, 1);
}

async fn i2_hostile_names_are_names(stores: &Stores) {
    let salt = SystemRng.hex(8);
    let names =
        ["", "\0", "a\r\nFLUSHALL\r\n", "*", "{a}", "?", "[a-z]", "vestibule:counter:*", "'; DROP TABLE counters; --"];
    for (n, name) in names.iter().enumerate() {
        let name = format!("{name}{salt}");
        for _ in 0..=n {
            stores.counters.add(&name, 1, MINUTE).await.unwrap();
        }
    }
    for (n, name) in names.iter().enumerate() {
        assert_eq!(stores.counters.value(&format!("{name}{salt}")).await.unwrap(), n as i64 + 1, "{name:?}");
    }
}
