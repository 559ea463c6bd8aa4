//! Counting who was let through: one row per rule and reason, each person once, by what was said of them last.

use crate::{
    admin::reply::{plain, short, table},
    types::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSheet {
    pub since: String,
    pub until: String,
    pub rows: Vec<ReportRow>,
    /// False where the log was too long to be read to its beginning.
    pub whole: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRow {
    /// Empty: an exemption, which is no rule's.
    pub rule: String,
    /// `off`, `report`, `optional`, `signals`, `grace`, `exempt`.
    pub reason: String,
    pub sign_ins: u64,
    pub people: u64,
    /// Of the people: who would have met nothing new, a question, an enrolment.
    pub pass: u64,
    pub challenge: u64,
    pub enrol: u64,
}

/// The fields of `let_through` that count here.
#[derive(Deserialize)]
struct LetThrough {
    event: String,
    account: String,
    rule: String,
    reason: String,
    would: String,
}

#[derive(Default)]
struct Count {
    sign_ins: u64,
    /// What would have come next, by account.
    people: HashMap<String, String>,
}

#[derive(Default)]
pub(super) struct Tally(BTreeMap<(String, String), Count>);

impl Tally {
    /// A line of the audit log, from the newest to the oldest; most are something else.
    pub fn add(&mut self, line: &str) {
        if !line.contains("\"let_through\"") {
            return;
        }
        // A line of an older version has other fields, and says nothing that could be counted.
        let Ok(let_through) = serde_json::from_str::<LetThrough>(line) else { return };
        if let_through.event != "let_through" {
            return;
        }
        // `grace until …`, `signals: …`
        let reason = let_through.reason.split([' ', ':']).next().unwrap_or_default().to_owned();
        let count = self.0.entry((let_through.rule, reason)).or_default();
        count.sign_ins += 1;
        count.people.entry(let_through.account).or_insert(let_through.would);
    }

    pub fn sheet(self, since: Timestamp, until: Timestamp, whole: bool) -> ReportSheet {
        let row = |((rule, reason), count): ((String, String), Count)| {
            let of = |would: &str| count.people.values().filter(|said| *said == would).count() as u64;
            ReportRow {
                rule,
                reason,
                sign_ins: count.sign_ins,
                people: count.people.len() as u64,
                pass: of("pass"),
                challenge: of("challenge"),
                enrol: of("enrol"),
            }
        };
        let rows = self.0.into_iter().map(row).collect();
        ReportSheet { since: short(since), until: short(until), rows, whole }
    }
}

impl fmt::Display for ReportSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return writeln!(
                f,
                "Since {} nobody was let through unasked, as far as the database knows (audit.database).",
                self.since
            );
        }
        let cells = self.rows.iter().map(|row| {
            let rule = if row.rule.is_empty() { "-".to_owned() } else { plain(&row.rule).to_string() };
            let counts = [row.sign_ins, row.people, row.pass, row.challenge, row.enrol].map(|n| n.to_string());
            let [sign_ins, people, pass, challenge, enrol] = counts;
            [rule, plain(&row.reason).to_string(), sign_ins, people, pass, challenge, enrol]
        });
        let head = ["RULE", "LET IN BY", "SIGN-INS", "PEOPLE", "WOULD PASS", "BE ASKED", "HAVE TO ENROL"];
        f.write_str(&table(head, cells.collect()))?;
        writeln!(f, "\nSince {}. Each person counts once in a row, by what was said of them last.", self.since)?;
        if !self.whole {
            writeln!(f, "The log is longer than what was read: what is older is missing here.")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(account: &str, rule: &str, reason: &str, would: &str) -> String {
        format!(
            r#"{{"at":"2026-11-21T00:00:00Z","event":"let_through","account":"{account}","door":"browser","rule":"{rule}","reason":"{reason}","would":"{would}"}}"#
        )
    }

    #[test]
    fn each_person_counts_once_by_what_was_said_last() {
        let mut tally = Tally::default();
        for (account, would) in [("a", "challenge"), ("a", "enrol"), ("b", "enrol"), ("c", "pass")] {
            tally.add(&line(account, "staff", "report", would));
        }
        tally.add(&line("a", "staff", "grace until 2027-01-01T00:00:00Z", "enrol"));
        tally.add(&line("d", "", "exempt until 2027-01-01T00:00:00Z", "challenge"));
        tally.add(r#"{"at":"x","event":"let_through","account":"a","stage":"report"}"#);
        tally.add(r#"{"at":"x","event":"sign_in_denied","name":"\"let_through\""}"#);
        tally.add("no JSON \"let_through\"");
        let sheet = tally.sheet(Timestamp(0), Timestamp(86_400_000), true);
        let told: Vec<_> = sheet
            .rows
            .iter()
            .map(|row| {
                (row.rule.as_str(), row.reason.as_str(), row.sign_ins, [row.people, row.pass, row.challenge, row.enrol])
            })
            .collect();
        assert_eq!(
            told,
            [
                ("", "exempt", 1, [1, 0, 1, 0]),
                ("staff", "grace", 1, [1, 0, 0, 1]),
                ("staff", "report", 4, [3, 1, 1, 1]),
            ]
        );
        let text = sheet.to_string();
        assert!(text.contains("staff") && text.contains("HAVE TO ENROL") && !text.contains("longer"), "{text}");
        assert!(
            Tally::default().sheet(Timestamp(0), Timestamp(0), true).to_string().contains("nobody was let through")
        );
    }
}
