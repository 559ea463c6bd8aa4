//! Trusted devices. That a use counts once, on all nodes, is the conditional update of `move_on`.

use super::{Database, row::Columns, within};
use crate::{
    mfa::factors::device::{DeviceStore, MOST, TrustedDevice},
    types::{AccountId, DeviceId, Door, SiteName, Timestamp, Unavailable},
};
use async_trait::async_trait;
use sqlx::any::AnyRow;

#[async_trait]
impl DeviceStore for Database {
    async fn trust(&self, device: &TrustedDevice) -> Result<(), Unavailable> {
        within(async {
            let mut tx = self.begin().await?;
            // One after the other for an account, so that the cap holds (PostgreSQL would let them pass each other).
            sqlx::query("UPDATE accounts SET epoch = epoch WHERE id = $1")
                .bind(device.account.as_str())
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "DELETE FROM devices WHERE account = $1 AND (expires <= $2 OR id NOT IN
                   (SELECT id FROM devices WHERE account = $1 AND expires > $2 ORDER BY last_used DESC, id LIMIT $3))",
            )
            .bind(device.account.as_str())
            .bind(device.created.0)
            .bind(MOST as i64 - 1)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "INSERT INTO devices (id, account, site, door, epoch, counter, moved, created, expires, last_used,
                   label, address) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            )
            .bind(device.id.as_str())
            .bind(device.account.as_str())
            .bind(device.site.as_str())
            .bind(device.door.as_str())
            .bind(i64::from(device.epoch))
            .bind(device.counter)
            .bind(device.moved.0)
            .bind(device.created.0)
            .bind(device.expires.0)
            .bind(device.last_used.0)
            .bind(device.label.as_str())
            .bind(device.address.as_str())
            .execute(&mut *tx)
            .await?;
            tx.commit().await
        })
        .await
    }

    async fn device(&self, id: &DeviceId) -> Result<Option<TrustedDevice>, Unavailable> {
        // The writer's view: the row just moved by this node's other request must be seen moved.
        let query = sqlx::query("SELECT * FROM devices WHERE id = $1").bind(id.as_str());
        within(async { query.fetch_optional(&self.write).await?.as_ref().map(read).transpose() }).await
    }

    async fn devices(&self, account: &AccountId) -> Result<Vec<TrustedDevice>, Unavailable> {
        let query =
            sqlx::query("SELECT * FROM devices WHERE account = $1 ORDER BY last_used DESC, id").bind(account.as_str());
        within(async { query.fetch_all(&self.read).await?.iter().map(read).collect() }).await
    }

    async fn move_on(&self, id: &DeviceId, counter: i64, at: Timestamp, address: &str) -> Result<bool, Unavailable> {
        let query = sqlx::query(
            "UPDATE devices SET counter = counter + 1, moved = $3, last_used = $3, address = $4
             WHERE id = $1 AND counter = $2 AND expires > $3",
        )
        .bind(id.as_str())
        .bind(counter)
        .bind(at.0)
        .bind(address);
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn forget(&self, account: &AccountId, id: &DeviceId) -> Result<bool, Unavailable> {
        let query =
            sqlx::query("DELETE FROM devices WHERE id = $1 AND account = $2").bind(id.as_str()).bind(account.as_str());
        Ok(within(query.execute(&self.write)).await?.rows_affected() == 1)
    }

    async fn forget_all(&self, account: &AccountId) -> Result<usize, Unavailable> {
        let query = sqlx::query("DELETE FROM devices WHERE account = $1").bind(account.as_str());
        let gone = within(query.execute(&self.write)).await?.rows_affected();
        Ok(usize::try_from(gone).unwrap_or(usize::MAX))
    }
}

fn read(row: &AnyRow) -> Result<TrustedDevice, sqlx::Error> {
    let row = Columns(row);
    Ok(TrustedDevice {
        id: DeviceId::new(row.text("id")?),
        account: AccountId::new(row.text("account")?),
        site: SiteName::new(row.text("site")?),
        door: row.word("door", Door::parse)?,
        epoch: row.epoch("epoch")?,
        counter: row.int("counter")?,
        moved: row.time("moved")?,
        created: row.time("created")?,
        expires: row.time("expires")?,
        last_used: row.time("last_used")?,
        label: row.text("label")?,
        address: row.text("address")?,
    })
}
