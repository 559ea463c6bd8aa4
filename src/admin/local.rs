//! Acts on accounts of the gateway itself: add, give a password, import, break the glass.
//!
//! A password arrives here as a hash: the command line judges and hashes it in its own process, so that it crosses
//! no socket and takes no worker from those who sign in. The one exception is made here and told once.

use super::{
    Admin, AdminError, Operator, Reply,
    command::{ImportLocals, LineProblem, LocalRow, LocalUser, NewLocal, SetPassword},
};
use crate::{
    accounts::{Account, Created, LinkedBy, State},
    audit::Event,
    chain::{
        local::{Inserted, LocalAccount, NewPassword, new_subject, one_time_password},
        password::{StoredHash, new_hash},
    },
    types::{AccountId, RngExt, Secret, SourceId},
};
use std::collections::HashMap;

/// The store writes them in one transaction, within its deadline.
pub const MOST_ROWS: usize = 10_000;
const LONGEST_NAME: usize = 200;
/// RFC 5321 §4.5.3.1.3, without the angle brackets.
const LONGEST_EMAIL: usize = 254;

impl Admin {
    pub(super) async fn add_local(&self, by: Operator, new: NewLocal) -> Result<Reply, AdminError> {
        let (source, username) = self.local_user(&new.who)?;
        if new.hash.is_none() {
            return Err(AdminError::NoPassword);
        }
        let row = LocalRow { line: 0, username, name: new.name, email: new.email, hash: new.hash };
        let account = self.new_local(&source, &row).map_err(AdminError::BadAccount)?;
        if self.locals.insert(&[account]).await? == Inserted::Taken {
            return Err(AdminError::LocalExists { instance: source, user: row.username });
        }
        self.note(by, Event::LocalAccountAdded { source: source.clone(), name: row.username.clone() });
        Ok(Reply::Done { said: format!("{} can sign in by {source}", row.username) })
    }

    pub(super) async fn set_local_password(&self, by: Operator, set: SetPassword) -> Result<Reply, AdminError> {
        let (source, username) = self.local_user(&set.who)?;
        let hash = set.hash.ok_or(AdminError::NoPassword)?.into_secret();
        StoredHash::parse(hash.expose()).map_err(|error| AdminError::BadAccount(format!("the hash is {error}")))?;
        let account = self.locals.by_username(&source, &username).await?;
        let account =
            account.ok_or_else(|| AdminError::NoLocal { instance: source.clone(), user: username.clone() })?;
        let new = NewPassword { hash, at: self.clock.now(), must_change: false, one_time: false };
        self.replace_password(&account, &new).await?;
        self.note(by, Event::LocalPasswordSet { source, name: username.clone() });
        let ended = self.end_what_is_older(by, &account).await?;
        Ok(Reply::Done { said: format!("{username} has another password; {ended}") })
    }

    pub(super) async fn break_glass(&self, by: Operator, who: LocalUser) -> Result<Reply, AdminError> {
        let (source, username) = self.local_user(&who)?;
        let password = one_time_password(&*self.rng);
        let (hashing, rng) = (password.clone(), self.rng.clone());
        let hash = tokio::task::spawn_blocking(move || new_hash(&hashing, &*rng)).await;
        let hash = Secret::new(hash.map_err(|_| AdminError::BadAccount("no password could be made".to_owned()))?);
        let now = self.clock.now();
        let known = self.locals.by_username(&source, &username).await?;
        match &known {
            Some(account) => {
                self.pin_local(account).await?;
                let new = NewPassword { hash, at: now, must_change: false, one_time: true };
                self.replace_password(account, &new).await?;
            }
            None => {
                let account = LocalAccount { hash, one_time: true, ..self.blank_local(&source, &username) };
                self.pin_local(&account).await?;
                if self.locals.insert(&[account]).await? == Inserted::Taken {
                    return Err(AdminError::LocalExists { instance: source, user: username });
                }
            }
        }
        self.note(by, Event::BreakGlassIssued { source: source.clone(), name: username.clone() });
        if let Some(account) = &known {
            self.end_what_is_older(by, account).await?;
        }
        Ok(Reply::OneTimePassword { source: source.to_string(), user: username, password: password.expose().clone() })
    }

    /// The account it signs in to, made now: while another source is down a stranger is not taken in (attack J6), and
    /// then is when this one is needed (X9).
    async fn pin_local(&self, local: &LocalAccount) -> Result<(), AdminError> {
        if self.accounts.by_method(&local.source, &local.id).await?.is_some() {
            return Ok(());
        }
        let instance = self.instance(local.source.as_str())?;
        let name = instance.canonical(&local.username).ok_or_else(|| AdminError::BadName(local.username.clone()))?;
        if !self.accounts.by_username(name.as_str()).await?.is_empty() {
            return Err(AdminError::BadAccount(format!("{name} is somebody's account already; choose another name")));
        }
        let account = Account {
            id: AccountId::new(self.rng.hex(16)),
            username: Some(name.as_str().to_owned()),
            username_verified: true,
            display_name: local.name.clone(),
            given_name: local.first_name.clone(),
            family_name: local.last_name.clone(),
            email: local.email.clone(),
            email_verified_by: None,
            groups: Vec::new(),
            email_before: None,
            email_changed: None,
            groups_at: None,
            state: State::Active,
            epoch: 0,
            created: self.clock.now(),
            enrol_by_help_desk_only: false,
        };
        let method = self.new_method(&account, &instance, local.id.clone(), (LinkedBy::Operator, true));
        match self.accounts.create(&account, &method, None, &[]).await? {
            Created::Yes => Ok(()),
            Created::Taken => Err(AdminError::ImportRace),
        }
    }

