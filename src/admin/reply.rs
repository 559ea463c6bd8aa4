//! What an operator is answered: the same values as JSON (`--json`, and on the socket) and as text for people.

use super::{
    CombinationsSheet, ExemptionRow, FactorRow, Facts, Reloaded, ReportSheet, ToolMfaSheet,
    devices::{DeviceRow, table_of as device_table},
    help_desk,
    imports::{self, BindingRow},
    methods::{self, MethodRow},
    source::{ExplainSheet, MoveSheet, SourcesSheet, SyncSheet, TestSheet},
};
use crate::{
    accounts::Account,
    keys::TrustedHeader,
    lms::moodle,
    mfa::enrolment::Enrolments,
    sessions::{Session, Who},
    tokens::TokenRecord,
    types::{SiteName, Timestamp},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt::{self, Write},
    path::Path,
};

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Accounts(Vec<AccountRow>),
    Account(Box<AccountSheet>),
    Methods(Vec<MethodRow>),
    Bindings(Vec<BindingRow>),
    Factors(Vec<FactorRow>),
    ToolMfa(Box<ToolMfaSheet>),
    Sessions(Vec<SessionRow>),
    Tokens(Vec<TokenRow>),
    Devices(Vec<DeviceRow>),
    /// Something was done; the sentence says what.
    Done {
        said: String,
    },
    /// Something was done in these steps.
    Steps {
        steps: Vec<String>,
    },
    /// Told once; it is stored as a digest only.
    EnrolmentCode {
        account: AccountRow,
        code: String,
        expires: String,
    },
    /// Told once, for an account of the gateway's own.
    OneTimePassword {
        source: String,
        user: String,
        password: String,
    },
    Sources(SourcesSheet),
    SourceTest(TestSheet),
    Sync(SyncSheet),
    Moves(MoveSheet),
    Explained(Box<ExplainSheet>),
    /// What passes, rule by rule.
    Combinations(CombinationsSheet),
    MfaReport(ReportSheet),
    Facts(Facts),
    /// Told once, because the LMS has to be told it; kept in the keyring alone.
    Header(HeaderSheet),
    Reloaded(Reloaded),
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderSheet {
    pub site: String,
    /// The secret name.
    pub header: String,
    /// The LMS's own commands.
    pub settings: Vec<String>,
    pub keys_file: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRow {
    pub id: String,
    pub username: Option<String>,
    pub name: Option<String>,
    pub state: String,
    pub created: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSheet {
    pub account: AccountRow,
    /// Stated by a source, or only typed by somebody who signed in.
    pub username_verified: bool,
    pub email: Option<String>,
    pub epoch: u32,
    /// `campus-lms: 42`.
    pub methods: Vec<String>,
    /// `Alice's phone, since …, by_help_desk`.
    pub factors: Vec<String>,
    pub recovery_codes_left: u32,
    pub enrols_by_help_desk_only: bool,
    /// What is refused for now, and until when.
    #[serde(default)]
    pub locked: Vec<String>,
    /// When a reader of its mail last said of a sign-in "this was not me".
    pub disowned: Option<String>,
    /// Those that hold now.
    pub exemptions: Vec<ExemptionRow>,
    pub sessions: Vec<SessionRow>,
    pub tokens: Vec<TokenRow>,
    /// Those that are trusted now.
    #[serde(default)]
    pub devices: Vec<DeviceRow>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// The first characters of the session's key: enough for `session revoke`, not enough to be it.
    pub key: String,
    pub site: String,
    /// The account's id; `None` for a guest.
    pub account: Option<String>,
    pub username: Option<String>,
    pub factors: Vec<String>,
    pub client: String,
    pub agent: String,
    pub signed_in: String,
    pub last_used: String,
    pub ends: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    pub id: String,
    pub site: String,
    pub account: String,
    pub service: String,
    pub device: String,
    pub address: String,
    pub issued: String,
    pub last_used: String,
    pub expires: String,
    pub revoked: Option<String>,
    /// Minted without an asked factor, and by what.
    pub unproven: Option<String>,
}

impl AccountRow {
    pub fn of(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            username: account.username.clone(),
            name: account.display_name.clone(),
            state: account.state.as_str().to_owned(),
            created: short(account.created),
        }
    }

    /// The best name a person has for it.
    pub fn called(&self) -> &str {
        self.username.as_deref().unwrap_or(&self.id)
    }
}

impl SessionRow {
    pub fn of(session: &Session) -> Self {
        let username = match &session.who {
            Who::Guest => None,
            Who::Account(identity) => identity.username.clone(),
        };
        Self {
            key: session.key.short().to_owned(),
            site: session.site.to_string(),
            account: session.account().map(ToString::to_string),
            username,
            factors: session.facts.iter().map(|fact| fact.factor.to_string()).collect(),
            client: session.client.to_string(),
            agent: session.agent.clone(),
            signed_in: short(session.auth_time),
            last_used: short(session.last_used),
            ends: short(session.ends),
        }
    }
}

impl TokenRow {
    pub fn of(token: &TokenRecord) -> Self {
        Self {
            id: token.id.to_string(),
            site: token.site.to_string(),
            account: token.account.to_string(),
            service: token.service.to_string(),
            device: token.device.label.clone(),
            address: token.device.address.clone(),
            issued: short(token.issued),
            last_used: short(token.last_used),
            expires: short(token.expires),
            revoked: token.revoked.map(short),
            unproven: token.unproven.map(|unproven| unproven.as_str().to_owned()),
        }
    }
}

/// One line per device of an account.
pub fn devices(enrolments: &Enrolments) -> Vec<String> {
    let line = |factor: &crate::mfa::enrolment::Enrolment| {
        let suspended = if factor.suspended { ", suspended" } else { "" };
        let (kind, since, proof) = (factor.kind, short(factor.created), factor.proof.as_str());
        format!("{kind}: {}, since {since}, {proof}{suspended}", factor.label)
    };
    enrolments.all.iter().map(line).collect()
}

/// To the second: `2026-11-21T09:30:00Z`.
pub fn short(at: Timestamp) -> String {
    Timestamp::from_secs(at.secs()).to_string()
}

impl Reply {
    /// Whether what was asked for came about: a source that was tried and said no is an answer, and a failure.
    pub fn is_success(&self) -> bool {
        match self {
            Reply::SourceTest(sheet) => sheet.is_ok(),
            Reply::Moves(sheet) => sheet.collisions == 0,
            Reply::Accounts(_)
            | Reply::Account(_)
            | Reply::Sessions(_)
            | Reply::Tokens(_)
            | Reply::Devices(_)
            | Reply::Done { .. }
            | Reply::Steps { .. }
            | Reply::EnrolmentCode { .. }
            | Reply::OneTimePassword { .. }
            | Reply::Sources(_)
            | Reply::Sync(_)
            | Reply::Explained(_)
            | Reply::Combinations(_)
            | Reply::MfaReport(_)
            | Reply::Facts(_)
            | Reply::Methods(_)
            | Reply::Bindings(_)
            | Reply::Factors(_)
            | Reply::ToolMfa(_)
            | Reply::Reloaded(_)
            | Reply::Header(_) => true,
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Accounts(rows) => f.write_str(&accounts(rows)),
            Reply::Account(sheet) => f.write_str(&self::sheet(sheet)),
            Reply::Methods(rows) => f.write_str(&methods::table_of(rows)),
            Reply::Bindings(rows) => f.write_str(&imports::table_of(rows)),
            Reply::ToolMfa(sheet) => write!(f, "{sheet}"),
            Reply::Factors(rows) => f.write_str(&help_desk::factors(rows)),
            Reply::Sessions(rows) => f.write_str(&sessions(rows)),
            Reply::Tokens(rows) => f.write_str(&tokens(rows)),
            Reply::Devices(rows) => f.write_str(&device_table(rows)),
            Reply::Done { said } => writeln!(f, "{}", plain(said)),
            Reply::Steps { steps } => steps.iter().try_for_each(|step| writeln!(f, "{}", plain(step))),
            Reply::EnrolmentCode { account, code, expires } => {
                writeln!(f, "code for {}: {code}", plain(account.called()))?;
                writeln!(f, "It works once, until {expires}, and replaces any earlier code. It is not shown again.")
            }
            Reply::OneTimePassword { source, user, password } => {
                writeln!(f, "password of {} in {}: {password}", plain(user), plain(source))?;
                writeln!(
                    f,
                    "It works for one sign-in, replaces any earlier password, and is not shown again. Its use"
                )?;
                writeln!(f, "raises the alarm. Afterwards: vestibule account passwd --source {source} --user {user}")
            }
            Reply::Reloaded(reloaded) => reloaded.fmt(f),
            Reply::Sources(sheet) => sheet.fmt(f),
            Reply::SourceTest(sheet) => sheet.fmt(f),
            Reply::Sync(sheet) => sheet.fmt(f),
            Reply::Moves(sheet) => sheet.fmt(f),
            Reply::Explained(sheet) => sheet.fmt(f),
            Reply::Combinations(sheet) => sheet.fmt(f),
            Reply::MfaReport(sheet) => sheet.fmt(f),
            Reply::Facts(facts) => facts.pinned.iter().try_for_each(|p| writeln!(f, "{} {}", p.source, p.accounts)),
            Reply::Header(sheet) => {
                write!(f, "{sheet}")?;
                let file = plain(&sheet.keys_file);
                writeln!(f, "\nCopy {file} to all other nodes and restart them, and back it up.")
            }
        }
    }
}

impl HeaderSheet {
    pub fn of(site: &SiteName, header: &TrustedHeader, keys_file: &Path) -> Self {
        Self {
            site: site.to_string(),
            header: header.user().expose().clone(),
            settings: moodle::header_settings(header),
            keys_file: keys_file.display().to_string(),
        }
    }
}

impl fmt::Display for HeaderSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Site {} has a new secret header name. Until its LMS is told, nobody signs in there by header:\n",
            self.site
        )?;
        for line in &self.settings {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "\nor, the first time, with all that goes with it (deploy/moodle/README.md):\n")?;
        writeln!(f, "  HEADER={} MOODLE_DIR=/path/to/moodle sh deploy/moodle/header-on.sh", self.header)?;
        writeln!(f, "\nWho knows this name and reaches the LMS around the gateway is whoever they say they are.")
    }
}

