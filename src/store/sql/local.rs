//! Accounts of the source `local`. That a one-time password opens once is a conditional update.

use super::{Database, row::Columns, within};
use crate::{
    chain::local::{Inserted, LocalAccount, LocalStore, NewPassword, SPENT},
    types::{Secret, SourceId, Subject, Unavailable},
};
use async_trait::async_trait;
use sqlx::{Any, Transaction, any::AnyRow};

#[async_trait]
impl LocalStore for Database {
    async fn by_username(&self, source: &SourceId, username: &str) -> Result<Option<LocalAccount>, Unavailable> {
        let query = sqlx::query("SELECT * FROM local_accounts WHERE source = $1 AND username = $2")
            .bind(source.as_str())
            .bind(username);
        within(async { query.fetch_optional(&self.read).await?.as_ref().map(account).transpose() }).await
    }

    async fn by_id(&self, source: &SourceId, id: &Subject) -> Result<Option<LocalAccount>, Unavailable> {
        let query = sqlx::query("SELECT * FROM local_accounts WHERE source = $1 AND id = $2")
            .bind(source.as_str())
            .bind(id.as_str());
        within(async { query.fetch_optional(&self.read).await?.as_ref().map(account).transpose() }).await
    }

    async fn insert(&self, accounts: &[LocalAccount]) -> Result<Inserted, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            for account in accounts {
                if !insert_one(&mut tx, account).await? {
                    tx.rollback().await?;
                    return Ok(Inserted::Taken);
                }
            }
            tx.commit().await?;
            Ok(Inserted::All)
        })
        .await
    }

    async fn set_password(&self, source: &SourceId, id: &Subject, new: &NewPassword) -> Result<bool, Unavailable> {
        let query = sqlx::query(
            "UPDATE local_accounts SET hash = $3, password_changed = $4, must_change = $5, one_time = $6
             WHERE source = $1 AND id = $2",
        )
        .bind(source.as_str())
        .bind(id.as_str())
        .bind(new.hash.expose().as_str())
        .bind(new.at.0)
        .bind(i64::from(new.must_change))
        .bind(i64::from(new.one_time));
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn rehash(&self, source: &SourceId, id: &Subject, old: &str, new: &str) -> Result<bool, Unavailable> {
        let query = sqlx::query(
            "UPDATE local_accounts SET hash = $4 WHERE source = $1 AND id = $2 AND hash = $3 AND one_time = 0",
        )
        .bind(source.as_str())
        .bind(id.as_str())
        .bind(old)
        .bind(new);
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn spend(&self, source: &SourceId, id: &Subject, hash: &str) -> Result<bool, Unavailable> {
        // `password_changed` stays: it is what sessions are held against, and the one that this opens must live.
        let query = sqlx::query(
            "UPDATE local_accounts SET hash = $4, one_time = 0
             WHERE source = $1 AND id = $2 AND hash = $3 AND one_time = 1",
        )
        .bind(source.as_str())
        .bind(id.as_str())
        .bind(hash)
        .bind(SPENT);
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn list(&self, source: &SourceId, after: Option<&str>, limit: u32) -> Result<Vec<LocalAccount>, Unavailable> {
        let query =
            sqlx::query("SELECT * FROM local_accounts WHERE source = $1 AND username > $2 ORDER BY username LIMIT $3")
                .bind(source.as_str())
                .bind(after.unwrap_or_default())
                .bind(i64::from(limit));
        within(async { query.fetch_all(&self.read).await?.iter().map(account).collect() }).await
    }

    async fn remove(&self, source: &SourceId, id: &Subject) -> Result<bool, Unavailable> {
        let query = sqlx::query("DELETE FROM local_accounts WHERE source = $1 AND id = $2")
            .bind(source.as_str())
            .bind(id.as_str());
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }
}

/// False where its name, or its id, is taken.
async fn insert_one(tx: &mut Transaction<'_, Any>, account: &LocalAccount) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO local_accounts (source, id, username, hash, first_name, last_name, name, email, created,
           password_changed, must_change, one_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
    )
    .bind(account.source.as_str())
    .bind(account.id.as_str())
    .bind(account.username.as_str())
    .bind(account.hash.expose().as_str())
    .bind(account.first_name.as_deref())
    .bind(account.last_name.as_deref())
    .bind(account.name.as_deref())
    .bind(account.email.as_deref())
    .bind(account.created.0)
    .bind(account.password_changed.0)
    .bind(i64::from(account.must_change))
    .bind(i64::from(account.one_time))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn account(row: &AnyRow) -> Result<LocalAccount, sqlx::Error> {
    let row = Columns(row);
    Ok(LocalAccount {
        source: SourceId::new(row.text("source")?),
        id: Subject::new(row.text("id")?),
        username: row.text("username")?,
        hash: Secret::new(row.text("hash")?),
        first_name: row.maybe_text("first_name")?,
        last_name: row.maybe_text("last_name")?,
        name: row.maybe_text("name")?,
        email: row.maybe_text("email")?,
        created: row.time("created")?,
        password_changed: row.time("password_changed")?,
        must_change: row.flag("must_change")?,
        one_time: row.flag("one_time")?,
    })
}
