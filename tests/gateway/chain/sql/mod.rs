//! The `sql` source against real databases: PostgreSQL, MariaDB and SQLite, judged directly. What is counted is hash
//! work, not time.

mod rows;
mod server;
mod tables;

use super::ground;
use std::{net::IpAddr, sync::Arc, time::Duration};
use vestibule::{
    chain::{
        Asked, Attempt, Credentials, Person, Standing, Trace, Verdict,
        password::Hashing,
        sources::{BuildError, Source, sql},
    },
    types::{ClientAddr, Password, Secret, Subject},
};

pub const PASSWORD: &str = "correct horse";
/// Made by crypt(3) of libxcrypt.
pub const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";
pub const SHA512_CRYPT: &str =
    "$6$rounds=1000$saltsalt$4GMtaIz3E1AdDi2SmCokEW0ehi.HdxNDcL3fGE1XXuzvo6kbx7UOloZKONqEk5H3JrQA4NOfU8BmqFPrpGqwA1";
pub const MD5: &str = "3cb4e732631f47e6eb961f34554b7cde";

const DEADLINE: Duration = Duration::from_secs(10);

pub use crate::databases::Db;

impl Db {
    /// A table as most are: a numbered key, a name, a hash.
    pub async fn people(&self, rows: &[(&str, Option<&str>)]) {
        self.sql("CREATE TABLE people (id INTEGER PRIMARY KEY, login VARCHAR(200), hash VARCHAR(2000))").await;
        for (id, (login, hash)) in rows.iter().enumerate() {
            let hash = hash.map_or("NULL".into(), |hash| format!("'{hash}'"));
            let login = login.replace('\'', "''");
            let login = if matches!(self, Db::MariaDb(_)) { login.replace('\\', "\\\\") } else { login };
            self.sql(&format!("INSERT INTO people VALUES ({}, '{login}', {hash})", id + 1)).await;
        }
    }

    pub fn source(&self) -> Subjected {
        self.asking(
            "SELECT id AS subject, login AS username, hash AS password_hash FROM people WHERE login = :username",
        )
    }
    pub fn asking(&self, query: &str) -> Subjected {
        self.with(&format!("query: |\n  {query}\n"))
    }
    pub fn with(&self, yaml: &str) -> Subjected {
        self.within(DEADLINE, yaml)
    }
    pub fn within(&self, deadline: Duration, yaml: &str) -> Subjected {
        let password = if matches!(self, Db::MariaDb(_)) { "password: env:PASSWORD\n" } else { "" };
        Subjected::build(&format!("database: \"{}\"\n{password}{yaml}", self.url()), deadline).unwrap()
    }
}

/// A source under test, and the count of its hash work.
pub struct Subjected {
    pub source: Source,
    pub hashing: Arc<Hashing>,
}

impl Subjected {
    pub fn build(yaml: &str, deadline: Duration) -> Result<Self, BuildError> {
        let hashing = Arc::new(Hashing::new(2));
        let secret = |text: &str| {
            let is_password = text == "env:PASSWORD";
            Ok(Secret::new(if is_password { "a secret".to_owned() } else { text.to_owned() }))
        };
        Ok(Self { source: ground::build(sql::KIND, yaml, deadline, hashing.clone(), &secret)?, hashing })
    }

    pub async fn judge(&self, username: &str, password: &str) -> Verdict {
        self.traced(username, password, Trace::off()).await
    }

    pub async fn traced(&self, username: &str, password: &str, trace: Trace) -> Verdict {
        let credentials = Credentials::Token {
            username: username.to_owned(),
            password: Password::new(password.to_owned()),
            service: "mobile".into(),
        };
        let client = ClientAddr::new(IpAddr::from([127, 0, 0, 1]));
        let attempt = Attempt { credentials, client, trace };
        self.source.password.as_ref().unwrap().judge(&Asked { username, attempt: &attempt }).await
    }

    /// The verdict in a word and its reason, and how many hashes it took.
    pub async fn counted(&self, username: &str, password: &str) -> (String, u64) {
        let before = self.hashing.begun();
        let verdict = self.judge(username, password).await;
        (said(&verdict), self.hashing.begun() - before)
    }

    pub async fn person(&self, username: &str) -> Person {
        match self.judge(username, PASSWORD).await {
            Verdict::Ok(proven) => proven.person,
            other => panic!("{username}: {}", said(&other)),
        }
    }

    pub async fn standing(&self, subject: &str) -> Result<Standing, String> {
        self.source.directory.as_ref().unwrap().standing(&Subject::new(subject)).await
    }
}

pub fn said(verdict: &Verdict) -> String {
    verdict.reason().map_or(verdict.name().to_owned(), |reason| format!("{}: {reason}", verdict.name()))
}
