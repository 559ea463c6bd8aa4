//! A site: one LMS that the gateway stands in front of, as an element of `sites:` in gateway.yaml.
//!
//! It lives here and not in `config`, because flow, pages and edge all ask a site what it wants.

use super::{PathGroup, groups, moodle};
use crate::types::{Origin, ServiceName, SiteName};
use serde::Deserialize;

/// One LMS under one public address.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Short and lasting: it is stored with every session, token and enrolment.
    pub name: SiteName,
    /// What people type and what the LMS believes its own address is (`$CFG->wwwroot` in Moodle).
    pub public_url: Origin,
    pub upstream: Upstream,
    #[serde(default)]
    pub lms: Lms,
    #[serde(default)]
    pub sign_in: SignIn,
    #[serde(default)]
    pub guest: Guest,
    #[serde(default)]
    pub app: App,
    #[serde(default)]
    pub headers: HeaderNames,
    #[serde(default)]
    pub authorization: Authorization,
    #[serde(default)]
    pub doors: Doors,
}

/// Where the LMS really is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// http or https, host and port; no path.
    pub url: Origin,
    /// The operator's word that nobody but the gateway reaches the LMS. Required by header sign-in.
    #[serde(default)]
    pub exclusive: bool,
}

/// How to talk to this LMS.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lms {
    pub kind: LmsKind,
    pub judge: Judge,
    /// The highest user id the LMS had when header sign-in was switched on. Accounts up to it belong to somebody
    /// already: they are bound by import or by proof, never by their name alone.
    pub users_before: Option<u64>,
    /// How cohorts, roles and administrators are read, for rules that name groups. `null`: they are not.
    pub groups: Option<groups::Config>,
}

/// Which adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LmsKind {
    #[default]
    Moodle,
}

impl LmsKind {
    /// The places that a rule may name as `@NAME`.
    pub fn path_groups(self) -> &'static [PathGroup] {
        match self {
            LmsKind::Moodle => moodle::sensitive::GROUPS,
        }
    }
}

/// Which of the LMS's answers tells whether a browser's password is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judge {
    /// The login form: opens an LMS session that waits, sealed, until the factor was answered.
    #[default]
    Form,
    /// token.php: no LMS session before the factor was answered, for an LMS that limits concurrent logins.
    Sessionless,
}

/// How a person gets an LMS session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignIn {
    /// The LMS's own login page, whose POST the gateway takes over.
    #[default]
    Form,
    /// The gateway's page and the LMS's trusted-header login (design §3).
    Header,
}

/// May somebody use the LMS's guest button?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guest {
    #[default]
    Allow,
    Deny,
}

/// The mobile app's door, `login/token.php`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct App {
    pub mfa: AppMfa,
    /// The one web service whose tokens are handed out (`moodle_mobile_app`); `null`: the one the app asks for.
    pub service: Option<ServiceName>,
}

/// What an app meets where a factor is due (design §2 "App tokens").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppMfa {
    /// An error in Moodle's shape that says where the factor can be answered.
    #[default]
    Challenge,
    /// The error alone.
    Refuse,
    /// Passwords alone are enough here. Tokens are marked unproven and die when this is changed.
    Off,
}

/// What becomes of a client's `Authorization` field on its way to the LMS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    /// Dropped: the LMS could take it for a sign-in that the gateway has not seen.
    #[default]
    Strip,
    /// Passed on, for an LMS behind HTTP Basic authentication of its own.
    Forward,
}

/// Reserved for the doors that the LMS opens itself (OAuth 2, LTI). Empty in this version.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doors {}

/// Under which names the LMS is told who came (design §5).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderNames {
    pub user: String,
    pub account: String,
    pub name: String,
    pub email: String,
    pub groups: String,
    pub source: String,
    pub amr: String,
    pub auth_time: String,
    pub factor_time: String,
    pub assertion: String,
}

impl Default for HeaderNames {
    fn default() -> Self {
        let ours = |rest: &str| format!("X-Vestibule-{rest}");
        Self {
            user: ours("User"),
            account: ours("Account"),
            name: ours("Name"),
            email: ours("Email"),
            groups: ours("Groups"),
            source: ours("Source"),
            amr: ours("Amr"),
            auth_time: ours("Auth-Time"),
            factor_time: ours("Factor-Time"),
            assertion: ours("Assertion"),
        }
    }
}

impl HeaderNames {
    /// Every name with the key it has in gateway.yaml, for hygiene and for `check`.
    pub fn all(&self) -> [(&'static str, &str); 10] {
        [
            ("user", &self.user),
            ("account", &self.account),
            ("name", &self.name),
            ("email", &self.email),
            ("groups", &self.groups),
            ("source", &self.source),
            ("amr", &self.amr),
            ("auth_time", &self.auth_time),
            ("factor_time", &self.factor_time),
            ("assertion", &self.assertion),
        ]
    }
}
