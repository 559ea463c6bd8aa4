//! Accounts, methods and bindings.

use super::{
    Database, Dialect,
    bindings::{binding, insert_binding},
    methods::{insert_method, method},
    row::{Columns, bits},
    within,
};
use crate::{
    accounts::{
        ADDRESS_SETTLES, Account, AccountStore, Binding, Created, Entry, Learned, Method, State, Verified, Vouched,
    },
    types::{AccountId, LmsUserId, SiteName, SourceId, Subject, Unavailable},
};
use async_trait::async_trait;
use sqlx::{Any, Transaction, any::AnyRow};

#[async_trait]
impl AccountStore for Database {
    async fn account(&self, id: &AccountId) -> Result<Option<Account>, Unavailable> {
        let query = sqlx::query("SELECT * FROM accounts WHERE id = $1").bind(id.as_str());
        within(async { query.fetch_optional(&self.read).await?.as_ref().map(account).transpose() }).await
    }

    async fn by_method(&self, source: &SourceId, subject: &Subject) -> Result<Option<Account>, Unavailable> {
        let query = sqlx::query(
            "SELECT accounts.* FROM methods JOIN accounts ON accounts.id = methods.account
             WHERE methods.source = $1 AND methods.subject = $2",
        )
        .bind(source.as_str())
        .bind(subject.as_str());
        within(async { query.fetch_optional(&self.read).await?.as_ref().map(account).transpose() }).await
    }

    async fn by_username(&self, username: &str) -> Result<Vec<Account>, Unavailable> {
        let query =
            sqlx::query("SELECT * FROM accounts WHERE username = $1 ORDER BY created, id LIMIT 100").bind(username);
        within(async { query.fetch_all(&self.read).await?.iter().map(account).collect() }).await
    }

    async fn by_email(&self, address: &str) -> Result<Vec<Account>, Unavailable> {
        let query = sqlx::query("SELECT * FROM accounts WHERE lower(email) = lower($1) ORDER BY created, id LIMIT 100")
            .bind(address);
        within(async { query.fetch_all(&self.read).await?.iter().map(account).collect() }).await
    }

    async fn list(&self, after: Option<&AccountId>, limit: u32) -> Result<Vec<Account>, Unavailable> {
        let query = match after {
            None => sqlx::query("SELECT * FROM accounts ORDER BY created, id LIMIT $1").bind(i64::from(limit)),
            Some(after) => sqlx::query(
                "SELECT * FROM accounts WHERE (created, id) > (SELECT created, id FROM accounts WHERE id = $2)
                 ORDER BY created, id LIMIT $1",
            )
            .bind(i64::from(limit))
            .bind(after.as_str()),
        };
        within(async { query.fetch_all(&self.read).await?.iter().map(account).collect() }).await
    }

