//! The LMS's half of a sign-in: the session or token that goes with our own, from whichever door the LMS opens.
//!
//! Where the LMS judged the password, it has given one already. Where another source did, it is opened with the same
//! password (`lms_password: same`), or by the trusted header once everything was answered. Whose it is, the LMS was
//! asked; it goes no further unless it is the account's own ([`Bound`]).

use super::{Caller, Desk, FlowError, Hall, begin::denied};
use crate::{
    accounts::{self, Account, Bound, How, Resolved, bind, name_for_lms},
    audit::Event,
    chain::{Attempt, Authenticated, Credentials, LmsPassword},
    lms::{HeaderIdentity, Held, Judgement, LmsError, LmsUser, LoginForm},
    types::{Door, LmsUserId},
};

/// What waits for `Satisfied`.
pub(super) struct Half {
    pub held: Held,
    pub lms_user: Option<LmsUserId>,
}

/// What the LMS has given before anybody knows which account it is.
pub(super) enum Given {
    /// It is in the proof: the LMS was the judge.
    InProof,
    /// For the password that another source has accepted.
    SamePassword { user: LmsUser, held: Held },
    /// Nothing; the trusted header opens it later.
    Nothing,
}

impl Given {
    pub fn user<'a>(&'a self, proof: &'a Authenticated) -> Option<&'a LmsUser> {
        match self {
            Given::InProof => proof.lms().map(|lms| &lms.user),
            Given::SamePassword { user, .. } => Some(user),
            Given::Nothing => None,
        }
    }

    pub fn into_half(self, proof: Authenticated, credentials: &Credentials) -> Half {
        let service = match credentials {
            Credentials::Form(_) => None,
            Credentials::Token { service, .. } => Some(service.clone()),
        };
        match self {
            Given::InProof => match proof.into_lms() {
                Some(lms) => Half { held: lms.held, lms_user: Some(lms.user.id) },
                None => Half { held: Held::ByHeader { service }, lms_user: None },
            },
            Given::SamePassword { user, held } => Half { held, lms_user: Some(user.id) },
            Given::Nothing => Half { held: Held::ByHeader { service }, lms_user: None },
        }
    }
}

/// `None`: the LMS does not take the password that it should share; refused as any wrong one.
pub(super) async fn first_half(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    proof: &Authenticated,
    attempt: &Attempt,
    canonical: &str,
) -> Result<Option<Given>, FlowError> {
    if proof.lms().is_some() {
        return Ok(Some(Given::InProof));
    }
    if proof.lms_password() == LmsPassword::No {
        hall.lms.can_open(&Held::ByHeader { service: None })?;
        return Ok(Some(Given::Nothing));
    }
    let name = proof.person().username.as_deref().unwrap_or(canonical);
    let judged = match &attempt.credentials {
        Credentials::Form(form) => {
            let form =
                LoginForm { username: name.to_owned(), password: form.password.clone(), others: form.others.clone() };
            hall.lms.sign_in_by_form(&form, caller.client).await?
        }
        Credentials::Token { password, service, .. } => {
            hall.lms.sign_in_by_token(name, password, service, caller.client).await?
        }
    };
    match judged {
        Judgement::Accepted { user, held } => Ok(Some(Given::SamePassword { user, held })),
        Judgement::Refused(_) | Judgement::Barred(_) => {
            tracing::warn!(
                source = %proof.source(),
                "the LMS refuses a password that this source has accepted: lms_password: same is for an LMS that asks the same directory"
            );
            Ok(denied(desk, hall, caller, attempt.credentials.door(), canonical, "lms_refuses_the_password"))
        }
    }
}

/// How opening the LMS's half ended.
pub(super) enum Opened {
    Open {
        held: Held,
        bound: Bound,
    },
    /// The LMS has had an account of that name before; its owner is asked to prove it.
    Prove,
    /// Withheld and ended; recorded.
    Refused,
}

/// The LMS's session or token for somebody who has answered everything.
pub(super) async fn second_half(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    resolved: &Resolved,
    half: Half,
) -> Result<Opened, FlowError> {
    match half {
        Half { held: Held::ByHeader { service }, .. } => by_header(desk, hall, caller, resolved, service).await,
        Half { held, lms_user: Some(id) } => {
            let said = LmsUser { id, username: None, name: None };
            settle(desk, hall, caller, resolved, (&said, held), How::Judged).await
        }
        // A flow of an earlier version: it does not say whose this is.
        Half { held, lms_user: None } => {
            hall.give_back(held);
            Ok(Opened::Refused)
        }
    }
}

