//! Methods: linking, moving, counting. Each is one transaction; what must be unique is the table's key.

use super::{Database, row::Columns, within};
use crate::{
    accounts::{Created, LinkedBy, Method, Vouched},
    types::{AccountId, SourceId, Subject, Unavailable},
};
use sqlx::{Any, Transaction, any::AnyRow};
use std::collections::BTreeSet;

impl Database {
    pub(super) async fn find_method(
        &self,
        source: &SourceId,
        subject: &Subject,
    ) -> Result<Option<Method>, Unavailable> {
        let query = sqlx::query("SELECT * FROM methods WHERE source = $1 AND subject = $2")
            .bind(source.as_str())
            .bind(subject.as_str());
        within(async { query.fetch_optional(&self.read).await?.as_ref().map(method).transpose() }).await
    }

    pub(super) async fn link_method(&self, method: &Method) -> Result<Created, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            if !insert_method(&mut tx, method).await? {
                return tx.rollback().await.map(|()| Created::Taken);
            }
            if method.primary {
                set_primary(&mut tx, &method.account, &method.source, &method.subject).await?;
            }
            unite_groups(&mut tx, &method.account).await?;
            tx.commit().await.map(|()| Created::Yes)
        })
        .await
    }

    pub(super) async fn unlink_method(
        &self,
        account: &AccountId,
        source: &SourceId,
        subject: &Subject,
    ) -> Result<bool, Unavailable> {
        // Never the primary, hence never the last: one of an account's methods is its primary.
        let query =
            sqlx::query("DELETE FROM methods WHERE account = $1 AND source = $2 AND subject = $3 AND primary_flag = 0")
                .bind(account.as_str())
                .bind(source.as_str())
                .bind(subject.as_str());
        within(async {
            let mut tx = self.begin().await?;
            let gone = query.execute(&mut *tx).await?.rows_affected() == 1;
            unite_groups(&mut tx, account).await?;
            tx.commit().await.map(|()| gone)
        })
        .await
    }

    pub(super) async fn make_method_primary(
        &self,
        account: &AccountId,
        source: &SourceId,
        subject: &Subject,
    ) -> Result<bool, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            match set_primary(&mut tx, account, source, subject).await? {
                true => tx.commit().await.map(|()| true),
                false => tx.rollback().await.map(|()| false),
            }
        })
        .await
    }

    pub(super) async fn count_methods(&self) -> Result<Vec<(SourceId, u64)>, Unavailable> {
        let query = sqlx::query("SELECT source, count(*) AS n FROM methods GROUP BY source ORDER BY source");
        let counted = |row: &AnyRow| {
            let row = Columns(row);
            Ok((SourceId::new(row.text("source")?), row.unsigned("n")?))
        };
        within(async { query.fetch_all(&self.read).await?.iter().map(counted).collect() }).await
    }

    pub(super) async fn list_methods_of(
        &self,
        source: &SourceId,
        after: Option<&Subject>,
        limit: u32,
    ) -> Result<Vec<Method>, Unavailable> {
        let query = sqlx::query("SELECT * FROM methods WHERE source = $1 AND subject > $2 ORDER BY subject LIMIT $3")
            .bind(source.as_str())
            .bind(after.map_or("", Subject::as_str))
            .bind(i64::from(limit));
        within(async { query.fetch_all(&self.read).await?.iter().map(method).collect() }).await
    }

    pub(super) async fn move_one_method(
        &self,
        from: (&SourceId, &Subject),
        to: (&SourceId, &Subject),
    ) -> Result<Created, Unavailable> {
        let query = sqlx::query(
            "UPDATE methods SET source = $3, subject = $4, password_mark = NULL
             WHERE source = $1 AND subject = $2
               AND NOT EXISTS (SELECT 1 FROM methods WHERE source = $3 AND subject = $4)",
        )
        .bind(from.0.as_str())
        .bind(from.1.as_str())
        .bind(to.0.as_str())
        .bind(to.1.as_str());
        let moved = within(query.execute(&self.write)).await?.rows_affected() == 1;
        Ok(if moved { Created::Yes } else { Created::Taken })
    }

    pub(super) async fn rename_methods(&self, from: &SourceId, to: &SourceId) -> Result<Created, Unavailable> {
        let query = sqlx::query(
            "UPDATE methods SET source = $2 WHERE source = $1
               AND NOT EXISTS (SELECT 1 FROM methods AS mine JOIN methods AS theirs ON theirs.subject = mine.subject
                               WHERE mine.source = $1 AND theirs.source = $2)",
        )
        .bind(from.as_str())
        .bind(to.as_str());
        within(async {
            let mut tx = self.begin().await?;
            let moved = query.execute(&mut *tx).await?.rows_affected();
            let left: i64 = sqlx::query_scalar("SELECT count(*) FROM methods WHERE source = $1")
                .bind(from.as_str())
                .fetch_one(&mut *tx)
                .await?;
            match moved == 0 && left > 0 {
                true => tx.rollback().await.map(|()| Created::Taken),
                false => tx.commit().await.map(|()| Created::Yes),
            }
        })
        .await
    }

    pub(super) async fn drop_methods(&self, source: &SourceId) -> Result<u64, Unavailable> {
        let query = sqlx::query("DELETE FROM methods WHERE source = $1").bind(source.as_str());
        Ok(within(query.execute(&self.write)).await?.rows_affected())
    }

    pub(super) async fn merge_accounts(&self, from: &AccountId, into: &AccountId) -> Result<Created, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            let both: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM bindings AS a JOIN bindings AS b ON a.site = b.site
                 WHERE a.account = $1 AND b.account = $2",
            )
            .bind(from.as_str())
            .bind(into.as_str())
            .fetch_one(&mut *tx)
            .await?;
            if both > 0 {
                return tx.rollback().await.map(|()| Created::Taken);
            }
            let statements = [
                "UPDATE methods SET account = $2, primary_flag = 0 WHERE account = $1",
                "UPDATE bindings SET account = $2 WHERE account = $1",
                // They are read again, for the account that is asked about now.
                "DELETE FROM lms_groups WHERE account = $1 AND account <> $2",
                // The name is the other account's now as far as sign-in goes; history keeps the id.
                "UPDATE accounts SET state = 'gone', epoch = epoch + 1, username = NULL, email = NULL,
                   email_verified_by = NULL WHERE id = $1 AND id <> $2",
            ];
            for statement in statements {
                sqlx::query(statement).bind(from.as_str()).bind(into.as_str()).execute(&mut *tx).await?;
            }
            unite_groups(&mut tx, into).await?;
            tx.commit().await.map(|()| Created::Yes)
        })
        .await
    }

    pub(super) async fn vouch_for(
        &self,
        source: &SourceId,
        subject: &Subject,
        vouched: &Vouched<'_>,
    ) -> Result<(), Unavailable> {
        let groups = vouched.groups.map(json).transpose();
        within(async {
            let query = sqlx::query(
                "UPDATE methods SET vouched = $3, password_mark = coalesce($4, password_mark),
                   groups_json = coalesce($5, groups_json)
                 WHERE source = $1 AND subject = $2 RETURNING account",
            )
            .bind(source.as_str())
            .bind(subject.as_str())
            .bind(vouched.at.0)
            .bind(vouched.password_mark)
            .bind(groups?);
            let mut tx = self.begin().await?;
            if let Some(row) = query.fetch_optional(&mut *tx).await? {
                let account = AccountId::new(Columns(&row).text("account")?);
                if vouched.groups.is_some() {
                    unite_groups(&mut tx, &account).await?;
                    let query = sqlx::query("UPDATE accounts SET groups_at = $2 WHERE id = $1");
                    query.bind(account.as_str()).bind(vouched.at.0).execute(&mut *tx).await?;
                }
            }
            tx.commit().await
        })
        .await
    }
}

