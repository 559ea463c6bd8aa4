//! People who leave: what their source says of them without a password, and what follows at once (design §2 "Leavers").
//!
//! The word is the primary source's. *Barred* or *unknown* ends sessions and tokens on every node; another password
//! ends what is older; *active* after that takes the account back, which then begins with a new sign-in. What an
//! operator switched off, no source switches on. The worker (`app`), `vestibule source sync` and a sign-in that shows
//! no password ask here alike. That two nodes do so at once is harmless: of each change one of them is told.

use crate::{
    accounts::{
        Account, AccountStore, Change, Learned, Mail, Method, State, Verified, Vouched, change, is_due, is_silent,
    },
    audit::{Audit, Context, Event},
    chain::{Instance, Person, Standing},
    sessions::SessionStore,
    tokens::LedgerStore,
    types::{AccountId, Clock, SourceId, Subject, Timestamp, Unavailable},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// What is needed to act on a source's word.
#[derive(Clone)]
pub struct Leavers {
    pub accounts: Arc<dyn AccountStore>,
    pub sessions: Arc<dyn SessionStore>,
    pub ledger: Arc<dyn LedgerStore>,
    pub audit: Audit,
    pub clock: Arc<dyn Clock>,
}

/// An account whose session or token was used within this is in use.
const IN_USE: Duration = Duration::from_secs(24 * 3600);
/// Sessions and tokens that are looked through for accounts in use.
const MOST: u32 = 100_000;

/// Whether somebody who shows no password may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    Yes,
    /// Barred, gone, or of another password: what they had is dead.
    No,
    /// Their source has not answered for a day: a new sign-in.
    SignInDue,
}

/// Asks a source about one of its people, within the instance's deadline. An open breaker is not waited for.
pub async fn ask(instance: &Instance, subject: &Subject) -> Result<Standing, String> {
    let directory = instance.directory.as_ref().ok_or("it has no directory")?;
    if instance.health.is_open() {
        return Err("its breaker is open".to_owned());
    }
    match (tokio::time::timeout(instance.deadline, directory.standing(subject)).await, &instance.password) {
        (Ok(answer), Some(_)) => {
            if answer.is_ok() {
                instance.health.answered();
            }
            // An error may be of this one entry: it opens no breaker for everybody.
            answer
        }
        (Err(_), Some(_)) => {
            instance.health.failed();
            Err(format!("no answer within {:?}", instance.deadline))
        }
        // Without a password there is no probe that would close the breaker again.
        (Ok(answer), None) => answer,
        (Err(_), None) => Err(format!("no answer within {:?}", instance.deadline)),
    }
}

/// The instance that vouches for an account, where it can be asked without a password.
pub fn vouching<'a>(instances: &'a [Instance], methods: &[Method]) -> Option<&'a Instance> {
    let primary = methods.iter().find(|method| method.primary)?;
    instances.iter().find(|instance| instance.name == primary.source && instance.directory.is_some())
}

impl Leavers {
    /// Accounts that somebody uses now, by browser or by app.
    pub async fn in_use(&self) -> Result<BTreeSet<AccountId>, Unavailable> {
        let now = self.clock.now();
        let since = now.minus(IN_USE);
        let mut accounts = BTreeSet::new();
        accounts.extend(self.sessions.in_use(since, MOST as usize).await?);
        accounts.extend(self.ledger.in_use(since, now, MOST).await?);
        Ok(accounts)
    }

