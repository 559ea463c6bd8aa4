//! The ledger's rows. Which of them count as live, and what is remembered of them, is the caching layer's.

use super::{
    Database,
    row::{Columns, bits},
    within,
};
use crate::{
    keys::Sealed,
    tokens::{Device, Holder, TokenRecord, Unproven},
    types::{AccountId, LmsUserId, ServiceName, SiteName, SourceId, Timestamp, TokenId, Unavailable},
};
use sqlx::any::AnyRow;

/// A revocation's rounds: each sees what was minted during the one before. Two are enough in practice.
const ROUNDS: usize = 8;

#[derive(Clone)]
pub(in crate::store) struct SqlLedger(pub Database);

/// What a revocation reached.
#[derive(Debug, Default)]
pub(in crate::store) struct Revoked {
    pub ids: Vec<TokenId>,
    /// How many of them had not expired anyway.
    pub live: usize,
}

impl SqlLedger {
    /// Refused where the parent is no longer live: a descendant must not be born after its line was revoked.
    pub async fn insert(&self, record: &TokenRecord) -> Result<(), Unavailable> {
        let born = within(async {
            let mut tx = self.0.begin().await?;
            if let Some(parent) = &record.parent {
                // An update, not a select: it locks the row, so that a revocation running now comes before or after.
                let locked = sqlx::query(
                    "UPDATE tokens SET last_used = last_used WHERE id = $1 AND revoked IS NULL AND expires > $2",
                )
                .bind(parent.as_str())
                .bind(record.issued.0)
                .execute(&mut *tx)
                .await?;
                if locked.rows_affected() == 0 {
                    tx.rollback().await?;
                    return Ok(false);
                }
            }
            insert(record)?.execute(&mut *tx).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await?;
        if born { Ok(()) } else { Err(Unavailable::database("the parent token is no longer live")) }
    }

    pub async fn by_digest(&self, digest: &str) -> Result<Option<TokenRecord>, Unavailable> {
        self.one("SELECT * FROM tokens WHERE digest = $1", digest).await
    }

    pub async fn by_file_digest(&self, digest: &str) -> Result<Option<TokenRecord>, Unavailable> {
        self.one("SELECT * FROM tokens WHERE file_digest = $1", digest).await
    }

    pub async fn by_id(&self, id: &TokenId) -> Result<Option<TokenRecord>, Unavailable> {
        self.one("SELECT * FROM tokens WHERE id = $1", id.as_str()).await
    }

    pub async fn set_file_key(&self, id: &TokenId, digest: &str, sealed: &Sealed<String>) -> Result<(), Unavailable> {
        let query = sqlx::query("UPDATE tokens SET file_digest = $2, file_key = $3 WHERE id = $1 AND revoked IS NULL")
            .bind(id.as_str())
            .bind(digest)
            .bind(sealed.as_text());
        within(query.execute(&self.0.write)).await.map(|_| ())
    }

    pub async fn touch(&self, id: &TokenId, at: Timestamp) -> Result<(), Unavailable> {
        let query = sqlx::query("UPDATE tokens SET last_used = $2 WHERE id = $1 AND last_used < $2")
            .bind(id.as_str())
            .bind(at.0);
        within(query.execute(&self.0.write)).await.map(|_| ())
    }

    pub async fn revoke(&self, id: &TokenId, at: Timestamp) -> Result<Revoked, Unavailable> {
        // The tree is walked through revoked rows too: a child may have been minted just before its parent went.
        self.revoke_where(
            "WITH RECURSIVE line (id) AS (
               SELECT id FROM tokens WHERE id = $1
               UNION SELECT tokens.id FROM tokens JOIN line ON tokens.parent = line.id)
             UPDATE tokens SET revoked = $2 WHERE revoked IS NULL AND id IN (SELECT id FROM line)
             RETURNING id, expires",
            id.as_str(),
            at,
        )
        .await
    }

    pub async fn revoke_account(&self, account: &AccountId, at: Timestamp) -> Result<Revoked, Unavailable> {
        // Descendants belong to the same account, except where an operator moved something by hand.
        self.revoke_where(
            "WITH RECURSIVE line (id) AS (
               SELECT id FROM tokens WHERE account = $1
               UNION SELECT tokens.id FROM tokens JOIN line ON tokens.parent = line.id)
             UPDATE tokens SET revoked = $2 WHERE revoked IS NULL AND id IN (SELECT id FROM line)
             RETURNING id, expires",
            account.as_str(),
            at,
        )
        .await
    }

    async fn revoke_where(&self, statement: &'static str, of: &str, at: Timestamp) -> Result<Revoked, Unavailable> {
        let mut revoked = Revoked::default();
        for _ in 0..ROUNDS {
            let query = sqlx::query_as(statement).bind(of).bind(at.0);
            let rows: Vec<(String, i64)> = within(query.fetch_all(&self.0.write)).await?;
            if rows.is_empty() {
                return Ok(revoked);
            }
            revoked.live += rows.iter().filter(|(_, expires)| *expires > at.0).count();
            revoked.ids.extend(rows.into_iter().map(|(id, _)| TokenId::new(id)));
        }
        Err(Unavailable::database("tokens kept being minted during their revocation"))
    }

