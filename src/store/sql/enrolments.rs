//! Factors and the codes that open enrolment. Claims are conditional updates: one caller sees one changed row.

use super::{Database, row::Columns, within};
use crate::{
    keys::Sealed,
    mfa::enrolment::{Claim, EnrolmentProof, EnrolmentStore, Enrolments, TotpEnrolment},
    types::{AccountId, SiteName, Timestamp, Unavailable},
};
use async_trait::async_trait;
use sqlx::{Any, Transaction, any::AnyRow};

#[async_trait]
impl EnrolmentStore for Database {
    async fn enrolments(&self, account: &AccountId) -> Result<Enrolments, Unavailable> {
        let devices = sqlx::query("SELECT * FROM totp WHERE account = $1 ORDER BY created, id").bind(account.as_str());
        let codes = sqlx::query_scalar("SELECT count(*) FROM recovery_codes WHERE account = $1 AND used IS NULL")
            .bind(account.as_str());
        within(async {
            let totp = devices.fetch_all(&self.read).await?.iter().map(totp).collect::<Result<_, _>>()?;
            let left: i64 = codes.fetch_one(&self.read).await?;
            Ok(Enrolments { totp, recovery_left: u32::try_from(left).unwrap_or(u32::MAX) })
        })
        .await
    }

    async fn enrol_first(&self, totp: &TotpEnrolment, recovery: &[String]) -> Result<bool, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            // First, because it locks the account's row: of two flows that race, one waits here and then sees the
            // other's device. It also ends what a reset reserved for the help desk.
            clear(&mut tx, "UPDATE accounts SET enrol_by_help_desk_only = 0 WHERE id = $1", &totp.account).await?;
            let devices: i64 = sqlx::query_scalar("SELECT count(*) FROM totp WHERE account = $1")
                .bind(totp.account.as_str())
                .fetch_one(&mut *tx)
                .await?;
            if devices > 0 {
                tx.rollback().await?;
                return Ok(false);
            }
            insert_totp(&mut tx, totp).await?;
            clear(&mut tx, "DELETE FROM recovery_codes WHERE account = $1", &totp.account).await?;
            for digest in recovery {
                sqlx::query("INSERT INTO recovery_codes (account, digest) VALUES ($1, $2)")
                    .bind(totp.account.as_str())
                    .bind(digest.as_str())
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn claim_step(&self, enrolment: &str, step: i64) -> Result<bool, Unavailable> {
        let query =
            sqlx::query("UPDATE totp SET last_step = $2 WHERE id = $1 AND last_step < $2").bind(enrolment).bind(step);
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
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

    async fn reset(&self, account: &AccountId) -> Result<(), Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            clear(&mut tx, "DELETE FROM totp WHERE account = $1", account).await?;
            clear(&mut tx, "DELETE FROM recovery_codes WHERE account = $1", account).await?;
            // A code given out before the reset must not open the enrolment after it.
            clear(&mut tx, "DELETE FROM enrolment_codes WHERE account = $1", account).await?;
            clear(&mut tx, "UPDATE accounts SET enrol_by_help_desk_only = 1 WHERE id = $1", account).await?;
            tx.commit().await
        })
        .await
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

async fn clear(tx: &mut Transaction<'_, Any>, statement: &'static str, account: &AccountId) -> Result<(), sqlx::Error> {
    sqlx::query(statement).bind(account.as_str()).execute(&mut **tx).await.map(|_| ())
}

async fn insert_totp(tx: &mut Transaction<'_, Any>, totp: &TotpEnrolment) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO totp (id, account, label, secret, last_step, created, site, rule, proof)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(totp.id.as_str())
    .bind(totp.account.as_str())
    .bind(totp.label.as_str())
    .bind(totp.secret.as_text())
    .bind(totp.last_step)
    .bind(totp.created.0)
    .bind(totp.site.as_str())
    .bind(totp.rule.as_str())
    .bind(totp.proof.as_str())
    .execute(&mut **tx)
    .await
    .map(|_| ())
}

fn totp(row: &AnyRow) -> Result<TotpEnrolment, sqlx::Error> {
    let row = Columns(row);
    Ok(TotpEnrolment {
        id: row.text("id")?,
        account: AccountId::new(row.text("account")?),
        label: row.text("label")?,
        secret: Sealed::from_text(row.text("secret")?),
        last_step: row.int("last_step")?,
        created: row.time("created")?,
        site: SiteName::new(row.text("site")?),
        rule: row.text("rule")?,
        proof: row.word("proof", EnrolmentProof::parse)?,
    })
}
