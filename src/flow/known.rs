//! Slots of the limits in the lane where they are due: a browser or app that is known for an account has counters of
//! its own (attacks E5, E6, F2). From outside nothing differs; a refusal is the same one in every lane.

use super::{Caller, Desk, FlowError, Hall, pins::owners, step::Flow};
use crate::{
    accounts::Account,
    limits::{FactorSlot, Lane, Leave, PasswordSlot},
    sessions::{
        cookie,
        known::{self, Known, Shown},
    },
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
    let lane = known_here(desk, hall, caller).lane_of_name(&desk.ring(), site, canonical);
    let leave = desk.throttle.password(site, canonical, caller.client, &lane).await?;
    if door == Door::App && matches!(leave, Leave::Refused { .. }) {
        for owner in owners(desk.accounts.as_ref(), Username::canonical(canonical).as_ref(), canonical).await? {
            if let lane @ Lane::Known(_) = lane_of_app(desk, hall, caller, &owner.id).await? {
                return Ok(desk.throttle.password(site, canonical, caller.client, &lane).await?);
            }
        }
    }
    Ok(leave)
}

/// Leave to look at one answer for the flow's account. `factor` is as in [`crate::limits::Throttle::factor`].
pub(super) async fn factor_slot(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    flow: &Flow,
    factor: &str,
) -> Result<Leave<FactorSlot>, FlowError> {
    let (account, id) = (&flow.pending.account, flow.id.expose());
    let lane = known_here(desk, hall, caller).lane_of_account(account);
    let leave = desk.throttle.factor(account, factor, id, &lane).await?;
    if flow.door == Door::App
        && matches!(leave, Leave::Refused { .. })
        && let lane @ Lane::Known(_) = lane_of_app(desk, hall, caller, account).await?
    {
        return Ok(desk.throttle.factor(account, factor, id, &lane).await?);
    }
    Ok(leave)
}

/// Apps send no cookie. One is known where it has a live token that came with an asked factor, by where it was given
/// and what calls; that is asked only when everybody's counters are full.
async fn lane_of_app(desk: &Desk, hall: &Hall, caller: &Caller, account: &AccountId) -> Result<Lane, FlowError> {
    let (address, now) = (caller.client.to_string(), desk.now());
    let tokens = desk.ledger.of_account(account).await?;
    let known = tokens.iter().any(|token| {
        token.site == hall.site.name
            && token.revoked.is_none()
            && now < token.expires
            && token.factor_at.is_some()
            && token.device.address == address
            && token.device.label == caller.agent
    });
    let mark = || {
        let place = format!("{account}\n{address}\n{}", caller.agent);
        KnownMark::new(desk.ring().digest("known-app", place.as_bytes()))
    };
    Ok(Lane::of(known.then(mark)))
}

/// The cookie after a sign-in, for this account's names.
pub(super) fn remember(desk: &Desk, hall: &Hall, caller: &Caller, account: &Account, shown: Shown) -> String {
    let (ring, rng, site) = (desk.ring(), desk.rng.as_ref(), &hall.site.name);
    let mut known = known_here(desk, hall, caller);
    let names = [account.username.as_deref(), account.email.as_deref()].into_iter().flatten();
    let names: Vec<String> = names.map(|name| hall.lms.canonical_username(name)).collect();
    known.note((&ring, rng), site, (&account.id, shown), &names, desk.now());
    cookie::set_for(known::COOKIE, &known.seal(&ring, rng, site), known::LIFE)
}

fn known_here(desk: &Desk, hall: &Hall, caller: &Caller) -> Known {
    Known::open(&desk.ring(), &hall.site.name, caller.cookie(known::COOKIE), desk.now())
}
