//! Sessions, flows and counters over [`Kv`], each value as JSON under the keyring.
//!
//! A value is sealed with its full key name as associated data, so that one that was altered, moved to another name
//! or written by somebody without the keyring does not open (attack I1). Such a value counts as absent and is logged
//! by its *kind*. It is never deleted for that: when the keyring was restored from an old copy, putting the right
//! one back must bring everything back.
//!
//! What sealing cannot see is an old value put back under its own name by somebody who holds Redis. Sessions and
//! flows carry their own end, and an account's epoch is asked of the database, which bounds that.

mod counters;
mod flows;
mod sessions;

pub(super) use counters::StateCounters;
pub(super) use flows::StateFlows;
pub(super) use sessions::StateSessions;

use super::kv::{Key, Kind, Kv};
use crate::{
    keys::SharedKeyring,
    types::{Clock, Rng, Timestamp, Unavailable},
};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// What the keyring seals state under.
const PURPOSE: &str = "state";

/// The backend with what turns records into sealed text and back.
#[derive(Clone)]
pub(super) struct State {
    pub kv: Arc<dyn Kv>,
    pub ring: SharedKeyring,
    pub rng: Arc<dyn Rng>,
    pub clock: Arc<dyn Clock>,
}

impl State {
    pub fn key(&self, kind: Kind, name: &str) -> Key {
        Key::of(&self.ring.load(), kind, name)
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn seal<T: Serialize>(&self, key: &Key, value: &T) -> Result<String, Unavailable> {
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(value).map_err(Unavailable::state)?);
        Ok(self.ring.load().seal(&*self.rng, PURPOSE, key.as_str(), &plain))
    }

    pub fn open<T: DeserializeOwned>(&self, key: &Key, sealed: &str) -> Option<T> {
        let kind = key.kind().as_str();
        let plain = match self.ring.load().open(PURPOSE, key.as_str(), sealed) {
            Ok(plain) => plain,
            Err(error) => {
                tracing::warn!(kind, %error, "a value in the state store was refused and left alone");
                return None;
            }
        };
        match serde_json::from_slice(plain.expose()) {
            Ok(value) => Some(value),
            Err(error) => {
                // Ours, but of another version: its sentence may quote the value, so only its place is logged.
                tracing::warn!(kind, column = error.column(), "a value in the state store has an unknown shape");
                None
            }
        }
    }

    /// The value and the text it was opened from, which is what a conditional write names.
    pub async fn read<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<(T, String)>, Unavailable> {
        let Some(sealed) = self.kv.get(key).await? else { return Ok(None) };
        Ok(self.open(key, &sealed).map(|value| (value, sealed)))
    }
}
