//! Factors taken over from another system. The account's row is locked first, as for every enrolment: two imports that
//! run at once are one.

use super::{
    Database,
    enrolments::{LOCK, count, insert, run},
    within,
};
use crate::{
    mfa::{
        enrolment::MOST,
        takeover::{TakenOver, Takeover, TakeoverStore},
    },
    types::{SiteName, Unavailable},
};
use async_trait::async_trait;
use sqlx::{Any, Transaction};

#[async_trait]
impl TakeoverStore for Database {
    async fn take_over(&self, takeover: &Takeover) -> Result<TakenOver, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            run(&mut tx, LOCK, &takeover.enrolment.account).await?;
            let would = weigh(&mut tx, takeover).await?;
            if would != TakenOver::Now {
                tx.rollback().await?;
                return Ok(would);
            }
            note(&mut tx, takeover).await?;
            match insert(&mut tx, &takeover.enrolment).await {
                // Somebody else's transaction was faster with the same handle.
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(TakenOver::Taken),
                Err(error) => Err(error),
                Ok(()) => tx.commit().await.map(|()| TakenOver::Now),
            }
        })
        .await
    }

    async fn would_take_over(&self, takeover: &Takeover) -> Result<TakenOver, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            let would = weigh(&mut tx, takeover).await?;
            tx.rollback().await?;
            Ok(would)
        })
        .await
    }

    async fn was_taken_over(&self, site: &SiteName, foreign: u64) -> Result<bool, Unavailable> {
        let query = sqlx::query_scalar("SELECT count(*) FROM takeovers WHERE site = $1 AND foreign_id = $2")
            .bind(site.as_str())
            .bind(signed(foreign));
        let known: i64 = within(query.fetch_one(&self.read)).await?;
        Ok(known > 0)
    }
}

async fn weigh(tx: &mut Transaction<'_, Any>, takeover: &Takeover) -> Result<TakenOver, sqlx::Error> {
    let enrolment = &takeover.enrolment;
    let before: i64 = sqlx::query_scalar("SELECT count(*) FROM takeovers WHERE site = $1 AND foreign_id = $2")
        .bind(enrolment.site.as_str())
        .bind(signed(takeover.foreign))
        .fetch_one(&mut **tx)
        .await?;
    if before > 0 {
        return Ok(TakenOver::Before);
    }
    let taken: i64 = sqlx::query_scalar("SELECT count(*) FROM enrolments WHERE handle = $1")
        .bind(enrolment.handle.as_deref())
        .fetch_one(&mut **tx)
        .await?;
    Ok(match taken {
        0 if count(tx, &enrolment.account).await? >= i64::from(MOST) => TakenOver::Full,
        0 => TakenOver::Now,
        _ => TakenOver::Taken,
    })
}

async fn note(tx: &mut Transaction<'_, Any>, takeover: &Takeover) -> Result<(), sqlx::Error> {
    let enrolment = &takeover.enrolment;
    sqlx::query("INSERT INTO takeovers (site, foreign_id, account, enrolment) VALUES ($1, $2, $3, $4)")
        .bind(enrolment.site.as_str())
        .bind(signed(takeover.foreign))
        .bind(enrolment.account.as_str())
        .bind(enrolment.id.as_str())
        .execute(&mut **tx)
        .await
        .map(|_| ())
}

/// Both databases count in signed 64 bits, and so does the one the number is from.
fn signed(foreign: u64) -> i64 {
    i64::try_from(foreign).unwrap_or(i64::MAX)
}
