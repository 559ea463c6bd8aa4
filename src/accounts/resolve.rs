//! From a proven identity to an account, and the only maker of [`Resolved`].
//!
//! An OK of the chain belongs to the account that has this (instance, subject) as a method. What it states (name,
//! verified address, LMS user) may belong to nobody else: that would be two people under one name, and is DENIED
//! (attack J7), never a second account. A subject nobody has seen becomes a new account, unless an instance that
//! might have owned it could not be asked (attack J6).

use super::{
    Account, AccountStore, Binding, BoundBy, Created, Learned, LinkedBy, Mail, Method, State, Verified, Vouched,
};
use crate::{
    chain::{Authenticated, Newcomers, Strangers},
    lms::LmsUser,
    types::{AccountId, FirstProof, Rng, RngExt, SiteName, SourceId, Subject, Timestamp, Unavailable},
};
use serde::{Deserialize, Serialize};

/// Proof that an identity was proven and belongs to this account, which is active.
#[derive(Debug)]
pub struct Resolved {
    account: Account,
    source: SourceId,
    subject: Subject,
    at: Timestamp,
    by: FirstProof,
}

/// The form in which a `Resolved` waits for its factor. It is not a proof: [`resume`] asks the account again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    pub account: AccountId,
    pub epoch: u32,
    pub source: SourceId,
    pub subject: Subject,
    pub at: Timestamp,
    #[serde(default)]
    pub by: FirstProof,
}

/// What resolving came to.
#[derive(Debug)]
pub enum Resolution {
    Known(Resolved),
    /// The same, for an account made just now.
    Created(Resolved),
    /// The password is another one since the last sign-in: the epoch was raised, everything older is dead.
    PasswordChanged(Resolved),
    /// Nobody's yet, and its verified address is that of these accounts, verified there too: its owner may link.
    Candidates(Vec<AccountId>),
    /// Refused; the reason is for the audit, outside it is an ordinary refusal.
    Denied(&'static str),
    /// A stranger while an instance was in ERROR: "temporarily unavailable".
    Later,
}

impl Resolved {
    pub fn account(&self) -> &Account {
        &self.account
    }
    pub fn source(&self) -> &SourceId {
        &self.source
    }
    pub fn at(&self) -> Timestamp {
        self.at
    }
    pub fn by(&self) -> FirstProof {
        self.by
    }
    pub fn to_pending(&self) -> Pending {
        Pending {
            account: self.account.id.clone(),
            epoch: self.account.epoch,
            source: self.source.clone(),
            subject: self.subject.clone(),
            at: self.at,
            by: self.by,
        }
    }
}

/// What is asked, and where.
pub struct Question<'a> {
    pub proof: &'a Authenticated,
    /// Who the LMS says it is, where it was asked already.
    pub lms: Option<&'a LmsUser>,
    pub site: &'a SiteName,
    /// Canonical; an LMS that states no name leaves nothing else to call the account by.
    pub typed: &'a str,
    pub strangers: Strangers,
    /// Nobody but the LMS is asked at this site.
    pub lms_alone: bool,
    /// Whether an instance is asked for visitors of this site: names of sources that share no site never meet
    /// (attack J15).
    pub serves_here: &'a (dyn Fn(&SourceId) -> bool + Sync),
    /// The sources that are asked at this site: an account of this name that one of them has brought meanwhile is no
    /// other's.
    pub rivals: &'a [SourceId],
    /// Whether somebody without an account gets one even though a verified address is another account's too.
    pub beside_candidates: bool,
    pub now: Timestamp,
    pub rng: &'a dyn Rng,
}

pub async fn resolve(store: &dyn AccountStore, question: &Question<'_>) -> Result<Resolution, Unavailable> {
    let proof = question.proof;
    let known = store.by_method(proof.source(), &proof.person().subject).await?;
    if let Some(reason) = collision(store, question, known.as_ref()).await? {
        return Ok(Resolution::Denied(reason));
    }
    match known {
        Some(account) => vouched(store, question, account).await,
        None => stranger(store, question).await,
    }
}

