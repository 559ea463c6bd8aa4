//! The state store of a single node: one SQLite file of its own, so that sessions, pending sign-ins and lock-outs
//! survive a restart and a `kill -9` (attack X5).
//!
//! WAL with `synchronous=NORMAL`: a commit is in the operating system's hands when the call returns, so a killed
//! process loses nothing; a power cut may lose the last commits but never corrupts the file. What must survive even
//! that (TOTP steps, recovery codes) is in the database (design R5).
//!
//! A lock file keeps a second process off: two gateways on one embedded store would each cache what the other
//! revokes.

mod ops;

use super::OpenStoreError;
use crate::types::{Clock, Timestamp, Unavailable};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{fs, path::Path, sync::Arc, time::Duration};
use tokio::task::JoinHandle;

/// The format that this version reads and writes (SQLite's `user_version`).
const FORMAT: i64 = 1;
/// How long a caller waits for the file: as long as for the database (X7).
const DEADLINE: Duration = Duration::from_secs(5);
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// Rows of one purge, so that the writer is never held for long.
const PURGE_ROWS: i64 = 5_000;
/// Members of a due queue whose flow has long gone.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Embedded {
    write: SqlitePool,
    read: SqlitePool,
    clock: Arc<dyn Clock>,
    purge: JoinHandle<()>,
    /// Released by the operating system when the process ends, however it ends.
    lock: std::sync::Mutex<Option<fs::File>>,
}

impl Embedded {
    pub async fn open(directory: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenStoreError> {
        super::files::private_directory(directory)?;
        let lock = lock(&directory.join("state.lock"))?;
        let path = directory.join("state.db");
        super::files::private_file(&path)?;

        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(DEADLINE);
        let pool = |size| SqlitePoolOptions::new().max_connections(size).acquire_timeout(DEADLINE);
        let write = pool(1).connect_with(options.clone()).await.map_err(OpenStoreError::state)?;
        prepare(&write).await?;
        let read = pool(4).connect_with(options.read_only(true)).await.map_err(OpenStoreError::state)?;

        let purge = tokio::spawn(purge(write.clone(), clock.clone()));
        Ok(Self { write, read, clock, purge, lock: std::sync::Mutex::new(Some(lock)) })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn shut(&self) {
        self.purge.abort();
        self.read.close().await;
        self.write.close().await;
        // Last: only now may another process open the file.
        if let Ok(mut lock) = self.lock.lock() {
            lock.take();
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.purge.abort();
    }
}

fn lock(path: &Path) -> Result<fs::File, OpenStoreError> {
    super::files::private_file(path)?;
    let file = fs::OpenOptions::new().write(true).open(path).map_err(|e| OpenStoreError::file(path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(OpenStoreError::InUse(path.to_owned())),
        Err(fs::TryLockError::Error(error)) => Err(OpenStoreError::file(path, error)),
    }
}

async fn prepare(pool: &SqlitePool) -> Result<(), OpenStoreError> {
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(pool).await.map_err(OpenStoreError::state)?;
    if found > FORMAT {
        return Err(OpenStoreError::Newer { store: "state", found, known: FORMAT });
    }
    sqlx::raw_sql(include_str!("schema.sql")).execute(pool).await.map_err(OpenStoreError::state)?;
    sqlx::raw_sql("PRAGMA user_version = 1").execute(pool).await.map_err(OpenStoreError::state)?;
    Ok(())
}

/// Removes what has expired. Nothing depends on it but the file's size.
async fn purge(pool: SqlitePool, clock: Arc<dyn Clock>) {
    loop {
        tokio::time::sleep(PURGE_EVERY).await;
        let now = clock.now();
        for (statement, before) in [
            ("DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE expires <= $1 LIMIT $2)", now),
            ("DELETE FROM counters WHERE key IN (SELECT key FROM counters WHERE resets <= $1 LIMIT $2)", now),
            (
                "DELETE FROM members WHERE rowid IN (SELECT rowid FROM members WHERE score <= $1 LIMIT $2)",
                now.minus(FORGOTTEN),
            ),
        ] {
            if let Err(error) = sqlx::query(statement).bind(before.0).bind(PURGE_ROWS).execute(&pool).await {
                tracing::warn!(%error, "expired state could not be purged; it will be tried again");
            }
        }
    }
}

/// One operation with its deadline: a locked or dead disk answers "cannot say" instead of holding a request.
async fn within<T>(operation: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Unavailable> {
    match tokio::time::timeout(DEADLINE, operation).await {
        Ok(result) => result.map_err(Unavailable::state),
        Err(_) => Err(Unavailable::state("no answer within 5 s")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemClock;

    #[tokio::test]
    async fn a_second_process_is_refused_and_a_closed_store_opens_again() {
        let dir = crate::store::files::tests::Scratch::new();
        let first = Embedded::open(dir.path(), Arc::new(SystemClock)).await.unwrap();
        let second = Embedded::open(dir.path(), Arc::new(SystemClock)).await;
        let message = second.err().unwrap().to_string();
        assert!(message.contains("another vestibule process"), "{message}");
        first.shut().await;
        Embedded::open(dir.path(), Arc::new(SystemClock)).await.unwrap();
    }

    #[tokio::test]
    async fn x30_a_newer_format_is_refused() {
        let dir = crate::store::files::tests::Scratch::new();
        let store = Embedded::open(dir.path(), Arc::new(SystemClock)).await.unwrap();
        sqlx::raw_sql("PRAGMA user_version = 99").execute(&store.write).await.unwrap();
        store.shut().await;
        drop(store);
        let again = Embedded::open(dir.path(), Arc::new(SystemClock)).await;
        assert!(matches!(again, Err(OpenStoreError::Newer { found: 99, .. })));
    }
}
