//! The database's copy of the audit log: append and read, newest first. Nothing here changes or removes a line.

use super::{Database, within};
use crate::{
    audit::{AuditStore, Line},
    types::{AccountId, Timestamp, Unavailable},
};
use async_trait::async_trait;
use sqlx::{Row, any::AnyRow};

#[async_trait]
impl AuditStore for Database {
    async fn append(&self, at: Timestamp, account: Option<&AccountId>, line: &str) -> Result<(), Unavailable> {
        let query = sqlx::query("INSERT INTO audit (at, account, line) VALUES ($1, $2, $3)")
            .bind(at.0)
            .bind(account.map(AccountId::as_str))
            .bind(line);
        within(query.execute(&self.write)).await.map(|_| ())
    }

    async fn recent(&self, account: Option<&AccountId>, limit: u32) -> Result<Vec<String>, Unavailable> {
        let query = match account {
            None => sqlx::query_scalar("SELECT line FROM audit ORDER BY id DESC LIMIT $1").bind(i64::from(limit)),
            Some(account) => sqlx::query_scalar("SELECT line FROM audit WHERE account = $2 ORDER BY id DESC LIMIT $1")
                .bind(i64::from(limit))
                .bind(account.as_str()),
        };
        within(query.fetch_all(&self.read)).await
    }

    async fn page(&self, before: Option<i64>, limit: u32) -> Result<Vec<Line>, Unavailable> {
        let query = sqlx::query("SELECT id, at, line FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2")
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit));
        let line = |row: &AnyRow| {
            Ok(Line { number: row.try_get("id")?, at: Timestamp(row.try_get("at")?), text: row.try_get("line")? })
        };
        within(async { query.fetch_all(&self.read).await?.iter().map(line).collect() }).await
    }
}
