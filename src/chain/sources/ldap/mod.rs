//! A directory as a source: OpenLDAP, Active Directory and others, over LDAP version 3 (RFC 4511).
//!
//! Two ways to judge a password. **Search, then bind**: the service account looks for the one entry that a filter
//! finds for the name, and the person's password is tried in a bind as that entry. **Direct bind**: the name is put into
//! a template, bound, and the person's own entry read. What is stated about a person is read from the entry: the
//! subject (`entryUUID`, `objectGUID`) outlives every renaming.
//!
//! | the directory | the verdict |
//! |---|---|
//! | no entry; wrong password | DECLINED, after one search and one bind in both cases (attack E1) |
//! | right password, account in order | OK |
//! | right password, disabled, expired, must change | DENIED, with the reason for the audit |
//! | locked, whatever the password; two entries for a name | DENIED |
//! | anything that is not about the person: no answer, bad TLS, a referral, "busy", "no such base" | ERROR |
//!
//! What a stranger types is escaped in [`names`] and nowhere else; what a directory sends is checked in [`ber`] before
//! the library parses it; the account's state is read in [`state`]. No bind is ever made with an empty password.

mod ber;
mod dial;
mod endpoint;
mod entry;
mod line;
mod look_up;
mod names;
mod pool;
mod settings;
mod source;
mod state;
mod times;

pub use settings::Settings;
pub use source::LdapSource;

use super::Kind;

pub const KIND: Kind = Kind {
    name: "ldap",
    internal: false,
    multiple: true,
    can_disable: true,
    removable: true,
    settings: super::read::<Settings>,
};
