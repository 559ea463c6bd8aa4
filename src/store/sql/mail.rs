//! The queue of letters. A lease is taken by a conditional update on what it was before: of several nodes that read the
//! same row, one changes it.

use super::{Database, row::Columns, within};
use crate::{
    keys::Sealed,
    outbound::mail::{Claimed, Enqueued, MailQueue, Waiting},
    types::{Timestamp, Unavailable},
};
use async_trait::async_trait;
use sqlx::any::AnyRow;

#[async_trait]
impl MailQueue for Database {
    async fn enqueue(&self, letter: &Waiting, most: u32) -> Result<Enqueued, Unavailable> {
        // Counted and inserted in one statement; with PostgreSQL, inserts at the same moment may pass by each other
        // and go a few over.
        let query = sqlx::query(
            "INSERT INTO mail (id, created, due, attempts, leased_until, holder, sealed)
             SELECT $1, $2, $2, 0, 0, '', $3 WHERE (SELECT count(*) FROM mail) < $4",
        )
        .bind(letter.id.as_str())
        .bind(letter.created.0)
        .bind(letter.sealed.as_text())
        .bind(i64::from(most));
        let inserted = within(query.execute(&self.write)).await?.rows_affected() == 1;
        Ok(if inserted { Enqueued::Yes } else { Enqueued::Full })
    }

    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Claimed>, Unavailable> {
        let due = sqlx::query("SELECT * FROM mail WHERE due <= $1 AND leased_until <= $1 ORDER BY due, id LIMIT $2")
            .bind(now.0)
            .bind(i64::from(limit));
        let rows = within(due.fetch_all(&self.read)).await?;
        let mut won = Vec::new();
        for row in &rows {
            let (letter, leased_until) = claimed(row).map_err(Unavailable::database)?;
            let lease = sqlx::query(
                "UPDATE mail SET leased_until = $3, holder = $4 WHERE id = $1 AND leased_until = $2 AND due <= $5",
            )
            .bind(letter.id.as_str())
            .bind(leased_until)
            .bind(until.0)
            .bind(holder)
            .bind(now.0);
            if within(lease.execute(&self.write)).await?.rows_affected() == 1 {
                won.push(letter);
            }
        }
        Ok(won)
    }

    async fn remove(&self, id: &str, holder: &str) -> Result<bool, Unavailable> {
        let query = sqlx::query("DELETE FROM mail WHERE id = $1 AND holder = $2").bind(id).bind(holder);
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn postpone(&self, id: &str, holder: &str, due: Timestamp, attempts: u32) -> Result<bool, Unavailable> {
        let query = sqlx::query(
            "UPDATE mail SET due = $3, attempts = $4, leased_until = 0, holder = '' WHERE id = $1 AND holder = $2",
        )
        .bind(id)
        .bind(holder)
        .bind(due.0)
        .bind(i64::from(attempts));
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn waiting(&self) -> Result<u32, Unavailable> {
        let count: i64 = within(sqlx::query_scalar("SELECT count(*) FROM mail").fetch_one(&self.read)).await?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

/// A row, and the lease it had.
fn claimed(row: &AnyRow) -> Result<(Claimed, i64), sqlx::Error> {
    let row = Columns(row);
    let letter = Claimed {
        id: row.text("id")?,
        created: row.time("created")?,
        attempts: u32::try_from(row.int("attempts")?).unwrap_or(u32::MAX),
        sealed: Sealed::from_text(row.text("sealed")?),
    };
    Ok((letter, row.int("leased_until")?))
}
