//! Slots of the limits in the lane where they are due: a browser or app that is known for an account has counters of
//! its own (attacks E5, E6, F2). From outside nothing differs; a refusal is the same one in every lane.

use super::{Caller, Desk, FlowError, Hall, pins::owners, step::Flow};
use crate::{
    accounts::Account,
    limits::{FactorSlot, Lane, Leave, PasswordSlot},
    mfa::factors::device::Shown,
    sessions::{
        cookie,
        known::{self, Known},
    },
    tokens::{self, TokenRecord},
    types::{AccountId, Door, KnownMark, Username},
};

/// Leave to look at one password for this name.
pub(super) async fn password_slot(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    door: Door,
    canonical: &str,
) -> Result<Leave<PasswordSlot>, FlowError> {
    let site = &hall.site.name;
    let lane = match door {
        Door::Browser => known_here(desk, hall, caller).lane_of_name(&desk.ring(), site, canonical),
        Door::App => lane_of_app_by_name(desk, hall, caller, canonical).await?,
    };
    Ok(desk.throttle.password(site, canonical, caller.client, &lane).await?)
}

/// Leave to look at one answer for the flow's account. `factor` is as in [`crate::limits::Throttle::factor`].
pub(super) async fn factor_slot(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    flow: &Flow,
    factor: &str,
) -> Result<Leave<FactorSlot>, FlowError> {
    slot_beside(desk, hall, caller, flow.door, &flow.pending.account, (factor, flow.id.expose())).await
}

/// The same where there is no flow yet: `flow` is what its answers are counted by.
pub(super) async fn slot_beside(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    door: Door,
    account: &AccountId,
    (factor, flow): (&str, &str),
) -> Result<Leave<FactorSlot>, FlowError> {
    let lane = lane_of(desk, hall, caller, door, account).await?;
    Ok(desk.throttle.factor(account, factor, flow, &lane).await?)
}

pub(super) async fn lane_of(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    door: Door,
    account: &AccountId,
) -> Result<Lane, FlowError> {
    match door {
        Door::Browser => Ok(known_here(desk, hall, caller).lane_of_account(account)),
        Door::App => lane_of_app(desk, hall, caller, account).await,
    }
}

async fn lane_of_app_by_name(desk: &Desk, hall: &Hall, caller: &Caller, canonical: &str) -> Result<Lane, FlowError> {
    if caller.bearer.is_none() {
        return Ok(Lane::Common);
    }
    for owner in owners(desk.accounts.as_ref(), Username::canonical(canonical).as_ref(), canonical).await? {
        if let lane @ Lane::Known(_) = lane_of_app(desk, hall, caller, &owner.id).await? {
            return Ok(lane);
        }
    }
    Ok(Lane::Common)
}

/// Apps keep no cookie. One is known by a live token of the account that came with an asked factor, or by its device
/// secret.
async fn lane_of_app(desk: &Desk, hall: &Hall, caller: &Caller, account: &AccountId) -> Result<Lane, FlowError> {
    let Some(bearer) = &caller.bearer else { return Ok(Lane::Common) };
    let (site, ring) = (&hall.site.name, desk.ring.load_full());
    let token = tokens::find(desk.ledger.as_ref(), &ring, bearer.expose()).await?;
    let proven = |token: &TokenRecord| {
        let own = token.account == *account && token.site == *site;
        own && token.factor_at.is_some() && desk.settings.tokens.alive(token, desk.now())
    };
    if let Some(token) = token.filter(|token| proven(token)) {
        return Ok(Lane::Known(KnownMark::new(token.id.as_str())));
    }
    let Some(shown) = Shown::open(&ring, site, Door::App, account, bearer.expose()) else { return Ok(Lane::Common) };
    let device = desk.devices.device(&shown.device).await?;
    let lives = device.is_some_and(|device| desk.now() < device.expires);
    Ok(Lane::of(lives.then(|| KnownMark::new(shown.device.as_str()))))
}

/// The cookie after a sign-in, for this account's names.
pub(super) fn remember(desk: &Desk, hall: &Hall, caller: &Caller, account: &Account, shown: known::Shown) -> String {
    let (ring, rng, site) = (desk.ring(), desk.rng.as_ref(), &hall.site.name);
    let mut known = known_here(desk, hall, caller);
    // The name is a source's word, or was typed and taken with its password. An address counts only where it was
    // verified: with one of their own choosing, anybody could be known for another's name and guess at it past
    // everybody's counter.
    let email = account.email.as_deref().filter(|_| account.email_verified_by.is_some());
    let names = [account.username.as_deref(), email].into_iter().flatten();
    let names: Vec<String> = names.map(|name| hall.lms.canonical_username(name)).collect();
    known.note((&ring, rng), site, (&account.id, shown), &names, desk.now());
    cookie::set_for(known::COOKIE, &known.seal(&ring, rng, site), known::LIFE)
}

fn known_here(desk: &Desk, hall: &Hall, caller: &Caller) -> Known {
    Known::open(&desk.ring(), &hall.site.name, caller.cookie(known::COOKIE), desk.now())
}
