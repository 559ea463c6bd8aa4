//! Administration: over a Unix socket for those who may, and what monitoring may see over TCP.
//!
//! There is one list of acts ([`Command`]) and one place that carries them out ([`Admin::execute`]). The command
//! line asks the running gateway by its socket; where none runs it opens the stores itself. Nothing over TCP changes
//! anything (attack I5).
//!
//! Adding an act: a variant of [`Command`] and its arm in [`Admin::execute`]; the command line has it by that.

mod api;
pub mod cli;
mod command;
mod complete;
mod config;
mod devices;
mod facts;
mod help_desk;
mod imports;
mod init;
mod keyfile;
pub mod listener;
mod local;
mod lockout;
mod methods;
pub mod mfa;
pub mod probe;
mod reload;
mod reply;
mod sheet;
pub mod socket;
pub mod source;
mod tool_mfa;

pub use api::{Admin, AdminError, Operator, Place};
pub use command::{
    AccountCommand, BindingCommand, Command, FactorCommand, HashText, ImportLocals, KeysCommand, LineProblem, Listing,
    ListingOf, LocalRow, LocalUser, MailCommand, MailTarget, NewLocal, SessionCommand, SessionTarget, SetPassword,
    SiteNamed, TokenCommand, TokenTarget, User,
};
pub use config::Config;
pub use devices::{DeviceCommand, DeviceRow, DeviceTarget};
pub use facts::{About, Administrator, Facts, Pinned, facts};
pub use help_desk::{Bypass, Exempt, ExemptionRow, FactorRow, FactorTarget, HelpError};
pub use imports::{BindingAt, BindingRow, BindingsOf, ImportBindings, ImportLinks, LinkRow, NewBinding};
pub use init::{InitError, Plan, development_certificate, init};
pub use keyfile::{KeyfileError, add_headers as add_header_names, create as create_keyring, read as read_keyring};
pub use listener::Monitor;
pub use methods::{LinkMethod, Merge, MethodError, MethodOf, MethodRow};
pub use mfa::{CombinationsSheet, MfaCommand, OfRule, ReportRow, ReportSheet, Since, combinations};
pub use reload::{Ask, NotReloaded, Reloaded, Reloads};
pub use reply::{AccountRow, AccountSheet, HeaderSheet, Reply, SessionRow, TokenRow};
pub use socket::AdminSocket;
pub use source::{Chain, Configured, ExplainCommand, SharedChain, SiteOf, SourceCommand, first_collision};
pub use tool_mfa::{Device, ImportCommand, ImportToolMfa, People, Person, TallyRow, ToolMfaSheet, What};

#[cfg(test)]
mod local_tests;
#[cfg(test)]
mod tests;