fn json(groups: &[String]) -> Result<String, sqlx::Error> {
    serde_json::to_string(groups).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// False where the account has no such method; the one that was primary is not any more.
pub(super) async fn set_primary(
    tx: &mut Transaction<'_, Any>,
    account: &AccountId,
    source: &SourceId,
    subject: &Subject,
) -> Result<bool, sqlx::Error> {
    let query = sqlx::query(
        "UPDATE methods SET primary_flag = CASE WHEN source = $2 AND subject = $3 THEN 1 ELSE 0 END
         WHERE account = $1 AND EXISTS (SELECT 1 FROM methods WHERE account = $1 AND source = $2 AND subject = $3)",
    )
    .bind(account.as_str())
    .bind(source.as_str())
    .bind(subject.as_str());
    Ok(query.execute(&mut **tx).await?.rows_affected() > 0)
}

/// The account's groups are those of all its methods, and of all sites whose LMS states them, together.
pub(super) async fn unite_groups(tx: &mut Transaction<'_, Any>, account: &AccountId) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "SELECT groups_json FROM methods WHERE account = $1 AND groups_json IS NOT NULL
         UNION ALL SELECT groups_json FROM lms_groups WHERE account = $1",
    );
    let rows = query.bind(account.as_str()).fetch_all(&mut **tx).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut all = BTreeSet::new();
    for row in &rows {
        all.extend(Columns(row).json::<Vec<String>>("groups_json")?);
    }
    let groups = json(&all.into_iter().collect::<Vec<_>>())?;
    let query = sqlx::query("UPDATE accounts SET groups_json = $2 WHERE id = $1");
    query.bind(account.as_str()).bind(groups).execute(&mut **tx).await.map(|_| ())
}

/// False where the method already belongs to somebody. A second caller waits here for the first one's commit.
pub(super) async fn insert_method(tx: &mut Transaction<'_, Any>, method: &Method) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO methods (source, subject, account, linked, linked_by, primary_flag, password_mark, groups_json,
           vouched)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    )
    .bind(method.source.as_str())
    .bind(method.subject.as_str())
    .bind(method.account.as_str())
    .bind(method.linked.0)
    .bind(method.linked_by.as_str())
    .bind(i64::from(method.primary))
    .bind(method.password_mark.as_deref())
    .bind(method.groups.as_deref().map(json).transpose()?)
    .bind(method.vouched.0)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) fn method(row: &AnyRow) -> Result<Method, sqlx::Error> {
    let row = Columns(row);
    let groups = row.maybe_text("groups_json")?.map(|_| row.json("groups_json")).transpose()?;
    Ok(Method {
        source: SourceId::new(row.text("source")?),
        subject: Subject::new(row.text("subject")?),
        account: AccountId::new(row.text("account")?),
        linked: row.time("linked")?,
        linked_by: row.word("linked_by", LinkedBy::parse)?,
        primary: row.flag("primary_flag")?,
        password_mark: row.maybe_text("password_mark")?,
        groups,
        vouched: row.time("vouched")?,
    })
}
