//! The database's copy of the audit log: append and read, newest first. Nothing here changes or removes a line.

use super::{Database, within};
use crate::{
    audit::AuditStore,
    types::{AccountId, Timestamp, Unavailable},
};
use async_trait::async_trait;

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
}
