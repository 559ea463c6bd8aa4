//! The command's words, and what it becomes on the Unix socket.

use crate::{keys, lms::moodle::tool_mfa::Registration, outbound::database::Tls, types::Secret};
use clap::{Args, Subcommand};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum ImportCommand {
    /// Carry the factors over that Moodle's tool_mfa has stored, from Moodle's database, which is only read. Import
    /// the people first: `vestibule binding import`
    ToolMfa(ImportToolMfa),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct ImportToolMfa {
    /// Moodle's database: postgres://USER@HOST/NAME, mysql://USER@HOST/NAME, sqlite:PATH, or env:NAME or file:PATH with
    /// such a URL. A password stands in no argument, only behind a reference
    #[arg(long, value_name = "URL")]
    #[serde(skip)]
    pub dsn: String,
    /// The password of the account in the URL: env:NAME or file:PATH
    #[arg(long, value_name = "REFERENCE")]
    #[serde(skip)]
    pub password: Option<String>,
    /// `off` for a database on another machine that offers no TLS
    #[arg(long, value_name = "verify|off", value_parser = tls)]
    #[serde(skip)]
    pub tls: Option<Tls>,
    /// Certificates that vouch for the database server, beside the public ones
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub ca_file: Option<PathBuf>,
    /// What Moodle's tables begin with (`$CFG->prefix`)
    #[arg(long, default_value = "mdl_")]
    #[serde(skip)]
    pub prefix: String,
    /// The site in gateway.yaml that this Moodle is; needed where there are several
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub site: Option<String>,
    /// Say what would be carried over and what not, and why, and do nothing
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
    /// Who was asked in Moodle and brings nothing that counts here enrols a first factor as the rule says; without it
    /// only with a code of the help desk
    #[arg(long)]
    #[serde(default)]
    pub enrol_by_rule: bool,
    #[arg(skip)]
    #[serde(default)]
    pub people: Vec<Person>,
}

fn tls(text: &str) -> Result<Tls, String> {
    match text {
        "verify" => Ok(Tls::Verify),
        "off" => Ok(Tls::Off),
        _ => Err("write verify or off".to_owned()),
    }
}

/// One user of Moodle's with what tool_mfa has stored of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub lms_user: u64,
    pub lms_username: String,
    pub devices: Vec<Device>,
}

/// One row of `tool_mfa` that can be carried over. Times are seconds since 1970, 0 where there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub row: u64,
    pub label: String,
    pub created: i64,
    pub verified: i64,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Totp(SecretBytes),
    Webauthn(Box<Registration>),
}

impl What {
    pub fn factor(&self) -> &'static str {
        match self {
            What::Totp(_) => "totp",
            What::Webauthn(_) => "webauthn",
        }
    }
}

/// A TOTP secret on its way to the gateway. Not shown, and written in the clear on the Unix socket alone.
#[derive(Clone, Debug)]
pub struct SecretBytes(Secret<Vec<u8>>);

impl SecretBytes {
    pub fn new(secret: Secret<Vec<u8>>) -> Self {
        Self(secret)
    }
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        keys::same(self.expose(), other.expose())
    }
}

impl Eq for SecretBytes {}

impl Serialize for SecretBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.expose().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|bytes| Self(Secret::new(bytes)))
    }
}
