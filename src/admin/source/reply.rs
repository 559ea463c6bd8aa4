//! What is answered about sources: the same values as JSON and as text for people.

use crate::admin::reply::{plain, table};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcesSheet {
    pub rows: Vec<SourceRow>,
    /// `anna: staff, students`
    pub collisions: Vec<String>,
    /// Collisions that are not told.
    pub more: usize,
    pub fault: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRow {
    /// `None`: it has accounts, and is not configured any more.
    pub order: Option<usize>,
    pub name: String,
    pub kind: String,
    pub enabled: bool,
    /// Those for whose visitors it is asked.
    pub sites: Vec<String>,
    /// `ok`, `failing`, `open`; `None` where it is not in force.
    pub health: Option<String>,
    /// Accounts that sign in by it.
    pub accounts: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestSheet {
    pub source: String,
    pub kind: String,
    pub user: String,
    pub steps: Vec<StepRow>,
    /// `ok`, `declined`, `denied`, `error`.
    pub verdict: String,
    pub reason: Option<String>,
    pub milliseconds: u64,
    pub person: Option<PersonSheet>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRow {
    pub step: String,
    pub said: String,
    pub milliseconds: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonSheet {
    pub subject: String,
    pub username: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub email_verified: bool,
    pub groups: Option<Vec<String>>,
    /// Whether another password would be noticed.
    pub password_mark: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncSheet {
    pub source: String,
    pub dry_run: bool,
    pub asked: usize,
    /// About whom the source did not say: they stay as they are.
    pub unanswered: usize,
    /// The limit, where it is exceeded.
    pub over_limit: Option<usize>,
    pub rows: Vec<SyncRow>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRow {
    pub account: String,
    pub user: String,
    pub was: String,
    pub becomes: String,
    pub why: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveSheet {
    pub from: String,
    pub to: String,
    pub dry_run: bool,
    pub collisions: usize,
    pub moved: usize,
    pub rows: Vec<MoveRow>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveRow {
    pub account: String,
    pub user: String,
    /// Its subject now.
    pub from: String,
    /// Its subject afterwards; `None`: it stays.
    pub to: Option<String>,
    pub note: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainSheet {
    pub user: String,
    /// Canonical; `None` where what was typed is no user name.
    pub name: Option<String>,
    pub site: String,
    pub door: String,
    pub accounts: Vec<String>,
    pub asked: Vec<AskedRow>,
    pub limits: Vec<String>,
    pub policy: Vec<String>,
    pub fault: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedRow {
    pub source: String,
    pub asked: bool,
    pub why: String,
}

impl TestSheet {
    pub fn is_ok(&self) -> bool {
        self.verdict == "ok"
    }
}

impl fmt::Display for SourcesSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.rows.iter().map(|row| {
            let state = match (row.order, row.enabled) {
                (None, _) => "removed",
                (Some(_), true) => "on",
                (Some(_), false) => "off",
            };
            [
                row.order.map_or("-".to_owned(), |order| order.to_string()),
                row.name.clone(),
                row.kind.clone(),
                state.to_owned(),
                if row.sites.is_empty() { "-".to_owned() } else { row.sites.join(", ") },
                row.health.clone().unwrap_or_else(|| "-".to_owned()),
                row.accounts.to_string(),
            ]
        });
        f.write_str(&table(["ORDER", "SOURCE", "KIND", "STATE", "SITES", "HEALTH", "ACCOUNTS"], cells.collect()))?;
        if let Some(fault) = &self.fault {
            writeln!(f, "\nNothing is known of their health here: {}", plain(fault))?;
        }
        if !self.collisions.is_empty() {
            writeln!(f, "\nNames of several people, each signing in by their own source alone:")?;
            self.collisions.iter().try_for_each(|line| writeln!(f, "  {}", plain(line)))?;
            if self.more > 0 {
                writeln!(f, "  and {} more", self.more)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for TestSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.steps.iter().map(|s| [s.step.clone(), format!("{} ms", s.milliseconds), s.said.clone()]);
        if !self.steps.is_empty() {
            f.write_str(&table(["STEP", "TOOK", "WHAT CAME OF IT"], cells.collect()))?;
            writeln!(f)?;
        }
        let reason = self.reason.as_deref().map(|reason| format!(": {}", plain(reason))).unwrap_or_default();
        writeln!(f, "{} says {} after {} ms{reason}", plain(&self.source), self.verdict, self.milliseconds)?;
        let Some(person) = &self.person else { return Ok(()) };
        let or_dash = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), plain);
        let email = match (&person.email, person.email_verified) {
            (Some(address), true) => format!("{} (verified)", plain(address)),
            (Some(address), false) => format!("{} (not verified)", plain(address)),
            (None, _) => "-".to_owned(),
        };
        let groups = person.groups.as_ref().map_or("not read".to_owned(), |groups| plain(&groups.join(", ")));
        let mark = if person.password_mark { "noticed" } else { "not noticed" };
        writeln!(f, "  subject   {}", plain(&person.subject))?;
        writeln!(f, "  user      {}", or_dash(&person.username))?;
        writeln!(f, "  name      {}", or_dash(&person.name))?;
        writeln!(f, "  e-mail    {email}")?;
        writeln!(f, "  groups    {groups}")?;
        writeln!(f, "  password  a change would be {mark}")
    }
}

impl fmt::Display for SyncSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self
            .rows
            .iter()
            .map(|row| [row.user.clone(), row.account.clone(), row.was.clone(), row.becomes.clone(), row.why.clone()]);
        if !self.rows.is_empty() {
            f.write_str(&table(["USER", "ACCOUNT", "WAS", "BECOMES", "WHY"], cells.collect()))?;
            writeln!(f)?;
        }
        let verb = if self.dry_run { "would change" } else { "changed" };
        writeln!(
            f,
            "{}: {} asked about, {} {verb}, {} unanswered",
            plain(&self.source),
            self.asked,
            self.rows.len(),
            self.unanswered
        )?;
        match (self.over_limit, self.dry_run) {
            (Some(limit), true) => {
                writeln!(f, "More than {limit} would be barred: without --force nothing would be changed")
            }
            (Some(_) | None, _) => Ok(()),
        }
    }
}

impl fmt::Display for MoveSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.rows.iter().map(|row| {
            let to = row.to.clone().unwrap_or_else(|| "-".to_owned());
            [row.user.clone(), row.account.clone(), row.from.clone(), to, row.note.clone()]
        });
        f.write_str(&table(["USER", "ACCOUNT", "SUBJECT NOW", "THEN", ""], cells.collect()))?;
        let (from, to) = (plain(&self.from), plain(&self.to));
        let go = self.rows.iter().filter(|row| row.to.is_some()).count();
        match (self.collisions, self.dry_run) {
            (0, true) => writeln!(f, "\n{go} would move from {from} to {to}"),
            (0, false) => writeln!(f, "\n{} moved from {from} to {to}", self.moved),
            (n, _) => writeln!(f, "\nnothing was changed: {n} of {} collide", self.rows.len()),
        }
    }
}

impl fmt::Display for ExplainSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            self.name.as_deref().map_or("no user name".to_owned(), |name| format!("the name \"{}\"", plain(name)));
        writeln!(f, "\"{}\" is {name}, at {} by the {} door\n", plain(&self.user), plain(&self.site), self.door)?;
        if let Some(fault) = &self.fault {
            writeln!(f, "The sources cannot be looked at from here: {}\n", plain(fault))?;
        }
        let lines = |f: &mut fmt::Formatter<'_>, head: &str, lines: &[String]| {
            writeln!(f, "{head}")?;
            lines.iter().try_for_each(|line| writeln!(f, "  {}", plain(line)))
        };
        lines(f, "account", &self.accounts)?;
        writeln!(f, "asked, in this order")?;
        for (n, row) in self.asked.iter().filter(|row| row.asked).enumerate() {
            writeln!(f, "  {}. {} {}", n + 1, plain(&row.source), plain(&row.why))?;
        }
        if !self.asked.iter().any(|row| row.asked) {
            writeln!(f, "  nobody")?;
        }
        let others: Vec<String> =
            self.asked.iter().filter(|row| !row.asked).map(|row| format!("{}: {}", row.source, row.why)).collect();
        if !others.is_empty() {
            lines(f, "not asked", &others)?;
        }
        lines(f, "limits", &self.limits)?;
        lines(f, "then", &self.policy)
    }
}
