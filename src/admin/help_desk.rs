//! What a help desk does for one person: looks at their factors, takes one away, lets them in without for a while.
//!
//! Each of these is audited with who did it and mailed to the person, who may know nothing of the call. An exemption
//! has an end and a reason in words; it lifts the question, and nothing that needs an asked factor (design §2 "MFA").

use super::{
    Admin, AdminError, Operator, Reply,
    api::{count, done},
    reply::{AccountRow, or_dash, short, table},
};
use crate::{
    accounts::Account,
    audit::Event,
    mfa::{
        config::Deadline,
        enrolment::Enrolment,
        exemption::{Exemption, ExemptionKind},
    },
    outbound::mail::Message,
    types::{FactorKind, Timestamp},
};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A bypass is for a phone left at home.
const MOST_HOURS: u32 = 72;
/// An exemption that outlives an academic year is a rule.
const MOST_DAYS: u64 = 400;
const LONGEST_REASON: usize = 300;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct FactorTarget {
    /// User name, or the account's id
    pub user: String,
    /// The beginning of its id as `factor list` shows it, at least 6 characters
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Bypass {
    /// User name, or the account's id
    pub user: String,
    /// For so long from now on
    #[arg(long, value_name = "N", required_unless_present = "end")]
    #[serde(default)]
    pub hours: Option<u32>,
    /// Why, in words, for the audit log
    #[arg(long, value_name = "TEXT", required_unless_present = "end")]
    #[serde(default)]
    pub reason: Option<String>,
    /// End the one that was given
    #[arg(long, conflicts_with_all = ["hours", "reason"])]
    #[serde(default)]
    pub end: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Exempt {
    /// User name, or the account's id
    pub user: String,
    /// To the end of this day in UTC, or until this moment: 2027-09-30, 2027-09-30T18:00:00+02:00
    #[arg(long, value_name = "DATE", required_unless_present = "end")]
    #[serde(default)]
    pub until: Option<String>,
    /// Why, in words, for the audit log
    #[arg(long, value_name = "TEXT", required_unless_present = "end")]
    #[serde(default)]
    pub reason: Option<String>,
    /// End the one that was given
    #[arg(long, conflicts_with_all = ["until", "reason"])]
    #[serde(default)]
    pub end: bool,
}

/// One factor of an account.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorRow {
    pub id: String,
    pub kind: FactorKind,
    pub label: String,
    pub created: String,
    pub last_used: Option<String>,
    pub site: String,
    pub rule: String,
    /// What opened its enrolment: `at_sign_in`, `after_email_code`, `by_help_desk`, `imported`.
    pub proof: String,
    /// It does not count until its owner has confirmed it.
    pub suspended: bool,
}

/// One exemption that holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExemptionRow {
    pub kind: ExemptionKind,
    pub until: String,
    pub reason: String,
    pub given_by: String,
    pub since: String,
}

impl Admin {
    pub(super) async fn list_factors(&self, user: &str) -> Result<Reply, AdminError> {
        let account = self.find(user).await?;
        let enrolments = self.enrolments.enrolments(&account.id).await?;
        Ok(Reply::Factors(enrolments.all.iter().map(FactorRow::of).collect()))
    }