/// Whether what the source states belongs to another account than `known`.
pub(super) async fn collision(
    store: &dyn AccountStore,
    question: &Question<'_>,
    known: Option<&Account>,
) -> Result<Option<&'static str>, Unavailable> {
    let proof = question.proof;
    let is_known = |id: &AccountId| known.is_some_and(|known| known.id == *id);
    if let Some(name) = proof.username() {
        for account in store.by_username(name.as_str()).await? {
            if !is_known(&account.id) && meets_here(store, question, &account).await? {
                return Ok(Some("name_collision"));
            }
        }
    }
    if let (Some(address), Some(known)) = (proof.verified_email(), known) {
        // What was recorded under this account before was settled then.
        let news = !known.email.as_deref().is_some_and(|old| old.eq_ignore_ascii_case(address));
        if news && !verified_owners(store, question, address).await?.iter().all(is_known) {
            return Ok(Some("name_collision"));
        }
    }
    let Some(user) = question.lms else { return Ok(None) };
    if store.bound_account(question.site, user.id).await?.is_some_and(|id| !is_known(&id)) {
        return Ok(Some("name_collision"));
    }
    let Some(known) = known else { return Ok(None) };
    let binding = store.binding(question.site, &known.id).await?;
    Ok(binding.filter(|binding| binding.lms_user != user.id).map(|_| "binding_differs"))
}

/// Whether an account can be signed in to here at all: another site's names are another matter. One without any
/// method is waiting to be found again, by its name.
async fn meets_here(store: &dyn AccountStore, question: &Question<'_>, account: &Account) -> Result<bool, Unavailable> {
    let methods = store.methods(&account.id).await?;
    Ok(methods.iter().any(|method| (question.serves_here)(&method.source)))
}

/// The accounts whose own verified address this is.
async fn verified_owners(
    store: &dyn AccountStore,
    question: &Question<'_>,
    address: &str,
) -> Result<Vec<AccountId>, Unavailable> {
    let mut owners = Vec::new();
    for account in store.by_email(address).await? {
        if account.email_verified_by.is_some() && meets_here(store, question, &account).await? {
            owners.push(account.id);
        }
    }
    Ok(owners)
}

/// Somebody whose method is known: what the source says now is recorded.
async fn vouched(
    store: &dyn AccountStore,
    question: &Question<'_>,
    account: Account,
) -> Result<Resolution, Unavailable> {
    if account.state != State::Active {
        return Ok(Resolution::Denied("account_not_active"));
    }
    let proof = question.proof;
    let (source, subject) = (proof.source(), &proof.person().subject);
    let Some(method) = store.method(source, subject).await? else { return Ok(Resolution::Denied("unlinked")) };
    if let Some(user) = question.lms
        && store.binding(question.site, &account.id).await?.is_none()
        && store.bind(&binding(question, user, &account.id)).await? == Created::Taken
    {
        return Ok(Resolution::Denied("name_collision"));
    }
    let mark = proof.person().password_mark.as_deref();
    let changed = matches!((&method.password_mark, mark), (Some(old), Some(new)) if old != new);
    if changed {
        store.raise_epoch(&account.id).await?;
    }
    // Names and addresses are the primary source's to state.
    if method.primary {
        let mut learned = learned(proof, question.now);
        if let Some(mail) = learned.email.as_mut().filter(|mail| mail.verified_by.is_some()) {
            let owners = verified_owners(store, question, mail.address).await?;
            // Two people with one address: it is no proof of either.
            if owners.iter().any(|owner| *owner != account.id) {
                mail.verified_by = None;
            }
        }
        store.learn(&account.id, &learned).await?;
    }
    let groups = proof.person().groups.as_deref();
    store.vouch(source, subject, &Vouched { at: question.now, password_mark: mark, groups }).await?;
    let Some(account) = store.account(&account.id).await? else { return Ok(Resolution::Denied("unlinked")) };
    let resolved = resolved(proof, account);
    Ok(if changed { Resolution::PasswordChanged(resolved) } else { Resolution::Known(resolved) })
}

fn learned(proof: &Authenticated, at: Timestamp) -> Learned<'_> {
    let person = proof.person();
    let verified_by = proof.verified_email().map(|_| proof.source().as_str());
    Learned {
        username: proof.username().map(|name| (name.as_str(), Verified::Yes)),
        display_name: person.name.as_deref(),
        given_name: person.first_name.as_deref(),
        family_name: person.last_name.as_deref(),
        email: person.email.as_deref().map(|address| Mail { address, verified_by, at }),
    }
}

fn resolved(proof: &Authenticated, account: Account) -> Resolved {
    let (source, subject) = (proof.source().clone(), proof.person().subject.clone());
    Resolved { account, source, subject, at: proof.at(), by: proof.by() }
}

/// Somebody nobody has seen.
async fn stranger(store: &dyn AccountStore, question: &Question<'_>) -> Result<Resolution, Unavailable> {
    let proof = question.proof;
    if proof.after_error() && question.strangers == Strangers::Refuse {
        return Ok(Resolution::Later);
    }
    // Where the LMS alone is asked its users are told apart by their ids; any other source names its people.
    if proof.username().is_none() && !question.lms_alone {
        return Ok(Resolution::Denied("name_unusable"));
    }
    if let Some(account) = waiting(store, question).await? {
        return vouched(store, question, account).await;
    }
    let mut verified = proof.verified_email();
    if let Some(address) = verified {
        let candidates = verified_owners(store, question, address).await?;
        match (candidates.is_empty(), question.beside_candidates) {
            (true, _) => {}
            (false, _) if !all_active(store, &candidates).await? => return Ok(Resolution::Denied("name_collision")),
            (false, false) => return Ok(Resolution::Candidates(candidates)),
            // Its owner said that these are two people; then the address is no proof of either.
            (false, true) => verified = None,
        }
    }
    if proof.newcomers() == Newcomers::Refuse {
        return Ok(Resolution::Denied("no_account"));
    }
    create(store, question, verified).await
}