fn accounts(rows: &[AccountRow]) -> String {
    let cells = rows.iter().map(|row| {
        [row.id.clone(), or_dash(&row.username), or_dash(&row.name), row.state.clone(), row.created.clone()]
    });
    table(["ACCOUNT", "USER", "NAME", "STATE", "SINCE"], cells.collect())
}

fn sessions(rows: &[SessionRow]) -> String {
    let who = |row: &SessionRow| match (&row.username, &row.account) {
        (Some(name), _) => name.clone(),
        (None, Some(id)) => id.clone(),
        (None, None) => "(guest)".to_owned(),
    };
    let cells = rows.iter().map(|row| {
        let factors = if row.factors.is_empty() { "-".to_owned() } else { row.factors.join("+") };
        [
            row.key.clone(),
            row.site.clone(),
            who(row),
            factors,
            row.client.clone(),
            row.last_used.clone(),
            row.ends.clone(),
            row.agent.clone(),
        ]
    });
    table(["SESSION", "SITE", "USER", "FACTORS", "FROM", "LAST USED", "ENDS", "BROWSER"], cells.collect())
}

fn tokens(rows: &[TokenRow]) -> String {
    let state = |row: &TokenRow| match (&row.revoked, &row.unproven) {
        (Some(at), _) => format!("revoked {at}"),
        (None, Some(why)) => format!("live, unproven ({why})"),
        (None, None) => "live".to_owned(),
    };
    let cells = rows.iter().map(|row| {
        [
            row.id.clone(),
            row.site.clone(),
            row.account.clone(),
            row.service.clone(),
            row.device.clone(),
            row.last_used.clone(),
            row.expires.clone(),
            state(row),
        ]
    });
    table(["TOKEN", "SITE", "ACCOUNT", "SERVICE", "DEVICE", "LAST USED", "ENDS", "STATE"], cells.collect())
}

