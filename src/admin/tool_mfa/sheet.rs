//! What is told: per factor what is carried over and what not, with the reason; the people; and what the site's rules
//! are called in gateway.yaml.

use super::super::reply::{plain, table};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolMfaSheet {
    pub site: String,
    pub dry_run: bool,
    /// By factor and outcome.
    pub factors: Vec<TallyRow>,
    pub people: People,
    /// `mfa:` with tool_mfa's weights, for gateway.yaml. Not in the answer to one batch.
    #[serde(default)]
    pub mfa: Option<String>,
    /// What to do beside that.
    #[serde(default)]
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TallyRow {
    /// tool_mfa's name.
    pub factor: String,
    pub what: String,
    pub count: u64,
}

/// Users of Moodle's with something in `tool_mfa`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct People {
    /// Who have an account here.
    pub known: u64,
    /// Who have none.
    pub unknown: u64,
    /// Of those without: an account here has their name, and is not bound to them.
    pub namesakes: u64,
    /// Left to the help desk by this import.
    pub left_to_help_desk: u64,
}

/// How many of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(BTreeMap<(String, String), u64>);

impl Tally {
    pub fn count(&mut self, factor: &str, what: &str) {
        self.add(factor, what, 1);
    }

    pub fn add(&mut self, factor: &str, what: &str, count: u64) {
        *self.0.entry((factor.to_owned(), what.to_owned())).or_default() += count;
    }

    pub fn rows(self) -> Vec<TallyRow> {
        self.0.into_iter().map(|((factor, what), count)| TallyRow { factor, what, count }).collect()
    }
}

impl ToolMfaSheet {
    /// With what another batch came to.
    pub(super) fn join(&mut self, batch: ToolMfaSheet) {
        let mut tally = Tally::default();
        for row in self.factors.drain(..).chain(batch.factors) {
            tally.add(&row.factor, &row.what, row.count);
        }
        self.factors = tally.rows();
        self.people.known += batch.people.known;
        self.people.unknown += batch.people.unknown;
        self.people.namesakes += batch.people.namesakes;
        self.people.left_to_help_desk += batch.people.left_to_help_desk;
        (self.site, self.dry_run) = (batch.site, batch.dry_run);
    }
}

impl fmt::Display for ToolMfaSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dry_run {
            writeln!(f, "Nothing was written. It would be, for {}:\n", plain(&self.site))?;
        } else {
            writeln!(f, "For {}:\n", plain(&self.site))?;
        }
        let cells = self.factors.iter().map(|row| [row.factor.clone(), row.count.to_string(), row.what.clone()]);
        f.write_str(&table(["FACTOR", "ROWS", "WHAT"], cells.collect()))?;
        let People { known, unknown, namesakes, left_to_help_desk } = self.people;
        writeln!(f, "\npeople with an account here: {known}; without: {unknown}")?;
        if unknown > 0 {
            writeln!(
                f,
                "  whoever has none is carried over once they have: `vestibule binding import` binds the users that \
                 the LMS has, then run this again"
            )?;
        }
        if namesakes > 0 {
            writeln!(f, "  {namesakes} of them share their name with an account that is not bound to them")?;
        }
        if left_to_help_desk > 0 {
            writeln!(
                f,
                "left to the help desk: {left_to_help_desk}, who were asked in Moodle and bring nothing that counts here"
            )?;
        }
        if let Some(mfa) = &self.mfa {
            writeln!(f, "\nIn gateway.yaml tool_mfa's weights are:\n\n{}", mfa.trim_end())?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n- {}", plain(note)))?;
        if self.notes.is_empty() { Ok(()) } else { writeln!(f) }
    }
}
