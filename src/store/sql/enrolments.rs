//! Factors and the codes that open enrolment. Claims are conditional updates: one caller sees one changed row.

use super::{Database, row::Columns, within};
use crate::{
    keys::Sealed,
    mfa::enrolment::{Claim, Enrolled, Enrolment, EnrolmentProof, EnrolmentStore, Enrolments, MOST},
    types::{AccountId, EnrolmentId, FactorKind, SiteName, Timestamp, Unavailable},
};
use async_trait::async_trait;
use sqlx::{Any, Transaction, any::AnyRow};

#[async_trait]
impl EnrolmentStore for Database {
    async fn enrolments(&self, account: &AccountId) -> Result<Enrolments, Unavailable> {
        let factors =
            sqlx::query("SELECT * FROM enrolments WHERE account = $1 ORDER BY created, id").bind(account.as_str());
        let codes = sqlx::query_scalar("SELECT count(*) FROM recovery_codes WHERE account = $1 AND used IS NULL")
            .bind(account.as_str());
        within(async {
            let all = factors.fetch_all(&self.read).await?.iter().map(enrolment).collect::<Result<_, _>>()?;
            let left: i64 = codes.fetch_one(&self.read).await?;
            Ok(Enrolments { all, recovery_left: u32::try_from(left).unwrap_or(u32::MAX) })
        })
        .await
    }

    async fn by_handle(&self, handle: &str) -> Result<Option<Enrolment>, Unavailable> {
        let query = sqlx::query("SELECT * FROM enrolments WHERE handle = $1").bind(handle);
        within(async { query.fetch_optional(&self.read).await?.as_ref().map(enrolment).transpose() }).await
    }

    async fn enrol_first(&self, first: &Enrolment, recovery: &[String], seen: usize) -> Result<bool, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            // First, because it locks the account's row: of two flows that race, one waits here and then sees the
            // other's device. It also ends what a reset reserved for the help desk.
            run(&mut tx, "UPDATE accounts SET enrol_by_help_desk_only = 0 WHERE id = $1", &first.account).await?;
            if count(&mut tx, &first.account).await? != i64::try_from(seen).unwrap_or(i64::MAX) {
                tx.rollback().await?;
                return Ok(false);
            }
            insert(&mut tx, first).await?;
            put_recovery(&mut tx, &first.account, recovery).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn enrol(&self, further: &Enrolment) -> Result<Enrolled, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            run(&mut tx, LOCK, &further.account).await?;
            let taken: i64 = sqlx::query_scalar("SELECT count(*) FROM enrolments WHERE handle = $1")
                .bind(further.handle.as_deref())
                .fetch_one(&mut *tx)
                .await?;
            if taken > 0 {
                tx.rollback().await?;
                return Ok(Enrolled::Taken);
            }
            if count(&mut tx, &further.account).await? >= i64::from(MOST) {
                tx.rollback().await?;
                return Ok(Enrolled::Full);
            }
            match insert(&mut tx, further).await {
                // Somebody else's transaction was faster with the same handle.
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(Enrolled::Taken),
                Err(error) => Err(error),
                Ok(()) => tx.commit().await.map(|()| Enrolled::Yes),
            }
        })
        .await
    }

    async fn rename(&self, account: &AccountId, id: &EnrolmentId, label: &str) -> Result<bool, Unavailable> {
        let query = sqlx::query("UPDATE enrolments SET label = $3 WHERE id = $2 AND account = $1")
            .bind(account.as_str())
            .bind(id.as_str())
            .bind(label);
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn remove(&self, account: &AccountId, id: &EnrolmentId) -> Result<bool, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            run(&mut tx, LOCK, account).await?;
            let removed = sqlx::query("DELETE FROM enrolments WHERE id = $2 AND account = $1")
                .bind(account.as_str())
                .bind(id.as_str())
                .execute(&mut *tx)
                .await?;
            if count(&mut tx, account).await? == 0 {
                run(&mut tx, "DELETE FROM recovery_codes WHERE account = $1", account).await?;
                if removed.rows_affected() == 1 {
                    run(&mut tx, DESK_ONLY, account).await?;
                }
            }
            tx.commit().await?;
            Ok(removed.rows_affected() == 1)
        })
        .await
    }

    async fn suspend(&self, id: &EnrolmentId, suspended: bool) -> Result<bool, Unavailable> {
        let query = sqlx::query("UPDATE enrolments SET suspended = $2 WHERE id = $1 AND suspended <> $2")
            .bind(id.as_str())
            .bind(i64::from(suspended));
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn claim_counter(&self, id: &EnrolmentId, counter: i64, now: Timestamp) -> Result<bool, Unavailable> {
        let query = sqlx::query("UPDATE enrolments SET counter = $2, last_used = $3 WHERE id = $1 AND counter < $2")
            .bind(id.as_str())
            .bind(counter)
            .bind(now.0);
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn update_secret(&self, id: &EnrolmentId, secret: &Sealed<Vec<u8>>) -> Result<(), Unavailable> {
        let query =
            sqlx::query("UPDATE enrolments SET secret = $2 WHERE id = $1").bind(id.as_str()).bind(secret.as_text());
        within(query.execute(&self.write)).await.map(|_| ())
    }

    async fn used(&self, id: &EnrolmentId, now: Timestamp) -> Result<(), Unavailable> {
        let query = sqlx::query("UPDATE enrolments SET last_used = $2 WHERE id = $1").bind(id.as_str()).bind(now.0);
        within(query.execute(&self.write)).await.map(|_| ())
    }

    async fn claim_recovery(&self, account: &AccountId, digest: &str, now: Timestamp) -> Result<Claim, Unavailable> {
        let claim =
            sqlx::query("UPDATE recovery_codes SET used = $3 WHERE account = $1 AND digest = $2 AND used IS NULL")
                .bind(account.as_str())
                .bind(digest)
                .bind(now.0);
        if within(claim.execute(&self.write)).await?.rows_affected() == 1 {
            return Ok(Claim::Won);
        }
        let known = sqlx::query_scalar("SELECT count(*) FROM recovery_codes WHERE account = $1 AND digest = $2")
            .bind(account.as_str())
            .bind(digest);
        let known: i64 = within(known.fetch_one(&self.read)).await?;
        Ok(if known > 0 { Claim::Used } else { Claim::Unknown })
    }

    async fn replace_recovery(&self, account: &AccountId, digests: &[String]) -> Result<(), Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            run(&mut tx, LOCK, account).await?;
            put_recovery(&mut tx, account, digests).await?;
            tx.commit().await
        })
        .await
    }

    async fn reset(&self, account: &AccountId) -> Result<(), Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            run(&mut tx, "DELETE FROM enrolments WHERE account = $1", account).await?;
            run(&mut tx, "DELETE FROM recovery_codes WHERE account = $1", account).await?;
            // A code given out before the reset must not open the enrolment after it.
            run(&mut tx, "DELETE FROM enrolment_codes WHERE account = $1", account).await?;
            run(&mut tx, DESK_ONLY, account).await?;
            tx.commit().await
        })
        .await
    }

    async fn leave_to_help_desk(&self, account: &AccountId) -> Result<(), Unavailable> {
        within(sqlx::query(DESK_ONLY).bind(account.as_str()).execute(&self.write)).await.map(|_| ())
    }

    async fn put_enrolment_code(
        &self,
        account: &AccountId,
        digest: &str,
        expires: Timestamp,
    ) -> Result<(), Unavailable> {
        let query = sqlx::query(
            "INSERT INTO enrolment_codes (account, digest, expires) VALUES ($1, $2, $3)
             ON CONFLICT (account) DO UPDATE SET digest = excluded.digest, expires = excluded.expires",
        )
        .bind(account.as_str())
        .bind(digest)
        .bind(expires.0);
        within(query.execute(&self.write)).await.map(|_| ())
    }

    async fn claim_enrolment_code(
        &self,
        account: &AccountId,
        digest: &str,
        now: Timestamp,
    ) -> Result<bool, Unavailable> {
        let query = sqlx::query("DELETE FROM enrolment_codes WHERE account = $1 AND digest = $2 AND expires > $3")
            .bind(account.as_str())
            .bind(digest)
            .bind(now.0);
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }
}

