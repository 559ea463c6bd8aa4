//! The verdict over one name and password.
//!
//! Every refusal costs the same (attack E1): one look-up and one piece of hash work, whether the name exists, is
//! locked, is there twice or has a row that cannot be read. Where there is no hash to verify against, a decoy is, of
//! the make and cost that this table was last seen to hold. What is wrong with *one* row is therefore never ERROR,
//! which the outside can tell from a refusal: it would say that the name exists.

use super::record::{self, Columns, Needs, Only, Record};
use crate::{
    chain::{
        Asked, Directory, PasswordSource, Person, Proven, Standing, Trace, Verdict,
        password::{Busy, Format, HashError, Hashing, StoredHash},
    },
    outbound::database::{Statement, Table},
    types::{Password, SourceId, Subject},
};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) struct Sql {
    name: SourceId,
    table: Table,
    queries: Queries,
    reading: Reading,
    hashing: Arc<Hashing>,
    /// Work for names without a hash. Until the first row was seen, what a new hash of ours would cost.
    decoy: Mutex<StoredHash>,
}

pub(super) struct Queries {
    pub by_username: Statement,
    pub by_subject: Option<Statement>,
}

/// How rows are read, and which hashes count.
pub(super) struct Reading {
    pub columns: Columns,
    pub separator: String,
    pub accepted: Vec<Format>,
}

/// What there is to verify against.
struct Work {
    hash: StoredHash,
    /// Why no password can match: the hash does the work only.
    barren: Option<String>,
}

impl Sql {
    pub fn new(name: SourceId, table: Table, queries: Queries, reading: Reading, hashing: Arc<Hashing>) -> Self {
        Self { name, table, queries, reading, hashing, decoy: Mutex::new(StoredHash::decoy()) }
    }

    async fn look_up(
        &self,
        statement: &Statement,
        value: &str,
        needs: Needs,
    ) -> Result<Only<Result<Record, String>>, String> {
        // PostgreSQL takes no NUL in a text; nobody's name or key holds one.
        if value.contains('\0') {
            return Ok(Only::None);
        }
        let found = self.table.find(statement, value).await?;
        record::read(found, &self.reading.columns, &self.reading.separator, needs)
    }

    /// What to do for a row, or for the lack of one.
    fn work(&self, stored: Option<&str>) -> Work {
        let decoy = |barren: &str| Work { hash: self.decoy(), barren: Some(barren.to_owned()) };
        let Some(stored) = stored else { return decoy("no hash is stored") };
        match StoredHash::parse(stored) {
            Ok(hash) if self.reading.accepted.contains(&hash.format()) => {
                self.remember(&hash);
                Work { hash, barren: None }
            }
            Ok(hash) => {
                let format = hash.format().name();
                tracing::warn!(source = %self.name, format, "a row holds a hash that `hashes` does not accept; its owner cannot sign in");
                Work { hash: hash.decoy_like(), barren: Some(format!("{format} is not in `hashes`")) }
            }
            Err(error @ HashError::Locked) => decoy(&error.to_string()),
            Err(error @ (HashError::Unknown | HashError::Malformed(_) | HashError::TooCostly(_))) => {
                tracing::warn!(source = %self.name, %error, "a row's password hash cannot be used; its owner cannot sign in");
                decoy(&error.to_string())
            }
        }
    }

    fn decoy(&self) -> StoredHash {
        self.decoy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, hash: &StoredHash) {
        *self.decoy.lock().unwrap_or_else(PoisonError::into_inner) = hash.decoy_like();
    }

    async fn verify(&self, work: Work, password: &Password, trace: &Trace) -> Result<bool, Busy> {
        let (hash, password) = (work.hash, password.clone());
        let format = hash.format().name();
        let barren = work.barren;
        let matches = self.hashing.run(move || hash.verify(&password)).await?;
        trace.note("hash", || match (&barren, matches) {
            (Some(why), _) => format!("{why}; the work of one {format} hash was done all the same"),
            (None, true) => format!("{format}: the password is right"),
            (None, false) => format!("{format}: the password is wrong"),
        });
        Ok(matches && barren.is_none())
    }

