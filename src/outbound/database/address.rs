//! Where the table is: the driver by the URL's scheme, what the connection is protected by, and what may not stand in
//! gateway.yaml.
//!
//! The drivers' own `sslmode=` is refused in the URL: one setting says it, and its default is the safe one. A server
//! on this machine (loopback, Unix socket) is reached as it is, any other only by TLS with a verified certificate.

use serde::Deserialize;
use sqlx::{
    mysql::{MySqlConnectOptions, MySqlSslMode},
    postgres::{PgConnectOptions, PgSslMode},
    sqlite::SqliteConnectOptions,
};
use std::{net::IpAddr, path::Path, str::FromStr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    /// And MariaDB.
    MySql,
    Sqlite,
}

impl Dialect {
    pub fn of(url: &str) -> Option<Self> {
        match url.split_once(':')?.0 {
            "postgres" | "postgresql" => Some(Dialect::Postgres),
            "mysql" | "mariadb" => Some(Dialect::MySql),
            "sqlite" => Some(Dialect::Sqlite),
            _ => None,
        }
    }
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Postgres => "PostgreSQL",
            Dialect::MySql => "MySQL/MariaDB",
            Dialect::Sqlite => "SQLite",
        }
    }
}

/// What protects the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// TLS, the certificate's chain and name verified.
    Verify,
    /// None, also to another machine.
    Off,
}

/// A URL that the driver has read, with our rules put over it.
#[derive(Clone)]
pub enum Address {
    Postgres(Box<PgConnectOptions>),
    MySql(Box<MySqlConnectOptions>),
    Sqlite(Box<SqliteConnectOptions>),
}

/// Never with the URL: it may hold a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("begins with none of postgres:, mysql:, mariadb:, sqlite:")]
    Scheme,
    #[error("cannot be read as a database URL")]
    Url,
    #[error("holds `{0}`: what protects the connection is said by `tls` and `ca_file`")]
    Ssl(String),
    #[error("a table in memory is empty at every start")]
    InMemory,
}

impl Address {
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let dialect = Dialect::of(url).ok_or(AddressError::Scheme)?;
        if let Some(key) = keys(url).find(|key| key.to_ascii_lowercase().starts_with("ssl")) {
            return Err(AddressError::Ssl(key.to_owned()));
        }
        match dialect {
            Dialect::Postgres => read(url).map(|options| Address::Postgres(Box::new(options))),
            Dialect::MySql => read(url).map(|options| Address::MySql(Box::new(options))),
            Dialect::Sqlite if url.contains(":memory:") || url.contains("mode=memory") => Err(AddressError::InMemory),
            Dialect::Sqlite => read(url).map(|options| Address::Sqlite(Box::new(options))),
        }
    }

    pub fn dialect(&self) -> Dialect {
        match self {
            Address::Postgres(_) => Dialect::Postgres,
            Address::MySql(_) => Dialect::MySql,
            Address::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// Whether somebody on the wire could listen.
    pub fn is_remote(&self) -> bool {
        let (host, socket) = match self {
            Address::Postgres(options) => (options.get_host(), options.get_socket().is_some()),
            Address::MySql(options) => (options.get_host(), options.get_socket().is_some()),
            Address::Sqlite(_) => return false,
        };
        // libpq's rule: a host that is a path is the directory of a socket.
        let local = |host: &str| {
            host == "localhost" || host.starts_with('/') || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        };
        !socket && !local(host.trim_start_matches('[').trim_end_matches(']'))
    }

    /// For a note or a log line.
    pub fn place(&self) -> String {
        match self {
            Address::Postgres(options) => format!("{}:{}", options.get_host(), options.get_port()),
            Address::MySql(options) => format!("{}:{}", options.get_host(), options.get_port()),
            Address::Sqlite(options) => options.get_filename().display().to_string(),
        }
    }

    /// TLS as it is said, or as the place asks for.
    pub fn protected(self, tls: Option<Tls>, ca_file: Option<&Path>) -> Self {
        let tls = tls.unwrap_or(if self.is_remote() || ca_file.is_some() { Tls::Verify } else { Tls::Off });
        match self {
            Address::Postgres(options) => {
                let options = options.ssl_mode(match tls {
                    Tls::Verify => PgSslMode::VerifyFull,
                    Tls::Off => PgSslMode::Disable,
                });
                Address::Postgres(Box::new(match ca_file {
                    Some(file) => options.ssl_root_cert(file),
                    None => options,
                }))
            }
            Address::MySql(options) => {
                let options = options.ssl_mode(match tls {
                    Tls::Verify => MySqlSslMode::VerifyIdentity,
                    Tls::Off => MySqlSslMode::Disabled,
                });
                Address::MySql(Box::new(match ca_file {
                    Some(file) => options.ssl_ca(file),
                    None => options,
                }))
            }
            Address::Sqlite(options) => Address::Sqlite(options),
        }
    }

    /// With the password that stands in a setting of its own.
    pub fn with_password(self, password: &str) -> Self {
        match self {
            Address::Postgres(options) => Address::Postgres(Box::new(options.password(password))),
            Address::MySql(options) => Address::MySql(Box::new(options.password(password))),
            Address::Sqlite(options) => Address::Sqlite(options),
        }
    }
}

fn read<T: FromStr>(url: &str) -> Result<T, AddressError> {
    url.parse().map_err(|_| AddressError::Url)
}

/// The names of the URL's parameters.
fn keys(url: &str) -> impl Iterator<Item = &str> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|pair| pair.split('=').next())
}

