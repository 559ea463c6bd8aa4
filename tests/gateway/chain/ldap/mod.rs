//! The `ldap` source against real directories, asked as the chain asks it.

mod active_directory;
mod faults;
pub mod openldap;

use super::ground;
use std::{sync::Arc, time::Duration};
use vestibule::{
    chain::{
        Asked, Attempt, Credentials, Person, Trace, Verdict,
        sources::{self, Kind, Source},
    },
    types::{ClientAddr, Password, Secret},
};

/// The deadline of every instance here, unless a test says otherwise.
const DEADLINE: Duration = Duration::from_secs(3);

/// A source by the keys of gateway.yaml. A reference to a secret is the secret itself.
fn build(kind: Kind, yaml: &str, deadline: Duration) -> Result<Source, sources::BuildError> {
    ground::build(kind, yaml, deadline, Arc::default(), &|text| Ok(Secret::new(text.to_owned())))
}

/// What came of one attempt, and its notes.
struct Judged {
    verdict: Verdict,
    notes: Vec<(&'static str, String)>,
}

impl Judged {
    /// `ok`, `declined`, `denied: reason`, `error: reason`.
    fn said(&self) -> String {
        match self.verdict.reason() {
            Some(reason) => format!("{}: {reason}", self.verdict.name()),
            None => self.verdict.name().to_owned(),
        }
    }
    fn person(self) -> Person {
        let said = self.said();
        match self.verdict {
            Verdict::Ok(proven) => proven.person,
            Verdict::Declined(_) | Verdict::Unknown | Verdict::Denied(..) | Verdict::Error(_) | Verdict::Unclear(_) => {
                panic!("not accepted: {said}")
            }
        }
    }
    fn steps(&self) -> Vec<&'static str> {
        self.notes.iter().map(|(step, _)| *step).collect()
    }
}

async fn judge(source: &Source, username: &str, password: &str) -> Judged {
    let credentials = Credentials::Token {
        username: username.to_owned(),
        password: Password::new(password.to_owned()),
        service: "moodle_mobile_app".to_owned(),
    };
    let attempt = Attempt { credentials, client: ClientAddr::new([127, 0, 0, 1].into()), trace: Trace::on() };
    let verdict = source.password.as_ref().unwrap().judge(&Asked { username, attempt: &attempt }).await;
    let notes = attempt.trace.taken().into_iter().map(|note| (note.step, note.said)).collect();
    Judged { verdict, notes }
}