    /// All or nothing, and everything that is wrong in one answer.
    pub(super) async fn import_locals(&self, by: Operator, import: ImportLocals) -> Result<Reply, AdminError> {
        let source = self.local_source(&import.source)?;
        let mut problems = import.problems;
        let mut first_line: HashMap<String, u64> = HashMap::new();
        let mut accounts = Vec::with_capacity(import.rows.len());
        let mut old_formats = 0;
        for mut row in import.rows {
            let mut wrong = |what: String| problems.push(LineProblem { line: row.line, what });
            let Some(username) = canonical(&row.username) else {
                wrong("the user name is none, or has characters that are not allowed in one".to_owned());
                continue;
            };
            if let Some(line) = first_line.get(&username) {
                wrong(format!("{username} stands in line {line} already"));
                continue;
            }
            first_line.insert(username.clone(), row.line);
            if self.locals.by_username(&source, &username).await?.is_some() {
                wrong(format!("{username} exists in {source} already"));
            }
            if let Some(Ok(hash)) = row.hash.as_ref().map(|hash| StoredHash::parse(hash.expose())) {
                old_formats += usize::from(hash.format().is_for_migration());
            }
            row.username = username;
            if import.dry_run && row.hash.is_none() {
                continue;
            }
            match self.new_local(&source, &row) {
                Ok(account) => accounts.push(account),
                Err(what) => wrong(what),
            }
        }
        problems.sort_by_key(|problem| problem.line);
        if !problems.is_empty() {
            return Err(AdminError::Import(problems));
        }
        let count = first_line.len();
        let warning = match old_formats {
            0 => String::new(),
            n => format!("; hashes fit for migration only, each argon2id after its owner's next sign-in: {n}"),
        };
        if import.dry_run {
            return Ok(Reply::Done {
                said: format!("{} would be added to {source}{warning}", super::api::count(count, "account")),
            });
        }
        if self.locals.insert(&accounts).await? == Inserted::Taken {
            return Err(AdminError::ImportRace);
        }
        self.note(by, Event::LocalAccountsImported { source: source.clone(), count });
        Ok(Reply::Done { said: format!("{} added to {source}{warning}", super::api::count(count, "account")) })
    }

    fn local_source(&self, name: &str) -> Result<SourceId, AdminError> {
        let known = (self.local_sources)();
        match known.iter().find(|known| known.as_str() == name) {
            Some(known) => Ok(known.clone()),
            None => Err(AdminError::NotLocal { name: name.to_owned(), known }),
        }
    }

    fn local_user(&self, who: &LocalUser) -> Result<(SourceId, String), AdminError> {
        let source = self.local_source(&who.source)?;
        let username = canonical(&who.user).ok_or_else(|| AdminError::BadName(who.user.clone()))?;
        Ok((source, username))
    }

    fn blank_local(&self, source: &SourceId, username: &str) -> LocalAccount {
        let now = self.clock.now();
        LocalAccount {
            source: source.clone(),
            id: new_subject(&*self.rng),
            username: username.to_owned(),
            hash: Secret::new(String::new()),
            first_name: None,
            last_name: None,
            name: None,
            email: None,
            created: now,
            password_changed: now,
            must_change: false,
            one_time: false,
        }
    }

    /// Says what is wrong with it, if anything is.
    fn new_local(&self, source: &SourceId, row: &LocalRow) -> Result<LocalAccount, String> {
        let hash = row.hash.clone().ok_or("there is no password")?.into_secret();
        StoredHash::parse(hash.expose()).map_err(|error| format!("the password hash is {error}"))?;
        let name = checked("the name", row.name.as_deref(), LONGEST_NAME)?;
        let email = checked("the e-mail address", row.email.as_deref(), LONGEST_EMAIL)?;
        let is_address = |text: &str| {
            let parts = text.rsplit_once('@');
            parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
                && !text.contains(char::is_whitespace)
        };
        if email.as_deref().is_some_and(|email| !is_address(email)) {
            return Err("the e-mail address is none".to_owned());
        }
        Ok(LocalAccount { hash, name, email, ..self.blank_local(source, &row.username) })
    }

    async fn replace_password(&self, account: &LocalAccount, new: &NewPassword) -> Result<(), AdminError> {
        match self.locals.set_password(&account.source, &account.id, new).await? {
            true => Ok(()),
            false => Err(AdminError::NoLocal { instance: account.source.clone(), user: account.username.clone() }),
        }
    }

    /// Whoever knew the old password is signed out everywhere.
    async fn end_what_is_older(&self, by: Operator, local: &LocalAccount) -> Result<String, AdminError> {
        let half = |cause| AdminError::Half { done: "the password is another", cause };
        let Some(account) = self.accounts.by_method(&local.source, &local.id).await.map_err(half)? else {
            return Ok("nobody has signed in with it yet".to_owned());
        };
        self.accounts.raise_epoch(&account.id).await.map_err(half)?;
        self.note(by, Event::EpochRaised { account: account.id.clone(), reason: "password_changed" });
        let (sessions, tokens) = self.sign_out(&account, "the password is another").await?;
        Ok(format!(
            "{} and {} have ended",
            super::api::count(sessions, "session"),
            super::api::count(tokens, "app token")
        ))
    }
}

/// Trimmed; `None` where nothing is left.
fn checked(what: &str, text: Option<&str>, longest: usize) -> Result<Option<String>, String> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    match text {
        Some(text) if text.chars().count() > longest => Err(format!("{what} is longer than {longest} characters")),
        Some(text) if text.chars().any(char::is_control) => Err(format!("{what} has control characters")),
        other => Ok(other.map(str::to_owned)),
    }
}

fn canonical(name: &str) -> Option<String> {
    crate::types::Username::canonical(name).map(|name| name.as_str().to_owned())
}
