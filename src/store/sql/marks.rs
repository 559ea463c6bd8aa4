//! What is remembered of accounts' mail.

use super::{Database, row::bits, within};
use crate::{
    mfa::marks::MarkStore,
    types::{AccountId, LmsUserId, SiteName, Timestamp, Unavailable},
};
use async_trait::async_trait;

#[async_trait]
impl MarkStore for Database {
    async fn password_came_by_mail(&self, site: &SiteName, user: LmsUserId, at: Timestamp) -> Result<(), Unavailable> {
        let query = sqlx::query(
            "INSERT INTO mailed_passwords (site, lms_user, at) VALUES ($1, $2, $3)
             ON CONFLICT (site, lms_user) DO UPDATE SET at = excluded.at WHERE mailed_passwords.at < excluded.at",
        )
        .bind(site.as_str())
        .bind(bits(user.0))
        .bind(at.0);
        within(query.execute(&self.write)).await.map(|_| ())
    }

    async fn last_mailed_password(
        &self,
        account: &AccountId,
        user: Option<(&SiteName, LmsUserId)>,
    ) -> Result<Option<Timestamp>, Unavailable> {
        // No site is called by the empty name.
        let (site, user) = user.map_or(("", 0), |(site, user)| (site.as_str(), bits(user.0)));
        let query = sqlx::query_scalar::<_, Option<i64>>(
            "SELECT max(at) FROM mailed_passwords m
             WHERE (m.site = $2 AND m.lms_user = $3)
                OR EXISTS (SELECT 1 FROM bindings b
                           WHERE b.account = $1 AND b.site = m.site AND b.lms_user = m.lms_user)",
        )
        .bind(account.as_str())
        .bind(site)
        .bind(user);
        Ok(within(query.fetch_one(&self.read)).await?.map(Timestamp))
    }

    async fn disowned(&self, account: &AccountId, at: Timestamp) -> Result<(), Unavailable> {
        let query = sqlx::query(
            "INSERT INTO disowned_sign_ins (account, at) VALUES ($1, $2)
             ON CONFLICT (account) DO UPDATE SET at = excluded.at WHERE disowned_sign_ins.at < excluded.at",
        )
        .bind(account.as_str())
        .bind(at.0);
        within(query.execute(&self.write)).await.map(|_| ())
    }

    async fn last_disowned(&self, account: &AccountId) -> Result<Option<Timestamp>, Unavailable> {
        let query = sqlx::query_scalar::<_, i64>("SELECT at FROM disowned_sign_ins WHERE account = $1");
        Ok(within(query.bind(account.as_str()).fetch_optional(&self.read)).await?.map(Timestamp))
    }
}
