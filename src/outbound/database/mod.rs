//! Somebody else's database, which is only read: PostgreSQL, MySQL/MariaDB or SQLite.
//!
//! Who asks names a place ([`Location`]) and one statement with one named value; what comes back is text, row by row.
//! A source of people asks so (`chain::sources::sql`), an LMS's groups are read so (`lms`), and an import reads the
//! LMS's own tables.
//!
//! `location` (what the operator wrote) → `address` and `statement` (how the driver is told) → `table` and `cell`
//! (rows as text).

mod address;
mod cell;
mod location;
mod statement;
mod table;

pub use address::{Address, AddressError, Dialect, Tls, holds_password, is_reference};
pub use cell::{Cell, CellError};
pub use location::{Fault, Gravity, Location, Read, Unopened};
pub use statement::{Statement, StatementError};
pub use table::{Column, Found, Table};
