//! What a source is asked, the four things it can say, and the two kinds of sources: those that judge a password and
//! those that send the browser elsewhere.

use crate::{
    lms::{Held, LmsUser, LoginForm},
    outbound::Answer,
    types::{ClientAddr, Door, Password, Subject},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The credentials of one attempt, as their door collected them.
#[derive(Debug)]
pub enum Credentials {
    /// The login form (the LMS's own, or the gateway's), with whatever other fields it has.
    Form(LoginForm),
    /// token.php's three parameters.
    Token { username: String, password: Password, service: String },
}

impl Credentials {
    /// As typed.
    pub fn username(&self) -> &str {
        match self {
            Credentials::Form(form) => &form.username,
            Credentials::Token { username, .. } => username,
        }
    }
    pub fn password(&self) -> &Password {
        match self {
            Credentials::Form(form) => &form.password,
            Credentials::Token { password, .. } => password,
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
    pub trace: Trace,
}

/// What one instance is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Canonical and without the instance's suffix; empty for a source that reads names itself, where what was typed
    /// is no canonical name.
    pub username: &'a str,
    pub attempt: &'a Attempt,
}

impl Asked<'_> {
    pub fn password(&self) -> &Password {
        self.attempt.credentials.password()
    }
    pub fn trace(&self) -> &Trace {
        &self.attempt.trace
    }
}

/// What a source states about somebody.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Person {
    /// Lasting and unique at this source: an id, never what was typed (design R6).
    pub subject: Subject,
    /// As the source spells it.
    pub username: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    /// The whole name, as it is shown.
    pub name: Option<String>,
    pub email: Option<String>,
    /// `None`: not read, or it could not be.
    pub groups: Option<Vec<String>>,
    /// Another text whenever the password is another: `pwdLastSet`, a digest of the hash.
    pub password_mark: Option<String>,
}

impl Person {
    /// Somebody of whom nothing but the subject is known.
    pub fn of(subject: Subject) -> Self {
        Self {
            subject,
            username: None,
            first_name: None,
            last_name: None,
            name: None,
            email: None,
            groups: None,
            password_mark: None,
        }
    }
}

/// What the LMS gave where it was itself the judge, to be kept until `Satisfied`.
#[derive(Debug)]
pub struct LmsProof {
    pub user: LmsUser,
    pub held: Held,
}

/// Somebody whose credentials were right.
#[derive(Debug)]
pub struct Proven {
    pub person: Person,
    pub lms: Option<LmsProof>,
}

/// A source's answer.
#[derive(Debug)]
pub enum Verdict {
    Ok(Box<Proven>),
    /// Unknown here, or wrong password; where the source is the LMS, with its own page to show.
    Declined(Option<Box<Answer>>),
    /// DECLINED, and the source knows no such name. Outside it is the same; the audit tells them apart (attack E2).
    Unknown,
    /// May not sign in, even with the right password. The reason is for the audit; the answer is the LMS's own.
    Denied(&'static str, Option<Box<Answer>>),
    /// Cannot say. The reason is for the operator.
    Error(String),
    /// ERROR of this attempt alone, which tells nothing of whether the source answers: no room to hash just now, an
    /// LMS that will not say who this one user is.
    Unclear(String),
}

impl Verdict {
    /// Its name in the audit and in metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Ok(_) => "ok",
            Verdict::Declined(_) | Verdict::Unknown => "declined",
            Verdict::Denied(..) => "denied",
            Verdict::Error(_) | Verdict::Unclear(_) => "error",
        }
    }
    /// Why, where there is more to say; nothing of the person.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Verdict::Ok(_) | Verdict::Declined(_) | Verdict::Unknown => None,
            Verdict::Denied(reason, _) => Some(reason),
            Verdict::Error(reason) | Verdict::Unclear(reason) => Some(reason),
        }
    }
}

impl Verdict {
    /// The reason as the audit has it.
    pub fn recorded(&self) -> Option<&str> {
        match self {
            Verdict::Unknown => Some("unknown"),
            // An LMS does not say which of the two it was.
            Verdict::Declined(None) => Some("wrong password"),
            Verdict::Ok(_)
            | Verdict::Declined(Some(_))
            | Verdict::Denied(..)
            | Verdict::Error(_)
            | Verdict::Unclear(_) => self.reason(),
        }
    }
}

/// A source that judges a name and a password.
#[async_trait]
pub trait PasswordSource: Send + Sync {
    async fn judge(&self, asked: &Asked<'_>) -> Verdict;
    /// Whether it could answer now. Asked in the background after an ERROR, so that no user waits for it.
    async fn probe(&self) -> Result<(), String>;
    /// Whether it wants the name as it was typed and canonicalises by rules of its own (an LMS).
    fn reads_names_itself(&self) -> bool {
        false
    }
}

/// What a directory knows of a subject now.
#[derive(Clone, Debug)]
pub enum Standing {
    Active(Box<Person>),
    /// Known, and may not sign in; the reason is for the audit.
    Barred(&'static str),
    /// No such subject any more.
    Unknown,
}

/// A source that can be asked about somebody without a password (design §2 "Leavers").
#[async_trait]
pub trait Directory: Send + Sync {
    async fn standing(&self, subject: &Subject) -> Result<Standing, String>;
    /// Whose name that is, for moving accounts between sources and for looking ahead. `username` is canonical and
    /// without the instance's suffix.
    async fn find(&self, username: &str) -> Result<Option<Person>, String>;
}

/// A source that sends the browser elsewhere and reads what it brings back.
#[async_trait]
pub trait RedirectSource: Send + Sync {
    /// What its button says.
    fn label(&self) -> &str;
    /// Where to send the browser. `state` comes back with it; `callback` is this gateway's address for it.
    async fn begin(&self, state: &str, callback: &str) -> Result<String, String>;
    /// Judges what came back: the callback's query parameters, already decoded, each name once.
    async fn complete(&self, parameters: &[(String, String)], callback: &str) -> Verdict;
}

/// Notes for `vestibule source test`: which step was taken and what came of it. Costs nothing where nobody listens.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Mutex<Notes>>>);

#[derive(Debug)]
struct Notes {
    since: Instant,
    steps: Vec<TraceStep>,
}

/// One step and how long it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceStep {
    pub step: &'static str,
    pub said: String,
    pub took: Duration,
}

impl Trace {
    pub fn off() -> Self {
        Self(None)
    }
    pub fn on() -> Self {
        Self(Some(Arc::new(Mutex::new(Notes { since: Instant::now(), steps: Vec::new() }))))
    }
    /// Notes a step that has just ended. `said` is made only where somebody listens, and never holds a secret.
    pub fn note(&self, step: &'static str, said: impl FnOnce() -> String) {
        let Some(notes) = &self.0 else { return };
        let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
        let took = notes.since.elapsed();
        notes.since = Instant::now();
        notes.steps.push(TraceStep { step, said: said(), took });
    }
    pub fn taken(&self) -> Vec<TraceStep> {
        let Some(notes) = &self.0 else { return Vec::new() };
        notes.lock().unwrap_or_else(PoisonError::into_inner).steps.clone()
    }
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Trace(on)" } else { "Trace(off)" })
    }
}
