//! A table of users: PostgreSQL, MySQL/MariaDB or SQLite, asked by the operator's own query.
//!
//! The query finds one row by `:username`, the row says who that is (a subject that never changes, design R6) and
//! holds the password's hash, which is verified here, in the bounded pool. The table is only read.
//!
//! Not promised: that a row's hash is a good one. `hashes` says which formats count, and `vestibule check` names those
//! that are fit for a migration only.
//!
//! `settings` (what the operator wrote) → `outbound::database` (how the driver is told, rows as text) → `record` (a
//! person) → `judge` (the verdict).

mod judge;
mod record;
mod settings;

use super::Kind;

pub const KIND: Kind = Kind {
    name: "sql",
    internal: false,
    multiple: true,
    can_disable: true,
    removable: true,
    settings: super::read::<settings::Settings>,
};
