//! What an operator can ask for. The same words on the command line and, as JSON, on the Unix socket.

use super::{
    devices::DeviceCommand,
    help_desk::{Bypass, Exempt, FactorTarget},
    imports::{BindingAt, BindingsOf, ImportBindings, ImportLinks},
    methods::{LinkMethod, Merge, MethodOf},
    mfa::MfaCommand,
    source::{ExplainCommand, SourceCommand},
    tool_mfa::ImportCommand,
};
use crate::{keys, types::Secret};
use clap::{Args, Subcommand};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::PathBuf;

/// One act of administration: `{"account": {"show": {"user": "alice"}}}` on the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Look at accounts, switch them off and on, take their factors away
    #[command(subcommand)]
    Account(AccountCommand),
    /// Help somebody to a first or a new factor
    #[command(subcommand)]
    Factor(FactorCommand),
    /// What the rules of gateway.yaml ask, and whom they would ask
    #[command(subcommand)]
    Mfa(MfaCommand),
    /// Which LMS user an account is, site by site
    #[command(subcommand)]
    Binding(BindingCommand),
    /// Take over what another system has stored
    #[command(subcommand)]
    Import(ImportCommand),
    /// Who is signed in with a browser
    #[command(subcommand)]
    Session(SessionCommand),
    /// Browsers and apps that are not asked for a second factor for a while
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Which apps are signed in
    #[command(subcommand)]
    Token(TokenCommand),
    /// The keyring
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Mail to people
    #[command(subcommand)]
    Mail(MailCommand),
    /// Have the running gateway read gateway.yaml, certificates and secrets again. Where anything is wrong with them
    /// nothing changes
    Reload,
    /// Where people sign in: look, try, ask again, move
    #[command(subcommand)]
    Source(SourceCommand),
    /// What would happen, without doing it
    #[command(subcommand)]
    Explain(ExplainCommand),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum AccountCommand {
    /// All accounts, oldest first
    List(Listing),
    /// One account: state, factors, sessions, apps
    Show(User),
    /// Nobody signs in to it any more; its sessions and apps are signed out at once
    Disable(User),
    /// It may sign in again
    Enable(User),
    /// End what too many wrong passwords or codes have locked, at every site and under every name of the account
    Unlock(User),
    /// Take all its factors away (a lost phone): the next one needs a code of the help desk
    ResetFactors(User),
    /// Ask it for no second factor for some hours (a phone left at home). Check who asks; a mail goes out
    Bypass(Bypass),
    /// Ask it for no second factor until a date, for a reason that is written down. A mail goes out
    Exempt(Exempt),
    /// Add an account of the gateway's own; asks for its password
    Add(NewLocal),
    /// Give an account of the gateway's own another password; its sessions and apps end
    Passwd(SetPassword),
    /// Add accounts of the gateway's own from a CSV file with the columns username, name, email, and password_hash or
    /// password
    Import(ImportLocals),
    /// Make or reset an account of the gateway's own with a password for one sign-in, told once. Its use raises the
    /// alarm
    BreakGlass(LocalUser),
    /// Its ways to sign in: where, since when, and how each was linked
    Methods(User),
    /// Add a way to sign in: whoever it is there signs in to this account from now on. Check that they are one person
    Link(LinkMethod),
    /// Take a way to sign in away; what was opened by it ends. The primary one and the last one stay
    Unlink(MethodOf),
    /// Ask this way to sign in first, and let it state name and address
    MakePrimary(MethodOf),
    /// Make one of two accounts: ways to sign in and LMS users move, sessions, apps and factors of the first are lost
    Merge(Merge),
    /// Add ways to sign in from a CSV file with the columns account, source, and subject or username
    ImportLinks(ImportLinks),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum BindingCommand {
    /// LMS users and whose they are
    List(BindingsOf),
    /// Bind users the LMS has already, from a CSV file with the columns site, lms_user, lms_username, source, and
    /// subject or username. Who has no account yet gets one
    Import(ImportBindings),
    /// This account is that LMS user no more; its sessions and apps there end
    Remove(BindingAt),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum FactorCommand {
    /// The factors of an account: what, since when, and what opened their enrolment
    List(User),
    /// Take one factor away; the sessions and apps that it opened end, and a mail goes out
    Revoke(FactorTarget),
    /// Make a one-time code that lets this person set up a first factor. Check who asks before you read it out
    IssueEnrolmentCode(User),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum SessionCommand {
    /// Sessions that are alive
    List(ListingOf),
    /// End one session, or all of an account
    Revoke(SessionTarget),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum TokenCommand {
    /// App tokens, revoked ones too
    List(ListingOf),
    /// Sign one app out, and every browser session that came from it
    Revoke(TokenTarget),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum KeysCommand {
    /// Add a key that seals and signs from now on; the old ones keep opening what they sealed
    Rotate,
    /// Give a site that signs in by header a new secret header name, and say what to set in its LMS
    RotateHeader(SiteNamed),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct SiteNamed {
    /// The site's name in gateway.yaml
    pub site: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum MailCommand {
    /// Send one letter now, past the queue, and say each step or what the mail server said
    Test(MailTarget),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct MailTarget {
    /// Who gets it
    #[arg(long, value_name = "ADDRESS")]
    pub to: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct User {
    /// User name, or the account's id (32 hex digits) where a name is not enough
    pub user: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Listing {
    /// At most so many
    #[arg(long, default_value_t = 200)]
    pub limit: u32,
    /// Go on after the account with this id
    #[arg(long, value_name = "ID")]
    #[serde(default)]
    pub after: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct ListingOf {
    /// Only those of this account (user name or id)
    #[arg(long, value_name = "USER")]
    #[serde(default)]
    pub account: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 200)]
    pub limit: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
#[group(required = true, multiple = false)]
pub struct SessionTarget {
    /// The beginning of its key as `session list` shows it, at least 6 characters
    #[arg(allow_hyphen_values = true)] // base64url: one in 64 begins with it
    #[serde(default)]
    pub key: Option<String>,
    /// All sessions of this account (user name or id)
    #[arg(long, value_name = "USER")]
    #[serde(default)]
    pub account: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct TokenTarget {
    /// Its id as `token list` shows it
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct LocalUser {
    /// The instance of kind `local` in chain.instances
    #[arg(long, value_name = "NAME")]
    pub source: String,
    #[arg(long)]
    pub user: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct NewLocal {
    #[command(flatten)]
    #[serde(flatten)]
    pub who: LocalUser,
    /// The whole name, as it is shown
    #[arg(long)]
    #[serde(default)]
    pub name: Option<String>,
    #[arg(long)]
    #[serde(default)]
    pub email: Option<String>,
    /// Read the password from standard input, one line, instead of asking for it
    #[arg(long)]
    #[serde(skip)]
    pub password_stdin: bool,
    #[arg(skip)]
    #[serde(default)]
    pub hash: Option<HashText>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct SetPassword {
    #[command(flatten)]
    #[serde(flatten)]
    pub who: LocalUser,
    /// Read the password from standard input, one line, instead of asking for it
    #[arg(long)]
    #[serde(skip)]
    pub password_stdin: bool,
    #[arg(skip)]
    #[serde(default)]
    pub hash: Option<HashText>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct ImportLocals {
    /// The instance of kind `local` in chain.instances
    #[arg(long, value_name = "NAME")]
    pub source: String,
    /// Say what would be done, and do nothing
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
    /// A file with a line of column names
    #[serde(skip)]
    pub file: PathBuf,
    #[arg(skip)]
    #[serde(default)]
    pub rows: Vec<LocalRow>,
    /// What was wrong already when the file was read.
    #[arg(skip)]
    #[serde(default)]
    pub problems: Vec<LineProblem>,
}

/// One line of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalRow {
    pub line: u64,
    pub username: String,
    pub name: Option<String>,
    pub email: Option<String>,
    /// `None` in a dry run, where the file has a password that need not be hashed.
    pub hash: Option<HashText>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineProblem {
    pub line: u64,
    pub what: String,
}

/// A password hash on its way to the gateway. Not shown, and written in the clear on the Unix socket alone.
#[derive(Clone, Debug)]
pub struct HashText(Secret<String>);

impl HashText {
    pub fn new(text: String) -> Self {
        Self(Secret::new(text))
    }
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
    pub fn into_secret(self) -> Secret<String> {
        self.0
    }
}

impl PartialEq for HashText {
    fn eq(&self, other: &Self) -> bool {
        keys::same(self.expose().as_bytes(), other.expose().as_bytes())
    }
}

impl Eq for HashText {}

impl Serialize for HashText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for HashText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
