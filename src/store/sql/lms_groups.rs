//! Groups that an LMS stated, and their union with those of the methods.

use super::{Database, methods::unite_groups, row::Columns, within};
use crate::{
    accounts::{LastReading, LmsGroupStore, Reading},
    types::{AccountId, SiteName, Timestamp, Unavailable},
};
use async_trait::async_trait;
use sqlx::{Any, Row, Transaction};

#[async_trait]
impl LmsGroupStore for Database {
    async fn note_groups(
        &self,
        site: &SiteName,
        account: &AccountId,
        reading: Reading<'_>,
        at: Timestamp,
    ) -> Result<bool, Unavailable> {
        let (groups, readable) = match reading {
            Reading::Groups(groups) => (Some(serde_json::to_string(groups)), 1_i64),
            Reading::Unreadable => (None, 0),
        };
        within(async {
            let groups = groups.transpose().map_err(|error| sqlx::Error::Encode(error.into()))?;
            let mut tx = self.begin().await?;
            let before = sqlx::query("SELECT groups_json, readable FROM lms_groups WHERE site = $1 AND account = $2")
                .bind(site.as_str())
                .bind(account.as_str())
                .fetch_optional(&mut *tx)
                .await?;
            sqlx::query(
                "INSERT INTO lms_groups (site, account, groups_json, tried, readable)
                 VALUES ($1, $2, coalesce($3, '[]'), $4, $5)
                 ON CONFLICT (site, account) DO UPDATE SET groups_json = coalesce($3, lms_groups.groups_json),
                   tried = excluded.tried, readable = excluded.readable",
            )
            .bind(site.as_str())
            .bind(account.as_str())
            .bind(groups.as_deref())
            .bind(at.0)
            .bind(readable)
            .execute(&mut *tx)
            .await?;
            let news = match &before {
                None => true,
                Some(row) => {
                    let row = Columns(row);
                    let same = groups.is_none() || groups == row.maybe_text("groups_json")?;
                    !same || row.flag("readable")? != (readable == 1)
                }
            };
            if let Reading::Groups(_) = reading {
                unite_groups(&mut tx, account).await?;
                let query = sqlx::query("UPDATE accounts SET groups_at = $2 WHERE id = $1");
                query.bind(account.as_str()).bind(at.0).execute(&mut *tx).await?;
            }
            tx.commit().await.map(|()| news)
        })
        .await
    }

    async fn last_reading(&self, site: &SiteName, account: &AccountId) -> Result<Option<LastReading>, Unavailable> {
        let query = sqlx::query("SELECT tried, readable FROM lms_groups WHERE site = $1 AND account = $2")
            .bind(site.as_str())
            .bind(account.as_str());
        within(async {
            let row = query.fetch_optional(&self.read).await?;
            let last = |row| {
                let row = Columns(row);
                Ok(LastReading { at: row.time("tried")?, readable: row.flag("readable")? })
            };
            row.as_ref().map(last).transpose()
        })
        .await
    }

    async fn keep_groups_of(&self, sites: &[SiteName]) -> Result<(), Unavailable> {
        within(async {
            let rows = sqlx::query("SELECT DISTINCT site FROM lms_groups").fetch_all(&self.read).await?;
            for row in rows {
                let site: String = row.try_get(0)?;
                if sites.iter().any(|kept| kept.as_str() == site) {
                    continue;
                }
                let mut tx = self.begin().await?;
                let query = sqlx::query("DELETE FROM lms_groups WHERE site = $1 RETURNING account").bind(site);
                for row in query.fetch_all(&mut *tx).await? {
                    let account = AccountId::new(Columns(&row).text("account")?);
                    unite_groups(&mut tx, &account).await?;
                    forget_unread(&mut tx, &account).await?;
                }
                tx.commit().await?;
            }
            Ok(())
        })
        .await
    }
}

/// Where nobody states the account's groups any more, they were never read.
pub(super) async fn forget_unread(tx: &mut Transaction<'_, Any>, account: &AccountId) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "UPDATE accounts SET groups_json = '[]', groups_at = NULL WHERE id = $1
           AND NOT EXISTS (SELECT 1 FROM methods WHERE account = $1 AND groups_json IS NOT NULL)
           AND NOT EXISTS (SELECT 1 FROM lms_groups WHERE account = $1)",
    );
    query.bind(account.as_str()).execute(&mut **tx).await.map(|_| ())
}
