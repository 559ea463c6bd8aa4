//! Databases that are not the gateway's own, real ones, which a test fills and the gateway reads.

use crate::{
    mariadb::MariaDb,
    servers::{Postgres, Scratch},
};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

/// A real database that a test fills.
pub enum Db {
    Postgres(Postgres),
    MariaDb(MariaDb),
    Sqlite(Scratch),
}

impl Db {
    pub fn all() -> [Db; 3] {
        [Self::postgres(), Self::mariadb(), Self::sqlite()]
    }
    pub fn postgres() -> Self {
        Db::Postgres(Postgres::start())
    }
    pub fn mariadb() -> Self {
        let mariadb = MariaDb::start();
        mariadb.sql("CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'a secret'").unwrap();
        mariadb.sql("GRANT ALL ON users.* TO reader@'127.0.0.1'").unwrap();
        Db::MariaDb(mariadb)
    }
    pub fn sqlite() -> Self {
        Db::Sqlite(Scratch::new("sql"))
    }

    /// Without a password.
    pub fn url(&self) -> String {
        match self {
            Db::Postgres(postgres) => postgres.url(),
            Db::MariaDb(mariadb) => mariadb.url("reader"),
            Db::Sqlite(directory) => format!("sqlite:{}/users.db", directory.path().display()),
        }
    }

    /// As somebody writes it into a file: with the password, where there is one.
    pub fn whole_url(&self) -> String {
        match self {
            Db::MariaDb(mariadb) => mariadb.url("reader:a%20secret"),
            Db::Postgres(_) | Db::Sqlite(_) => self.url(),
        }
    }

    pub async fn sql(&self, text: &str) {
        let text = AssertSqlSafe(text.to_owned());
        match self {
            Db::Postgres(_) => {
                let mut connection = PgConnection::connect(&self.url()).await.unwrap();
                connection.execute(sqlx::raw_sql(text)).await.unwrap();
            }
            Db::MariaDb(mariadb) => mariadb.sql(&format!("USE users;\n{}", text.0)).unwrap(),
            Db::Sqlite(_) => {
                let mut connection = SqliteConnection::connect(&format!("{}?mode=rwc", self.url())).await.unwrap();
                connection.execute(sqlx::raw_sql(text)).await.unwrap();
            }
        }
    }
}
