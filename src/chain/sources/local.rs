//! Accounts of the gateway itself ([`crate::chain::local`]): names and argon2id hashes in its own database.
//!
//! Promises: an unknown name, a locked account and a wrong password cost one lookup and one hash each (attack E1);
//! hashes are computed in the bounded pool alone (E13); a one-time password opens once, on all nodes, and its use
//! raises the alarm. A hash of another make, from an import, is replaced by argon2id at its owner's next sign-in:
//! until then its cost, which differs, could tell that the account exists.

use super::{BuildError, Kind, Needs, Settings, Source};
use crate::{
    audit::{Audit, Context, Event},
    chain::{
        Asked, Directory, PasswordSource, Person, Proven, Standing, Verdict,
        local::{LocalAccount, LocalStore},
        password::{Hashing, StoredHash, new_hash, prepared},
    },
    types::{Rng, SourceId, Subject},
};
use async_trait::async_trait;
use serde::Deserialize;
use std::sync::Arc;

pub const KIND: Kind = Kind {
    name: "local",
    internal: true,
    multiple: true,
    can_disable: true,
    removable: true,
    settings: super::read::<LocalSettings>,
};

/// It has no keys of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LocalSettings {}

impl Settings for LocalSettings {
    fn build(&self, needs: &Needs<'_>) -> Result<Source, BuildError> {
        let local = Arc::new(Local {
            name: needs.name.clone(),
            store: needs.locals.clone(),
            hashing: needs.hashing.clone(),
            audit: needs.audit.clone(),
            rng: needs.rng.clone(),
        });
        Ok(Source { password: Some(local.clone()), directory: Some(local), ..Source::default() })
    }
}

struct Local {
    name: SourceId,
    store: Arc<dyn LocalStore>,
    hashing: Arc<Hashing>,
    audit: Audit,
    rng: Arc<dyn Rng>,
}

#[async_trait]
impl PasswordSource for Local {
    async fn judge(&self, asked: &Asked<'_>) -> Verdict {
        if asked.password().expose().is_empty() {
            return Verdict::Declined(None);
        }
        let found = match self.store.by_username(&self.name, asked.username).await {
            Ok(found) => found,
            Err(error) => return Verdict::Error(error.to_string()),
        };
        asked.trace().note("look up", || if found.is_some() { "found" } else { "no such account" }.to_owned());
        let hash = found.as_ref().and_then(|account| self.readable(account)).unwrap_or_else(StoredHash::decoy);
        let (password, rng) = (prepared(asked.password()), self.rng.clone());
        let work = move || {
            let right = hash.verify(&password);
            let renewed = (right && !hash.is_current()).then(|| new_hash(&password, &*rng));
            (right, renewed)
        };
        let (right, renewed) = match self.hashing.run(work).await {
            Ok(done) => done,
            Err(busy) => return Verdict::Unclear(busy.to_string()),
        };
        asked.trace().note("password", || if right { "right" } else { "wrong" }.to_owned());
        match found {
            Some(account) if right => self.admit(asked, account, renewed).await,
            Some(_) => Verdict::Declined(None),
            None => Verdict::Unknown,
        }
    }

    async fn probe(&self) -> Result<(), String> {
        self.store.list(&self.name, None, 1).await.map(|_| ()).map_err(|error| error.to_string())
    }
}

impl Local {
    /// `None` where no password can match. What is no hash at all was written by somebody else.
    fn readable(&self, account: &LocalAccount) -> Option<StoredHash> {
        use crate::chain::password::HashError::{Locked, Malformed, TooCostly, Unknown};
        match StoredHash::parse(account.hash.expose()) {
            Ok(hash) => Some(hash),
            Err(Locked) => None,
            Err(error @ (Unknown | Malformed(_) | TooCostly(_))) => {
                tracing::error!(source = %self.name, account = %account.id, %error, "a stored password hash cannot be used; give the account another password");
                None
            }
        }
    }

    /// The password was right.
    async fn admit(&self, asked: &Asked<'_>, account: LocalAccount, renewed: Option<String>) -> Verdict {
        let stored = account.hash.expose();
        if account.one_time {
            match self.store.spend(&self.name, &account.id, stored).await {
                // Nothing is awaited between this and the alarm: a deadline must not swallow it.
                Ok(true) => self.alarm(asked, &account),
                Ok(false) => return Verdict::Declined(None),
                Err(error) => return Verdict::Error(error.to_string()),
            }
        } else if let Some(renewed) = renewed
            && let Err(error) = self.store.rehash(&self.name, &account.id, stored, &renewed).await
        {
            tracing::warn!(source = %self.name, %error, "an imported password hash stays in its old format");
        }
        if account.must_change {
            return Verdict::Denied("password_must_change", None);
        }
        Verdict::Ok(Box::new(Proven { person: person(account), lms: None }))
    }

    fn alarm(&self, asked: &Asked<'_>, account: &LocalAccount) {
        let context = Context { client: Some(asked.attempt.client), ..Context::default() };
        let (source, name) = (self.name.clone(), account.username.clone());
        self.audit.record(context, Event::BreakGlassUsed { source, name });
        tracing::error!(source = %self.name, account = %account.id, client = %asked.attempt.client, "a break-glass password was used; if nobody of yours did, disable the account now");
    }
}

#[async_trait]
impl Directory for Local {
    async fn standing(&self, subject: &Subject) -> Result<Standing, String> {
        let found = self.store.by_id(&self.name, subject).await.map_err(|error| error.to_string())?;
        Ok(found.map_or(Standing::Unknown, |account| Standing::Active(Box::new(person(account)))))
    }
    async fn find(&self, username: &str) -> Result<Option<Person>, String> {
        let found = self.store.by_username(&self.name, username).await.map_err(|error| error.to_string())?;
        Ok(found.map(person))
    }
}

fn person(account: LocalAccount) -> Person {
    Person {
        username: Some(account.username),
        first_name: account.first_name,
        last_name: account.last_name,
        name: account.name,
        email: account.email,
        groups: None,
        password_mark: Some(account.password_changed.0.to_string()),
        subject: account.id,
    }
}

#[cfg(test)]
#[path = "local_tests.rs"]
mod tests;
