//! What an LMS knows about its people beyond their names: cohorts, roles, who administers it. Read for the rules that
//! are meant for some people only, where `lms.groups` of a site says how.
//!
//! A reading is the whole truth or an error. No group at all is an answer; a table that is missing, a web service that
//! refuses, a deadline that has passed is none, and who asks must not take it for one (attack J16).
//!
//! Names say what they are: `cohort:staff`, `role:editingteacher`, `admin`. A site with a query of its own names its
//! groups as that query does.

mod config;
mod sql;

pub use config::{Config, Sql, WebService};
pub use sql::SqlGroups;

use super::LmsError;
use crate::{outbound::database::Unopened, types::LmsUserId};
use async_trait::async_trait;

/// Who administers the LMS.
pub const ADMIN: &str = "admin";

/// Of one person. A rule names a handful; a person with more has a query that finds too much.
pub const MOST: usize = 1_000;
const LONGEST: usize = 255;

/// One site's reader.
#[async_trait]
pub trait Groups: Send + Sync {
    /// The groups of one user of the LMS, sorted, each once.
    async fn of(&self, user: LmsUserId) -> Result<Vec<String>, GroupsError>;
}

/// Why somebody's groups are not known. For the operator: none of it is the person's doing.
#[derive(Debug, thiserror::Error)]
pub enum GroupsError {
    #[error(transparent)]
    Lms(#[from] LmsError),
    #[error("the LMS's database: {0}")]
    Database(String),
    #[error("the LMS's database has no user {0}")]
    Nobody(LmsUserId),
    #[error("more than {MOST} groups, or one whose name is empty, long or holds control characters")]
    Unusable,
    #[error("`lms.groups.sql` must find one column of names; this query finds {0}")]
    Columns(usize),
}

/// Why a reader could not be made. The key is within `lms.groups`.
#[derive(Debug, thiserror::Error)]
pub enum NoGroups {
    #[error("sql.{0}")]
    Database(#[from] Unopened),
    #[error("sql.query: {0}")]
    Query(#[from] crate::outbound::database::StatementError),
    #[error("web_service.token: {0}")]
    Token(String),
}

/// In one order, each once, and nothing that could not stand in a rule.
pub fn sorted(names: impl IntoIterator<Item = String>) -> Result<Vec<String>, GroupsError> {
    let mut all: Vec<String> = names.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    let usable = |name: &String| !name.is_empty() && name.len() <= LONGEST && !name.chars().any(char::is_control);
    if all.len() <= MOST && all.iter().all(usable) { Ok(all) } else { Err(GroupsError::Unusable) }
}
