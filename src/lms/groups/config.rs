//! `lms.groups` of a site in gateway.yaml, and what `vestibule check` says about it.

use crate::outbound::database::{self, Dialect, Fault, Gravity, Location, Statement, Tls};
use serde::Deserialize;
use std::path::PathBuf;

/// One of the two.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// By the LMS's own web service: cohorts.
    pub web_service: Option<WebService>,
    /// From the LMS's database: cohorts, roles and administrators, or what a query of the operator's finds.
    pub sql: Option<Sql>,
}

/// A token of a service with core_cohort_get_cohorts and core_cohort_get_cohort_members.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebService {
    /// By reference: `env:NAME` or `file:PATH`.
    pub token: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sql {
    /// Where the LMS's database is: a URL, or `env:`/`file:` with one. With a password only by reference.
    pub database: String,
    /// The password of the account in the URL, by reference.
    #[serde(default)]
    pub password: Option<String>,
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Certificates that vouch for the server, beside the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What Moodle's tables begin with (`$CFG->prefix`). Without a query of one's own.
    #[serde(default = "mdl")]
    pub prefix: String,
    /// Finds one name per row by `:user`, the LMS's user id.
    #[serde(default)]
    pub query: Option<String>,
}

fn mdl() -> String {
    "mdl_".to_owned()
}

const LONGEST_PREFIX: usize = 20;

impl Config {
    /// What is wrong, by keys within `lms.groups`.
    pub fn faults(&self) -> Vec<Fault> {
        let error = |key, what: &str, fix| Fault { gravity: Gravity::Error, key, what: what.to_owned(), fix };
        match (&self.web_service, &self.sql) {
            (None, None) => {
                vec![error("", "says neither `web_service` nor `sql`", "name one, or leave `groups` out")]
            }
            (Some(_), Some(_)) => {
                vec![error("", "says both `web_service` and `sql`", "leave one out: `sql` reads roles too")]
            }
            (Some(service), None) if !database::is_reference(&service.token) => vec![error(
                "web_service.token",
                "a token stands in the configuration",
                "write it into a file or variable, and file:PATH or env:NAME here",
            )],
            (Some(_), None) => Vec::new(),
            (None, Some(sql)) => sql.faults(),
        }
    }

    /// The texts that may be `env:NAME` or `file:PATH`, by their keys within `lms.groups`.
    pub fn references(&self) -> Vec<(&'static str, &str)> {
        let token = self.web_service.iter().map(|service| ("web_service.token", service.token.as_str()));
        let database = self.sql.iter().map(|sql| ("sql.database", sql.database.as_str()));
        let password = self.sql.iter().filter_map(|sql| Some(("sql.password", sql.password.as_deref()?)));
        token.chain(database).chain(password).collect()
    }
}

impl Sql {
    pub(super) fn location(&self) -> Location<'_> {
        Location {
            database: &self.database,
            password: self.password.as_deref(),
            tls: self.tls,
            ca_file: self.ca_file.as_deref(),
        }
    }

    /// The keys, as they stand under `sql`.
    fn faults(&self) -> Vec<Fault> {
        let under = |fault: Fault| {
            let key = match fault.key {
                "database" => "sql.database",
                "password" => "sql.password",
                _ => "sql.tls",
            };
            Fault { key, ..fault }
        };
        let mut found: Vec<Fault> = self.location().faults().into_iter().map(under).collect();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if self.prefix.len() > LONGEST_PREFIX || !self.prefix.bytes().all(plain) {
            found.push(Fault {
                gravity: Gravity::Error,
                key: "sql.prefix",
                what: format!("\"{}\" is no table prefix", self.prefix),
                fix: "write what `$CFG->prefix` is in Moodle's config.php, mostly mdl_",
            });
        }
        // Behind a reference the database is not known here; the query is read for the right one at the start.
        let query = self.query.as_ref().zip(Dialect::of(&self.database));
        if let Some(Err(said)) = query.map(|(query, dialect)| Statement::parse(query, super::sql::USER, dialect)) {
            found.push(Fault {
                gravity: Gravity::Error,
                key: "sql.query",
                what: said.to_string(),
                fix: "one SELECT of one column of names, with :user where the LMS's user id belongs",
            });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(yaml: &str) -> Vec<&'static str> {
        let config: Config = serde_yaml::from_str(yaml).unwrap();
        config.faults().into_iter().map(|fault| fault.key).collect()
    }

    #[test]
    fn one_way_is_named_and_its_secrets_are_references() {
        assert_eq!(faults("web_service: { token: file:data/token }"), [""; 0]);
        assert_eq!(faults("sql: { database: env:MOODLE }"), [""; 0]);
        assert_eq!(faults("{}"), [""]);
        assert_eq!(faults("web_service: { token: env:T }\nsql: { database: env:D }"), [""]);
        assert_eq!(faults("web_service: { token: 3f9a }"), ["web_service.token"]);
        assert_eq!(
            faults("sql: { database: \"postgres://v:secret@db/x\", prefix: \"x;\" }"),
            ["sql.database", "sql.prefix"]
        );
        assert_eq!(faults("sql: { database: postgres://v@db/x, query: SELECT name FROM g }"), ["sql.query"]);
        assert_eq!(faults("sql: { database: postgres://v@db/x, query: DELETE FROM g WHERE u = :user }"), ["sql.query"]);
    }
}
