//! The queries, a page at a time: a large table neither fills the memory nor holds a transaction of the LMS's database
//! open for long. That a row changes between two pages does no harm, the import can be run again.

use super::{
    record::{Record, User},
    settings::Settings,
};
use crate::{
    outbound::database::{Address, Cell, CellError, Dialect, Found, Statement, StatementError, Table},
    types::{LmsUserId, Secret},
};
use std::time::Duration;

/// Rows of `tool_mfa` that are read: ten for each of a hundred thousand people.
pub const MOST_ROWS: usize = 1_000_000;
const PAGE: usize = 1_000;
const LONGEST_PREFIX: usize = 20;

/// Moodle's database, of which a few tables are read.
pub struct Reader {
    table: Table,
    dialect: Dialect,
    prefix: String,
}

/// The operator's to mend, or the database's.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("\"{0}\" is no table prefix: up to {LONGEST_PREFIX} of a-z, 0-9 and _, as `$CFG->prefix` has it")]
    Prefix(String),
    #[error("{table}: {said}")]
    Table { table: String, said: String },
    #[error("{table} has more than {MOST_ROWS} rows")]
    TooMany { table: String },
    #[error("{table}, column {column}: {said}")]
    Column { table: String, column: &'static str, said: String },
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl Reader {
    /// `prefix` is `$CFG->prefix`, mostly `mdl_`. Within the runtime, as [`Table::open`] says.
    pub fn new(address: Address, prefix: &str, deadline: Duration) -> Result<Self, ReadError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if prefix.len() > LONGEST_PREFIX || !prefix.bytes().all(plain) {
            return Err(ReadError::Prefix(prefix.to_owned()));
        }
        let dialect = address.dialect();
        // One page is asked for after the other.
        Ok(Self { table: Table::open(address, 1, deadline), dialect, prefix: prefix.to_owned() })
    }

    /// The settings of tool_mfa and of its factors.
    pub async fn settings(&self) -> Result<Settings, ReadError> {
        let mut settings = Settings::default();
        // `LIKE` would take the underscore for any character, and its escape is written differently everywhere.
        let query = format!(
            "SELECT id, plugin, name, value FROM {} WHERE (plugin = 'tool_mfa' OR SUBSTR(plugin, 1, 7) = 'factor_') \
             AND id > {} ORDER BY id LIMIT {PAGE}",
            self.name("config_plugins"),
            self.after(),
        );
        self.each("config_plugins", &query, |row| {
            settings.note(&row.text(1, "plugin")?, &row.text(2, "name")?, &row.text(3, "value")?);
            Ok(())
        })
        .await?;
        Ok(settings)
    }

    /// Every row of `tool_mfa` with its user, oldest first.
    pub async fn records(&self) -> Result<Vec<Record>, ReadError> {
        let query = format!(
            "SELECT m.id, m.userid, u.username, u.deleted, u.suspended, m.factor, m.secret, m.label, m.timecreated, \
             m.lastverified, m.revoked FROM {} m JOIN {} u ON u.id = m.userid WHERE m.id > {} ORDER BY m.id \
             LIMIT {PAGE}",
            self.name("tool_mfa"),
            self.name("user"),
            self.after(),
        );
        let mut records = Vec::new();
        self.each("tool_mfa", &query, |row| {
            records.push(Record {
                id: row.number(0, "id")?,
                user: LmsUserId(row.number(1, "userid")?),
                username: row.text(2, "username")?,
                state: match (row.flag(3, "deleted")?, row.flag(4, "suspended")?) {
                    (true, _) => User::Deleted,
                    (false, true) => User::Suspended,
                    (false, false) => User::Active,
                },
                factor: row.text(5, "factor")?,
                secret: Secret::new(row.text(6, "secret")?),
                label: row.text(7, "label")?,
                created: row.time(8, "timecreated")?,
                verified: row.time(9, "lastverified")?,
                revoked: row.flag(10, "revoked")?,
            });
            Ok(())
        })
        .await?;
        Ok(records)
    }

    /// Hands every row on, page by page. The first column is the id by which the pages follow each other.
    async fn each(
        &self,
        table: &str,
        query: &str,
        mut take: impl FnMut(&Row<'_>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let statement = Statement::parse(query, "after", self.dialect)?;
        let name = format!("{}{table}", self.prefix);
        let (mut after, mut seen) = (0_u64, 0);
        loop {
            let found = self.table.rows(&statement, &after.to_string(), PAGE + 1).await;
            let found = found.map_err(|said| ReadError::Table { table: name.clone(), said })?;
            for cells in &found.rows {
                let row = Row { table: &name, cells };
                take(&row)?;
                after = row.number(0, "id")?;
            }
            seen += found.rows.len();
            match more(&found) {
                true if seen >= MOST_ROWS => return Err(ReadError::TooMany { table: name }),
                true => {}
                false => return Ok(()),
            }
        }
    }

    /// Quoted: `user` is a reserved word, and the prefix may be empty.
    fn name(&self, table: &str) -> String {
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite => format!("\"{}{table}\"", self.prefix),
            Dialect::MySql => format!("`{}{table}`", self.prefix),
        }
    }

    /// Values travel as text.
    fn after(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => "CAST(:after AS bigint)",
            Dialect::MySql => "CAST(:after AS signed)",
            Dialect::Sqlite => "CAST(:after AS integer)",
        }
    }
}

fn more(found: &Found) -> bool {
    found.rows.len() >= PAGE
}

/// One row's cells.
struct Row<'a> {
    table: &'a str,
    cells: &'a [Result<Cell, CellError>],
}

impl Row<'_> {
    /// NULL is empty, as Moodle itself reads it.
    fn text(&self, at: usize, column: &'static str) -> Result<String, ReadError> {
        match self.cells.get(at) {
            Some(Ok(Cell::Text(text))) => Ok(text.clone()),
            Some(Ok(Cell::Null)) => Ok(String::new()),
            Some(Ok(Cell::List(_))) => Err(self.wrong(column, "is a list")),
            // Nothing of ours is that long; what it is will be said of the row.
            Some(Err(CellError::TooLong)) => Ok(String::new()),
            Some(Err(error)) => Err(self.wrong(column, error)),
            None => Err(self.wrong(column, "is missing")),
        }
    }

    fn number(&self, at: usize, column: &'static str) -> Result<u64, ReadError> {
        self.text(at, column)?.parse().map_err(|_| self.wrong(column, "is no number"))
    }

    /// Seconds since 1970; 0 for never.
    fn time(&self, at: usize, column: &'static str) -> Result<i64, ReadError> {
        match self.text(at, column)?.as_str() {
            "" => Ok(0),
            text => text.parse().map_err(|_| self.wrong(column, "is no time")),
        }
    }

    fn flag(&self, at: usize, column: &'static str) -> Result<bool, ReadError> {
        match self.text(at, column)?.as_str() {
            "" | "0" => Ok(false),
            // Whatever else it says: a factor that may be revoked is, and a user that may be deleted is.
            _ => Ok(true),
        }
    }

    fn wrong(&self, column: &'static str, said: impl std::fmt::Display) -> ReadError {
        ReadError::Column { table: self.table.to_owned(), column, said: said.to_string() }
    }
}