/// Does an inline URL carry a password?
pub fn holds_password(url: &str) -> bool {
    let authority =
        url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    let in_authority =
        authority.rsplit_once('@').is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, p)| !p.is_empty()));
    in_authority || keys(url).any(|key| key.eq_ignore_ascii_case("password"))
}

/// A text that stands for another: `env:NAME` or `file:PATH`.
pub fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(url: &str) -> bool {
        Address::parse(url).unwrap().is_remote()
    }

    #[test]
    fn the_scheme_says_the_driver() {
        for (url, dialect) in [
            ("postgres://u@db/x", Dialect::Postgres),
            ("postgresql://u@db/x", Dialect::Postgres),
            ("mysql://u@db/x", Dialect::MySql),
            ("mariadb://u@db/x", Dialect::MySql),
            ("sqlite:data/users.db", Dialect::Sqlite),
        ] {
            assert_eq!(Address::parse(url).unwrap().dialect(), dialect, "{url}");
        }
        assert_eq!(Address::parse("oracle://db/x").err(), Some(AddressError::Scheme));
        assert_eq!(Address::parse("sqlite::memory:").err(), Some(AddressError::InMemory));
    }

    #[test]
    fn another_machine_is_reached_by_verified_tls_unless_it_is_said() {
        assert!(remote("postgres://u@db.example.org/x") && remote("mysql://u@10.0.0.7/x"));
        for local in ["postgres://u@127.0.0.1:5433/x", "mysql://u@localhost/x", "postgres://u@[::1]/x"] {
            assert!(!remote(local), "{local}");
        }
        assert!(!remote("postgres://u@%2Frun%2Fpostgresql/x") && !remote("sqlite:users.db"));
        let mode = |url: &str, tls| match Address::parse(url).unwrap().protected(tls, None) {
            Address::Postgres(options) => format!("{:?}", options.get_ssl_mode()),
            Address::MySql(options) => format!("{:?}", options.get_ssl_mode()),
            Address::Sqlite(_) => String::new(),
        };
        assert_eq!(mode("postgres://u@db/x", None), "VerifyFull");
        assert_eq!(mode("mysql://u@db/x", None), "VerifyIdentity");
        assert_eq!(mode("postgres://u@127.0.0.1/x", None), "Disable");
        assert_eq!(mode("postgres://u@127.0.0.1/x", Some(Tls::Verify)), "VerifyFull");
        assert_eq!(mode("mysql://u@db/x", Some(Tls::Off)), "Disabled");
    }

    #[test]
    fn the_url_does_not_say_how_it_is_protected() {
        for url in ["postgres://u@db/x?sslmode=disable", "mysql://u@db/x?a=b&ssl-mode=DISABLED"] {
            assert!(matches!(Address::parse(url), Err(AddressError::Ssl(_))), "{url}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_seen() {
        assert!(holds_password("postgres://u:p@ss@db/x") && holds_password("mysql://db/x?user=u&password=x"));
        assert!(!holds_password("postgres://u@db/x") && !holds_password("sqlite:data/a@b:c.db"));
    }
}
