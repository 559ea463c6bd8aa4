//! The database: accounts, methods, bindings, enrolments, devices, the ledger, audit, mail. SQLite by default, PostgreSQL for more
//! than one node.
//!
//! One text per statement for both, through sqlx's `Any` driver: `$N` placeholders, 64-bit integers for times (ms)
//! and booleans, JSON text for lists. What differs is in this file (pools, pragmas) and three words of the
//! migrations.
//!
//! Whatever must not count twice is one conditional update whose row count is the answer (design R5): that is exact
//! on both databases at their default isolation and needs no lock of ours.

mod accounts;
mod audit;
mod bindings;
mod devices;
mod enrolments;
mod known;
mod ledger;
mod lms_groups;
mod local;
mod methods;
mod mail;
mod marks;
mod migrate;
mod row;
mod standing;
mod takeovers;

pub(super) use ledger::SqlLedger;

use super::OpenStoreError;
use crate::types::Unavailable;
use sqlx::{
    Any, AnyPool, Executor, Transaction,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use std::{str::FromStr, sync::Once, time::Duration};

/// How long a caller waits for the database, queueing included (attack X7).
const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

/// Pools onto one database. Cheap to clone.
#[derive(Clone)]
pub(super) struct Database {
    /// With SQLite one connection: its writers exclude each other anyway, and here they queue fairly.
    write: AnyPool,
    read: AnyPool,
    dialect: Dialect,
}

impl Database {
    pub async fn open(url: &str) -> Result<Self, OpenStoreError> {
        drivers();
        let database = match url.split_once(':') {
            Some(("sqlite", path)) => Self::sqlite(path.trim_start_matches("//")).await?,
            Some(("postgres" | "postgresql", _)) => Self::postgres(url).await?,
            _ => return Err(OpenStoreError::Scheme { key: "store.database", expected: "sqlite: or postgres:" }),
        };
        migrate::run(&database).await?;
        Ok(database)
    }

    /// Looks without making or migrating anything.
    pub async fn is_current(url: &str) -> Result<bool, OpenStoreError> {
        drivers();
        let options = match url.split_once(':') {
            Some(("sqlite", path)) => {
                let path = path.trim_start_matches("//");
                let path = path.split_once('?').map_or(path, |(path, _)| path);
                if !std::path::Path::new(path).exists() {
                    return Ok(false);
                }
                format!("sqlite:{}?mode=rw", percent_encoding::utf8_percent_encode(path, PATH))
            }
            _ => url.to_owned(),
        };
        let options = AnyConnectOptions::from_str(&options).map_err(OpenStoreError::database)?;
        let pool = pool(1, "SELECT 1").connect_with(options).await.map_err(OpenStoreError::database)?;
        // An error: there is no such table, hence no database of ours.
        let found: Result<Option<i64>, _> =
            sqlx::query_scalar("SELECT max(version) FROM schema_version").fetch_one(&pool).await;
        pool.close().await;
        Ok(matches!(found, Ok(Some(version)) if version == migrate::KNOWN))
    }

    async fn sqlite(path: &str) -> Result<Self, OpenStoreError> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let file = std::path::Path::new(path);
        if let Some(directory) = file.parent() {
            super::files::private_directory(directory)?;
        }
        super::files::private_file(file)?;
        let escaped = percent_encoding::utf8_percent_encode(path, PATH);
        let options =
            AnyConnectOptions::from_str(&format!("sqlite:{escaped}?mode=rw")).map_err(OpenStoreError::database)?;
        // FULL, unlike the embedded state store: a used recovery code must stay used after a power cut.
        let write = pool(
            1,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000",
        );
        let read = pool(4, "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON");
        Ok(Self {
            // The writer first: it makes the file a WAL database before a reader looks.
            write: write.connect_with(options.clone()).await.map_err(OpenStoreError::database)?,
            read: read.connect_with(options).await.map_err(OpenStoreError::database)?,
            dialect: Dialect::Sqlite,
        })
    }

    async fn postgres(url: &str) -> Result<Self, OpenStoreError> {
        let options = AnyConnectOptions::from_str(url).map_err(OpenStoreError::database)?;
        // A statement that outlives our patience is ended there too, not only forgotten here.
        let pool = pool(16, "SET statement_timeout = 5000; SET lock_timeout = 5000");
        let write = pool.connect_with(options).await.map_err(OpenStoreError::database)?;
        Ok(Self { read: write.clone(), write, dialect: Dialect::Postgres })
    }

    async fn begin(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        match self.dialect {
            // Takes the write lock at once: a read that turns into a write later may be refused without waiting.
            Dialect::Sqlite => self.write.begin_with("BEGIN IMMEDIATE").await,
            Dialect::Postgres => self.write.begin().await,
        }
    }

    /// Whether it answers, asked now.
    pub async fn ping(&self) -> Result<(), Unavailable> {
        within(sqlx::query("SELECT 1").execute(&self.read)).await.map(|_| ())
    }

    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

fn drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
}

/// What may not stand in the path of a `sqlite:` URL as it is.
const PATH: &percent_encoding::AsciiSet =
    &percent_encoding::CONTROLS.add(b' ').add(b'?').add(b'#').add(b'%').add(b'"').add(b'<').add(b'>').add(b'`');

fn pool(size: u32, at_connect: &'static str) -> AnyPoolOptions {
    AnyPoolOptions::new().max_connections(size).acquire_timeout(DEADLINE).after_connect(move |connection, _| {
        Box::pin(async move { connection.execute(sqlx::raw_sql(at_connect)).await.map(|_| ()) })
    })
}

/// One operation with its deadline. Past it the answer is "cannot say", even if the write still happens: callers
/// fail closed, and what claims something has then claimed it for nobody.
async fn within<T>(operation: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Unavailable> {
    match tokio::time::timeout(DEADLINE, operation).await {
        Ok(result) => result.map_err(Unavailable::database),
        Err(_) => Err(Unavailable::database("no answer within 5 s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::tests::Scratch;

    #[tokio::test]
    async fn x7_a_write_behind_a_foreign_lock_waits_at_most_5_s_then_cannot_say() {
        let dir = Scratch::new();
        let url = format!("sqlite:{}/v.db", dir.path().display());
        let (ours, other) = (Database::open(&url).await.unwrap(), Database::open(&url).await.unwrap());
        let lock = other.begin().await.unwrap();
        let start = std::time::Instant::now();
        let writes = futures_util::future::join_all(
            (0..4).map(|_| within(sqlx::query("INSERT INTO audit (at, line) VALUES (0, '')").execute(&ours.write))),
        );
        assert!(writes.await.iter().all(Result::is_err));
        assert!(start.elapsed() < DEADLINE + Duration::from_millis(800), "{:?}", start.elapsed());
        ours.ping().await.expect("readers are not held up");
        lock.rollback().await.unwrap();
        within(sqlx::query("INSERT INTO audit (at, line) VALUES (0, '')").execute(&ours.write)).await.unwrap();
    }

    #[tokio::test]
    async fn an_odd_path_is_a_file_name_and_nothing_else() {
        let dir = Scratch::new();
        Database::open(&format!("sqlite:{}/ä %41#b.db", dir.path().display())).await.unwrap();
        assert!(dir.path().join("ä %41#b.db").is_file());
    }
}