/// Somebody who may not sign in does not come back as another account of the same verified address.
async fn all_active(store: &dyn AccountStore, accounts: &[AccountId]) -> Result<bool, Unavailable> {
    for id in accounts {
        if store.account(id).await?.is_none_or(|account| account.state != State::Active) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An account of that name without any method: its instance was removed with `rediscover`.
async fn waiting(store: &dyn AccountStore, question: &Question<'_>) -> Result<Option<Account>, Unavailable> {
    let Some(name) = question.proof.username() else { return Ok(None) };
    for account in store.by_username(name.as_str()).await? {
        // One that is known at other sites alone lost its source there: names of sites that share none never meet.
        let sites = store.bound_sites(&account.id).await?;
        let here = sites.is_empty() || sites.contains(question.site);
        if here && account.username_verified && store.methods(&account.id).await?.is_empty() {
            let method = method(question, &account.id, LinkedBy::Rediscovered);
            let linked = store.link(&method).await? == Created::Yes;
            return Ok(linked.then_some(account));
        }
    }
    Ok(None)
}

/// Makes the account with its method and binding.
async fn create(
    store: &dyn AccountStore,
    question: &Question<'_>,
    verified_email: Option<&str>,
) -> Result<Resolution, Unavailable> {
    let (proof, person) = (question.proof, question.proof.person());
    let stated = proof.username().map(|name| name.as_str().to_owned());
    let account = Account {
        id: AccountId::new(question.rng.hex(16)),
        username_verified: stated.is_some(),
        username: stated.or_else(|| (!question.typed.is_empty()).then(|| question.typed.to_owned())),
        display_name: person.name.clone(),
        given_name: person.first_name.clone(),
        family_name: person.last_name.clone(),
        email: person.email.clone(),
        email_verified_by: verified_email.map(|_| proof.source().to_string()),
        groups: person.groups.clone().unwrap_or_default(),
        email_before: None,
        email_changed: None,
        groups_at: person.groups.as_ref().map(|_| question.now),
        state: State::Active,
        epoch: 0,
        created: question.now,
        enrol_by_help_desk_only: false,
    };
    let method = method(question, &account.id, LinkedBy::FirstSignIn);
    let binding = question.lms.map(|user| binding(question, user, &account.id));
    match store.create(&account, &method, binding.as_ref(), question.rivals).await? {
        Created::Yes => Ok(Resolution::Created(resolved(proof, account))),
        // Another request of the same person was faster, or the LMS user is bound to another account.
        Created::Taken => match store.by_method(&method.source, &method.subject).await? {
            Some(account) if account.state == State::Active => Ok(Resolution::Known(resolved(proof, account))),
            Some(_) | None => Ok(Resolution::Denied("name_collision")),
        },
    }
}

pub(super) fn method(question: &Question<'_>, account: &AccountId, linked_by: LinkedBy) -> Method {
    let person = question.proof.person();
    Method {
        source: question.proof.source().clone(),
        subject: person.subject.clone(),
        account: account.clone(),
        linked: question.now,
        linked_by,
        primary: true,
        password_mark: person.password_mark.clone(),
        groups: person.groups.clone(),
        vouched: question.now,
    }
}

pub(super) fn binding(question: &Question<'_>, user: &LmsUser, account: &AccountId) -> Binding {
    Binding {
        site: question.site.clone(),
        lms_user: user.id,
        account: account.clone(),
        created: question.now,
        lms_username: user.username.clone(),
        bound_by: BoundBy::Lms,
    }
}

/// Turns a waiting identity back into a proof: the account must still be active and of the same epoch, and the
/// method still linked.
pub async fn resume(store: &dyn AccountStore, pending: &Pending) -> Result<Option<Resolved>, Unavailable> {
    let account = store.by_method(&pending.source, &pending.subject).await?;
    let same = |a: &Account| a.id == pending.account && a.state == State::Active && a.epoch == pending.epoch;
    Ok(account.filter(same).map(|account| Resolved {
        account,
        source: pending.source.clone(),
        subject: pending.subject.clone(),
        at: pending.at,
        by: pending.by,
    }))
}
