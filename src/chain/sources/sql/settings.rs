//! What gateway.yaml says about one instance, and what `vestibule check` says about that.

use super::{judge::Sql, record::Columns};
use crate::{
    chain::{
        password::Format,
        sources::{BuildError, Finding, Needs, Severity, Source},
    },
    outbound::database::{Dialect, Fault, Gravity, Location, Statement, Table, Tls, Unopened},
};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Connections per instance. A look-up takes milliseconds: these are enough for hundreds of sign-ins a second.
const POOL: u32 = 8;
const LARGEST_POOL: u32 = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Where the table is: a URL, or `env:`/`file:` with one. With a password only by reference.
    database: String,
    /// The password of the account in the URL, by reference.
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    tls: Option<Tls>,
    /// Certificates that vouch for the server, beside the public ones.
    #[serde(default)]
    ca_file: Option<PathBuf>,
    /// Finds a person by `:username`.
    query: String,
    /// Finds the same person by `:subject`, without a password: leavers are seen only with it.
    #[serde(default)]
    by_subject: Option<String>,
    #[serde(default)]
    columns: Columns,
    #[serde(default)]
    subject_is_username: bool,
    /// Between the groups of one text.
    #[serde(default = "comma")]
    groups_separator: String,
    #[serde(default = "safe_hashes")]
    hashes: Vec<Hash>,
    #[serde(default = "pool")]
    pool: u32,
}

/// A format by its name in gateway.yaml.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Hash {
    Bcrypt,
    Argon2,
    Sha256Crypt,
    Sha512Crypt,
    Pbkdf2,
    Phpass,
    SaltedSha,
    Sha,
    Md5,
}

const HASHES: [Hash; 9] = [
    Hash::Bcrypt,
    Hash::Argon2,
    Hash::Sha256Crypt,
    Hash::Sha512Crypt,
    Hash::Pbkdf2,
    Hash::Phpass,
    Hash::SaltedSha,
    Hash::Sha,
    Hash::Md5,
];

impl From<Hash> for Format {
    fn from(hash: Hash) -> Self {
        match hash {
            Hash::Bcrypt => Format::Bcrypt,
            Hash::Argon2 => Format::Argon2,
            Hash::Sha256Crypt => Format::Sha256Crypt,
            Hash::Sha512Crypt => Format::Sha512Crypt,
            Hash::Pbkdf2 => Format::Pbkdf2,
            Hash::Phpass => Format::Phpass,
            Hash::SaltedSha => Format::SaltedSha,
            Hash::Sha => Format::Sha,
            Hash::Md5 => Format::Md5,
        }
    }
}

fn comma() -> String {
    ",".to_owned()
}

/// All but those for migration only, which must be named.
fn safe_hashes() -> Vec<Hash> {
    HASHES.into_iter().filter(|hash| !Format::from(*hash).is_for_migration()).collect()
}

fn pool() -> u32 {
    POOL
}

impl crate::chain::sources::Settings for Settings {
    fn check(&self) -> Vec<Finding> {
        let mut found: Vec<Finding> = self.location().faults().into_iter().map(finding).collect();
        self.check_queries(&mut found);
        self.check_columns(&mut found);
        self.check_hashes(&mut found);
        if self.pool == 0 || self.pool > LARGEST_POOL {
            found.push(Finding::error(
                "pool",
                format!("{} connections", self.pool),
                format!("write 1 to {LARGEST_POOL}"),
            ));
        }
        found
    }

    fn references(&self) -> Vec<(&'static str, &str)> {
        let password = self.password.iter().map(|text| ("password", text.as_str()));
        std::iter::once(("database", self.database.as_str())).chain(password).collect()
    }

    fn files(&self) -> Vec<(&'static str, &Path)> {
        self.ca_file.iter().map(|file| ("ca_file", file.as_path())).collect()
    }