    /// The method by which an account in use is to be asked about now; `None`: not yet, or there is nobody to ask.
    pub async fn due<'a>(
        &self,
        instances: &'a [Instance],
        id: &AccountId,
    ) -> Result<Option<(&'a Instance, Method)>, Unavailable> {
        let methods = self.accounts.methods(id).await?;
        let Some(instance) = vouching(instances, &methods) else { return Ok(None) };
        let primary = methods.into_iter().find(|method| method.primary);
        let due = primary.filter(|method| is_due(method, instance.rules.recheck, self.clock.now()));
        Ok(due.map(|method| (instance, method)))
    }

    /// Asks, and acts on the answer or on the lack of one.
    pub async fn recheck(&self, instance: &Instance, method: &Method) -> Result<Welcome, Unavailable> {
        match ask(instance, &method.subject).await {
            Ok(standing) => {
                let change = self.apply(&Context::default(), instance, method, &standing).await?;
                Ok(match (change, standing) {
                    (Change::Nothing | Change::Back, Standing::Active(_)) => Welcome::Yes,
                    (_, Standing::Active(_) | Standing::Barred(_) | Standing::Unknown) => Welcome::No,
                })
            }
            Err(reason) => {
                tracing::debug!(source = %instance.name, %reason, "a source does not say who may still sign in");
                match is_silent(method, self.clock.now()) {
                    true => self.sign_in_due(method).await.map(|()| Welcome::SignInDue),
                    false => Ok(Welcome::Yes),
                }
            }
        }
    }

    /// Where no password is shown: asks now, however fresh the last word is. An account whose source cannot be asked
    /// without a password is as welcome as its state says.
    pub async fn still_welcome(&self, instances: &[Instance], id: &AccountId) -> Result<Welcome, Unavailable> {
        let account = self.accounts.account(id).await?;
        let active = account.is_some_and(|account| account.state == State::Active);
        let methods = self.accounts.methods(id).await?;
        match (vouching(instances, &methods), methods.iter().find(|method| method.primary)) {
            (Some(instance), Some(primary)) if active => self.recheck(instance, primary).await,
            _ if active => Ok(Welcome::Yes),
            _ => Ok(Welcome::No),
        }
    }

    /// What a word would change, without changing it.
    pub async fn weigh(&self, method: &Method, standing: &Standing) -> Result<Change, Unavailable> {
        // Read after the answer: a sign-in may have noted the new password meanwhile, and its session must live.
        let Some(method) = self.accounts.method(&method.source, &method.subject).await? else {
            return Ok(Change::Nothing);
        };
        let Some(account) = self.accounts.account(&method.account).await?.filter(|_| method.primary) else {
            return Ok(Change::Nothing);
        };
        let barred_by = match account.state {
            State::Active => None,
            State::Suspended | State::Gone => self.accounts.barred_by(&account.id).await?,
        };
        Ok(change(account.state, barred_by.as_ref(), &method, standing))
    }

    /// Acts on a source's word about one of its people. Returns what it changed.
    pub async fn apply(
        &self,
        context: &Context,
        instance: &Instance,
        method: &Method,
        standing: &Standing,
    ) -> Result<Change, Unavailable> {
        let (id, source) = (&method.account, &method.source);
        let mut change = self.weigh(method, standing).await?;
        match change {
            Change::Nothing => {}
            // The epoch first: what is still being written or remembered elsewhere dies by it.
            Change::PasswordChanged => {
                self.accounts.raise_epoch(id).await?;
                let event = Event::EpochRaised { account: id.clone(), reason: "password_changed" };
                self.audit.record(context.clone(), event);
                self.sign_out(id).await?;
            }
            Change::Barred(state, reason) => {
                if self.accounts.bar(id, source, state).await? {
                    self.note(context, id, source, (state.as_str(), reason));
                    tracing::info!(source = %source, account = %id, state = state.as_str(), reason, "an account's source does not let it sign in any more");
                } else {
                    change = Change::Nothing;
                }
                self.sign_out(id).await?;
            }
            Change::Back => {
                if self.accounts.readmit(id).await? {
                    self.note(context, id, source, (State::Active.as_str(), "active_at_its_source"));
                } else {
                    change = Change::Nothing;
                }
            }
        }
        if let Standing::Active(person) = standing {
            self.learn(instance, method, person).await?;
        }
        Ok(change)
    }

    async fn sign_out(&self, id: &AccountId) -> Result<usize, Unavailable> {
        let sessions = self.sessions.remove_account(id).await?;
        Ok(sessions + self.ledger.revoke_account(id, self.clock.now()).await?)
    }

    /// Nobody knows whether they are still there: what they have ends, and the account stays as it is.
    async fn sign_in_due(&self, method: &Method) -> Result<(), Unavailable> {
        if self.sign_out(&method.account).await? > 0 {
            let event = Event::SignInDue { account: method.account.clone(), source: method.source.clone() };
            self.audit.record(Context::default(), event);
        }
        Ok(())
    }

    /// The mark is written last: should this process die before, the change is found again.
    async fn learn(&self, instance: &Instance, method: &Method, person: &Person) -> Result<(), Unavailable> {
        let id = &method.account;
        let name = person.username.as_deref().and_then(|name| instance.canonical(name));
        let name = match &name {
            Some(name) if self.is_free(self.accounts.by_username(name.as_str()).await?, id) => Some(name.as_str()),
            // It is somebody else's: what that means is judged where they sign in (attack J7).
            Some(_) | None => None,
        };
        let verified_by = instance.rules.email_verified.then(|| instance.name.as_str());
        let email = match person.email.as_deref() {
            Some(address) if verified_by.is_some() && !self.is_free(self.accounts.by_email(address).await?, id) => None,
            other => other,
        };
        let learned = Learned {
            username: name.map(|name| (name, Verified::Yes)),
            display_name: person.name.as_deref(),
            given_name: person.first_name.as_deref(),
            family_name: person.last_name.as_deref(),
            email: email.map(|address| Mail { address, verified_by, at: self.clock.now() }),
        };
        self.accounts.learn(id, &learned).await?;
        let vouched = Vouched {
            at: self.clock.now(),
            password_mark: person.password_mark.as_deref(),
            groups: person.groups.as_deref(),
        };
        self.accounts.vouch(&method.source, &method.subject, &vouched).await
    }

    fn is_free(&self, owners: Vec<Account>, id: &AccountId) -> bool {
        owners.iter().all(|owner| owner.id == *id)
    }

    fn note(
        &self,
        context: &Context,
        id: &AccountId,
        source: &SourceId,
        (state, reason): (&'static str, &'static str),
    ) {
        let (account, source) = (id.clone(), source.clone());
        self.audit.record(context.clone(), Event::StandingChanged { account, source, state, reason });
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
