//! The suite against the embedded store and SQLite, and what only they promise.

use super::{HandClock, Samples, all};
use crate::{
    flow::step::Caps,
    keys::{Keyring, SharedKeyring},
    store::{Config, Health, Stores, files::tests::Scratch, open},
    types::{SystemRng, Timestamp},
};
use std::{sync::Arc, time::Duration};

struct Place {
    dir: Scratch,
    ring: SharedKeyring,
    clock: Arc<HandClock>,
}

impl Place {
    fn new() -> Self {
        let clock = Arc::new(HandClock::at(Timestamp(1_800_000_000_000)));
        let ring = Arc::new(arc_swap::ArcSwap::from_pointee(Keyring::generate(&SystemRng, Timestamp(0))));
        Self { dir: Scratch::new(), ring, clock }
    }
    async fn open(&self) -> Stores {
        let config = Config {
            directory: self.dir.path().into(),
            database: format!("sqlite:{}", self.dir.path().join("vestibule.db").display()),
            ..Config::default()
        };
        open(&config, self.ring.clone(), self.clock.clone(), Arc::new(SystemRng)).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_and_sqlite_keep_the_contract() {
    let place = Place::new();
    let stores = place.open().await;
    all(&stores, &place.clock).await;
    assert_eq!(stores.health().await, Health { state: true, database: true, lease: true });
    stores.close().await;
    assert_eq!(stores.health().await, Health { state: false, database: false, lease: true });
}

#[tokio::test]
async fn x17_a_restart_keeps_sessions_flows_and_counters() {
    let place = Place::new();
    let samples = Samples::at(&*place.clock);
    let stores = place.open().await;
    let account = samples.stored_account(&stores).await;
    let (session, flow) = (samples.session(Some(&account)), samples.flow(&account.id, samples.client()));
    stores.sessions.put(&session).await.unwrap();
    stores.flows.open(&flow, Caps::default()).await.unwrap();
    stores.counters.add("c", 3, Duration::from_secs(60)).await.unwrap();
    let used = samples.now.plus(Duration::from_secs(61));
    stores.sessions.touch(&session.key, used).await.unwrap();
    stores.close().await;

    let stores = place.open().await;
    assert_eq!(stores.sessions.get(&session.key).await.unwrap().unwrap().last_used, used, "written through at close");
    assert!(stores.flows.take(&flow.id).await.unwrap().is_some());
    assert_eq!(stores.counters.value("c").await.unwrap(), 3);
}

#[tokio::test]
async fn i1_values_of_a_foreign_keyring_are_absent_but_kept() {
    let place = Place::new();
    let samples = Samples::at(&*place.clock);
    let stores = place.open().await;
    let flow = samples.flow(&samples.account().id, samples.client());
    stores.flows.open(&flow, Caps::default()).await.unwrap();
    // The ring loses its keys but keeps its lookup digest, as an old copy of the file would.
    let rightful = place.ring.load_full();
    let mut text: serde_json::Value = serde_json::from_str(rightful.to_text().expose()).unwrap();
    let other: serde_json::Value =
        serde_json::from_str(Keyring::generate(&SystemRng, Timestamp(0)).to_text().expose()).unwrap();
    text["keys"] = other["keys"].clone();
    place.ring.store(Arc::new(Keyring::parse(&text.to_string()).unwrap()));
    assert!(stores.flows.get(&flow.id).await.unwrap().is_none());
    assert!(stores.flows.take(&flow.id).await.unwrap().is_none());
    place.ring.store(rightful);
    assert!(stores.flows.take(&flow.id).await.unwrap().is_some(), "the right keyring brings it back");
}

#[tokio::test]
async fn i6_nothing_of_a_flow_stands_in_the_state_file_in_clear() {
    let place = Place::new();
    let samples = Samples::at(&*place.clock);
    let stores = place.open().await;
    let flow = samples.flow(&samples.account().id, samples.client());
    stores.flows.open(&flow, Caps::default()).await.unwrap();
    stores.close().await;
    for name in ["state.db", "state.db-wal"] {
        let bytes = std::fs::read(place.dir.path().join(name)).unwrap_or_default();
        for secret in ["canary-cookie", flow.id.expose(), flow.pending.account.as_str()] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} in {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f13_a_session_put_while_its_account_is_disabled_does_not_survive() {
    let place = Place::new();
    let stores = place.open().await;
    let samples = Samples::at(&*place.clock);
    for _ in 0..20 {
        let account = samples.stored_account(&stores).await;
        let session = samples.session(Some(&account));
        let (put, disabled) = tokio::join!(
            stores.sessions.put(&session),
            stores.accounts.set_state(&account.id, crate::accounts::State::Suspended)
        );
        disabled.unwrap();
        drop(put); // either answer is right
        assert!(stores.sessions.get(&session.key).await.unwrap().is_none());
    }
}