    /// As far as the query's text tells: `*` may bring them.
    fn states_groups(&self) -> bool {
        let text = self.query.to_ascii_lowercase();
        self.columns.names_groups() || text.contains("groups") || text.contains('*')
    }

    fn build(&self, needs: &Needs<'_>) -> Result<Source, BuildError> {
        let unopened = |error: Unopened| BuildError::new(error.key, error.said);
        let address = self.location().address(needs.secret).map_err(unopened)?;
        let dialect = address.dialect();
        let statement =
            |key, sql: &str, name| Statement::parse(sql, name, dialect).map_err(|said| BuildError::new(key, said));
        let by_username = statement("query", &self.query, "username")?;
        let by_subject = self.by_subject.as_ref().map(|sql| statement("by_subject", sql, "subject")).transpose()?;
        let is_directory = by_subject.is_some();
        let sql = Arc::new(Sql::new(
            needs.name.clone(),
            Table::open(address, self.pool.clamp(1, LARGEST_POOL), needs.deadline),
            super::judge::Queries { by_username, by_subject },
            super::judge::Reading {
                columns: self.columns.clone(),
                separator: self.groups_separator.clone(),
                accepted: self.hashes.iter().copied().map(Format::from).collect(),
            },
            needs.hashing.clone(),
        ));
        Ok(Source {
            password: Some(sql.clone()),
            redirect: None,
            directory: is_directory.then_some(sql as Arc<dyn crate::chain::Directory>),
        })
    }
}

impl Settings {
    fn location(&self) -> Location<'_> {
        Location {
            database: &self.database,
            password: self.password.as_deref(),
            tls: self.tls,
            ca_file: self.ca_file.as_deref(),
        }
    }

    fn check_queries(&self, found: &mut Vec<Finding>) {
        // Behind a reference the database is not known here; `build` reads the query for the right one.
        let Some(dialect) = Dialect::of(&self.database) else { return };
        let queries = [("query", Some(&self.query), "username"), ("by_subject", self.by_subject.as_ref(), "subject")];
        for (key, sql, name) in queries {
            if let Some(Err(error)) = sql.map(|sql| Statement::parse(sql, name, dialect)) {
                let fix = format!("one SELECT for {} with :{name} where the value belongs", dialect.name());
                found.push(Finding::error(key, error.to_string(), fix));
            }
        }
        if self.by_subject.is_none() {
            let what = "is missing: that somebody has left is seen only when the password is asked again";
            let fix = "add the same query with `WHERE … = :subject`";
            found.push(Finding::warning("by_subject", what, fix));
        }
    }

    fn check_columns(&self, found: &mut Vec<Finding>) {
        if self.columns.subject_is_username() && !self.subject_is_username {
            found.push(Finding::error(
                "columns.subject",
                "is the username: who is renamed would be a stranger, and who is given the name next would be them",
                "name a column that never changes (the primary key), or write subject_is_username: true",
            ));
        }
        if self.groups_separator.is_empty() {
            found.push(Finding::error("groups_separator", "is empty", "leave it out for a comma"));
        }
    }

    fn check_hashes(&self, found: &mut Vec<Finding>) {
        if self.hashes.is_empty() {
            found.push(Finding::error("hashes", "accepts no format", "leave it out, or name what the table holds"));
        }
        for format in self.hashes.iter().map(|hash| Format::from(*hash)).filter(|format| format.is_for_migration()) {
            found.push(Finding::warning(
                "hashes",
                format!("{} is accepted: a stolen table of it is guessed at billions of tries a second", format.name()),
                "only while the table is moved to bcrypt or argon2; take it out afterwards",
            ));
        }
    }
}

fn finding(fault: Fault) -> Finding {
    let severity = match fault.gravity {
        Gravity::Error => Severity::Error,
        Gravity::Warning => Severity::Warning,
    };
    Finding { severity, key: fault.key.to_owned(), what: fault.what, fix: fault.fix.to_owned() }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
