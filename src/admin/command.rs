//! What an operator can ask for. The same words on the command line and, as JSON, on the Unix socket.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

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
    /// Who is signed in with a browser
    #[command(subcommand)]
    Session(SessionCommand),
    /// Which apps are signed in
    #[command(subcommand)]
    Token(TokenCommand),
    /// The keyring
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Mail to people
    #[command(subcommand)]
    Mail(MailCommand),
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
    /// Take all its factors away (a lost phone): the next one needs a code of the help desk
    ResetFactors(User),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum FactorCommand {
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