    async fn decide(&self, asked: &Asked<'_>) -> Verdict {
        let trace = asked.trace();
        // Refused before anything is asked, for every name alike.
        if asked.password().expose().is_empty() || asked.username.is_empty() {
            return Verdict::Declined(None);
        }
        trace.note("connect", || self.table.place().to_owned());
        let only = match self.look_up(&self.queries.by_username, asked.username, Needs::Password).await {
            Ok(only) => only,
            Err(error) => {
                trace.note("query", || error.clone());
                return Verdict::Error(error);
            }
        };
        note_rows(trace, &only);
        let stored = match &only {
            Only::One(Ok(record)) => record.stored.as_ref().map(|stored| stored.expose().as_str()),
            Only::One(Err(_)) | Only::None | Only::Many => None,
        };
        match (self.verify(self.work(stored), asked.password(), trace).await, only) {
            (Err(busy), _) => Verdict::Unclear(busy.to_string()),
            (Ok(_), Only::None) => Verdict::Unknown,
            (Ok(_), Only::Many) => Verdict::Denied("more than one row", None),
            (Ok(_), Only::One(Err(error))) => {
                tracing::warn!(source = %self.name, %error, "a row cannot be read; its owner cannot sign in");
                Verdict::Denied("the row cannot be read", None)
            }
            (Ok(false), Only::One(Ok(_))) => Verdict::Declined(None),
            // Only now: who does not know the password does not learn that the account is barred.
            (Ok(true), Only::One(Ok(Record { barred: Some(why), .. }))) => Verdict::Denied(why, None),
            (Ok(true), Only::One(Ok(Record { person, barred: None, .. }))) => {
                Verdict::Ok(Box::new(Proven { person, lms: None }))
            }
        }
    }
}

#[async_trait]
impl PasswordSource for Sql {
    async fn judge(&self, asked: &Asked<'_>) -> Verdict {
        let verdict = self.decide(asked).await;
        asked.trace().note("verdict", || match verdict.reason() {
            Some(reason) => format!("{}: {reason}", verdict.name()),
            None => verdict.name().to_owned(),
        });
        verdict
    }

    async fn probe(&self) -> Result<(), String> {
        self.table.probe().await
    }
}

#[async_trait]
impl Directory for Sql {
    async fn standing(&self, subject: &Subject) -> Result<Standing, String> {
        let statement = self.queries.by_subject.as_ref().ok_or("there is no `by_subject` query")?;
        match self.look_up(statement, subject.as_str(), Needs::State).await? {
            Only::None => Ok(Standing::Unknown),
            Only::Many => Err("`by_subject` finds more than one row".into()),
            // A collation or a cast may find what is merely alike.
            Only::One(Ok(record)) if record.person.subject != *subject => {
                Err("`by_subject` finds a row with another subject".into())
            }
            Only::One(Ok(Record { barred: Some(why), .. })) => Ok(Standing::Barred(why)),
            Only::One(Ok(Record { person, .. })) => Ok(Standing::Active(Box::new(person))),
            Only::One(Err(error)) => Err(error),
        }
    }

    async fn find(&self, username: &str) -> Result<Option<Person>, String> {
        match self.look_up(&self.queries.by_username, username, Needs::Password).await? {
            Only::None => Ok(None),
            Only::Many => Err("more than one row".into()),
            Only::One(record) => record.map(|record| Some(record.person)),
        }
    }
}

fn note_rows(trace: &Trace, only: &Only<Result<Record, String>>) {
    trace.note("query", || match only {
        Only::None => "no row".to_owned(),
        Only::One(_) => "one row".to_owned(),
        Only::Many => "more than one row".to_owned(),
    });
    match only {
        Only::One(Ok(record)) => trace.note("row", || described(record)),
        Only::One(Err(error)) => trace.note("row", || error.clone()),
        Only::None | Only::Many => {}
    }
}

fn described(record: &Record) -> String {
    let person = &record.person;
    let same = match person.username.as_deref() == Some(person.subject.as_str()) {
        true => " (the same as the username: it should be a key that never changes)",
        false => "",
    };
    let groups = person.groups.as_ref().map_or("not read".to_owned(), |groups| groups.join(", "));
    let state = record.barred.unwrap_or("may sign in");
    format!("subject {}{same}; groups: {groups}; {state}", person.subject)
}