    pub async fn of_account(&self, account: &AccountId) -> Result<Vec<TokenRecord>, Unavailable> {
        let query = sqlx::query("SELECT * FROM tokens WHERE account = $1 ORDER BY issued DESC, id LIMIT 1000")
            .bind(account.as_str());
        within(async { query.fetch_all(&self.0.read).await?.iter().map(record).collect() }).await
    }

    pub async fn in_use(&self, since: Timestamp, now: Timestamp, limit: u32) -> Result<Vec<AccountId>, Unavailable> {
        let query = sqlx::query_scalar(
            "SELECT DISTINCT account FROM tokens WHERE last_used >= $1 AND expires > $2 AND revoked IS NULL LIMIT $3",
        )
        .bind(since.0)
        .bind(now.0)
        .bind(i64::from(limit));
        let found: Vec<String> = within(query.fetch_all(&self.0.read)).await?;
        Ok(found.into_iter().map(AccountId::new).collect())
    }

    pub async fn list(&self, limit: u32) -> Result<Vec<TokenRecord>, Unavailable> {
        let query = sqlx::query("SELECT * FROM tokens ORDER BY issued DESC, id LIMIT $1").bind(i64::from(limit));
        within(async { query.fetch_all(&self.0.read).await?.iter().map(record).collect() }).await
    }

    async fn one(&self, statement: &'static str, value: &str) -> Result<Option<TokenRecord>, Unavailable> {
        let query = sqlx::query(statement).bind(value);
        within(async { query.fetch_optional(&self.0.read).await?.as_ref().map(record).transpose() }).await
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Any, sqlx::any::AnyArguments>;

fn insert(record: &TokenRecord) -> Result<Query<'_>, sqlx::Error> {
    let amr = serde_json::to_string(&record.amr).map_err(|error| sqlx::Error::Encode(error.into()))?;
    Ok(sqlx::query(
        "INSERT INTO tokens (id, digest, account, epoch, site, lms_user, service, device_label, device_address, issued,
           factor_at, amr_json, unproven, last_used, expires, revoked, parent, lms_token, private_token, private_digest,
           file_key, file_digest, log_user, source)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)",
    )
    .bind(record.id.as_str())
    .bind(record.digest.as_str())
    .bind(record.account.as_str())
    .bind(i64::from(record.epoch))
    .bind(record.site.as_str())
    .bind(bits(record.lms_user.0))
    .bind(record.service.as_str())
    .bind(record.device.label.as_str())
    .bind(record.device.address.as_str())
    .bind(record.issued.0)
    .bind(record.factor_at.map(|at| at.0))
    .bind(amr)
    .bind(record.unproven.map(Unproven::as_str))
    .bind(record.last_used.0)
    .bind(record.expires.0)
    .bind(record.revoked.map(|at| at.0))
    .bind(record.parent.as_ref().map(TokenId::as_str))
    .bind(record.lms_token.as_text())
    .bind(record.private_token.as_ref().map(Sealed::as_text))
    .bind(record.private_digest.as_deref())
    .bind(record.file_key.as_ref().map(Sealed::as_text))
    .bind(record.file_digest.as_deref())
    .bind(record.log_user.as_deref())
    .bind(record.source.as_str()))
}

fn record(row: &AnyRow) -> Result<TokenRecord, sqlx::Error> {
    let row = Columns(row);
    let unproven = match row.maybe_text("unproven")? {
        None => None,
        // An unknown reason must not turn into "proven".
        Some(_) => Some(row.word("unproven", Unproven::parse)?),
    };
    Ok(TokenRecord {
        id: TokenId::new(row.text("id")?),
        digest: row.text("digest")?,
        account: AccountId::new(row.text("account")?),
        epoch: row.epoch("epoch")?,
        site: SiteName::new(row.text("site")?),
        lms_user: LmsUserId(row.unsigned("lms_user")?),
        holder: Holder::default(),
        source: SourceId::new(row.text("source")?),
        log_user: row.maybe_text("log_user")?,
        service: ServiceName::new(row.text("service")?),
        device: Device { label: row.text("device_label")?, address: row.text("device_address")? },
        issued: row.time("issued")?,
        factor_at: row.maybe_time("factor_at")?,
        amr: row.json("amr_json")?,
        unproven,
        last_used: row.time("last_used")?,
        expires: row.time("expires")?,
        revoked: row.maybe_time("revoked")?,
        parent: row.maybe_text("parent")?.map(TokenId::new),
        lms_token: Sealed::from_text(row.text("lms_token")?),
        private_token: row.maybe_text("private_token")?.map(Sealed::from_text),
        private_digest: row.maybe_text("private_digest")?,
        file_key: row.maybe_text("file_key")?.map(Sealed::from_text),
        file_digest: row.maybe_text("file_digest")?,
    })
}