fn sheet(sheet: &AccountSheet) -> String {
    let mut text = String::new();
    let verified = if sheet.username_verified { "" } else { " (as typed, not stated by a source)" };
    let enrols = if sheet.enrols_by_help_desk_only { "by the help desk alone" } else { "as the rule says" };
    let rows = [
        ("account", sheet.account.id.clone()),
        ("user", format!("{}{verified}", or_dash(&sheet.account.username))),
        ("name", or_dash(&sheet.account.name)),
        ("e-mail", or_dash(&sheet.email)),
        ("state", format!("{} (epoch {})", sheet.account.state, sheet.epoch)),
        ("since", sheet.account.created.clone()),
        ("signs in by", dash_if_empty(&sheet.methods)),
        ("factors", dash_if_empty(&sheet.factors)),
        ("recovery", format!("{} codes left", sheet.recovery_codes_left)),
        ("enrolment", enrols.to_owned()),
        ("locked", dash_if_empty(&sheet.locked)),
    ];
    let exempt = sheet.exemptions.iter().map(|given| ("exempt", given.line()));
    for (name, value) in rows.into_iter().chain(exempt) {
        let _ = writeln!(text, "{name:<12} {}", plain(&value));
    }
    if let Some(at) = &sheet.disowned {
        let _ = writeln!(
            text,
            "{:<12} their mail was answered \"this was not me\" at {at}: somebody knows the password",
            "ATTENTION"
        );
    }
    if !sheet.sessions.is_empty() {
        let _ = write!(text, "\n{}", sessions(&sheet.sessions));
    }
    if !sheet.tokens.is_empty() {
        let _ = write!(text, "\n{}", tokens(&sheet.tokens));
    }
    if !sheet.devices.is_empty() {
        let _ = write!(text, "\n{}", device_table(&sheet.devices));
    }
    text
}

