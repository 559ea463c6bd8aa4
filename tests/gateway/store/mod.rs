//! The stores against real servers: the contract, what somebody who holds Redis can do (I1, I2), and what happens to
//! servers (`faults`, `kill`).

mod faults;
mod kill;

use crate::servers::{Postgres, Redis, Scratch, until};
use std::{
    sync::{Arc, Once},
    time::{Duration, Instant},
};
use vestibule::{
    flow::step::Caps,
    keys::{Keyring, SharedKeyring},
    sessions::Session,
    store::{
        Config, Health, Stores,
        contract::{self, HandClock, Samples},
        open,
    },
    types::{AccountId, SystemRng, Timestamp},
};

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

/// Waits until a node answers for a session without asking Redis.
async fn remembered(redis: &Redis, stores: &Stores, session: &Session) {
    let reads = || {
        let stats = redis.cli(&["INFO", "commandstats"]);
        stats.lines().find(|line| line.starts_with("cmdstat_get:")).map(str::to_owned)
    };
    let remembers = async || {
        let before = reads();
        lives(stores, session).await && before == reads()
    };
    eventually("the node remembers the session", Duration::from_secs(5), remembers).await;
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
    stores.flows.open(&mine, Caps::default()).await.unwrap();
    let my_key = key_of_newest(&[]);
    stores.flows.open(&theirs, Caps::default()).await.unwrap();
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
        let account = AccountId::new(name);
        stores.flows.open(&site.samples().flow(&account, site.samples().client()), Caps::default()).await.unwrap();
    }
    let keys = redis.cli(&["KEYS", "*"]);
    assert_eq!(keys.lines().filter(|key| key.starts_with("vestibule:counter:")).count(), 5);
    for key in keys.lines().filter(|key| *key != "vestibule:marker") {
        let (kind, digest) = key.strip_prefix("vestibule:").and_then(|rest| rest.split_once(':')).unwrap();
        assert!(kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{key}");
        assert!(digest.len() == 43 && digest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{key}");
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
