//! A pool of connections to somebody else's database: a bounded one of connections that can only read, and whose statements end on the
//! server when our patience does.
//!
//! | | read-only by | a statement is ended by |
//! |---|---|---|
//! | PostgreSQL | `default_transaction_read_only` | `statement_timeout` |
//! | MySQL, MariaDB | `SET SESSION TRANSACTION READ ONLY` | `max_execution_time`, `max_statement_time` |
//! | SQLite | the file opened read-only, `query_only` | a progress handler |
//!
//! The account in the URL should have no more than SELECT on the columns it needs; this is the second lock.

use super::{
    address::Address,
    cell::{self, Cell, CellError},
    statement::Statement,
};
use futures_util::TryStreamExt;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Database, Executor, MySql, MySqlPool, PgPool, Postgres, Row as _, SqlSafeStr,
    SqlitePool, Statement as _, Type, TypeInfo,
    mysql::MySqlConnection,
    pool::{PoolConnection, PoolOptions},
    postgres::PgConnection,
};
use std::time::{Duration, Instant};

/// More than one row is a refusal; the second one proves it.
const TWO: usize = 2;

pub struct Table {
    pool: Pool,
    deadline: Duration,
    place: String,
}

enum Pool {
    Postgres(PgPool),
    MySql(MySqlPool),
    Sqlite(SqlitePool),
}

/// What a query found.
#[derive(Debug)]
pub struct Found {
    pub columns: Vec<Column>,
    /// Each with a cell per column.
    pub rows: Vec<Vec<Result<Cell, CellError>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// The name of its type, where that has no obvious text. Known before any row: a mistake in the query is then an
    /// ERROR for every name alike.
    pub unreadable: Option<String>,
}

impl Table {
    /// Opens nothing yet. Within the runtime: the pool has a task that closes idle connections.
    pub fn open(address: Address, size: u32, deadline: Duration) -> Self {
        let place = address.place();
        let pool = match address {
            Address::Postgres(options) => {
                let options = options.application_name("vestibule").disable_statement_logging();
                Pool::Postgres(postgres_pool(size, deadline).connect_lazy_with(options))
            }
            Address::MySql(options) => {
                Pool::MySql(mysql_pool(size, deadline).connect_lazy_with(options.disable_statement_logging()))
            }
            Address::Sqlite(options) => {
                let options = options.read_only(true).create_if_missing(false).busy_timeout(deadline);
                let options = options.pragma("query_only", "1").disable_statement_logging();
                Pool::Sqlite(pool_options(size, deadline).connect_lazy_with(options))
            }
        };
        Self { pool, deadline, place }
    }

    /// For a note: where the table is.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Runs the query with its one value bound. Two rows at most: the second one says that there are several.
    pub async fn find(&self, statement: &Statement, value: &str) -> Result<Found, String> {
        self.rows(statement, value, TWO).await
    }

    /// The same with at most so many rows. What follows them is not read.
    pub async fn rows(&self, statement: &Statement, value: &str, most: usize) -> Result<Found, String> {
        let asked = async {
            match &self.pool {
                Pool::Postgres(pool) => postgres(pool, statement, value, most).await,
                Pool::MySql(pool) => mysql(pool, statement, value, most).await,
                Pool::Sqlite(pool) => sqlite(pool, statement, value, (most, self.deadline)).await,
            }
        };
        self.within(asked).await
    }

    /// A connection, and an answer over it.
    pub async fn probe(&self) -> Result<(), String> {
        let asked = async {
            match &self.pool {
                Pool::Postgres(pool) => ping(pool).await,
                Pool::MySql(pool) => ping(pool).await,
                Pool::Sqlite(pool) => ping(pool).await,
            }
        };
        self.within(asked).await
    }

    /// The drivers' waits are bounded here as well as at the chain, so that a probe is, too.
    async fn within<T>(&self, asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, String> {
        match tokio::time::timeout(self.deadline, asked).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("{} did not answer within {:?}", self.place, self.deadline)),
        }
    }
}

fn pool_options<DB: Database>(size: u32, deadline: Duration) -> PoolOptions<DB> {
    PoolOptions::new().max_connections(size).acquire_timeout(deadline)
}

fn postgres_pool(size: u32, deadline: Duration) -> PoolOptions<Postgres> {
    let ms = deadline.as_millis();
    // The last one makes a backslash in a literal what `statement` takes it for.
    let settings = format!(
        "SET default_transaction_read_only = on; SET statement_timeout = {ms}; SET lock_timeout = {ms}; \
         SET standard_conforming_strings = on"
    );
    pool_options(size, deadline).after_connect(move |connection: &mut PgConnection, _| {
        let settings = settings.clone();
        Box::pin(async move { connection.execute(sqlx::raw_sql(AssertSqlSafe(settings))).await.map(|_| ()) })
    })
}

fn mysql_pool(size: u32, deadline: Duration) -> PoolOptions<MySql> {
    pool_options(size, deadline)
        .after_connect(move |connection, _| Box::pin(async move { settle_mysql(connection, deadline).await }))
}

