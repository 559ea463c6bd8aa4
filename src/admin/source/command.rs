//! The words for sources, on the command line and on the socket.

use crate::{admin::About, keys, types::Password};
use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum SourceCommand {
    /// The chain in its order: kind, health, accounts pinned, and names that several sources have
    List,
    /// Try one source with somebody's name and password, and say each step. Counts against no limit, makes nothing
    Test(TestSource),
    /// Ask a source about every account pinned to it, and act on what it says
    Sync(SyncSource),
    /// Pin the accounts of one source to another. Nothing is changed where anything collides
    Move(MoveSource),
    /// What `vestibule check` asks a running gateway
    #[command(hide = true)]
    Facts(About),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct TestSource {
    /// The instance in chain.instances
    #[arg(value_name = "NAME")]
    pub source: String,
    #[arg(long)]
    pub user: String,
    /// Read the password from standard input, one line, instead of asking for it
    #[arg(long)]
    #[serde(skip)]
    pub password_stdin: bool,
    #[arg(skip)]
    #[serde(default)]
    pub password: Option<PasswordText>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct SyncSource {
    /// The instance in chain.instances
    #[arg(value_name = "NAME")]
    pub source: String,
    /// Say what would change, and change nothing
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
    /// Also where more accounts than chain.sync_limit_percent would be barred
    #[arg(long)]
    #[serde(default)]
    pub force: bool,
}

/// By what somebody of one source is known in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum MatchBy {
    /// Both call them by the same subject: the same directory under another name
    Subject,
    /// The other has somebody of the same user name; it is asked
    #[default]
    Username,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct MoveSource {
    #[arg(long, value_name = "NAME")]
    pub from: String,
    #[arg(long, value_name = "NAME")]
    pub to: String,
    #[arg(long = "match", value_enum, default_value_t, value_name = "BY")]
    #[serde(default)]
    pub by: MatchBy,
    /// Say what would change, and change nothing
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum ExplainCommand {
    /// Which sources would be asked for this name, in which order and why, and which factor would be due. Asks nobody
    SignIn(ExplainSignIn),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct ExplainSignIn {
    /// As it would be typed
    pub user: String,
    /// Where there are several
    #[arg(long)]
    #[serde(default)]
    pub site: Option<String>,
    /// Whose limits to look at as well
    #[arg(long)]
    #[serde(default)]
    pub address: Option<std::net::IpAddr>,
    #[arg(long, value_parser = ["browser", "app"], default_value = "browser")]
    pub door: String,
}

/// A password on its way to the gateway that tries it: written in the clear on the Unix socket alone.
#[derive(Clone, Debug)]
pub struct PasswordText(Password);

impl PasswordText {
    pub fn new(password: Password) -> Self {
        Self(password)
    }
    pub fn into_password(self) -> Password {
        self.0
    }
}

impl PartialEq for PasswordText {
    fn eq(&self, other: &Self) -> bool {
        keys::same(self.0.expose().as_bytes(), other.0.expose().as_bytes())
    }
}

impl Eq for PasswordText {}

impl Serialize for PasswordText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for PasswordText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Password::new(text)))
    }
}