    async fn create(
        &self,
        account: &Account,
        method: &Method,
        binding: Option<&Binding>,
        rivals: &[SourceId],
    ) -> Result<Created, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            if let Some(name) = account.username.as_deref() {
                self.one_at_a_time(&mut tx, name).await?;
                // Whoever looked for the name before this moment did not see an account that was made in it.
                for rival in rivals {
                    let query = sqlx::query_scalar(
                        "SELECT count(*) FROM accounts JOIN methods ON methods.account = accounts.id
                         WHERE accounts.username = $1 AND accounts.created > $2 AND methods.source = $3",
                    )
                    .bind(name)
                    .bind(account.created.0 - JUST_NOW_MS)
                    .bind(rival.as_str());
                    let just_now: i64 = query.fetch_one(&mut *tx).await?;
                    if just_now > 0 {
                        return tx.rollback().await.map(|()| Created::Taken);
                    }
                }
            }
            insert_account(&mut tx, account).await?;
            let linked = insert_method(&mut tx, method).await?;
            let bound = match binding {
                Some(binding) if linked => insert_binding(&mut tx, binding).await?,
                _ => linked,
            };
            match bound {
                true => tx.commit().await.map(|()| Created::Yes),
                false => tx.rollback().await.map(|()| Created::Taken),
            }
        })
        .await
    }

    async fn methods(&self, account: &AccountId) -> Result<Vec<Method>, Unavailable> {
        let query =
            sqlx::query("SELECT * FROM methods WHERE account = $1 ORDER BY primary_flag DESC, linked, source, subject")
                .bind(account.as_str());
        within(async { query.fetch_all(&self.read).await?.iter().map(method).collect() }).await
    }

    async fn binding(&self, site: &SiteName, account: &AccountId) -> Result<Option<Binding>, Unavailable> {
        let query = sqlx::query("SELECT * FROM bindings WHERE site = $1 AND account = $2")
            .bind(site.as_str())
            .bind(account.as_str());
        within(async { query.fetch_optional(&self.read).await?.as_ref().map(binding).transpose() }).await
    }

    async fn bound_sites(&self, account: &AccountId) -> Result<Vec<SiteName>, Unavailable> {
        let query = sqlx::query_scalar("SELECT site FROM bindings WHERE account = $1 ORDER BY site");
        let sites: Vec<String> = within(query.bind(account.as_str()).fetch_all(&self.read)).await?;
        Ok(sites.into_iter().map(SiteName::new).collect())
    }

    async fn bound_account(&self, site: &SiteName, user: LmsUserId) -> Result<Option<AccountId>, Unavailable> {
        let query = sqlx::query_scalar("SELECT account FROM bindings WHERE site = $1 AND lms_user = $2")
            .bind(site.as_str())
            .bind(bits(user.0));
        let found: Option<String> = within(query.fetch_optional(&self.read)).await?;
        Ok(found.map(AccountId::new))
    }

    async fn bind(&self, binding: &Binding) -> Result<Created, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            let bound = insert_binding(&mut tx, binding).await?;
            tx.commit().await?;
            Ok(if bound { Created::Yes } else { Created::Taken })
        })
        .await
    }

    async fn bindings(
        &self,
        site: &SiteName,
        after: Option<LmsUserId>,
        limit: u32,
    ) -> Result<Vec<Binding>, Unavailable> {
        self.list_bindings(site, after, limit).await
    }
    async fn unbind(&self, site: &SiteName, account: &AccountId) -> Result<bool, Unavailable> {
        self.remove_binding(site, account).await
    }
    async fn import(&self, entries: &[Entry]) -> Result<Created, Unavailable> {
        self.import_entries(entries).await
    }

    async fn highest_bound(&self, site: &SiteName) -> Result<LmsUserId, Unavailable> {
        let query = sqlx::query_scalar("SELECT max(lms_user) FROM bindings WHERE site = $1").bind(site.as_str());
        let highest: Option<i64> = within(query.fetch_one(&self.read)).await?;
        Ok(LmsUserId(highest.unwrap_or(0).cast_unsigned()))
    }

    async fn learn(&self, id: &AccountId, learned: &Learned<'_>) -> Result<(), Unavailable> {
        // Every right-hand side sees the row as it was, so the order of the assignments does not matter. An address
        // that stays the same keeps whoever has verified it, and one that changes again soon hides no owner's.
        let query = sqlx::query(
            "UPDATE accounts SET
               username = CASE WHEN $2 IS NOT NULL AND ($3 = 1 OR username_verified = 0) THEN $2 ELSE username END,
               username_verified = CASE WHEN $2 IS NOT NULL AND $3 = 1 THEN 1 ELSE username_verified END,
               display_name = coalesce($4, display_name),
               given_name = coalesce($5, given_name),
               family_name = coalesce($6, family_name),
               email = coalesce($7, email),
               email_verified_by = CASE
                 WHEN $7 IS NULL THEN email_verified_by
                 WHEN lower($7) = lower(email) THEN coalesce($8, email_verified_by)
                 ELSE $8 END,
               email_before = CASE
                 WHEN $7 IS NULL OR email IS NULL OR lower($7) = lower(email) OR email_changed > $10 THEN email_before
                 ELSE email END,
               email_changed = CASE
                 WHEN $7 IS NULL OR email IS NULL OR lower($7) = lower(email) THEN email_changed
                 ELSE $9 END
             WHERE id = $1",
        )
        .bind(id.as_str())
        .bind(learned.username.map(|(name, _)| name))
        .bind(i64::from(learned.username.is_some_and(|(_, verified)| verified == Verified::Yes)))
        .bind(learned.display_name)
        .bind(learned.given_name)
        .bind(learned.family_name)
        .bind(learned.email.map(|mail| mail.address))
        .bind(learned.email.and_then(|mail| mail.verified_by))
        .bind(learned.email.map(|mail| mail.at.0))
        .bind(learned.email.map(|mail| mail.at.minus(ADDRESS_SETTLES).0));
        within(query.execute(&self.write)).await.map(|_| ())
    }

    async fn method(&self, source: &SourceId, subject: &Subject) -> Result<Option<Method>, Unavailable> {
        self.find_method(source, subject).await
    }
    async fn link(&self, method: &Method) -> Result<Created, Unavailable> {
        self.link_method(method).await
    }
    async fn unlink(&self, account: &AccountId, source: &SourceId, subject: &Subject) -> Result<bool, Unavailable> {
        self.unlink_method(account, source, subject).await
    }
    async fn make_primary(
        &self,
        account: &AccountId,
        source: &SourceId,
        subject: &Subject,
    ) -> Result<bool, Unavailable> {
        self.make_method_primary(account, source, subject).await
    }
    async fn pinned(&self) -> Result<Vec<(SourceId, u64)>, Unavailable> {
        self.count_methods().await
    }
    async fn methods_of(
        &self,
        source: &SourceId,
        after: Option<&Subject>,
        limit: u32,
    ) -> Result<Vec<Method>, Unavailable> {
        self.list_methods_of(source, after, limit).await
    }
    async fn move_method(
        &self,
        from: (&SourceId, &Subject),
        to: (&SourceId, &Subject),
    ) -> Result<Created, Unavailable> {
        self.move_one_method(from, to).await
    }
    async fn rename_source(&self, from: &SourceId, to: &SourceId) -> Result<Created, Unavailable> {
        self.rename_methods(from, to).await
    }
    async fn drop_source(&self, source: &SourceId) -> Result<u64, Unavailable> {
        self.drop_methods(source).await
    }
    async fn merge(&self, from: &AccountId, into: &AccountId) -> Result<Created, Unavailable> {
        self.merge_accounts(from, into).await
    }
    async fn vouch(&self, source: &SourceId, subject: &Subject, vouched: &Vouched<'_>) -> Result<(), Unavailable> {
        self.vouch_for(source, subject, vouched).await
    }

    async fn set_state(&self, id: &AccountId, state: State) -> Result<Option<u32>, Unavailable> {
        let query = sqlx::query(
            "UPDATE accounts SET state = $2, barred_by = NULL,
               epoch = epoch + CASE WHEN $2 <> 'active' AND state <> $2 THEN 1 ELSE 0 END
             WHERE id = $1 RETURNING epoch",
        )
        .bind(id.as_str())
        .bind(state.as_str());
        within(async { query.fetch_optional(&self.write).await?.map(|row| Columns(&row).epoch("epoch")).transpose() })
            .await
    }

    async fn bar(&self, id: &AccountId, source: &SourceId, state: State) -> Result<bool, Unavailable> {
        self.bar_account(id, source, state).await
    }
    async fn readmit(&self, id: &AccountId) -> Result<bool, Unavailable> {
        self.readmit_account(id).await
    }
    async fn barred_by(&self, id: &AccountId) -> Result<Option<SourceId>, Unavailable> {
        self.who_barred(id).await
    }
    async fn kinds(&self) -> Result<Vec<(SourceId, String)>, Unavailable> {
        self.list_kinds().await
    }
    async fn note_kind(&self, name: &SourceId, kind: &str) -> Result<(), Unavailable> {
        self.set_kind(name, kind).await
    }

    async fn raise_epoch(&self, id: &AccountId) -> Result<Option<u32>, Unavailable> {
        let query =
            sqlx::query("UPDATE accounts SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch").bind(id.as_str());
        within(async { query.fetch_optional(&self.write).await?.map(|row| Columns(&row).epoch("epoch")).transpose() })
            .await
    }
}

