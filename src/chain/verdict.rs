//! What a source is asked, and the four things it can say.

use crate::{
    lms::{Held, LmsUser, LoginForm},
    outbound::Answer,
    types::{ClientAddr, Door, Password, Subject},
};
use async_trait::async_trait;

/// The credentials of one attempt, as their door collected them.
#[derive(Debug)]
pub enum Credentials {
    /// The LMS's own login form, with whatever other fields it has.
    Form(LoginForm),
    /// token.php's three parameters.
    Token { username: String, password: Password, service: String },
}

impl Credentials {
    pub fn username(&self) -> &str {
        match self {
            Credentials::Form(form) => &form.username,
            Credentials::Token { username, .. } => username,
        }
    }
    pub fn door(&self) -> Door {
        match self {
            Credentials::Form(_) => Door::Browser,
            Credentials::Token { .. } => Door::App,
        }
    }
}

#[derive(Debug)]
pub struct Attempt {
    pub credentials: Credentials,
    pub client: ClientAddr,
}

/// What a source knows about somebody whose password was right.
#[derive(Debug)]
pub struct Proven {
    pub subject: Subject,
    pub user: LmsUser,
    /// What the LMS gave for it, to be kept until `Satisfied`.
    pub held: Held,
}

/// A source's answer.
#[derive(Debug)]
pub enum Verdict {
    Ok(Box<Proven>),
    /// Unknown here, or wrong password; where the source is the LMS, with its own page to show.
    Declined(Option<Box<Answer>>),
    /// May not sign in, even with the right password. The reason is for the audit; the answer is the LMS's own.
    Denied(&'static str, Option<Box<Answer>>),
    /// Cannot say. The reason is for the operator.
    Error(String),
}

impl Verdict {
    /// For the audit: the verdict's name and reason, nothing of the person.
    pub fn describe(&self) -> String {
        match self {
            Verdict::Ok(_) => "ok".into(),
            Verdict::Declined(_) => "declined".into(),
            Verdict::Denied(reason, _) => format!("denied: {reason}"),
            Verdict::Error(reason) => format!("error: {reason}"),
        }
    }
}

/// A source that judges a name and a password.
#[async_trait]
pub trait PasswordSource: Send + Sync {
    async fn judge(&self, attempt: &Attempt) -> Verdict;
}
