//! Noting use without waiting for it: the local entry at once, the store at most once a minute per entry.
//!
//! Due writes go through a bounded queue to one worker. When it is full they are dropped: the entry is still up to
//! date here, and the next use after a minute tries again. The worker also delivers notices that could not be told.

use super::Hub;
use crate::{
    store::{sql::SqlLedger, state::StateSessions},
    types::{SessionKey, Timestamp, TokenId},
};
use dashmap::DashMap;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};

/// How often use is written through per entry. An entry that is re-read from the store may be this much behind.
const EVERY: Duration = Duration::from_secs(60);
/// Use closer together than this is not worth a new copy of the record.
const GRAIN: Duration = Duration::from_secs(1);
const QUEUE: usize = 4_096;
const DELIVER_EVERY: Duration = Duration::from_millis(250);
/// Entries of which the last write is remembered; beyond it all are forgotten, which costs one early write each.
const REMEMBERED: usize = 200_000;

pub(in crate::store) enum Touch {
    Session(SessionKey, Timestamp),
    Token(TokenId, Timestamp),
    /// Answered when everything before it is done.
    Drained(oneshot::Sender<()>),
}

/// Up to when use of an entry is known to be in the store, or on its way there, from whichever node.
#[derive(Default)]
pub(in crate::store) struct Written(DashMap<String, Timestamp>);

impl Written {
    pub fn get(&self, name: &str) -> Option<Timestamp> {
        self.0.get(name).map(|at| *at)
    }

    pub fn raise(&self, name: &str, at: Timestamp) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        let mut known = self.0.entry(name.to_owned()).or_insert(at);
        *known = at.max(*known);
    }

    pub fn forget(&self, name: &str) {
        self.0.remove(name);
    }
}

/// The sending side.
#[derive(Clone)]
pub(in crate::store) struct Touches {
    queue: mpsc::Sender<Touch>,
    written: Arc<Written>,
}

impl Touches {
    pub fn new(written: Arc<Written>) -> (Self, mpsc::Receiver<Touch>) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        (Self { queue, written }, receiver)
    }

    /// Whether `at` is enough later than `last` to be noted at all.
    pub fn matters(last: Timestamp, at: Timestamp) -> bool {
        at.since(last) >= GRAIN
    }

    /// `known` is what the store has at least; `None` where this node does not know the session.
    pub fn session(&self, key: &SessionKey, known: Option<Timestamp>, at: Timestamp) {
        self.send(key.as_str(), known, at, || Touch::Session(key.clone(), at));
    }

    pub fn token(&self, id: &TokenId, at: Timestamp) {
        self.send(id.as_str(), None, at, || Touch::Token(id.clone(), at));
    }

    fn send(&self, name: &str, known: Option<Timestamp>, at: Timestamp, touch: impl FnOnce() -> Touch) {
        let written = self.written.get(name);
        if let Some(last) = written.or(known)
            && at.since(last) < EVERY
        {
            // Remembered, or the entry's own rising `last_used` would put the write off for ever.
            if written.is_none() {
                self.written.raise(name, last);
            }
            return;
        }
        if self.queue.try_send(touch()).is_ok() {
            self.written.raise(name, at);
        }
    }

    /// Waits until what was queued so far is written.
    pub async fn drain(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Touch::Drained(done)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

/// Runs until the sending side is gone.
pub(in crate::store) async fn worker(
    mut queue: mpsc::Receiver<Touch>,
    hub: Arc<Hub>,
    sessions: StateSessions,
    ledger: SqlLedger,
) {
    let mut deliver = interval(DELIVER_EVERY);
    deliver.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            touch = queue.recv() => match touch {
                None => return,
                Some(Touch::Session(key, at)) => match sessions.touch(&key, at).await {
                    Ok(()) => hub.tell(super::hub::Notice::Touched(key, at)).await,
                    Err(error) => tracing::debug!(%error, "a session's use was not noted"),
                },
                Some(Touch::Token(id, at)) => {
                    if let Err(error) = ledger.touch(&id, at).await {
                        tracing::debug!(%error, "a token's use was not noted");
                    }
                }
                Some(Touch::Drained(done)) => {
                    let _ = done.send(());
                }
            },
            _ = deliver.tick() => hub.deliver().await,
        }
    }
}
