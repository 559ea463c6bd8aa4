//! Bindings, and imports: what one file brings is one transaction.

use super::{
    Database,
    accounts::insert_account,
    lms_groups::forget_unread,
    methods::{insert_method, set_primary, unite_groups},
    row::{Columns, bits},
    within,
};
use crate::{
    accounts::{Binding, BoundBy, Created, Entry},
    types::{AccountId, LmsUserId, SiteName, Unavailable},
};
use sqlx::{Any, Transaction, any::AnyRow};

impl Database {
    pub(super) async fn list_bindings(
        &self,
        site: &SiteName,
        after: Option<LmsUserId>,
        limit: u32,
    ) -> Result<Vec<Binding>, Unavailable> {
        let query = sqlx::query("SELECT * FROM bindings WHERE site = $1 AND lms_user > $2 ORDER BY lms_user LIMIT $3")
            .bind(site.as_str())
            .bind(after.map_or(i64::MIN, |after| bits(after.0)))
            .bind(i64::from(limit));
        within(async { query.fetch_all(&self.read).await?.iter().map(binding).collect() }).await
    }

    pub(super) async fn remove_binding(&self, site: &SiteName, account: &AccountId) -> Result<bool, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            let query = sqlx::query("DELETE FROM bindings WHERE site = $1 AND account = $2");
            let removed = query.bind(site.as_str()).bind(account.as_str()).execute(&mut *tx).await?;
            // What that LMS user's groups were says nothing about this account any more.
            let query = sqlx::query("DELETE FROM lms_groups WHERE site = $1 AND account = $2");
            if query.bind(site.as_str()).bind(account.as_str()).execute(&mut *tx).await?.rows_affected() > 0 {
                unite_groups(&mut tx, account).await?;
                forget_unread(&mut tx, account).await?;
            }
            tx.commit().await.map(|()| removed.rows_affected() == 1)
        })
        .await
    }

    pub(super) async fn import_entries(&self, entries: &[Entry]) -> Result<Created, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            for entry in entries {
                if !import_one(&mut tx, entry).await? {
                    return tx.rollback().await.map(|()| Created::Taken);
                }
            }
            tx.commit().await.map(|()| Created::Yes)
        })
        .await
    }
}

async fn import_one(tx: &mut Transaction<'_, Any>, entry: &Entry) -> Result<bool, sqlx::Error> {
    match entry {
        Entry::Account(made) => {
            insert_account(tx, &made.0).await?;
            insert_method(tx, &made.1).await
        }
        Entry::Method(method) => {
            let linked = insert_method(tx, method).await?;
            if linked && method.primary {
                set_primary(tx, &method.account, &method.source, &method.subject).await?;
            }
            Ok(linked)
        }
        Entry::Binding(binding) => insert_binding(tx, binding).await,
    }
}

/// False where either side of the binding is taken.
pub(super) async fn insert_binding(tx: &mut Transaction<'_, Any>, binding: &Binding) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO bindings (site, lms_user, account, created, lms_username, bound_by)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(binding.site.as_str())
    .bind(bits(binding.lms_user.0))
    .bind(binding.account.as_str())
    .bind(binding.created.0)
    .bind(binding.lms_username.as_deref())
    .bind(binding.bound_by.as_str())
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) fn binding(row: &AnyRow) -> Result<Binding, sqlx::Error> {
    let row = Columns(row);
    Ok(Binding {
        site: SiteName::new(row.text("site")?),
        lms_user: LmsUserId(row.unsigned("lms_user")?),
        account: AccountId::new(row.text("account")?),
        created: row.time("created")?,
        lms_username: row.maybe_text("lms_username")?,
        bound_by: row.word("bound_by", BoundBy::parse)?,
    })
}
