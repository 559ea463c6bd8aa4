//! The bundle of ports: everything that lasts longer than a request.
//!
//! Two stores (design §6). **State**: sessions, flows, counters, notices between nodes; embedded by default, Redis
//! for more than one node. **Database**: accounts, enrolments, the ledger, audit, mail; SQLite by default, PostgreSQL for
//! more than one node. Nothing outside this module knows which one is in use, and only `app` imports it.
//!
//! ```text
//!   SessionStore  FlowStore  Counters   LedgerStore  AccountStore   EnrolmentStore  LocalStore  AuditStore  MailQueue
//!        └── cached ──┐   │      │          └── cached ──┘                │            │           │          │
//!                   state (JSON, sealed)                        sql (one text for both)
//!                  kv: embedded │ redis                         SQLite │ PostgreSQL
//! ```
//!
//! **Fail closed** (design R4). Every operation ends within a deadline; an answer that does not come, or does not
//! parse, is [`Unavailable`], never "not found".
//!
//! **Adding a backend**: implement the private `kv::Kv` (state) or make `sql::Database` open it (database), add its
//! line to [`STORES`], and run [`contract`] against it.

mod cached;
#[doc(hidden)]
pub mod contract;
mod embedded;
mod files;
mod kv;
mod redis;
mod sql;
mod state;

use crate::{
    accounts::{AccountStore, LmsGroupStore},
    audit::AuditStore,
    chain::local::LocalStore,
    flow::step::FlowStore,
    keys::SharedKeyring,
    limits::Counters,
    mfa::{
        enrolment::EnrolmentStore, exemption::ExemptionStore, factors::device::DeviceStore, known::KnownStore,
        marks::MarkStore, takeover::TakeoverStore,
    },
    outbound::mail::MailQueue,
    sessions::SessionStore,
    tokens::LedgerStore,
    types::{Clock, Rng},
};
use cached::{CachedAccounts, CachedKnown, CachedLedger, CachedSessions, Gate, Hub, Touches};
use futures_util::future::BoxFuture;
use kv::Kv;
use serde::Deserialize;
use sql::{Database, SqlLedger};
use state::{State, StateCounters, StateFlows, StateSessions};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::task::JoinHandle;

/// `store:` in gateway.yaml. Secrets in URLs have been resolved.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `embedded`, or `redis://…`, `rediss://user:password@host:port/db`. `?ca_file=/path.pem` names a private CA.
    pub state: String,
    /// Where the embedded state store keeps `state.db`.
    pub directory: PathBuf,
    /// `sqlite:path`, or `postgres://…`.
    pub database: String,
    /// How long proven sessions go on while the state store is unreachable; 0 = not at all (design §8).
    pub grace_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            state: "embedded".into(),
            directory: "data".into(),
            database: "sqlite:data/vestibule.db".into(),
            grace_seconds: 30,
        }
    }
}

impl std::fmt::Debug for Config {
    /// Without the URLs, which hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = |url: &str| url.split(':').next().unwrap_or_default().to_owned();
        f.debug_struct("Config")
            .field("state", &scheme(&self.state))
            .field("directory", &self.directory)
            .field("database", &scheme(&self.database))
            .field("grace_seconds", &self.grace_seconds)
            .finish()
    }
}

/// Why the stores did not open. All of these are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    #[error("{} is in use by another vestibule process; one embedded store serves one process, use Redis for more", .0.display())]
    InUse(PathBuf),
    #[error("{}: {cause}", path.display())]
    File { path: PathBuf, cause: std::io::Error },
    #[error(
        "the {store} has format {found}, this version knows formats up to {known}; \
         start the newer version, or restore the backup that was made before it"
    )]
    Newer { store: &'static str, found: i64, known: i64 },
    #[error("{key}: expected {expected}")]
    Scheme { key: &'static str, expected: &'static str },
    #[error("the state store cannot be opened: {0}")]
    State(String),
    #[error("the database cannot be opened: {0}")]
    Database(String),
}

impl OpenStoreError {
    fn state(cause: impl std::fmt::Display) -> Self {
        Self::State(cause.to_string())
    }
    fn database(cause: impl std::fmt::Display) -> Self {
        Self::Database(cause.to_string())
    }
    fn file(path: &Path, cause: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), cause }
    }
}

/// The ports, opened.
#[derive(Clone)]
pub struct Stores {
    pub sessions: Arc<dyn SessionStore>,
    pub flows: Arc<dyn FlowStore>,
    pub counters: Arc<dyn Counters>,
    pub accounts: Arc<dyn AccountStore>,
    pub enrolments: Arc<dyn EnrolmentStore>,
    pub devices: Arc<dyn DeviceStore>,
    pub marks: Arc<dyn MarkStore>,
    pub known: Arc<dyn KnownStore>,
    pub exemptions: Arc<dyn ExemptionStore>,
    pub lms_groups: Arc<dyn LmsGroupStore>,
    pub takeovers: Arc<dyn TakeoverStore>,
    pub ledger: Arc<dyn LedgerStore>,
    pub locals: Arc<dyn LocalStore>,
    pub audit: Arc<dyn AuditStore>,
    pub mail: Arc<dyn MailQueue>,
    handle: Arc<Handle>,
}

/// What the stores say of themselves, asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    pub state: bool,
    pub database: bool,
    /// Remembered sessions are served without asking. Always so with the embedded store.
    pub lease: bool,
}

/// What belongs to the stores as a whole, and ends with them.
struct Handle {
    kv: Arc<dyn Kv>,
    database: Database,
    hub: Arc<Hub>,
    touches: Touches,
    worker: JoinHandle<()>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

/// How a state backend is opened.
type Open = for<'a> fn(&'a Config, Arc<dyn Clock>, Arc<dyn Rng>) -> BoxFuture<'a, Result<Arc<dyn Kv>, OpenStoreError>>;

