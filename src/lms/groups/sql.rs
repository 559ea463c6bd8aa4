//! Groups out of the LMS's database, by an account that may only read, and should have no more than SELECT on the
//! tables named here.
//!
//! Moodle's own query finds the user too: an id that is not there is another LMS's, and no answer.

use super::{ADMIN, Groups, GroupsError, NoGroups, Sql, sorted};
use crate::{
    outbound::database::{Cell, Dialect, Read, Statement, Table},
    types::LmsUserId,
};
use async_trait::async_trait;
use std::time::Duration;

pub(super) const USER: &str = "user";
/// One query is a few milliseconds; a round of people in use is asked about a few at a time.
const POOL: u32 = 4;

pub struct SqlGroups {
    table: Table,
    query: Statement,
    finds: Finds,
}

/// What the rows are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finds {
    /// Names, and one row that says that the user is there.
    Moodles,
    /// The operator's names.
    Names,
}

/// A row of the user's own, beside the names of groups: none of Moodle's begins so.
const THERE: &str = "user:";

impl SqlGroups {
    /// `secret` reads what a text stands for. Within the runtime, as [`Table::open`] says.
    pub fn open(config: &Sql, secret: &Read<'_>, deadline: Duration) -> Result<Self, NoGroups> {
        let address = config.location().address(secret)?;
        let dialect = address.dialect();
        let (query, finds) = match &config.query {
            Some(query) => (Statement::parse(query, USER, dialect)?, Finds::Names),
            None => (Statement::parse(&moodles(dialect, &config.prefix), USER, dialect)?, Finds::Moodles),
        };
        Ok(Self { table: Table::open(address, POOL, deadline), query, finds })
    }
}

#[async_trait]
impl Groups for SqlGroups {
    async fn of(&self, user: LmsUserId) -> Result<Vec<String>, GroupsError> {
        // Two beyond the most: the user's own row, and the one that says that there are too many.
        let found = self.table.rows(&self.query, &user.to_string(), super::MOST + 2).await;
        let found = found.map_err(GroupsError::Database)?;
        if found.columns.len() != 1 {
            return Err(GroupsError::Columns(found.columns.len()));
        }
        let mut names = Vec::new();
        for cell in found.rows.into_iter().flatten() {
            match cell {
                Ok(Cell::Text(name)) => names.push(name),
                // The left side of an outer join: no group.
                Ok(Cell::Null) => {}
                Ok(Cell::List(list)) => names.extend(list),
                Err(error) => return Err(GroupsError::Database(format!("a name {error}"))),
            }
        }
        if self.finds == Finds::Moodles {
            let before = names.len();
            names.retain(|name| name != THERE);
            if names.len() == before {
                return Err(GroupsError::Nobody(user));
            }
        }
        sorted(names)
    }
}

/// Cohorts by name and by id number, roles held anywhere by short name, and `siteadmins`.
fn moodles(dialect: Dialect, prefix: &str) -> String {
    let (id, quote) = match dialect {
        Dialect::Postgres => ("CAST(:user AS bigint)", '"'),
        Dialect::MySql => ("CAST(:user AS signed)", '`'),
        Dialect::Sqlite => ("CAST(:user AS integer)", '"'),
    };
    let joined = |parts: &[&str]| match dialect {
        Dialect::MySql => format!("CONCAT({})", parts.join(", ")),
        Dialect::Postgres | Dialect::Sqlite => parts.join(" || "),
    };
    let table = |name: &str| format!("{quote}{prefix}{name}{quote}");
    let cohort = |column: &str| {
        format!(
            "SELECT {} FROM {} c JOIN {} m ON m.cohortid = c.id WHERE m.userid = {id} AND c.{column} <> ''",
            joined(&["'cohort:'", &format!("c.{column}")]),
            table("cohort"),
            table("cohort_members"),
        )
    };
    let listed = joined(&["','", "value", "','"]);
    let own = joined(&["'%,'", ":user", "',%'"]);
    [
        format!("SELECT '{THERE}' AS name FROM {} WHERE id = {id} AND deleted = 0", table("user")),
        cohort("name"),
        cohort("idnumber"),
        format!(
            "SELECT {} FROM {} a JOIN {} r ON r.id = a.roleid WHERE a.userid = {id}",
            joined(&["'role:'", "r.shortname"]),
            table("role_assignments"),
            table("role"),
        ),
        format!("SELECT '{ADMIN}' FROM {} WHERE name = 'siteadmins' AND {listed} LIKE {own}", table("config")),
    ]
    .join(" UNION ")
}