/// Two first sign-ins of one name by two sources are this close together at most: a request's own deadlines.
const JUST_NOW_MS: i64 = 30_000;

impl Database {
    /// Holds off whoever makes an account of that name, until this transaction ends. SQLite has one writer anyway.
    async fn one_at_a_time(&self, tx: &mut Transaction<'_, Any>, name: &str) -> Result<(), sqlx::Error> {
        if self.dialect == Dialect::Postgres {
            let query = sqlx::query("SELECT 1 FROM pg_advisory_xact_lock(hashtextextended($1, 8371650022))");
            query.bind(name).fetch_optional(&mut **tx).await?;
        }
        Ok(())
    }
}

pub(super) async fn insert_account(tx: &mut Transaction<'_, Any>, account: &Account) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO accounts (id, username, username_verified, display_name, email, groups_json, state, epoch, created,
           enrol_by_help_desk_only, given_name, family_name, email_verified_by, groups_at, email_before,
           email_changed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(account.id.as_str())
    .bind(account.username.as_deref())
    .bind(i64::from(account.username_verified))
    .bind(account.display_name.as_deref())
    .bind(account.email.as_deref())
    .bind(serde_json::to_string(&account.groups).map_err(|error| sqlx::Error::Encode(error.into()))?)
    .bind(account.state.as_str())
    .bind(i64::from(account.epoch))
    .bind(account.created.0)
    .bind(i64::from(account.enrol_by_help_desk_only))
    .bind(account.given_name.as_deref())
    .bind(account.family_name.as_deref())
    .bind(account.email_verified_by.as_deref())
    .bind(account.groups_at.map(|at| at.0))
    .bind(account.email_before.as_deref())
    .bind(account.email_changed.map(|at| at.0))
    .execute(&mut **tx)
    .await
    .map(|_| ())
}

fn account(row: &AnyRow) -> Result<Account, sqlx::Error> {
    let row = Columns(row);
    Ok(Account {
        id: AccountId::new(row.text("id")?),
        username: row.maybe_text("username")?,
        username_verified: row.flag("username_verified")?,
        display_name: row.maybe_text("display_name")?,
        email: row.maybe_text("email")?,
        groups: row.json("groups_json")?,
        state: row.word("state", State::parse)?,
        epoch: row.epoch("epoch")?,
        created: row.time("created")?,
        enrol_by_help_desk_only: row.flag("enrol_by_help_desk_only")?,
        given_name: row.maybe_text("given_name")?,
        family_name: row.maybe_text("family_name")?,
        email_verified_by: row.maybe_text("email_verified_by")?,
        email_before: row.maybe_text("email_before")?,
        email_changed: row.maybe_time("email_changed")?,
        groups_at: row.maybe_time("groups_at")?,
    })
}
