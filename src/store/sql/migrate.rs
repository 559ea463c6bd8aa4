//! Bringing the database to this version's format, forwards only.
//!
//! Migrations are embedded, numbered and never edited once released. A database of a newer format is refused and
//! left untouched (attack X30): this binary cannot know what it would break.

use super::{Database, Dialect};
use crate::store::OpenStoreError;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("migrations/0001_begin.sql")),
    (2, include_str!("migrations/0002_chain.sql")),
    (3, include_str!("migrations/0003_local.sql")),
    (4, include_str!("migrations/0004_mail.sql")),
    (5, include_str!("migrations/0005_standing.sql")),
    (6, include_str!("migrations/0006_factors.sql")),
    (7, include_str!("migrations/0007_devices.sql")),
    (8, include_str!("migrations/0008_mail_marks.sql")),
    (9, include_str!("migrations/0009_imports.sql")),
    (11, include_str!("migrations/0011_addresses.sql")),
];
pub(super) const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

pub(super) async fn run(database: &Database) -> Result<(), OpenStoreError> {
    let found = apply(database).await.map_err(OpenStoreError::database)?;
    if found > KNOWN {
        return Err(OpenStoreError::Newer { store: "database", found, known: KNOWN });
    }
    Ok(())
}

/// Returns the format that was found. Everything is one transaction: a failed migration leaves nothing behind.
async fn apply(database: &Database) -> Result<i64, sqlx::Error> {
    let mut tx = database.begin().await?;
    if database.dialect == Dialect::Postgres {
        // Nodes that start together migrate one after the other. The number is arbitrary but must stay.
        sqlx::raw_sql("SELECT pg_advisory_xact_lock(8371650021)").execute(&mut *tx).await?;
    }
    let table = "CREATE TABLE IF NOT EXISTS schema_version (version {int} NOT NULL) {strict}";
    sqlx::raw_sql(dialect_words(database, table)).execute(&mut *tx).await?;
    let found: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM schema_version").fetch_one(&mut *tx).await?;
    let found = found.unwrap_or(0);
    for (version, text) in MIGRATIONS.iter().filter(|(version, _)| *version > found) {
        sqlx::raw_sql(dialect_words(database, text)).execute(&mut *tx).await?;
        sqlx::query("INSERT INTO schema_version (version) VALUES ($1)").bind(version).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(found)
}

/// The three words in which the two databases differ. Only this program's own text goes through here.
fn dialect_words(database: &Database, text: &str) -> SqlStr {
    let (int, serial, strict) = match database.dialect {
        Dialect::Sqlite => ("INTEGER", "INTEGER PRIMARY KEY AUTOINCREMENT", "STRICT"),
        Dialect::Postgres => ("BIGINT", "BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY", ""),
    };
    AssertSqlSafe(text.replace("{int}", int).replace("{serial}", serial).replace("{strict}", strict)).into_sql_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::tests::Scratch;

    #[tokio::test]
    async fn x30_a_newer_database_is_refused_and_an_old_one_opens_again() {
        let dir = Scratch::new();
        let url = format!("sqlite:{}/v.db", dir.path().display());
        Database::open(&url).await.unwrap().close().await;
        let database = Database::open(&url).await.unwrap();
        sqlx::query("INSERT INTO schema_version (version) VALUES (99)").execute(&database.write).await.unwrap();
        database.close().await;
        let refused = Database::open(&url).await.err().unwrap();
        assert!(matches!(refused, OpenStoreError::Newer { found: 99, known: KNOWN, .. }), "{refused}");
    }
}
