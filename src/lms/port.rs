//! What every LMS adapter does for the rest of the gateway, and what it hands back.

use crate::{
    outbound::Answer,
    types::{ClientAddr, LmsUserId, Password},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// The LMS could not be asked, or answered something this adapter cannot judge. Becomes the verdict ERROR.
#[derive(Debug, thiserror::Error)]
pub enum LmsError {
    #[error(transparent)]
    Outbound(#[from] crate::outbound::OutboundError),
    /// The LMS is reachable but not set up as this sign-in needs it; the text names the setting.
    #[error("{0}")]
    Unsuitable(String),
    /// The LMS opens nothing by its header for this name: it has such a user under another kind of authentication, or
    /// does not trust the header at all. The text says what to do.
    #[error("{0}")]
    HeaderRefused(String),
    /// Only what no database folds into another name is told to an LMS (attack J1). The operator's to mend.
    #[error(
        "a user name for the LMS is 1 to 100 of a-z, 0-9, '.', '_', '@' and '-'; this one is not, and was not sent"
    )]
    Name,
}

/// What the trusted-header login is told. An attribute that is `None`, or empty, is not sent at all: an empty one
/// blanks the field in the LMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderIdentity {
    pub username: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Option<String>,
}

/// What the LMS gave for a right password, kept sealed until `Satisfied`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// An LMS session of our own making: cookies as (name, value), and where the LMS would send the browser.
    Session { cookies: Vec<(String, String)>, location: String, log_user: Option<String> },
    /// Nothing yet: the LMS is told by its trusted header once everything was answered. `service` at the app's door.
    ByHeader { service: Option<String> },
    /// token.php's answer.
    Token { service: String, token: String, private_token: Option<String>, log_user: Option<String> },
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Held::Session { .. } => "Held::Session([redacted])",
            Held::ByHeader { .. } => "Held::ByHeader",
            Held::Token { .. } => "Held::Token([redacted])",
        })
    }
}

/// Who the LMS says somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LmsUser {
    pub id: LmsUserId,
    /// Only where the LMS stated it (site_info, or the log header in its username mode).
    pub username: Option<String>,
    pub name: Option<String>,
}

/// The posted login form, read as the LMS's own language would read it.
#[derive(Debug)]
pub struct LoginForm {
    pub username: String,
    pub password: Password,
    /// Every other field, once each, in order; never the logintoken.
    pub others: Vec<(String, String)>,
}

/// How the LMS judged a password.
#[derive(Debug)]
pub enum Judgement {
    Accepted {
        user: LmsUser,
        held: Held,
    },
    /// The LMS's own answer, to be shown unchanged; its cookies are those of an anonymous session of ours.
    Refused(Box<Answer>),
    /// Refused for another reason than the password (the service, maintenance, the account's state).
    Barred(Box<Answer>),
}

/// One site's LMS.
#[async_trait]
pub trait Lms: Send + Sync {
    /// The user id of the LMS's guest, who is nobody.
    fn guest(&self) -> LmsUserId;
    /// The LMS's own reading of a typed name: what two spellings must share to be one account.
    fn canonical_username(&self, typed: &str) -> String;
    /// Signs in through the LMS's login form on a fresh LMS session.
    async fn sign_in_by_form(&self, form: &LoginForm, client: ClientAddr) -> Result<Judgement, LmsError>;
    /// Judges a password by the token endpoint, which opens no LMS session.
    async fn sign_in_by_token(
        &self,
        username: &str,
        password: &Password,
        service: &str,
        client: ClientAddr,
    ) -> Result<Judgement, LmsError>;
    /// Whose a password is that was just proven, with the name; `None` where the LMS does not say.
    async fn owner_by_password(&self, form: &LoginForm, client: ClientAddr) -> Result<Option<LmsUser>, LmsError>;
    /// Opens an LMS session by the trusted header, on a fresh LMS session of its own. Who it is was asked of the LMS:
    /// the id always, the name whenever it can be. Whether that is the one who was named is the caller's to judge.
    async fn sign_in_by_header(&self, who: &HeaderIdentity, client: ClientAddr) -> Result<Judgement, LmsError>;
    /// An app token by the trusted header, in one call and without a password; its owner was asked of the LMS.
    async fn mint_by_header(
        &self,
        who: &HeaderIdentity,
        service: &str,
        client: ClientAddr,
    ) -> Result<Judgement, LmsError>;
    /// Whether `open_session` can work with this, so that nobody is asked for a factor in vain.
    fn can_open(&self, held: &Held) -> Result<(), LmsError>;
    /// Opens an LMS session for the owner of an app token, where the LMS can (`lms.judge: sessionless`).
    async fn open_session(&self, user: LmsUserId, held: &Held, client: ClientAddr) -> Result<Held, LmsError>;
    /// Whose session these cookies are; `None` for an anonymous one.
    async fn who(&self, cookies: &[(String, String)]) -> Result<Option<LmsUserId>, LmsError>;
    /// Ends the LMS session of these cookies.
    async fn log_out(&self, cookies: &[(String, String)]) -> Result<(), LmsError>;
    /// Lets the LMS itself render "wrong password" for a refusal that is ours, with the password never sent.
    async fn render_refusal(&self, canonical: &str, client: ClientAddr) -> Result<Answer, LmsError>;
    /// What the LMS says of itself at start: `None` when it is set up right, else one line naming the setting.
    async fn self_check(&self) -> Result<Option<String>, LmsError>;
}