async fn settle_mysql(connection: &mut MySqlConnection, deadline: Duration) -> Result<(), sqlx::Error> {
    connection.execute("SET SESSION TRANSACTION READ ONLY").await?;
    // At its default of 1024 GROUP_CONCAT cuts a list of groups short without saying so.
    connection.execute("SET SESSION group_concat_max_len = 16384").await?;
    let version: Vec<u8> = sqlx::query_scalar("SELECT CAST(VERSION() AS BINARY)").fetch_one(&mut *connection).await?;
    let limit = if version.windows(7).any(|word| word == b"MariaDB") {
        format!("SET SESSION max_statement_time = {:.3}", deadline.as_secs_f64()) // MariaDB 10.1, in seconds
    } else {
        format!("SET SESSION max_execution_time = {}", deadline.as_millis()) // MySQL 5.7.8, in milliseconds
    };
    match connection.execute(sqlx::raw_sql(AssertSqlSafe(limit))).await {
        Err(sqlx::Error::Database(error)) => {
            tracing::debug!(%error, "this MySQL ends no statement by time; the instance's deadline does");
            Ok(())
        }
        done => done.map(|_| ()),
    }
}

async fn ping<DB: Database>(pool: &sqlx::Pool<DB>) -> Result<(), sqlx::Error>
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut lent = Lent::of(pool).await?;
    lent.connection.execute("SELECT 1").await?;
    lent.back();
    Ok(())
}

async fn postgres(pool: &PgPool, statement: &Statement, value: &str, most: usize) -> Result<Found, sqlx::Error> {
    let mut lent = Lent::of(pool).await?;
    // Without a type PostgreSQL would infer one, and `id = $1` would want the eight bytes of a bigint.
    let parameters = [<str as Type<Postgres>>::type_info()];
    let text = AssertSqlSafe(statement.text().to_owned()).into_sql_str();
    let prepared = (&mut *lent.connection).prepare_with(text, &parameters).await?;
    let columns = columns(prepared.columns(), |info| cell::postgres_reading(info).is_some());
    let mut rows = Vec::new();
    let mut stream = prepared.query().bind(value).fetch(&mut *lent.connection);
    while let Some(row) = stream.try_next().await? {
        rows.push((0..row.len()).map(|at| cell::postgres(row.try_get_raw(at).map_err(driver)?)).collect());
        if rows.len() == most {
            return Ok(Found { columns, rows });
        }
    }
    drop(stream);
    lent.back();
    Ok(Found { columns, rows })
}

async fn mysql(pool: &MySqlPool, statement: &Statement, value: &str, most: usize) -> Result<Found, sqlx::Error> {
    let mut lent = Lent::of(pool).await?;
    let prepared = (&mut *lent.connection).prepare(AssertSqlSafe(statement.text().to_owned()).into_sql_str()).await?;
    let columns = columns(prepared.columns(), |info| cell::mysql_reading(info).is_some());
    let mut rows = Vec::new();
    let query = (0..statement.binds()).fold(prepared.query(), |query, _| query.bind(value));
    let mut stream = query.fetch(&mut *lent.connection);
    while let Some(row) = stream.try_next().await? {
        rows.push((0..row.len()).map(|at| cell::mysql(row.try_get_raw(at).map_err(driver)?)).collect());
        if rows.len() == most {
            return Ok(Found { columns, rows });
        }
    }
    drop(stream);
    lent.back();
    Ok(Found { columns, rows })
}

async fn sqlite(
    pool: &SqlitePool,
    statement: &Statement,
    value: &str,
    (most, deadline): (usize, Duration),
) -> Result<Found, sqlx::Error> {
    let end = Instant::now() + deadline;
    let mut lent = Lent::of(pool).await?;
    // Its thread knows nothing of our time-out, and would go on with the query for nobody.
    lent.connection.lock_handle().await?.set_progress_handler(1000, move || Instant::now() < end);
    let prepared = (&mut *lent.connection).prepare(AssertSqlSafe(statement.text().to_owned()).into_sql_str()).await?;
    let columns = columns(prepared.columns(), |_| true);
    let mut rows = Vec::new();
    let mut stream = prepared.query().bind(value).fetch(&mut *lent.connection);
    while let Some(row) = stream.try_next().await? {
        rows.push((0..row.len()).map(|at| cell::sqlite(row.try_get_raw(at).map_err(driver)?)).collect());
        if rows.len() == most {
            return Ok(Found { columns, rows });
        }
    }
    drop(stream);
    lent.connection.lock_handle().await?.remove_progress_handler();
    lent.back();
    Ok(Found { columns, rows })
}

fn columns<C: sqlx::Column>(
    columns: &[C],
    readable: impl Fn(&<C::Database as Database>::TypeInfo) -> bool,
) -> Vec<Column> {
    let one = |column: &C| Column {
        name: column.name().to_owned(),
        unreadable: (!readable(column.type_info())).then(|| column.type_info().name().to_owned()),
    };
    columns.iter().map(one).collect()
}

fn driver(error: sqlx::Error) -> CellError {
    CellError::Driver(error.to_string())
}

/// A connection that goes back into the pool only when all has been read. One that was left half way (a deadline, an
/// error, a second row) may sit before a frozen server, and the pool would wait for it.
struct Lent<DB: Database> {
    connection: PoolConnection<DB>,
    read: bool,
}

impl<DB: Database> Lent<DB> {
    async fn of(pool: &sqlx::Pool<DB>) -> Result<Self, sqlx::Error> {
        pool.acquire().await.map(|connection| Self { connection, read: false })
    }
    fn back(mut self) {
        self.read = true;
    }
}

impl<DB: Database> Drop for Lent<DB> {
    fn drop(&mut self) {
        if !self.read {
            self.connection.close_on_drop();
        }
    }
}
