//! Pending sign-ins. A flow's handle is a bearer secret, so its key is a keyed digest and indexes hold only that.
//!
//! A flow outlives its end by [`KEPT`]: nobody can use it then, but `reap` can still read which LMS session must be
//! logged out for it.

use super::State;
use crate::{
    flow::step::{Caps, Flow, FlowStore},
    store::kv::{Key, Kind},
    types::{FlowId, Timestamp, Unavailable},
};
use async_trait::async_trait;
use std::time::Duration;

const KEPT: Duration = Duration::from_secs(3600);
/// How often a take follows a flow that is being replaced under it.
const ATTEMPTS: usize = 8;

pub(in crate::store) struct StateFlows(pub State);

#[async_trait]
impl FlowStore for StateFlows {
    async fn open(&self, flow: &Flow, caps: Caps) -> Result<Vec<Flow>, Unavailable> {
        let state = &self.0;
        let key = self.key(&flow.id);
        let sealed = state.seal(&key, flow)?;
        // Due first: should we die between these lines, `reap` finds the flow, and a due name without a flow is
        // harmless.
        state.kv.due_add(&state.key(Kind::DueFlows, ""), key.digest(), flow.expires).await?;
        if !state.kv.put_new(&key, &sealed, self.ttl(flow)).await? {
            return Err(Unavailable::state("a flow of this id is already open"));
        }
        let mut gone = Vec::new();
        for (index, cap) in self.indexes(flow).into_iter().zip([caps.per_account, caps.per_address]) {
            gone.extend(state.kv.index_add(&index, key.digest(), flow.expires, cap).await?);
        }
        let mut evicted = Vec::new();
        for digest in gone {
            evicted.extend(self.take_key(&Key::of_digest(Kind::Flow, &digest), |_| true).await?);
        }
        Ok(evicted)
    }

    async fn get(&self, id: &FlowId) -> Result<Option<Flow>, Unavailable> {
        let found = self.0.read::<Flow>(&self.key(id)).await?;
        Ok(found.map(|(flow, _)| flow).filter(|flow| flow.expires > self.0.now()))
    }

    async fn replace(&self, flow: &Flow) -> Result<bool, Unavailable> {
        let key = self.key(&flow.id);
        let Some((stored, sealed)) = self.0.read::<Flow>(&key).await? else { return Ok(false) };
        if stored.version != flow.version || stored.expires <= self.0.now() {
            return Ok(false);
        }
        let next = Flow { version: flow.version.wrapping_add(1), ..flow.clone() };
        self.0.kv.swap(&key, &sealed, &self.0.seal(&key, &next)?, self.ttl(flow)).await
    }

    async fn take(&self, id: &FlowId) -> Result<Option<Flow>, Unavailable> {
        // One past its end is left for `reap`, so that its LMS session is logged out and not handed over.
        let now = self.0.now();
        self.take_key(&self.key(id), |flow| flow.expires > now).await
    }

    async fn reap(&self, now: Timestamp, limit: usize) -> Result<Vec<Flow>, Unavailable> {
        let queue = self.0.key(Kind::DueFlows, "");
        let mut reaped = Vec::new();
        for digest in self.0.kv.due_list(&queue, now, limit).await? {
            let key = Key::of_digest(Kind::Flow, &digest);
            match self.take_key(&key, |flow| flow.expires <= now).await? {
                Some(flow) => reaped.push(flow),
                // Taken by somebody else, or not ours to open: either way nothing more is due here.
                None => self.0.kv.index_remove(&queue, &digest).await?,
            }
        }
        Ok(reaped)
    }
}

impl StateFlows {
    fn key(&self, id: &FlowId) -> Key {
        self.0.key(Kind::Flow, id.expose())
    }

    fn ttl(&self, flow: &Flow) -> Duration {
        flow.expires.since(self.0.now()) + KEPT
    }

    fn indexes(&self, flow: &Flow) -> [Key; 2] {
        [
            self.0.key(Kind::AccountFlows, flow.pending.account.as_str()),
            self.0.key(Kind::ClientFlows, &flow.client.bucket()),
        ]
    }

    /// `Some` for exactly one caller: what is removed is exactly what was read.
    async fn take_key(&self, key: &Key, wanted: impl Fn(&Flow) -> bool + Send) -> Result<Option<Flow>, Unavailable> {
        for _ in 0..ATTEMPTS {
            let Some((flow, sealed)) = self.0.read::<Flow>(key).await? else { return Ok(None) };
            if !wanted(&flow) {
                return Ok(None);
            }
            if self.0.kv.take(key, &sealed).await? {
                self.forget(key, &flow).await;
                return Ok(Some(flow));
            }
        }
        Err(Unavailable::state("a flow kept changing while it was being taken"))
    }

    /// The flow is already ours; a name that stays in an index only counts against the cap until its end.
    async fn forget(&self, key: &Key, flow: &Flow) {
        let queue = self.0.key(Kind::DueFlows, "");
        for index in self.indexes(flow).iter().chain([&queue]) {
            if let Err(error) = self.0.kv.index_remove(index, key.digest()).await {
                tracing::debug!(%error, "a finished flow stays in an index until its end");
            }
        }
    }
}
