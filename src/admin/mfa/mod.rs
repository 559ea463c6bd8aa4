//! What the rules let pass, and what they would have asked: `vestibule mfa`.

mod report;
mod sheet;

pub use report::{ReportRow, ReportSheet};
pub use sheet::CombinationsSheet;

use super::{Admin, AdminError, Reply};
use crate::mfa::policy::Policy;
use clap::{Args, Subcommand};
use report::Tally;
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum MfaCommand {
    /// For each rule of gateway.yaml the smallest sets of factors and signals that pass
    Combinations(OfRule),
    /// Whom nobody asked, and what stage `required` would have asked of them, rule by rule. From the database's copy of
    /// the audit log
    Report(Since),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct OfRule {
    /// Only this one
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub rule: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Since {
    /// Look back so many days
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub since: u32,
}

/// Lines of the audit log that are fetched at a time, and at all.
const PAGE: u32 = 5_000;
const MOST_LINES: usize = 2_000_000;

/// What passes under a policy. `Err`: no rule of that name.
pub fn combinations(policy: &Policy, of: &OfRule) -> Result<CombinationsSheet, AdminError> {
    let rules = policy.overview(of.rule.as_deref());
    match (&of.rule, rules.is_empty()) {
        (Some(name), true) => {
            let known = policy.overview(None).into_iter().map(|sheet| sheet.rule).collect();
            Err(AdminError::NoRule { name: name.clone(), known })
        }
        (None, _) | (Some(_), false) => Ok(CombinationsSheet { rules }),
    }
}

impl Admin {
    pub(super) async fn mfa(&self, command: MfaCommand) -> Result<Reply, AdminError> {
        match command {
            MfaCommand::Combinations(of) => Ok(Reply::Combinations(combinations(&self.chain.load().policy, &of)?)),
            MfaCommand::Report(since) => self.mfa_report(since.since).await,
        }
    }

    /// Page by page from the newest: a question of its own for each, so that none holds the database for long.
    async fn mfa_report(&self, days: u32) -> Result<Reply, AdminError> {
        let now = self.clock.now();
        let since = now.minus(Duration::from_secs(u64::from(days) * 86_400));
        let mut tally = Tally::default();
        let (mut before, mut read, mut whole) = (None, 0, true);
        loop {
            let page = self.trail.page(before, PAGE).await?;
            let full = page.len() == PAGE as usize;
            read += page.len();
            let mut reached = false;
            for line in &page {
                before = Some(line.number);
                reached |= line.at < since;
                if line.at >= since {
                    tally.add(&line.text);
                }
            }
            if !full || reached {
                break;
            }
            if read >= MOST_LINES {
                whole = false;
                break;
            }
        }
        Ok(Reply::MfaReport(tally.sheet(since, now, whole)))
    }
}
