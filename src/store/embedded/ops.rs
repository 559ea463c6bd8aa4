//! The operations of [`Kv`] in SQL. Each is one statement or one `BEGIN IMMEDIATE` transaction on the single writer
//! connection, which is what makes them atomic.

use super::{Embedded, within};
use crate::{
    limits::Count,
    store::kv::{Heard, Key, Kind, Kv, Listener},
    types::{Timestamp, Unavailable},
};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};

#[async_trait]
impl Kv for Embedded {
    async fn get(&self, key: &Key) -> Result<Option<String>, Unavailable> {
        let query = sqlx::query_scalar("SELECT value FROM entries WHERE key = $1 AND expires > $2")
            .bind(key.as_str())
            .bind(self.now().0);
        within(query.fetch_optional(&self.read)).await
    }

    async fn put(&self, key: &Key, value: &str, ttl: Duration) -> Result<(), Unavailable> {
        let query = sqlx::query(
            "INSERT INTO entries (key, value, expires) VALUES ($1, $2, $3)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires",
        )
        .bind(key.as_str())
        .bind(value)
        .bind(self.now().plus(ttl).0);
        within(query.execute(&self.write)).await.map(|_| ())
    }

    async fn put_new(&self, key: &Key, value: &str, ttl: Duration) -> Result<bool, Unavailable> {
        let now = self.now();
        let query = sqlx::query(
            "INSERT INTO entries (key, value, expires) VALUES ($1, $2, $3)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires = excluded.expires
             WHERE entries.expires <= $4",
        )
        .bind(key.as_str())
        .bind(value)
        .bind(now.plus(ttl).0)
        .bind(now.0);
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn swap(&self, key: &Key, expected: &str, new: &str, ttl: Duration) -> Result<bool, Unavailable> {
        let now = self.now();
        let query =
            sqlx::query("UPDATE entries SET value = $3, expires = $4 WHERE key = $1 AND value = $2 AND expires > $5")
                .bind(key.as_str())
                .bind(expected)
                .bind(new)
                .bind(now.plus(ttl).0)
                .bind(now.0);
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn take(&self, key: &Key, expected: &str) -> Result<bool, Unavailable> {
        let query = sqlx::query("DELETE FROM entries WHERE key = $1 AND value = $2 AND expires > $3")
            .bind(key.as_str())
            .bind(expected)
            .bind(self.now().0);
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn remove(&self, key: &Key) -> Result<bool, Unavailable> {
        let statement = match key.kind() {
            Kind::Counter => "DELETE FROM counters WHERE key = $1 AND resets > $2",
            _ => "DELETE FROM entries WHERE key = $1 AND expires > $2",
        };
        let query = sqlx::query(statement).bind(key.as_str()).bind(self.now().0);
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn scan(&self, kind: Kind, limit: usize) -> Result<Vec<(Key, String)>, Unavailable> {
        let prefix = kind.prefix();
        // `;` follows `:` in ASCII: the range is every key that begins with the prefix.
        let end = prefix.trim_end_matches(':').to_owned() + ";";
        let query =
            sqlx::query_as("SELECT key, value FROM entries WHERE key >= $1 AND key < $2 AND expires > $3 LIMIT $4")
                .bind(&prefix)
                .bind(&end)
                .bind(self.now().0)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows: Vec<(String, String)> = within(query.fetch_all(&self.read)).await?;
        Ok(rows
            .into_iter()
            .map(|(key, value)| (Key::of_digest(kind, key.trim_start_matches(&prefix)), value))
            .collect())
    }

    async fn add(&self, key: &Key, by: i64, window: Duration) -> Result<Count, Unavailable> {
        let now = self.now();
        let resets = now.plus(window);
        // Taking back never opens a window. A clock that went back must not leave a window longer than asked for.
        let statement = if by > 0 {
            "INSERT INTO counters (key, value, resets) VALUES ($1, $2, $4)
             ON CONFLICT (key) DO UPDATE SET
               value = CASE WHEN resets <= $3 THEN 0 ELSE value END + $2,
               resets = CASE WHEN resets <= $3 THEN $4 ELSE min(resets, $4) END
             RETURNING value, resets"
        } else {
            "UPDATE counters SET value = max(0, value + $2), resets = min(resets, $4)
             WHERE key = $1 AND resets > $3 RETURNING value, resets"
        };
        let query = sqlx::query_as(statement).bind(key.as_str()).bind(by).bind(now.0).bind(resets.0);
        let row: Option<(i64, i64)> = within(query.fetch_optional(&self.write)).await?;
        let (value, resets) = row.unwrap_or((0, now.0));
        Ok(Count { value, resets_in: Timestamp(resets).since(now) })
    }

    async fn count(&self, key: &Key) -> Result<Count, Unavailable> {
        let now = self.now();
        let query = sqlx::query_as("SELECT value, resets FROM counters WHERE key = $1 AND resets > $2")
            .bind(key.as_str())
            .bind(now.0);
        let row: Option<(i64, i64)> = within(query.fetch_optional(&self.read)).await?;
        let (value, resets) = row.unwrap_or((0, now.0));
        Ok(Count { value, resets_in: Timestamp(resets).since(now) })
    }

    async fn index_add(
        &self,
        index: &Key,
        member: &str,
        until: Timestamp,
        cap: usize,
    ) -> Result<Vec<String>, Unavailable> {
        let now = self.now();
        within(async {
            let mut tx = self.write.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query("DELETE FROM members WHERE name = $1 AND score <= $2")
                .bind(index.as_str())
                .bind(now.0)
                .execute(&mut *tx)
                .await?;
            sqlx::query(INSERT_MEMBER).bind(index.as_str()).bind(member).bind(until.0).execute(&mut *tx).await?;
            let gone = sqlx::query_scalar(
                "DELETE FROM members WHERE name = $1 AND member IN
                   (SELECT member FROM members WHERE name = $1 ORDER BY score DESC, rowid DESC LIMIT -1 OFFSET $2)
                 RETURNING member",
            )
            .bind(index.as_str())
            .bind(i64::try_from(cap).unwrap_or(i64::MAX))
            .fetch_all(&mut *tx)
            .await?;
            tx.commit().await?;
            Ok(gone)
        })
        .await
    }

    async fn index_list(&self, index: &Key, limit: usize) -> Result<Vec<String>, Unavailable> {
        let query = sqlx::query_scalar("SELECT member FROM members WHERE name = $1 AND score > $2 LIMIT $3")
            .bind(index.as_str())
            .bind(self.now().0)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        within(query.fetch_all(&self.read)).await
    }

    async fn index_remove(&self, index: &Key, member: &str) -> Result<(), Unavailable> {
        let query =
            sqlx::query("DELETE FROM members WHERE name = $1 AND member = $2").bind(index.as_str()).bind(member);
        within(query.execute(&self.write)).await.map(|_| ())
    }

    async fn due_add(&self, queue: &Key, member: &str, due: Timestamp) -> Result<(), Unavailable> {
        let query = sqlx::query(INSERT_MEMBER).bind(queue.as_str()).bind(member).bind(due.0);
        within(query.execute(&self.write)).await.map(|_| ())
    }

    async fn due_list(&self, queue: &Key, now: Timestamp, limit: usize) -> Result<Vec<String>, Unavailable> {
        let query = sqlx::query_scalar(
            "SELECT member FROM members WHERE name = $1 AND score <= $2 ORDER BY score, rowid LIMIT $3",
        )
        .bind(queue.as_str())
        .bind(now.0)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        within(query.fetch_all(&self.read)).await
    }

    async fn publish(&self, _message: &str) -> Result<(), Unavailable> {
        Ok(()) // the lock file sees to it that there is no other node
    }

    fn listen(&self, _listener: Arc<dyn Listener>) {}

    fn heard(&self) -> Heard {
        Heard::Everything
    }

    async fn ping(&self) -> Result<(), Unavailable> {
        within(sqlx::query("SELECT 1").execute(&self.read)).await.map(|_| ())
    }

    async fn close(&self) {
        self.shut().await;
    }
}

const INSERT_MEMBER: &str = "INSERT INTO members (name, member, score) VALUES ($1, $2, $3)
     ON CONFLICT (name, member) DO UPDATE SET score = excluded.score";
