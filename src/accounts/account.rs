//! What is known about an account.

use crate::types::{AccountId, LmsUserId, SiteName, SourceId, Subject, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// For so long a changed address opens no first enrolment: whoever phished a password may have changed it (attack J3).
pub const ADDRESS_SETTLES: Duration = Duration::from_secs(30 * 24 * 3600);

/// May it sign in?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Active,
    /// Switched off here, or by its source.
    Suspended,
    /// Its source no longer knows it.
    Gone,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Suspended => "suspended",
            State::Gone => "gone",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        [State::Active, State::Suspended, State::Gone].into_iter().find(|s| s.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: AccountId,
    /// Canonical; `None` until some source or the LMS has stated it.
    pub username: Option<String>,
    /// Stated by the source or the LMS, not merely typed. Only a verified name is sent to an upstream.
    pub username_verified: bool,
    pub display_name: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub email: Option<String>,
    /// The instance that verified the address, or `here` where it was confirmed by a mailed code of ours.
    pub email_verified_by: Option<String>,
    /// The address before, once its source has stated another.
    pub email_before: Option<String>,
    pub email_changed: Option<Timestamp>,
    /// The union over all methods.
    pub groups: Vec<String>,
    /// When groups were last read from a source; `None`: never.
    pub groups_at: Option<Timestamp>,
    pub state: State,
    /// Raised by password change, disable, "sign out everywhere": everything issued under a lower one is dead.
    pub epoch: u32,
    pub created: Timestamp,
    /// After a reset of factors only a help-desk code opens enrolment (design §2 "First enrolment").
    pub enrol_by_help_desk_only: bool,
}

impl Account {
    /// The address, unless it replaced another only lately.
    pub fn settled_email(&self, now: Timestamp) -> Option<&str> {
        let settled = self.email_changed.is_none_or(|changed| now.since(changed) >= ADDRESS_SETTLES);
        self.email.as_deref().filter(|_| settled)
    }
}

/// How a method came to be linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkedBy {
    /// The account was created by this method's first OK.
    FirstSignIn,
    /// Its owner linked it, after proving both.
    Owner,
    /// By `vestibule account link`, `merge` or `source move`.
    Operator,
    /// From a file.
    Import,
    /// The account's instance was removed with `rediscover`, and this one owns the name now.
    Rediscovered,
}

impl LinkedBy {
    const ALL: [LinkedBy; 5] =
        [LinkedBy::FirstSignIn, LinkedBy::Owner, LinkedBy::Operator, LinkedBy::Import, LinkedBy::Rediscovered];

    pub fn as_str(self) -> &'static str {
        match self {
            LinkedBy::FirstSignIn => "first_sign_in",
            LinkedBy::Owner => "owner",
            LinkedBy::Operator => "operator",
            LinkedBy::Import => "import",
            LinkedBy::Rediscovered => "rediscovered",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == text)
    }
}

/// One way to sign in to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    pub source: SourceId,
    pub subject: Subject,
    pub account: AccountId,
    pub linked: Timestamp,
    pub linked_by: LinkedBy,
    pub primary: bool,
    /// What the source said of the password last; another text is another password.
    pub password_mark: Option<String>,
    /// The groups this source stated; `None`: never read.
    pub groups: Option<Vec<String>>,
    /// When the source last said that this one may sign in.
    pub vouched: Timestamp,
}

/// Who an account is inside one site's LMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub site: SiteName,
    pub lms_user: LmsUserId,
    pub account: AccountId,
    pub created: Timestamp,
    /// The name the LMS knows; it is what a header sign-in sends, and never derived again.
    pub lms_username: Option<String>,
    pub bound_by: BoundBy,
}

/// What a binding rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundBy {
    /// The LMS judged the password itself.
    Lms,
    /// The LMS made the user at the first header sign-in.
    Created,
    Import,
    /// The LMS password was proven once.
    Proof,
}

impl BoundBy {
    const ALL: [BoundBy; 4] = [BoundBy::Lms, BoundBy::Created, BoundBy::Import, BoundBy::Proof];

    pub fn as_str(self) -> &'static str {
        match self {
            BoundBy::Lms => "lms",
            BoundBy::Created => "created",
            BoundBy::Import => "import",
            BoundBy::Proof => "proof",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == text)
    }
}
