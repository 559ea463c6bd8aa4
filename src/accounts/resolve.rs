//! From a proven identity to an account, and the only maker of [`Resolved`].
//!
//! An OK of the chain belongs to the account that has this (instance, subject) as a method. A subject nobody has
//! seen becomes a new account, unless an instance that might have owned it could not be asked (attack J6).

use super::{Account, AccountStore, Binding, Created, LinkedBy, Method, State, Verified};
use crate::{
    chain::{Authenticated, Strangers},
    types::{AccountId, LmsUserId, Rng, RngExt, SiteName, SourceId, Subject, Timestamp, Unavailable},
};
use serde::{Deserialize, Serialize};

/// Proof that an identity was proven and belongs to this account, which is active.
#[derive(Debug)]
pub struct Resolved {
    account: Account,
    lms_user: LmsUserId,
    source: SourceId,
    subject: Subject,
    at: Timestamp,
}

/// The form in which a `Resolved` waits for its factor. It is not a proof: [`resume`] asks the account again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    pub account: AccountId,
    pub epoch: u32,
    pub lms_user: LmsUserId,
    pub source: SourceId,
    pub subject: Subject,
    pub at: Timestamp,
}

/// What resolving came to.
#[derive(Debug)]
pub enum Resolution {
    Known(Resolved),
    /// The same, for an account made just now.
    Created(Resolved),
    /// Refused; the reason is for the audit, outside it is an ordinary refusal.
    Denied(&'static str),
    /// A stranger while an instance was in ERROR: "temporarily unavailable".
    Later,
}

impl Resolved {
    pub fn account(&self) -> &Account {
        &self.account
    }
    pub fn lms_user(&self) -> LmsUserId {
        self.lms_user
    }
    pub fn source(&self) -> &SourceId {
        &self.source
    }
    pub fn at(&self) -> Timestamp {
        self.at
    }
    pub fn to_pending(&self) -> Pending {
        Pending {
            account: self.account.id.clone(),
            epoch: self.account.epoch,
            lms_user: self.lms_user,
            source: self.source.clone(),
            subject: self.subject.clone(),
            at: self.at,
        }
    }
}

pub async fn resolve(
    store: &dyn AccountStore,
    proof: &Authenticated,
    site: &SiteName,
    typed: &str,
    strangers: Strangers,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<Resolution, Unavailable> {
    let (source, subject, user) = (proof.source(), &proof.stated().subject, &proof.stated().user);
    let known = store.by_method(source, subject).await?;
    let created = known.is_none();
    let account = match known {
        Some(account) => account,
        None if proof.after_error() && strangers == Strangers::Refuse => return Ok(Resolution::Later),
        None => match create(store, proof, site, typed, now, rng).await? {
            Some(account) => account,
            None => return Ok(Resolution::Denied("name_collision")),
        },
    };
    if account.state != State::Active {
        return Ok(Resolution::Denied("account_not_active"));
    }
    // The method says whose account it is; the binding must say the same of the LMS user, in both directions.
    match store.binding(site, &account.id).await? {
        Some(binding) if binding.lms_user == user.id => {}
        Some(_) | None => return Ok(Resolution::Denied("binding_differs")),
    }
    let stated = user.username.as_deref().map(|name| (name, Verified::Yes));
    if stated.is_some() || user.name.is_some() {
        store.learn(&account.id, stated, user.name.as_deref(), None).await?;
    }
    let account = match stated.is_some() || user.name.is_some() {
        true => store.account(&account.id).await?.unwrap_or(account),
        false => account,
    };
    let resolved =
        Resolved { account, lms_user: user.id, source: source.clone(), subject: subject.clone(), at: proof.at() };
    Ok(if created { Resolution::Created(resolved) } else { Resolution::Known(resolved) })
}

/// Makes the account with its method and binding. `None`: the LMS user already belongs to somebody else.
async fn create(
    store: &dyn AccountStore,
    proof: &Authenticated,
    site: &SiteName,
    typed: &str,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<Option<Account>, Unavailable> {
    let user = &proof.stated().user;
    let account = Account {
        id: AccountId::new(rng.hex(16)),
        username: user.username.clone().or_else(|| (!typed.is_empty()).then(|| typed.to_owned())),
        username_verified: user.username.is_some(),
        display_name: user.name.clone(),
        email: None,
        groups: Vec::new(),
        state: State::Active,
        epoch: 0,
        created: now,
        enrol_by_help_desk_only: false,
    };
    let method = Method {
        source: proof.source().clone(),
        subject: proof.stated().subject.clone(),
        account: account.id.clone(),
        linked: now,
        linked_by: LinkedBy::FirstSignIn,
        primary: true,
    };
    let binding = Binding { site: site.clone(), lms_user: user.id, account: account.id.clone(), created: now };
    match store.create(&account, &method, Some(&binding)).await? {
        Created::Yes => Ok(Some(account)),
        // Another request of the same person was faster, or the LMS user is bound to another account.
        Created::Taken => store.by_method(&method.source, &method.subject).await,
    }
}

/// Turns a waiting identity back into a proof: the account must still be active and of the same epoch.
pub async fn resume(store: &dyn AccountStore, pending: &Pending) -> Result<Option<Resolved>, Unavailable> {
    let account = store.account(&pending.account).await?;
    Ok(account.filter(|a| a.state == State::Active && a.epoch == pending.epoch).map(|account| Resolved {
        account,
        lms_user: pending.lms_user,
        source: pending.source.clone(),
        subject: pending.subject.clone(),
        at: pending.at,
    }))
}