/// Locks the account's row until the transaction ends.
pub(super) const LOCK: &str = "UPDATE accounts SET epoch = epoch WHERE id = $1";
const DESK_ONLY: &str = "UPDATE accounts SET enrol_by_help_desk_only = 1 WHERE id = $1";

pub(super) async fn run(
    tx: &mut Transaction<'_, Any>,
    statement: &'static str,
    account: &AccountId,
) -> Result<(), sqlx::Error> {
    sqlx::query(statement).bind(account.as_str()).execute(&mut **tx).await.map(|_| ())
}

pub(super) async fn count(tx: &mut Transaction<'_, Any>, account: &AccountId) -> Result<i64, sqlx::Error> {
    let query = sqlx::query_scalar("SELECT count(*) FROM enrolments WHERE account = $1");
    query.bind(account.as_str()).fetch_one(&mut **tx).await
}

async fn put_recovery(
    tx: &mut Transaction<'_, Any>,
    account: &AccountId,
    digests: &[String],
) -> Result<(), sqlx::Error> {
    run(tx, "DELETE FROM recovery_codes WHERE account = $1", account).await?;
    for digest in digests {
        sqlx::query("INSERT INTO recovery_codes (account, digest) VALUES ($1, $2)")
            .bind(account.as_str())
            .bind(digest.as_str())
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

pub(super) async fn insert(tx: &mut Transaction<'_, Any>, enrolment: &Enrolment) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO enrolments
           (id, account, kind, label, secret, detail, counter, handle, created, last_used, site, rule, proof, suspended)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(enrolment.id.as_str())
    .bind(enrolment.account.as_str())
    .bind(enrolment.kind.as_str())
    .bind(enrolment.label.as_str())
    .bind(enrolment.secret.as_text())
    .bind(enrolment.detail.as_str())
    .bind(enrolment.counter)
    .bind(enrolment.handle.as_deref())
    .bind(enrolment.created.0)
    .bind(enrolment.last_used.map(|at| at.0))
    .bind(enrolment.site.as_str())
    .bind(enrolment.rule.as_str())
    .bind(enrolment.proof.as_str())
    .bind(i64::from(enrolment.suspended))
    .execute(&mut **tx)
    .await
    .map(|_| ())
}

fn enrolment(row: &AnyRow) -> Result<Enrolment, sqlx::Error> {
    let row = Columns(row);
    Ok(Enrolment {
        id: EnrolmentId::new(row.text("id")?),
        account: AccountId::new(row.text("account")?),
        kind: row.word("kind", FactorKind::parse)?,
        label: row.text("label")?,
        secret: Sealed::from_text(row.text("secret")?),
        detail: row.text("detail")?,
        counter: row.int("counter")?,
        handle: row.maybe_text("handle")?,
        created: row.time("created")?,
        last_used: row.maybe_time("last_used")?,
        site: SiteName::new(row.text("site")?),
        rule: row.text("rule")?,
        proof: row.word("proof", EnrolmentProof::parse)?,
        suspended: row.flag("suspended")?,
    })
}
