//! What a source says of its people's standing, and which instances there have been.

use super::{Database, row::Columns, within};
use crate::{
    accounts::State,
    types::{AccountId, SourceId, Unavailable},
};

impl Database {
    /// One statement, so that of two nodes one is told true, and an operator's word is never overwritten.
    pub(super) async fn bar_account(
        &self,
        id: &AccountId,
        source: &SourceId,
        state: State,
    ) -> Result<bool, Unavailable> {
        let query = sqlx::query(
            "UPDATE accounts SET state = $2, barred_by = $3, epoch = epoch + 1
             WHERE id = $1 AND state <> $2 AND (state = 'active' OR barred_by IS NOT NULL)",
        )
        .bind(id.as_str())
        .bind(state.as_str())
        .bind(source.as_str());
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    pub(super) async fn readmit_account(&self, id: &AccountId) -> Result<bool, Unavailable> {
        let query = sqlx::query(
            "UPDATE accounts SET state = 'active', barred_by = NULL
             WHERE id = $1 AND state <> 'active' AND barred_by IS NOT NULL",
        )
        .bind(id.as_str());
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    pub(super) async fn who_barred(&self, id: &AccountId) -> Result<Option<SourceId>, Unavailable> {
        let query = sqlx::query("SELECT barred_by FROM accounts WHERE id = $1 AND state <> 'active'").bind(id.as_str());
        within(async {
            let row = query.fetch_optional(&self.read).await?;
            let by = row.map(|row| Columns(&row).maybe_text("barred_by")).transpose()?;
            Ok(by.flatten().map(SourceId::new))
        })
        .await
    }

    pub(super) async fn list_kinds(&self) -> Result<Vec<(SourceId, String)>, Unavailable> {
        let query = sqlx::query_as::<_, (String, String)>("SELECT name, kind FROM instances ORDER BY name");
        let rows = within(query.fetch_all(&self.read)).await?;
        Ok(rows.into_iter().map(|(name, kind)| (SourceId::new(name), kind)).collect())
    }

    pub(super) async fn set_kind(&self, name: &SourceId, kind: &str) -> Result<(), Unavailable> {
        let query = sqlx::query(
            "INSERT INTO instances (name, kind) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET kind = excluded.kind",
        )
        .bind(name.as_str())
        .bind(kind);
        within(query.execute(&self.write)).await.map(|_| ())
    }
}
