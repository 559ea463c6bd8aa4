//! Reading a row: columns by name, and errors that name the column, never its content.

use crate::types::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::{Row, any::AnyRow};

pub(super) struct Columns<'r>(pub &'r AnyRow);

impl Columns<'_> {
    pub fn text(&self, name: &str) -> Result<String, sqlx::Error> {
        self.0.try_get(name)
    }
    pub fn maybe_text(&self, name: &str) -> Result<Option<String>, sqlx::Error> {
        self.0.try_get(name)
    }
    pub fn int(&self, name: &str) -> Result<i64, sqlx::Error> {
        self.0.try_get(name)
    }
    pub fn flag(&self, name: &str) -> Result<bool, sqlx::Error> {
        Ok(self.int(name)? != 0)
    }
    pub fn time(&self, name: &str) -> Result<Timestamp, sqlx::Error> {
        self.int(name).map(Timestamp)
    }
    pub fn maybe_time(&self, name: &str) -> Result<Option<Timestamp>, sqlx::Error> {
        Ok(self.0.try_get::<Option<i64>, _>(name)?.map(Timestamp))
    }
    /// Unsigned numbers are stored by their bits; see [`bits`].
    pub fn unsigned(&self, name: &str) -> Result<u64, sqlx::Error> {
        self.int(name).map(i64::cast_unsigned)
    }
    pub fn epoch(&self, name: &str) -> Result<u32, sqlx::Error> {
        u32::try_from(self.int(name)?).map_err(|_| foreign(name))
    }
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, sqlx::Error> {
        serde_json::from_str(&self.text(name)?).map_err(|_| foreign(name))
    }
    /// A word of a closed list. An unknown one is an error, not a default: it may mean "suspended".
    pub fn word<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, sqlx::Error> {
        parse(&self.text(name)?).ok_or_else(|| foreign(name))
    }
}

/// The database has signed numbers only; this keeps unequal numbers unequal.
pub(super) fn bits(number: u64) -> i64 {
    number.cast_signed()
}

fn foreign(column: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("column {column} holds something this version does not know").into())
}
