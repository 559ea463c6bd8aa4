//! The kinds of sources. To add one: a file here, and its line in [`SOURCES`].
//!
//! A kind reads its own keys of an instance ([`Settings`]), says what is wrong with them, and builds the [`Source`].
//! The keys that every instance has (`names`, `deadline_seconds` …) are the chain's ([`super::config`]).

pub mod ldap;
pub mod lms;
pub mod local;
pub mod sql;

use super::{Directory, PasswordSource, RedirectSource, local::LocalStore, password::Hashing};
use crate::{
    audit::Audit,
    lms::Lms,
    types::{Clock, Rng, Secret, SiteName, SourceId},
};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, path::Path, sync::Arc, time::Duration};

/// What a kind is, whatever its settings (design §2 "Chain").
#[derive(Clone, Copy)]
pub struct Kind {
    /// `kind:` in gateway.yaml.
    pub name: &'static str,
    /// Its accounts are the gateway's own.
    pub internal: bool,
    /// More than one instance may exist (per site, for `lms`).
    pub multiple: bool,
    pub can_disable: bool,
    pub removable: bool,
    /// Reads the keys of its own.
    pub settings: fn(serde_yaml::Value) -> Result<Arc<dyn Settings>, SettingsError>,
}

impl Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

pub const SOURCES: &[Kind] = &[lms::KIND, local::KIND, ldap::KIND, sql::KIND];

/// An instance's settings of its own kind.
pub trait Settings: Debug + Send + Sync {
    /// What is wrong or worth knowing, in the operator's words.
    fn check(&self) -> Vec<Finding> {
        Vec::new()
    }
    /// Texts that may be `env:NAME` or `file:PATH`, by their keys.
    fn references(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }
    /// Files that must be readable, by their keys.
    fn files(&self) -> Vec<(&'static str, &Path)> {
        Vec::new()
    }
    /// Whether its people sign in elsewhere, by a button on our own sign-in page.
    fn redirects(&self) -> bool {
        false
    }
    /// The one site it speaks for, where it is bound to one.
    fn site(&self) -> Option<&SiteName> {
        None
    }
    /// Whether it says which groups its people are in.
    fn states_groups(&self) -> bool {
        false
    }
    /// Opens nothing yet: a source that is down when the gateway starts is in ERROR, not a reason not to start.
    fn build(&self, needs: &Needs<'_>) -> Result<Source, BuildError>;
}

/// What one instance can do.
#[derive(Clone, Default)]
pub struct Source {
    pub password: Option<Arc<dyn PasswordSource>>,
    pub redirect: Option<Arc<dyn RedirectSource>>,
    pub directory: Option<Arc<dyn Directory>>,
}

/// A site's LMS, and how it judges.
pub type LmsOf<'a> = dyn Fn(&SiteName) -> Option<(Arc<dyn Lms>, lms::Judge)> + Sync + 'a;

/// What a source may ask the gateway for.
pub struct Needs<'a> {
    pub name: &'a SourceId,
    /// The text behind `env:` and `file:`, or the text itself.
    pub secret: &'a (dyn Fn(&str) -> Result<Secret<String>, String> + Sync),
    /// For the whole of one operation.
    pub deadline: Duration,
    /// The LMS of a site, and how it judges.
    pub lms: &'a LmsOf<'a>,
    /// Whether the LMS alone is asked for a site's visitors.
    pub alone: &'a (dyn Fn(&SiteName) -> bool + Sync),
    /// Where password hashes are verified.
    pub hashing: Arc<Hashing>,
    pub locals: Arc<dyn LocalStore>,
    /// For what must not wait for the end of the sign-in.
    pub audit: Audit,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
}

/// One thing to mend or to know about an instance's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// Within the instance: `urls`.
    pub key: String,
    pub what: String,
    pub fix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

impl Finding {
    pub fn error(key: &str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Error, key: key.to_owned(), what: what.into(), fix: fix.into() }
    }
    pub fn warning(key: &str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(key, what, fix) }
    }
}

/// Keys of an instance that could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SettingsError {
    /// Keys from the instance down to the value, joined by dots; empty for the instance itself.
    pub path: String,
    /// serde's.
    pub message: String,
}

/// Settings that are well-formed and cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{key}: {said}")]
pub struct BuildError {
    pub key: String,
    pub said: String,
}

impl BuildError {
    pub fn new(key: &str, said: impl std::fmt::Display) -> Self {
        Self { key: key.to_owned(), said: said.to_string() }
    }
}

/// [`Kind::settings`] for a type that refuses unknown keys (`deny_unknown_fields`).
pub fn read<T: Settings + DeserializeOwned + 'static>(
    yaml: serde_yaml::Value,
) -> Result<Arc<dyn Settings>, SettingsError> {
    match serde_path_to_error::deserialize::<_, T>(yaml) {
        Ok(settings) => Ok(Arc::new(settings)),
        Err(error) => Err(SettingsError {
            path: error.path().to_string().trim_start_matches('.').to_owned(),
            message: error.inner().to_string(),
        }),
    }
}
