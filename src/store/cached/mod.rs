//! What makes a signed-in request free of round trips: sessions and token records in local memory.
//!
//! **When an entry counts.** It is remembered only after its account was found active and of the same epoch, and, for
//! a session with a parent, the parent token live. From then on every change of these reaches this node as a notice
//! ([`hub`]) under a lease: with Redis, while this node has heard its own heartbeat sent less than 1 s ago, it has
//! heard every notice published before it. Lease lost: each request asks the store. Store unreachable: what was
//! confirmed at most `grace_seconds` ago goes on, everything else is `Unavailable` (design §8; attacks X1, X2).
//! The embedded store has one process and needs no lease.
//!
//! **What never waits.** A hit takes one shard lock of the map and one atomic load.

mod accounts;
mod hub;
mod known;
mod ledger;
mod local;
mod sessions;
mod touch;

pub(super) use accounts::CachedAccounts;
pub(super) use hub::Hub;
pub(super) use known::CachedKnown;
pub(super) use ledger::CachedLedger;
pub(super) use sessions::CachedSessions;
pub(super) use touch::{Touches, worker};

use crate::{
    accounts::{Account, AccountStore, State},
    types::{AccountId, Unavailable},
};
use std::sync::Arc;

/// May anything issued to this account under this epoch be used?
#[derive(Clone)]
pub(super) struct Gate(pub Arc<dyn AccountStore>);

impl Gate {
    async fn admits(&self, account: &AccountId, epoch: u32) -> Result<bool, Unavailable> {
        Ok(self.admitted(account, epoch).await?.is_some())
    }

    /// The account, if it is.
    async fn admitted(&self, account: &AccountId, epoch: u32) -> Result<Option<Account>, Unavailable> {
        let account = self.0.account(account).await?;
        Ok(account.filter(|account| account.state == State::Active && account.epoch == epoch))
    }
}
