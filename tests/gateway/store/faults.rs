//! What happens to servers, and what must go on: X1 X2 X4 X27 X28.

use super::{Site, eventually, healthy, lives, remembered};
use crate::servers::{Postgres, Redis};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use vestibule::{
    accounts::State,
    flow::step::Caps,
    mfa::enrolment::Claim,
    store::{Config, contract::winners, open},
    types::{Clock, SystemRng, Timestamp},
};

/// No call may wait longer than this on a frozen Redis: its 250 ms and what two busy cores add.
const PATIENCE: Duration = Duration::from_millis(400);
const BACK_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x1_redis_killed_proven_sessions_go_on_for_the_grace_and_everything_else_is_refused() {
    let mut redis = Redis::start();
    let site = Site::new(&redis.url(), None);
    let stores = site.node().await;
    let (session, stranger) = (site.signed_in(&stores).await, site.samples().session(None));
    remembered(&redis, &stores, &session).await;
    redis.kill();
    let killed = Instant::now();
    while killed.elapsed() < Duration::from_secs(2) {
        assert!(lives(&stores, &session).await, "after {:?}", killed.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!stores.health().await.lease);
    stores.sessions.get(&stranger.key).await.expect_err("not known here");
    stores.sessions.put(&stranger).await.expect_err("nobody signs in");
    stores.counters.add("x", 1, Duration::from_secs(60)).await.expect_err("nothing is counted");
    let flow = site.samples().flow(&site.samples().account().id, stranger.client);
    assert!(stores.flows.get(&flow.id).await.is_err(), "a flow that may be there is not called absent");
    // Grace is 3 s after the last heartbeat.
    eventually("fails closed after the grace", Duration::from_secs(3), async || {
        stores.sessions.get(&session.key).await.is_err()
    })
    .await;
    assert!(killed.elapsed() > Duration::from_millis(2_500), "{:?}", killed.elapsed());

    redis.restart();
    eventually("is back", BACK_WITHIN, async || {
        stores.sessions.get(&session.key).await.is_ok_and(|found| found.is_some()) && healthy(&stores).await
    })
    .await;
    stores.sessions.put(&stranger).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x2_redis_frozen_no_call_waits_longer_than_its_time_out() {
    let redis = Redis::start();
    let site = Site::new(&redis.url(), None);
    let stores = site.node().await;
    let session = site.signed_in(&stores).await;
    remembered(&redis, &stores, &session).await;
    redis.pause();
    let paused = Instant::now();
    let (mut longest, mut calls) = (Duration::ZERO, 0);
    while paused.elapsed() < Duration::from_secs(2) {
        let start = Instant::now();
        assert!(lives(&stores, &session).await, "proven sessions go on");
        let hit = start.elapsed();
        let _ = stores.counters.add("x", 1, Duration::from_secs(60)).await;
        longest = longest.max(hit).max(start.elapsed() - hit);
        calls += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(longest < PATIENCE, "{longest:?}");
    assert!(calls > 100, "the breaker lets nobody wait again and again: {calls} rounds in 2 s");
    stores.counters.value("x").await.expect_err("cannot say");
    redis.resume();
    eventually("is back", BACK_WITHIN, async || healthy(&stores).await).await;
    assert!(lives(&stores, &session).await);
}

#[tokio::test]
async fn x4_flushall_ends_sessions_on_every_node_and_panics_nowhere() {
    let redis = Redis::start();
    let site = Site::new(&redis.url(), None);
    let (one, two) = (site.node().await, site.node().await);
    let session = site.signed_in(&one).await;
    remembered(&redis, &one, &session).await;
    remembered(&redis, &two, &session).await;
    redis.cli(&["FLUSHALL"]);
    eventually("the remembered session is gone", Duration::from_secs(1), async || {
        !lives(&one, &session).await && !lives(&two, &session).await
    })
    .await;
    assert_eq!(one.sessions.list(10).await.unwrap(), []);
    assert!(lives(&one, &site.signed_in(&one).await).await, "and signing in again works");
}

#[tokio::test]
async fn x4_a_full_or_read_only_redis_says_so_and_comes_back() {
    let redis = Redis::start();
    let site = Site::new(&redis.url(), None);
    let stores = site.node().await;
    let session = site.signed_in(&stores).await;
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let full = stores.sessions.put(&site.samples().session(None)).await.unwrap_err().to_string();
    assert!(full.contains("OOM"), "{full}");
    assert!(lives(&stores, &session).await);
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let read_only = stores.counters.add("x", 1, Duration::from_secs(60)).await.unwrap_err().to_string();
    assert!(read_only.to_lowercase().contains("read only") || read_only.contains("READONLY"), "{read_only}");
    redis.cli(&["REPLICAOF", "NO", "ONE"]);
    eventually("is back", BACK_WITHIN, async || healthy(&stores).await).await;
    stores.counters.add("x", 1, Duration::from_secs(60)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x27_two_nodes_count_exactly_claim_once_and_hear_each_others_revocations() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let site = Site::new(&redis.url(), Some(&postgres.url()));
    let nodes = [site.node().await, site.node().await];
    let samples = site.samples();
    let account = samples.stored_account(&nodes[0]).await;

    let flow = samples.flow(&account.id, samples.client());
    nodes[0].flows.open(&flow, Caps::default()).await.unwrap();
    let totp = samples.totp(&account.id);
    nodes[0].enrolments.enrol_first(&totp, &["code".to_owned()], 0).await.unwrap();
    let each = |n: usize| nodes[n % 2].clone();
    let id = flow.id.clone();
    let won = winners(|n| {
        let (node, id) = (each(n), id.clone());
        async move { node.flows.take(&id).await.unwrap().is_some() }
    });
    assert_eq!(won.await, 1, "a flow is taken once");
    let won = winners(|n| {
        let (node, id) = (each(n), totp.id.clone());
        async move { node.enrolments.claim_counter(&id, 11, Timestamp(1)).await.unwrap() }
    });
    assert_eq!(won.await, 1, "a TOTP step is claimed once");
    let won = winners(|n| {
        let (node, id) = (each(n), account.id.clone());
        async move { node.enrolments.claim_recovery(&id, "code", Timestamp(1)).await.unwrap() == Claim::Won }
    });
    assert_eq!(won.await, 1, "a recovery code is claimed once");
    let limited = winners(|n| {
        let node = each(n);
        async move { node.counters.add("limit", 1, Duration::from_secs(60)).await.unwrap().value <= 10 }
    });
    assert_eq!(limited.await, 10, "a limit of 10 lets exactly 10 through");

    let second = Duration::from_secs(1);
    let session = samples.session(Some(&account));
    nodes[0].sessions.put(&session).await.unwrap();
    assert!(lives(&nodes[1], &session).await);
    assert!(nodes[0].sessions.remove(&session.key).await.unwrap());
    eventually("a removal is heard", second, async || !lives(&nodes[1], &session).await).await;

    let token = samples.token(&account, None);
    nodes[0].ledger.insert(&token).await.unwrap();
    assert!(nodes[1].ledger.by_digest(&token.digest).await.unwrap().is_some());
    nodes[0].ledger.revoke(&token.id, site.clock.now()).await.unwrap();
    let dead = async || nodes[1].ledger.by_digest(&token.digest).await.unwrap().is_none();
    eventually("a revoked token is heard", second, dead).await;

    let session = samples.session(Some(&account));
    nodes[0].sessions.put(&session).await.unwrap();
    assert!(lives(&nodes[1], &session).await);
    nodes[0].accounts.set_state(&account.id, State::Suspended).await.unwrap();
    eventually("a suspension is heard", second, async || !lives(&nodes[1], &session).await).await;

    let session = site.signed_in(&nodes[0]).await;
    assert!(lives(&nodes[1], &session).await);
    let used = session.last_used.plus(Duration::from_secs(90));
    nodes[0].sessions.touch(&session.key, used).await.unwrap();
    let noted = async || nodes[1].sessions.get(&session.key).await.unwrap().unwrap().last_used == used;
    eventually("use on one node keeps the other from calling it idle", second, noted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_stops_sign_ins_and_not_what_is_proven() {
    let (redis, mut postgres) = (Redis::start(), Postgres::start());
    let site = Site::new(&redis.url(), Some(&postgres.url()));
    let stores = site.node().await;
    let session = site.signed_in(&stores).await;
    remembered(&redis, &stores, &session).await;
    postgres.kill();
    assert!(lives(&stores, &session).await);
    let start = Instant::now();
    stores.sessions.put(&site.samples().session(Some(&site.samples().account()))).await.expect_err("cannot say");
    assert!(start.elapsed() < Duration::from_millis(5_500), "{:?}", start.elapsed());
    postgres.restart();
    eventually("is back", Duration::from_secs(5), async || healthy(&stores).await).await;
    site.signed_in(&stores).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_frozen_is_waited_for_at_most_5_s() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let site = Site::new(&redis.url(), Some(&postgres.url()));
    let stores = site.node().await;
    let session = site.signed_in(&stores).await;
    remembered(&redis, &stores, &session).await;
    postgres.pause();
    let start = Instant::now();
    let asked = futures_util::future::join_all((0..30).map(|_| stores.accounts.account(session.account().unwrap())));
    assert!(asked.await.iter().all(Result::is_err));
    assert!(start.elapsed() < Duration::from_millis(5_500), "{:?}", start.elapsed());
    assert!(lives(&stores, &session).await, "what is proven needs no database");
    postgres.resume();
    eventually("is back", Duration::from_secs(5), async || healthy(&stores).await).await;
    site.signed_in(&stores).await;
}

#[tokio::test]
async fn x28_a_subscription_that_breaks_hides_no_revocation_for_longer_than_the_lease() {
    let redis = Redis::start();
    let site = Site::new(&redis.url(), None);
    let nodes = [site.node().await, site.node().await];
    let session = site.signed_in(&nodes[0]).await;
    remembered(&redis, &nodes[1], &session).await;
    redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    nodes[0].sessions.remove(&session.key).await.unwrap();
    let within = Duration::from_secs(1);
    eventually("the removal shows", within, async || !lives(&nodes[1], &session).await).await;
}

#[tokio::test]
async fn x28_without_a_lease_every_request_asks_the_store() {
    let redis = Redis::start();
    let site = Site::new(&redis.url(), None);
    let nodes = [site.node().await, site.node().await];
    let (removed, suspended) = (site.signed_in(&nodes[0]).await, site.signed_in(&nodes[0]).await);
    remembered(&redis, &nodes[1], &removed).await;
    remembered(&redis, &nodes[1], &suspended).await;
    // Commands are answered, notices are not carried.
    redis.cli(&["ACL", "SETUSER", "default", "resetchannels"]);
    let lost = async || !nodes[1].health().await.lease;
    eventually("the lease is lost", Duration::from_secs(3), lost).await;
    assert!(lives(&nodes[1], &suspended).await, "read through");
    nodes[0].sessions.remove(&removed.key).await.unwrap();
    nodes[0].accounts.set_state(suspended.account().unwrap(), State::Suspended).await.unwrap();
    assert!(!lives(&nodes[1], &removed).await, "at once");
    assert!(!lives(&nodes[1], &suspended).await, "at once");
    redis.cli(&["ACL", "SETUSER", "default", "allchannels"]);
    eventually("the lease is back", BACK_WITHIN, async || healthy(&nodes[1]).await).await;
}

#[tokio::test]
async fn x27_a_revocation_that_could_not_be_told_is_told_as_soon_as_it_can_be() {
    let redis = Redis::start();
    let site = Site::new(&redis.url(), None);
    let hearing = site.node().await;
    redis.cli(&["ACL", "SETUSER", "mute", "on", ">secret", "~*", "resetchannels", "+@all"]);
    let state = redis.url().replace("redis://", "redis://mute:secret@");
    let mute = Config { state, ..site.config.clone() };
    let mute = open(&mute, site.ring.clone(), site.clock.clone(), Arc::new(SystemRng)).await.unwrap();
    let session = site.signed_in(&hearing).await;
    remembered(&redis, &hearing, &session).await;
    let epoch = mute.accounts.raise_epoch(session.account().unwrap()).await.unwrap();
    assert_eq!(epoch, Some(1), "the database took it");
    redis.cli(&["ACL", "SETUSER", "mute", "allchannels"]);
    let within = Duration::from_secs(1);
    eventually("the notice arrives", within, async || !lives(&hearing, &session).await).await;
}
