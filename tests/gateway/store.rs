//! The stores against real servers, and against what happens to servers (attacks I1 I2, faults X1 X2 X4 X5 X7 X27).

use crate::servers::{Postgres, Redis, Scratch, until};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{Arc, Once},
    time::{Duration, Instant},
};
use vestibule::{
    accounts::State,
    keys::{Keyring, SharedKeyring},
    sessions::Session,
    store::{
        Config, Health, Stores,
        contract::{self, HandClock, Samples, winners},
        open,
    },
    types::{Clock, RngExt, SystemRng, Timestamp},
};

/// No call may wait longer than this on a frozen Redis: its 250 ms and what two busy cores add.
const PATIENCE: Duration = Duration::from_millis(400);
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// What the nodes of one installation share.
struct Site {
    config: Config,
    ring: SharedKeyring,
    clock: Arc<HandClock>,
    _directory: Scratch,
}

impl Site {
    fn new(state: &str, database: Option<&str>) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        });
        let directory = Scratch::new("site");
        let own = format!("sqlite:{}", directory.path().join("vestibule.db").display());
        let config = Config {
            state: state.into(),
            directory: directory.path().into(),
            database: database.map_or(own, str::to_owned),
            grace_seconds: 3,
        };
        let ring = Arc::new(arc_swap::ArcSwap::from_pointee(Keyring::generate(&SystemRng, Timestamp(0))));
        Self { config, ring, clock: Arc::new(HandClock::at(Timestamp(1_800_000_000_000))), _directory: directory }
    }

    async fn node(&self) -> Stores {
        let stores = open(&self.config, self.ring.clone(), self.clock.clone(), Arc::new(SystemRng)).await.unwrap();
        eventually("the node is healthy", Duration::from_secs(5), async || healthy(&stores).await).await;
        stores
    }

    fn samples(&self) -> Samples {
        Samples::at(&*self.clock)
    }

    async fn signed_in(&self, stores: &Stores) -> Session {
        let samples = self.samples();
        let session = samples.session(Some(&samples.stored_account(stores).await));
        stores.sessions.put(&session).await.unwrap();
        session
    }
}

async fn healthy(stores: &Stores) -> bool {
    stores.health().await == Health { state: true, database: true, lease: true }
}

