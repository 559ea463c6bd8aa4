//! `chain:` in gateway.yaml: who is asked, in which order.

use super::{
    names::NamePattern,
    sources::{Kind, SOURCES, Settings},
};
use crate::types::{SiteName, SourceId};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_yaml::{Mapping, Value};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Asked from top to bottom until one says OK or DENIED.
    pub instances: Vec<Instance>,
    pub strangers_during_error: Strangers,
    /// What becomes of accounts pinned to instances that are no longer there.
    pub removed: BTreeMap<SourceId, Removed>,
    /// A refusal is answered at a multiple of this after its question, so that its time does not tell who was asked
    /// (attack E1). 0 answers at once.
    pub refusal_milliseconds: u64,
    /// How often the standing of accounts in use is asked again, unless an instance says otherwise.
    pub recheck_minutes: u64,
    /// `vestibule source sync` stops where it would bar more than this share of an instance's accounts.
    pub sync_limit_percent: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            instances: Vec::new(),
            strangers_during_error: Strangers::default(),
            removed: BTreeMap::new(),
            refusal_milliseconds: 500,
            recheck_minutes: 15,
            sync_limit_percent: 10,
        }
    }
}

/// One source with a name of its own. Several of one kind are normal.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Stored with every account it vouches for: renaming it loses them.
    pub name: SourceId,
    pub kind: &'static Kind,
    pub common: Common,
    /// The keys of its kind.
    pub settings: Arc<dyn Settings>,
}

/// The keys that instances of every kind have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Common {
    pub enabled: bool,
    /// What people read of it: `Staff directory`; `None`: its name.
    pub label: Option<String>,
    /// The sites for whose visitors it is asked; empty for all. An `lms` instance has its `site` instead.
    pub sites: Vec<SiteName>,
    /// Names outside this pattern are DECLINED without asking.
    pub names: Option<NamePattern>,
    /// Only names that end so are its own; it is asked without.
    pub username_suffix: Option<String>,
    /// For the whole of one operation; `None`: the kind's own.
    pub deadline_seconds: Option<u64>,
    /// Whether the e-mail addresses it states were verified by it.
    pub email_verified: bool,
    pub lms_password: LmsPassword,
    /// What becomes of somebody it vouches for who has no account.
    pub strangers: Newcomers,
    /// Whether its users may unlink it, where it is not their primary or last method.
    pub users_may_unlink: bool,
    /// Whether its users may make it their primary method, which is asked first and states name and address.
    pub users_may_make_primary: bool,
    /// How often the standing of its accounts in use is asked again.
    pub recheck_minutes: Option<u64>,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            enabled: true,
            label: None,
            sites: Vec::new(),
            names: None,
            username_suffix: None,
            deadline_seconds: None,
            email_verified: false,
            lms_password: LmsPassword::default(),
            strangers: Newcomers::default(),
            users_may_unlink: true,
            users_may_make_primary: false,
            recheck_minutes: None,
        }
    }
}

/// The keys of [`Common`], to tell them from the kind's own.
const COMMON: &[&str] = &[
    "enabled",
    "label",
    "sites",
    "names",
    "username_suffix",
    "deadline_seconds",
    "email_verified",
    "lms_password",
    "strangers",
    "users_may_unlink",
    "users_may_make_primary",
    "recheck_minutes",
];

/// Whether the LMS knows the same password (its own plug-in asks the same directory).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LmsPassword {
    /// The LMS session is opened with the password that was just proven.
    Same,
    /// It is opened by the trusted header.
    #[default]
    No,
}

/// Whether an instance may bring new accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Newcomers {
    /// Its first OK makes an account.
    #[default]
    Create,
    /// Only those who are linked or imported.
    Refuse,
}

/// What becomes of the accounts of an instance that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// The instance has another name now: the same subjects, vouched for by that one.
    Reassign(SourceId),
    /// The accounts stay and are pinned again by the first OK for their name.
    Rediscover,
}