pub(super) fn or_dash(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".to_owned())
}

fn dash_if_empty(lines: &[String]) -> String {
    if lines.is_empty() { "-".to_owned() } else { lines.join("; ") }
}

pub(super) fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    if rows.is_empty() {
        return "none\n".to_owned();
    }
    let rows: Vec<[String; N]> = rows.into_iter().map(|row| row.map(|cell| plain(&cell))).collect();
    let widths: [usize; N] = std::array::from_fn(|n| {
        rows.iter().map(|row| row[n].chars().count()).chain([head[n].len()]).max().unwrap_or_default()
    });
    let mut text = String::new();
    for row in std::iter::once(head.map(str::to_owned)).chain(rows) {
        let line: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    text
}

/// Names and User-Agents are strangers' words; escape sequences in them would steer the operator's terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(username: &str) -> AccountRow {
        AccountRow {
            id: "0".repeat(32),
            username: Some(username.to_owned()),
            name: None,
            state: "active".to_owned(),
            created: short(Timestamp(0)),
        }
    }

    #[test]
    fn a_list_is_a_table_for_people() {
        let text = Reply::Accounts(vec![row("alice"), row("b")]).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ACCOUNT                           USER   NAME  STATE   SINCE");
        assert_eq!(lines[2], "00000000000000000000000000000000  b      -     active  1970-01-01T00:00:00Z");
        assert_eq!(Reply::Accounts(Vec::new()).to_string(), "none\n");
    }

    #[test]
    fn strangers_words_do_not_steer_the_terminal() {
        let text = Reply::Accounts(vec![row("a\u{1b}[2Jb\n")]).to_string();
        assert!(!text.contains('\u{1b}') && text.lines().count() == 2, "{text:?}");
    }

    #[test]
    fn a_reply_survives_the_socket() {
        let reply = Reply::EnrolmentCode { account: row("alice"), code: "AAAA-BBBB-CCCC".into(), expires: "x".into() };
        let again: Reply = serde_json::from_str(&serde_json::to_string(&reply).unwrap()).unwrap();
        assert_eq!(reply, again);
    }
}
