//! Accounts, methods and bindings.

use super::{
    Database,
    row::{Columns, bits},
    within,
};
use crate::{
    accounts::{Account, AccountStore, Binding, Created, LinkedBy, Method, State, Verified},
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
    ) -> Result<Created, Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
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

    async fn bound_account(&self, site: &SiteName, user: LmsUserId) -> Result<Option<AccountId>, Unavailable> {
        let query = sqlx::query_scalar("SELECT account FROM bindings WHERE site = $1 AND lms_user = $2")
            .bind(site.as_str())
            .bind(bits(user.0));
        let found: Option<String> = within(query.fetch_optional(&self.read)).await?;
        Ok(found.map(AccountId::new))
    }

    async fn learn(
        &self,
        id: &AccountId,
        username: Option<(&str, Verified)>,
        display_name: Option<&str>,
        email: Option<&str>,
    ) -> Result<(), Unavailable> {
        // Every right-hand side sees the row as it was, so the order of the assignments does not matter.
        let query = sqlx::query(
            "UPDATE accounts SET
               username = CASE WHEN $2 IS NOT NULL AND ($3 = 1 OR username_verified = 0) THEN $2 ELSE username END,
               username_verified = CASE WHEN $2 IS NOT NULL AND $3 = 1 THEN 1 ELSE username_verified END,
               display_name = coalesce($4, display_name),
               email = coalesce($5, email)
             WHERE id = $1",
        )
        .bind(id.as_str())
        .bind(username.map(|(name, _)| name))
        .bind(i64::from(username.is_some_and(|(_, verified)| verified == Verified::Yes)))
        .bind(display_name)
        .bind(email);
        within(query.execute(&self.write)).await.map(|_| ())
    }

    async fn set_state(&self, id: &AccountId, state: State) -> Result<Option<u32>, Unavailable> {
        let query = sqlx::query(
            "UPDATE accounts SET state = $2,
               epoch = epoch + CASE WHEN $2 <> 'active' AND state <> $2 THEN 1 ELSE 0 END
             WHERE id = $1 RETURNING epoch",
        )
        .bind(id.as_str())
        .bind(state.as_str());
        within(async { query.fetch_optional(&self.write).await?.map(|row| Columns(&row).epoch("epoch")).transpose() })
            .await
    }

    async fn raise_epoch(&self, id: &AccountId) -> Result<Option<u32>, Unavailable> {
        let query =
            sqlx::query("UPDATE accounts SET epoch = epoch + 1 WHERE id = $1 RETURNING epoch").bind(id.as_str());
        within(async { query.fetch_optional(&self.write).await?.map(|row| Columns(&row).epoch("epoch")).transpose() })
            .await
    }
}

async fn insert_account(tx: &mut Transaction<'_, Any>, account: &Account) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO accounts (id, username, username_verified, display_name, email, groups_json, state, epoch, created,
           enrol_by_help_desk_only) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
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
    .execute(&mut **tx)
    .await
    .map(|_| ())
}

/// False where the method already belongs to somebody. A second caller waits here for the first one's commit.
async fn insert_method(tx: &mut Transaction<'_, Any>, method: &Method) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO methods (source, subject, account, linked, linked_by, primary_flag)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(method.source.as_str())
    .bind(method.subject.as_str())
    .bind(method.account.as_str())
    .bind(method.linked.0)
    .bind(method.linked_by.as_str())
    .bind(i64::from(method.primary))
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// False where either side of the binding is taken.
async fn insert_binding(tx: &mut Transaction<'_, Any>, binding: &Binding) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO bindings (site, lms_user, account, created) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(binding.site.as_str())
    .bind(bits(binding.lms_user.0))
    .bind(binding.account.as_str())
    .bind(binding.created.0)
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() == 1)
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
    })
}

fn method(row: &AnyRow) -> Result<Method, sqlx::Error> {
    let row = Columns(row);
    let linked_by = |text: &str| (text == LinkedBy::FirstSignIn.as_str()).then_some(LinkedBy::FirstSignIn);
    Ok(Method {
        source: SourceId::new(row.text("source")?),
        subject: Subject::new(row.text("subject")?),
        account: AccountId::new(row.text("account")?),
        linked: row.time("linked")?,
        linked_by: row.word("linked_by", linked_by)?,
        primary: row.flag("primary_flag")?,
    })
}

fn binding(row: &AnyRow) -> Result<Binding, sqlx::Error> {
    let row = Columns(row);
    Ok(Binding {
        site: SiteName::new(row.text("site")?),
        lms_user: LmsUserId(row.unsigned("lms_user")?),
        account: AccountId::new(row.text("account")?),
        created: row.time("created")?,
    })
}
