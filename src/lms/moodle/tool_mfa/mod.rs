//! What Moodle's own second factor, tool_mfa (core since 4.3, a plugin from 3.9 on), has stored: read from Moodle's
//! database once, by `vestibule import tool-mfa`.
//!
//! [`Reader`] reads, [`record`] says which rows are worth something outside Moodle and why the others are not,
//! [`webauthn`] understands the registrations of the PHP library that Moodle ships, [`settings`] tells the rules that
//! the site had in the words of gateway.yaml. Secrets are handled as [`Secret`](crate::types::Secret) from the first
//! byte on; nothing here writes to Moodle.

mod read;
mod record;
mod settings;
mod webauthn;

pub use read::{MOST_ROWS, ReadError, Reader};
pub use record::{Left, Record, Stored, User};
pub use settings::{Grace, Settings};
pub use webauthn::{PublicKey, Registration};
