//! What the policy must know of an account, and its exemptions.

use super::{Database, row::Columns, within};
use crate::{
    mfa::{
        exemption::{Exemption, ExemptionKind, ExemptionStore},
        known::{Known, KnownStore},
    },
    types::{AccountId, Timestamp, Unavailable},
};
use async_trait::async_trait;
use sqlx::{Row, any::AnyRow};
use std::sync::Arc;

#[async_trait]
impl KnownStore for Database {
    async fn known(&self, account: &AccountId) -> Result<Arc<Known>, Unavailable> {
        let of_account =
            sqlx::query("SELECT username, username_verified, groups_json, groups_at FROM accounts WHERE id = $1")
                .bind(account.as_str());
        let imported = sqlx::query("SELECT min(linked) FROM methods WHERE account = $1 AND linked_by = 'import'")
            .bind(account.as_str());
        let exempt = sqlx::query("SELECT max(until) FROM exemptions WHERE account = $1").bind(account.as_str());
        let unread = sqlx::query_scalar("SELECT count(*) FROM lms_groups WHERE account = $1 AND readable = 0")
            .bind(account.as_str());
        within(async {
            let Some(row) = of_account.fetch_optional(&self.read).await? else { return Ok(Arc::default()) };
            let row = Columns(&row);
            // One LMS that does not say is enough: nobody knows the union then (attack J16).
            let unread: i64 = unread.fetch_one(&self.read).await?;
            let known = Known {
                username: row.maybe_text("username")?.filter(|_| row.flag("username_verified").unwrap_or(false)),
                groups: row
                    .maybe_time("groups_at")?
                    .filter(|_| unread == 0)
                    .map(|_| row.json("groups_json"))
                    .transpose()?,
                imported: imported.fetch_one(&self.read).await?.try_get::<Option<i64>, _>(0)?.map(Timestamp),
                exempt: exempt.fetch_one(&self.read).await?.try_get::<Option<i64>, _>(0)?.map(Timestamp),
            };
            Ok(Arc::new(known))
        })
        .await
    }
}

#[async_trait]
impl ExemptionStore for Database {
    async fn exempt(&self, exemption: &Exemption) -> Result<(), Unavailable> {
        let query = sqlx::query(
            "INSERT INTO exemptions (account, kind, until, reason, given_by, created) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (account, kind) DO UPDATE SET until = excluded.until, reason = excluded.reason,
               given_by = excluded.given_by, created = excluded.created",
        )
        .bind(exemption.account.as_str())
        .bind(exemption.kind.as_str())
        .bind(exemption.until.0)
        .bind(exemption.reason.as_str())
        .bind(exemption.given_by.as_str())
        .bind(exemption.created.0);
        within(query.execute(&self.write)).await.map(|_| ())
    }

    async fn end_exemption(&self, account: &AccountId, kind: ExemptionKind) -> Result<bool, Unavailable> {
        let query = sqlx::query("DELETE FROM exemptions WHERE account = $1 AND kind = $2")
            .bind(account.as_str())
            .bind(kind.as_str());
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn exemptions(&self, account: &AccountId) -> Result<Vec<Exemption>, Unavailable> {
        let query = sqlx::query("SELECT * FROM exemptions WHERE account = $1 ORDER BY kind").bind(account.as_str());
        within(async { query.fetch_all(&self.read).await?.iter().map(exemption).collect() }).await
    }
}

fn exemption(row: &AnyRow) -> Result<Exemption, sqlx::Error> {
    let row = Columns(row);
    Ok(Exemption {
        account: AccountId::new(row.text("account")?),
        kind: row.word("kind", ExemptionKind::parse)?,
        until: row.time("until")?,
        reason: row.text("reason")?,
        given_by: row.text("given_by")?,
        created: row.time("created")?,
    })
}