/// `rediscover`, or `{ reassign: NAME }`: an enum of serde's would ask for a YAML tag.
impl<'de> Deserialize<'de> for Removed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "expected `rediscover` or `{ reassign: NAME }`";
        match Value::deserialize(deserializer)? {
            Value::String(word) if word == "rediscover" => Ok(Removed::Rediscover),
            Value::Mapping(map) if map.len() == 1 => match map.get("reassign") {
                Some(Value::String(name)) => Ok(Removed::Reassign(SourceId::new(name.as_str()))),
                Some(_) | None => Err(D::Error::custom(expected)),
            },
            _ => Err(D::Error::custom(expected)),
        }
    }
}

impl Instance {
    /// The longest one operation may take.
    pub fn deadline(&self) -> Duration {
        // A whole sign-in at an LMS is two requests to a loaded PHP.
        let usual = if self.kind.name == "lms" { 15 } else { 3 };
        Duration::from_secs(self.common.deadline_seconds.unwrap_or(usual))
    }

    /// Whether it is asked for visitors of this site.
    pub fn serves(&self, site: &SiteName) -> bool {
        match self.settings.site() {
            Some(own) => own == site,
            None => self.common.sites.is_empty() || self.common.sites.contains(site),
        }
    }

    /// Whether the LMS, which knows nothing of its passwords, is told of its people by the trusted header.
    pub fn opens_by_header(&self) -> bool {
        self.kind.name != "lms" && self.common.lms_password == LmsPassword::No
    }

    pub fn recheck(&self, config: &Config) -> Duration {
        Duration::from_secs(self.common.recheck_minutes.unwrap_or(config.recheck_minutes).saturating_mul(60))
    }
}

/// An instance's own keys and its kind's stand side by side, so they are told apart by name.
impl<'de> Deserialize<'de> for Instance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut own = Mapping::deserialize(deserializer)?;
        let mut word = |key: &'static str| match own.remove(key) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(D::Error::custom(nested(key, "a name is expected"))),
            None => Err(D::Error::missing_field(key)),
        };
        let (name, kind) = (word("name")?, word("kind")?);
        let kind = SOURCES.iter().find(|known| known.name == kind).ok_or_else(|| {
            let known: Vec<String> = SOURCES.iter().map(|kind| format!("`{}`", kind.name)).collect();
            D::Error::custom(nested("kind", &format!("unknown variant `{kind}`, expected one of {}", known.join(", "))))
        })?;
        let is_common = |key: &Value| key.as_str().is_some_and(|key| COMMON.contains(&key));
        let (common, rest): (Mapping, Mapping) = own.into_iter().partition(|(key, _)| is_common(key));
        let common: Common = serde_path_to_error::deserialize(Value::Mapping(common))
            .map_err(|error| D::Error::custom(nested(&error.path().to_string(), &error.inner().to_string())))?;
        let settings = (kind.settings)(Value::Mapping(rest))
            .map_err(|error| D::Error::custom(nested(&error.path, &error.message)))?;
        Ok(Self { name: SourceId::new(name), kind, common, settings })
    }
}

/// Marks where inside an instance an error is, for `config::typed`, which takes it apart again.
fn nested(path: &str, message: &str) -> String {
    format!("{NESTED}{path}{NESTED}{message}")
}

/// Stands in no message of serde's.
pub const NESTED: char = '\u{1}';

/// What an OK is worth for somebody without an account while an earlier instance could not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strangers {
    /// "Temporarily unavailable": the instance that was down might have owned the name.
    #[default]
    Refuse,
    /// An OK is an OK.
    Allow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_a_removed_instance_reads_as_it_is_said() {
        let removed = |text: &str| serde_yaml::from_str::<Config>(&format!("removed: {{ staff: {text} }}"));
        let of = |text: &str| removed(text).unwrap().removed.remove(&SourceId::new("staff")).unwrap();
        assert_eq!(of("rediscover"), Removed::Rediscover);
        assert_eq!(of("{ reassign: people }"), Removed::Reassign(SourceId::new("people")));
        for wrong in ["forget", "{ reassign: 7 }", "{ rename: people }", "{ reassign: a, x: b }", "[]", "null"] {
            let said = removed(wrong).unwrap_err().to_string();
            assert!(said.contains("expected `rediscover` or `{ reassign: NAME }`"), "{wrong}: {said}");
        }
    }
}