async fn by_header(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    resolved: &Resolved,
    service: Option<String>,
) -> Result<Opened, FlowError> {
    let (site, account) = (&hall.site.name, resolved.account());
    let Some(sent) = name_for_lms(desk.accounts.as_ref(), resolved, site).await? else {
        let door = if service.is_some() { Door::App } else { Door::Browser };
        let name = account.username.clone().unwrap_or_default();
        denied::<()>(desk, hall, caller, door, &name, "name_unusable");
        return Ok(Opened::Refused);
    };
    // Before the LMS is told: whoever it makes now has a higher id.
    let highest = desk.accounts.highest_bound(site).await?;
    let before = highest.max(LmsUserId(hall.site.lms.users_before.unwrap_or(u64::MAX)));
    let (first_name, last_name) = names(account);
    let who = HeaderIdentity { username: sent.clone(), first_name, last_name, email: account.email.clone() };
    let judged = match &service {
        None => hall.lms.sign_in_by_header(&who, caller.client).await,
        Some(service) => hall.lms.mint_by_header(&who, service, caller.client).await,
    };
    let judged = match judged {
        // A user of that name whom the LMS knows by a password of its own: whoever has that opens it.
        Err(LmsError::HeaderRefused(reason)) => {
            tracing::error!(account = %account.id, %reason, "the LMS opens nothing by its header for this account");
            return Ok(Opened::Prove);
        }
        judged => judged?,
    };
    match judged {
        Judgement::Accepted { user, held } => {
            settle(desk, hall, caller, resolved, (&user, held), How::Header { sent: &sent, before }).await
        }
        Judgement::Refused(_) | Judgement::Barred(_) => Err(FlowError::Lms(LmsError::Unsuitable(
            "the LMS refuses a sign-in by its trusted header: see deploy/moodle".into(),
        ))),
    }
}

/// An LMS asks for both names before it lets anybody in: where the source states the whole name alone, it is parted.
fn names(account: &Account) -> (Option<String>, Option<String>) {
    let (first, last) = (account.given_name.clone(), account.family_name.clone());
    let whole = account.display_name.as_deref().map(str::trim).filter(|name| !name.is_empty());
    match (first, last, whole) {
        (None, None, Some(whole)) => {
            let (first, last) = whole.rsplit_once(' ').unwrap_or((whole, whole));
            (Some(first.trim().to_owned()), Some(last.to_owned()))
        }
        (first, last, _) => (first, last),
    }
}

/// Holds what the LMS gave against the account's binding; what does not fit is ended.
pub(super) async fn settle(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    resolved: &Resolved,
    (said, held): (&LmsUser, Held),
    how: How<'_>,
) -> Result<Opened, FlowError> {
    let (store, site, account) = (desk.accounts.as_ref(), &hall.site.name, &resolved.account().id);
    let known = store.binding(site, account).await;
    let known = known.inspect_err(|_| hall.give_back(held.clone()))?.is_some();
    let bound = match said.id == hall.lms.guest() {
        true => Err("guest"),
        false => {
            let bound = bind(store, resolved, site, said, how, desk.now()).await;
            bound.inspect_err(|_| hall.give_back(held.clone()))?
        }
    };
    match bound {
        Ok(bound) => {
            if !known {
                let event = Event::LmsUserKnown { account: account.clone(), user: said.id, by: word(how) };
                desk.record(hall, caller, event);
            }
            Ok(Opened::Open { held, bound })
        }
        Err(reason) => {
            hall.give_back(held);
            let (account, named) = (account.clone(), said.id);
            desk.record(hall, caller, Event::BindingRefused { account, named, reason });
            Ok(if reason == accounts::EXISTED { Opened::Prove } else { Opened::Refused })
        }
    }
}

fn word(how: How<'_>) -> &'static str {
    match how {
        How::Judged => "lms",
        How::Proof => "proof",
        How::Header { .. } => "created",
    }
}