/// The state backends, by what their `store.state` begins with.
const STORES: &[(&str, Open)] = &[("embedded", open_embedded), ("redis", open_redis), ("rediss", open_redis)];

fn open_embedded(
    config: &Config,
    clock: Arc<dyn Clock>,
    _rng: Arc<dyn Rng>,
) -> BoxFuture<'_, Result<Arc<dyn Kv>, OpenStoreError>> {
    Box::pin(async move { Ok(Arc::new(embedded::Embedded::open(&config.directory, clock).await?) as Arc<dyn Kv>) })
}

fn open_redis(
    config: &Config,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> BoxFuture<'_, Result<Arc<dyn Kv>, OpenStoreError>> {
    Box::pin(async move { Ok(Arc::new(redis::Redis::open(&config.state, clock, rng)?) as Arc<dyn Kv>) })
}

/// Opens both stores and brings the database to this version's format.
pub async fn open(
    config: &Config,
    ring: SharedKeyring,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Stores, OpenStoreError> {
    let scheme = config.state.split(':').next().unwrap_or_default();
    let (_, open) = STORES
        .iter()
        .find(|(name, _)| *name == scheme)
        .ok_or(OpenStoreError::Scheme { key: "store.state", expected: "embedded, redis:// or rediss://" })?;
    let kv = open(config, clock.clone(), rng.clone()).await?;
    let database = Database::open(&config.database).await?;
    let state = State { kv, ring, rng, clock };
    Ok(assemble(state, database, Duration::from_secs(config.grace_seconds)))
}

/// Whether the database is there, in this version's format. Makes and changes nothing.
pub async fn is_current(config: &Config) -> Result<bool, OpenStoreError> {
    Database::is_current(&config.database).await
}

fn assemble(state: State, database: Database, grace: Duration) -> Stores {
    let hub = Arc::new(Hub::new(state.clone(), grace));
    state.kv.listen(hub.clone());
    let (touches, queue) = Touches::new(hub.written.clone());
    let sessions = StateSessions(state.clone());
    let ledger = SqlLedger(database.clone());
    let worker = tokio::spawn(cached::worker(queue, hub.clone(), sessions.clone(), ledger.clone()));
    let direct: Arc<dyn AccountStore> = Arc::new(database.clone());
    let gate = Gate(direct.clone());
    let clock = state.clock.clone();
    let known = Arc::new(CachedKnown { hub: hub.clone(), inner: database.clone() });
    Stores {
        sessions: Arc::new(CachedSessions {
            hub: hub.clone(),
            inner: sessions,
            ledger: ledger.clone(),
            gate: gate.clone(),
            touches: touches.clone(),
            clock: clock.clone(),
        }),
        flows: Arc::new(StateFlows(state.clone())),
        counters: Arc::new(StateCounters(state.clone())),
        accounts: Arc::new(CachedAccounts { hub: hub.clone(), inner: direct }),
        enrolments: Arc::new(database.clone()),
        devices: Arc::new(database.clone()),
        marks: Arc::new(database.clone()),
        known: known.clone(),
        exemptions: known.clone(),
        lms_groups: known,
        takeovers: Arc::new(database.clone()),
        ledger: Arc::new(CachedLedger { hub: hub.clone(), inner: ledger, gate, touches: touches.clone(), clock }),
        locals: Arc::new(database.clone()),
        audit: Arc::new(database.clone()),
        mail: Arc::new(database.clone()),
        handle: Arc::new(Handle { kv: state.kv, database, hub, touches, worker }),
    }
}

impl Stores {
    pub async fn health(&self) -> Health {
        let (state, database) = tokio::join!(self.handle.kv.ping(), self.handle.database.ping());
        Health { state: state.is_ok(), database: database.is_ok(), lease: self.handle.hub.lease_held() }
    }

    /// Writes what is queued and lets go of files and connections. Whatever is asked afterwards is `Unavailable`.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(5), self.handle.touches.drain()).await;
        self.handle.worker.abort();
        self.handle.kv.close().await;
        self.handle.database.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        keys::Keyring,
        types::{SystemClock, SystemRng, Timestamp},
    };

    #[test]
    fn i11_an_unknown_key_is_an_error() {
        let config: Config = serde_yaml::from_str("{}").unwrap();
        assert_eq!((config.state.as_str(), config.grace_seconds), ("embedded", 30));
        let unknown = serde_yaml::from_str::<Config>("grace: 5").unwrap_err().to_string();
        assert!(unknown.contains("unknown field `grace`"), "{unknown}");
    }

    #[test]
    fn i6_debug_shows_no_password() {
        let state = "rediss://user:hunter2@redis:6380".to_owned();
        let config = Config { database: "postgres://u:hunter2@db/v".into(), state, ..Config::default() };
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_store_of_an_unknown_kind_is_named_by_its_key() {
        let dir = files::tests::Scratch::new();
        let ring = Arc::new(arc_swap::ArcSwap::from_pointee(Keyring::generate(&SystemRng, Timestamp(0))));
        for (state, database, key) in
            [("memcached://x", "sqlite:x", "store.state"), ("embedded", "mysql://u:hunter2@x/y", "store.database")]
        {
            let directory = dir.path().to_owned();
            let config = Config { state: state.into(), database: database.into(), directory, grace_seconds: 0 };
            let refused = open(&config, ring.clone(), Arc::new(SystemClock), Arc::new(SystemRng)).await.err().unwrap();
            let message = refused.to_string();
            assert!(message.contains(key) && !message.contains("hunter2"), "{message}");
        }
    }
}
