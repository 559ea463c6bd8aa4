//! `vestibule import tool-mfa`: what Moodle's own second factor has stored goes on counting here.
//!
//! The process of whoever types the command reads Moodle's database: the gateway never learns its address or password,
//! and what was read travels over the Unix socket alone, a batch at a time. The gateway finds the account behind each
//! LMS user by its binding, or by the method of that LMS as a source, whose subject is the user's id. An equal name
//! finds nobody: equal names are never one account without a link (design R6).
//!
//! Everything is carried over once: a second import changes nothing, also where somebody has removed a factor since.
//! Accounts are neither made nor changed, but for one thing: who was asked in Moodle and brings nothing that counts
//! here is left to the help desk, so that the password alone enrols no first factor for them (design §2).

mod carry;
mod command;
mod gather;
mod sheet;

pub use command::{Device, ImportCommand, ImportToolMfa, Person, What};
pub use sheet::{People, TallyRow, ToolMfaSheet};

pub(super) use gather::gather;