async fn eventually(what: &str, within: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn lives(stores: &Stores, session: &Session) -> bool {
    stores.sessions.get(&session.key).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_with_an_acl_user_and_postgresql_keep_the_contract() {
    let (redis, postgres) = (Redis::start_with_acl(), Postgres::start());
    let site = Site::new(&redis.url(), Some(&postgres.url()));
    let stores = site.node().await;
    contract::all(&stores, &site.clock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_over_tls_keeps_the_contract_and_a_foreign_ca_is_refused() {
    let redis = Redis::start_with_tls();
    let site = Site::new(&redis.url(), None);
    contract::state(&site.node().await, &site.clock).await;
    let public = Config { state: redis.url().split('?').next().unwrap().to_owned(), ..site.config.clone() };
    let refused = open(&public, site.ring.clone(), site.clock.clone(), Arc::new(SystemRng)).await.unwrap();
    assert!(refused.counters.add("x", 1, Duration::from_secs(60)).await.is_err());
}

#[tokio::test]
async fn i1_values_altered_moved_or_retyped_in_redis_are_absent() {
    let redis = Redis::start();
    let site = Site::new(&redis.url(), None);
    let stores = site.node().await;
    let samples = site.samples();
    let (mine, theirs) =
        (samples.flow(&samples.account().id, samples.client()), samples.flow(&samples.account().id, samples.client()));
    let key_of_newest = |known: &[String]| {
        let keys = redis.cli(&["KEYS", "vestibule:flow:*"]);
        keys.lines().map(str::to_owned).find(|key| !known.contains(key)).unwrap()
    };
    stores.flows.open(&mine).await.unwrap();
    let my_key = key_of_newest(&[]);
    stores.flows.open(&theirs).await.unwrap();
    let their_key = key_of_newest(std::slice::from_ref(&my_key));

    let rightful = redis.cli(&["GET", &my_key]).trim().to_owned();
    assert!(!rightful.contains("canary-cookie") && !my_key.contains(mine.id.expose()));
    for forged in [
        redis.cli(&["GET", &their_key]).trim().to_owned(),
        rightful[..rightful.len() - 6].to_owned() + "AAAAAA",
        rightful.replacen("18", "19", 1)[..20].to_owned(),
        String::new(),
        "9999999999999:{}".into(),
    ] {
        redis.cli(&["SET", &my_key, &forged]);
        assert!(stores.flows.get(&mine.id).await.unwrap().is_none(), "{forged}");
        assert!(stores.flows.take(&mine.id).await.unwrap().is_none(), "{forged}");
        assert!(!stores.flows.replace(&mine).await.unwrap(), "{forged}");
    }
    redis.cli(&["DEL", &my_key]);
    redis.cli(&["HSET", &my_key, "a", "b"]);
    assert!(stores.flows.get(&mine.id).await.unwrap().is_none());
    assert!(stores.flows.take(&mine.id).await.unwrap().is_none());
    redis.cli(&["DEL", &my_key]);
    redis.cli(&["SET", &my_key, &rightful]);
    assert!(stores.flows.take(&mine.id).await.unwrap().is_some(), "the harness itself can put a value back");

    let victim = site.signed_in(&stores).await;
    let victims_key = redis.cli(&["KEYS", "vestibule:session:*"]).trim().to_owned();
    let intruder = site.signed_in(&stores).await;
    let keys = redis.cli(&["KEYS", "vestibule:session:*"]);
    let intruders_key = keys.lines().find(|key| *key != victims_key).unwrap();
    redis.cli(&["COPY", &victims_key, intruders_key, "REPLACE"]);
    let other_node = site.node().await;
    assert!(!lives(&other_node, &intruder).await, "the victim's session under the intruder's key opens nothing");
    assert!(lives(&other_node, &victim).await);
}

#[tokio::test]
async fn i2_every_key_in_redis_has_our_shape_whatever_the_names() {
    let redis = Redis::start();
    let site = Site::new(&redis.url(), None);
    let stores = site.node().await;
    for name in ["a\r\nFLUSHALL\r\n", "*", "{x}", "vestibule:marker", "käse \u{202e}"] {
        stores.counters.add(name, 1, Duration::from_secs(60)).await.unwrap();
        let account = vestibule::types::AccountId::new(name);
        stores.flows.open(&site.samples().flow(&account, site.samples().client())).await.unwrap();
    }
    let keys = redis.cli(&["KEYS", "*"]);
    assert_eq!(keys.lines().filter(|key| key.starts_with("vestibule:counter:")).count(), 5);
    for key in keys.lines().filter(|key| *key != "vestibule:marker") {
        let (kind, digest) = key.strip_prefix("vestibule:").and_then(|rest| rest.split_once(':')).unwrap();
        assert!(kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{key}");
        assert!(digest.len() == 43 && digest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x1_redis_killed_proven_sessions_go_on_for_the_grace_and_everything_else_is_refused() {
    let mut redis = Redis::start();
    let site = Site::new(&redis.url(), None);
    let stores = site.node().await;
    let (session, stranger) = (site.signed_in(&stores).await, site.samples().session(None));
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
    assert!(lives(&two, &session).await);
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
    nodes[0].flows.open(&flow).await.unwrap();
    let totp = samples.totp(&account.id);
    nodes[0].enrolments.enrol(&totp, &["code".to_owned()]).await.unwrap();
    let each = |n: usize| nodes[n % 2].clone();
    let id = flow.id.clone();
    let won = winners(|n| {
        let (node, id) = (each(n), id.clone());
        async move { node.flows.take(&id).await.unwrap().is_some() }
    });
    assert_eq!(won.await, 1, "a flow is taken once");
    let won = winners(|n| {
        let (node, id) = (each(n), totp.id.clone());
        async move { node.enrolments.claim_step(&id, 11).await.unwrap() }
    });
    assert_eq!(won.await, 1, "a TOTP step is claimed once");
    let won = winners(|n| {
        let (node, id) = (each(n), account.id.clone());
        async move { node.enrolments.claim_recovery(&id, "code", Timestamp(1)).await.unwrap() }
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
    postgres.kill();
    assert!(lives(&stores, &session).await);
    let start = Instant::now();
    stores.sessions.put(&site.samples().session(Some(&site.samples().account()))).await.expect_err("cannot say");
    assert!(start.elapsed() < Duration::from_millis(5_500), "{:?}", start.elapsed());
    postgres.restart();
    eventually("is back", Duration::from_secs(5), async || healthy(&stores).await).await;
    site.signed_in(&stores).await;
}

/// What the killed child does: count and claim, and say so only after it was committed.
#[tokio::test]
#[ignore = "the child of x5_kill_9_keeps_what_was_committed"]
async fn x5_child() {
    let Ok(directory) = std::env::var("VESTIBULE_X5") else { return };
    let directory = std::path::Path::new(&directory);
    let ring = Keyring::parse(&std::fs::read_to_string(directory.join("keys")).unwrap()).unwrap();
    let config = Config {
        directory: directory.into(),
        database: format!("sqlite:{}", directory.join("vestibule.db").display()),
        ..Config::default()
    };
    let clock = Arc::new(HandClock::at(Timestamp(1_800_000_000_000)));
    let ring = Arc::new(arc_swap::ArcSwap::from_pointee(ring));
    let stores = open(&config, ring, clock.clone(), Arc::new(SystemRng)).await.unwrap();
    let samples = Samples::at(&*clock);
    let account = samples.stored_account(&stores).await;
    let codes: Vec<_> = (0..500).map(|_| SystemRng.opaque()).collect();
    stores.enrolments.enrol(&samples.totp(&account.id), &codes).await.unwrap();
    let mut line = std::io::stdout().lock();
    for code in codes {
        let count = stores.counters.add("failures", 1, Duration::from_secs(86_400)).await.unwrap().value;
        assert!(stores.enrolments.claim_recovery(&account.id, &code, clock.now()).await.unwrap());
        std::io::Write::write_all(&mut line, format!("did {count} {} {code}\n", account.id).as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn x5_kill_9_keeps_what_was_committed() {
    let directory = Scratch::new("x5");
    let ring = Keyring::generate(&SystemRng, Timestamp(0));
    std::fs::write(directory.path().join("keys"), ring.to_text().expose()).unwrap();
    let (mut counted, mut claimed) = (0, Vec::new());
    for round in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::x5_child", "--ignored", "--nocapture", "--test-threads", "1"])
            .env("VESTIBULE_X5", directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 1 + usize::from(SystemRng.array::<1>()[0]) / 4;
        for line in lines.map_while(Result::ok) {
            // The test harness writes on the same line before the first one.
            let Some((_, done)) = line.split_once("did ") else { continue };
            let words: Vec<_> = done.split(' ').collect();
            counted = words[0].parse::<i64>().unwrap();
            claimed.push((words[1].to_owned(), words[2].to_owned()));
            left -= 1;
            if left == 0 {
                break;
            }
        }
        assert_eq!(left, 0, "round {round}: the child came so far");
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
    }
    let config = Config {
        directory: directory.path().into(),
        database: format!("sqlite:{}", directory.path().join("vestibule.db").display()),
        ..Config::default()
    };
    let clock = Arc::new(HandClock::at(Timestamp(1_800_000_000_000)));
    let stores =
        open(&config, Arc::new(arc_swap::ArcSwap::from_pointee(ring)), clock, Arc::new(SystemRng)).await.unwrap();
    let value = stores.counters.value("failures").await.unwrap();
    assert!(value >= counted && counted >= 20, "committed {counted}, found {value}");
    for (account, code) in claimed {
        let account = vestibule::types::AccountId::new(account);
        assert!(!stores.enrolments.claim_recovery(&account, &code, Timestamp(1)).await.unwrap(), "used stays used");
    }
}

#[test]
fn the_harness_ends_what_it_started() {
    let redis = Redis::start();
    let url = redis.url();
    let address = url.trim_start_matches("redis://").trim_end_matches('/').to_owned();
    drop(redis);
    until("the port is closed", Duration::from_secs(5), || std::net::TcpStream::connect(&address).is_err());
}