    /// Takes one factor away, and with it what it opened.
    pub(super) async fn revoke_factor(&self, by: Operator, target: &FactorTarget) -> Result<Reply, AdminError> {
        let account = self.find(&target.user).await?;
        let factor = self.factor(&account, &target.id).await?;
        if !self.enrolments.remove(&account.id, &factor.id).await? {
            return Err(HelpError::NoFactor(target.id.clone()).into());
        }
        self.note(by, Event::FactorRemoved { account: account.id.clone(), factor: factor.kind });
        let left = self.enrolments.enrolments(&account.id).await.map_err(half)?.all.len();
        // A trusted device does not say which factor it was trusted after: it was one of this account's.
        let mut forgotten = Vec::new();
        for device in self.devices.devices(&account.id).await.map_err(half)? {
            if device.created >= factor.created && self.devices.forget(&account.id, &device.id).await.map_err(half)? {
                forgotten.push(device.id);
            }
        }
        let mut sessions = 0;
        for session in self.sessions.of_account(&account.id).await.map_err(half)? {
            let by_it = session.facts.iter().any(|fact| fact.enrolment.as_ref() == Some(&factor.id));
            if by_it || forgotten.iter().any(|device| session.rests_on(device)) {
                sessions += usize::from(self.sessions.remove(&session.key).await.map_err(half)?);
            }
        }
        // Nor does a token say which it was minted by.
        let mut tokens = 0;
        let now = self.clock.now();
        for token in self.ledger.of_account(&account.id).await.map_err(half)? {
            if token.revoked.is_none() && token.factor_at.is_some_and(|at| at >= factor.created) {
                tokens += self.ledger.revoke(&token.id, now).await.map_err(half)?;
            }
        }
        let (kind, label) = (factor.kind, factor.label.clone());
        self.tell(&account, |site| Message::FactorRemoved { site, factor: kind, label }).await;
        let called = AccountRow::of(&account).called().to_owned();
        let next = match left {
            0 => format!(". It was the last one; next: vestibule factor issue-enrolment-code {called}"),
            _ => String::new(),
        };
        Ok(done(format!(
            "{called} has no {} \"{}\" any more; {} and {} have ended{next}",
            factor.kind,
            factor.label,
            count(sessions, "session"),
            count(tokens, "app token")
        )))
    }

    async fn factor(&self, account: &Account, prefix: &str) -> Result<Enrolment, AdminError> {
        if prefix.len() < 6 {
            return Err(HelpError::ShortId.into());
        }
        let all = self.enrolments.enrolments(&account.id).await?.all;
        let mut found = all.into_iter().filter(|factor| factor.id.as_str().starts_with(prefix));
        match (found.next(), found.next()) {
            (None, _) => Err(HelpError::NoFactor(prefix.to_owned()).into()),
            (Some(factor), None) => Ok(factor),
            (Some(_), Some(_)) => Err(HelpError::AmbiguousFactor(prefix.to_owned()).into()),
        }
    }

    pub(super) async fn bypass(&self, by: Operator, bypass: Bypass) -> Result<Reply, AdminError> {
        let account = self.find(&bypass.user).await?;
        let (hours, reason) = match (bypass.end, bypass.hours, bypass.reason) {
            (true, ..) => return self.end_exemption(by, &account, ExemptionKind::Bypass).await,
            (false, Some(hours), Some(reason)) if (1..=MOST_HOURS).contains(&hours) => (hours, reason),
            (false, Some(_), Some(_)) => return Err(HelpError::Hours.into()),
            (false, ..) => return Err(HelpError::Incomplete("--hours and --reason").into()),
        };
        let until = self.clock.now().plus(Duration::from_secs(u64::from(hours) * 3600));
        // First: should the rest fail, the bypass is not there and the help desk is needed all the same.
        self.enrolments.leave_to_help_desk(&account.id).await?;
        self.give(by, &account, (ExemptionKind::Bypass, until), reason).await
    }

    pub(super) async fn exempt(&self, by: Operator, exempt: Exempt) -> Result<Reply, AdminError> {
        let account = self.find(&exempt.user).await?;
        let (until, reason) = match (exempt.end, exempt.until, exempt.reason) {
            (true, ..) => return self.end_exemption(by, &account, ExemptionKind::Exempt).await,
            (false, Some(until), Some(reason)) => (until, reason),
            (false, ..) => return Err(HelpError::Incomplete("--until and --reason").into()),
        };
        let until = until.parse::<Deadline>().map_err(|error| HelpError::Date(error.to_string()))?.at();
        let now = self.clock.now();
        if until <= now || until.since(now) > Duration::from_secs(MOST_DAYS * 86_400) {
            return Err(HelpError::Days.into());
        }
        self.give(by, &account, (ExemptionKind::Exempt, until), reason).await
    }

