//! What is known about an account.

use crate::types::{AccountId, LmsUserId, SiteName, SourceId, Subject, Timestamp};
use serde::{Deserialize, Serialize};

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
    pub email: Option<String>,
    pub groups: Vec<String>,
    pub state: State,
    /// Raised by password change, disable, "sign out everywhere": everything issued under a lower one is dead.
    pub epoch: u32,
    pub created: Timestamp,
    /// After a reset of factors only a help-desk code opens enrolment (design §2 "First enrolment").
    pub enrol_by_help_desk_only: bool,
}

/// How a method came to be linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkedBy {
    /// The account was created by this method's first OK.
    FirstSignIn,
}

impl LinkedBy {
    pub fn as_str(self) -> &'static str {
        match self {
            LinkedBy::FirstSignIn => "first_sign_in",
        }
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
}

/// Who an account is inside one site's LMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub site: SiteName,
    pub lms_user: LmsUserId,
    pub account: AccountId,
    pub created: Timestamp,
}
