//! The kinds of sources. To add one: a file here, and its line in [`SOURCES`].

pub mod lms;

/// What a kind is, whatever its settings (design §2 "Chain").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// `kind:` in gateway.yaml.
    pub name: &'static str,
    /// Its accounts are the gateway's own.
    pub internal: bool,
    /// More than one instance may exist (per site, for `lms`).
    pub multiple: bool,
    pub can_disable: bool,
    pub removable: bool,
}

pub const SOURCES: &[Kind] = &[lms::KIND];
