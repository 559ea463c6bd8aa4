//! A [`LocalStore`] in memory, for tests of what stands on it.

use super::*;
use std::sync::{Mutex, MutexGuard};

#[derive(Default)]
pub struct LocalMemory(Mutex<Vec<LocalAccount>>);

impl LocalMemory {
    pub fn rows(&self) -> MutexGuard<'_, Vec<LocalAccount>> {
        self.0.lock().unwrap()
    }
    fn change(&self, which: impl Fn(&LocalAccount) -> bool, change: impl FnOnce(&mut LocalAccount)) -> bool {
        let mut rows = self.rows();
        let found = rows.iter_mut().find(|row| which(row));
        found.map(change).is_some()
    }
}

#[async_trait]
impl LocalStore for LocalMemory {
    async fn by_username(&self, source: &SourceId, username: &str) -> Result<Option<LocalAccount>, Unavailable> {
        Ok(self.rows().iter().find(|row| row.source == *source && row.username == username).cloned())
    }
    async fn by_id(&self, source: &SourceId, id: &Subject) -> Result<Option<LocalAccount>, Unavailable> {
        Ok(self.rows().iter().find(|row| row.source == *source && row.id == *id).cloned())
    }
    async fn insert(&self, accounts: &[LocalAccount]) -> Result<Inserted, Unavailable> {
        let mut rows = self.rows();
        let taken =
            |new: &LocalAccount| rows.iter().any(|row| row.source == new.source && row.username == new.username);
        if accounts.iter().any(taken) {
            return Ok(Inserted::Taken);
        }
        rows.extend_from_slice(accounts);
        Ok(Inserted::All)
    }
    async fn set_password(&self, source: &SourceId, id: &Subject, new: &NewPassword) -> Result<bool, Unavailable> {
        Ok(self.change(
            |row| row.source == *source && row.id == *id,
            |row| {
                (row.hash, row.password_changed) = (new.hash.clone(), new.at);
                (row.must_change, row.one_time) = (new.must_change, new.one_time);
            },
        ))
    }
    async fn rehash(&self, source: &SourceId, id: &Subject, old: &str, new: &str) -> Result<bool, Unavailable> {
        let which = |row: &LocalAccount| row.source == *source && row.id == *id && row.hash.expose() == old;
        Ok(self.change(|row| which(row) && !row.one_time, |row| row.hash = Secret::new(new.to_owned())))
    }
    async fn spend(&self, source: &SourceId, id: &Subject, hash: &str) -> Result<bool, Unavailable> {
        let which = |row: &LocalAccount| row.source == *source && row.id == *id && row.hash.expose() == hash;
        Ok(self.change(
            |row| which(row) && row.one_time,
            |row| (row.hash, row.one_time) = (Secret::new(SPENT.to_owned()), false),
        ))
    }
    async fn list(&self, source: &SourceId, after: Option<&str>, limit: u32) -> Result<Vec<LocalAccount>, Unavailable> {
        let mut rows: Vec<LocalAccount> = self.rows().iter().filter(|row| row.source == *source).cloned().collect();
        rows.retain(|row| after.is_none_or(|after| row.username.as_str() > after));
        rows.sort_by(|a, b| a.username.cmp(&b.username));
        rows.truncate(limit as usize);
        Ok(rows)
    }
    async fn remove(&self, source: &SourceId, id: &Subject) -> Result<bool, Unavailable> {
        let mut rows = self.rows();
        let before = rows.len();
        rows.retain(|row| !(row.source == *source && row.id == *id));
        Ok(rows.len() < before)
    }
}