    async fn give(
        &self,
        by: Operator,
        account: &Account,
        (kind, until): (ExemptionKind, Timestamp),
        reason: String,
    ) -> Result<Reply, AdminError> {
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.len() > LONGEST_REASON || reason.chars().any(char::is_control) {
            return Err(HelpError::Reason.into());
        }
        let (created, given_by) = (self.clock.now(), format!("uid {}", by.uid));
        let given = Exemption { account: account.id.clone(), kind, until, reason: reason.clone(), given_by, created };
        self.exemptions.exempt(&given).await?;
        self.note(by, Event::Exempted { account: account.id.clone(), kind: kind.as_str(), until, reason });
        self.tell(account, |site| Message::BypassGiven { site, until }).await;
        let until = short(until);
        let desk = match kind {
            ExemptionKind::Bypass => "; its next first factor needs a code of the help desk",
            ExemptionKind::Exempt => "",
        };
        Ok(done(format!("{} is asked for no second factor until {until}{desk}", AccountRow::of(account).called())))
    }

    async fn end_exemption(&self, by: Operator, account: &Account, kind: ExemptionKind) -> Result<Reply, AdminError> {
        let called = AccountRow::of(account).called().to_owned();
        if !self.exemptions.end_exemption(&account.id, kind).await? {
            return Err(HelpError::NoExemption { called, kind: kind.as_str() }.into());
        }
        self.note(by, Event::ExemptionEnded { account: account.id.clone(), kind: kind.as_str() });
        Ok(done(format!("the {} of {called} has ended; what it let in is asked again", kind.as_str())))
    }

    /// Those that hold now.
    pub(super) async fn exemptions_of(&self, account: &Account) -> Result<Vec<ExemptionRow>, AdminError> {
        let now = self.clock.now();
        let all = self.exemptions.exemptions(&account.id).await?;
        Ok(all.iter().filter(|given| given.until > now).map(ExemptionRow::of).collect())
    }
}

fn half(cause: crate::types::Unavailable) -> AdminError {
    AdminError::Half { done: "the factor is gone", cause }
}

/// Why nothing was done for that person.
#[derive(Debug, thiserror::Error)]
pub enum HelpError {
    #[error("this account has no factor whose id begins with \"{0}\"; `vestibule factor list` shows them")]
    NoFactor(String),
    #[error("several factors' ids begin with \"{0}\"; give more of it")]
    AmbiguousFactor(String),
    #[error("give at least 6 characters of the factor's id")]
    ShortId,
    #[error("give {0}")]
    Incomplete(&'static str),
    #[error("a bypass lasts 1 to {MOST_HOURS} hours; `vestibule account exempt` takes a date")]
    Hours,
    #[error("an exemption ends within {MOST_DAYS} days from now; beyond that it is a rule in gateway.yaml")]
    Days,
    #[error("{0}")]
    Date(String),
    #[error("the reason is one line of 1 to {LONGEST_REASON} characters")]
    Reason,
    #[error("{called} has no {kind}")]
    NoExemption { called: String, kind: &'static str },
}

impl FactorRow {
    fn of(factor: &Enrolment) -> Self {
        Self {
            id: factor.id.to_string(),
            kind: factor.kind,
            label: factor.label.clone(),
            created: short(factor.created),
            last_used: factor.last_used.map(short),
            site: factor.site.to_string(),
            rule: factor.rule.clone(),
            proof: factor.proof.as_str().to_owned(),
            suspended: factor.suspended,
        }
    }
}

impl ExemptionRow {
    fn of(given: &Exemption) -> Self {
        Self {
            kind: given.kind,
            until: short(given.until),
            reason: given.reason.clone(),
            given_by: given.given_by.clone(),
            since: short(given.created),
        }
    }

    /// One line of `account show`.
    pub(super) fn line(&self) -> String {
        let Self { kind, until, reason, given_by, .. } = self;
        format!("{} until {until}, by {given_by}: {reason}", kind.as_str())
    }
}

pub(super) fn factors(rows: &[FactorRow]) -> String {
    let cells = rows.iter().map(|row| {
        [
            row.id.clone(),
            row.kind.to_string(),
            row.label.clone(),
            row.created.clone(),
            or_dash(&row.last_used),
            row.proof.clone(),
            if row.suspended { "suspended".to_owned() } else { "counts".to_owned() },
        ]
    });
    table(["FACTOR", "KIND", "LABEL", "SINCE", "LAST USED", "OPENED BY", "STATE"], cells.collect())
}
