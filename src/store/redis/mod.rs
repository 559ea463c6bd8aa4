//! The state store of more than one node: Redis 6 or later, with TLS and ACL.
//!
//! What an ACL user needs: `~vestibule:* &vestibule:* +@read +@write +@scripting +@pubsub +@connection`.
//!
//! Redis holds names that are keyed digests and values that are sealed (see [`super::kv`], [`super::state`]); who
//! reads it learns numbers and sizes. Eviction policy: `noeviction`, or sessions end when memory does.

mod bus;
mod link;
mod ops;
mod scripts;

use super::OpenStoreError;
use crate::types::{Clock, Rng, Timestamp};
use bus::Bus;
use link::Link;
use scripts::Scripts;
use std::{sync::Arc, time::Duration};

/// How much longer than its end Redis keeps a value: room for clocks that differ or were put back.
const SLACK: Duration = Duration::from_secs(600);

pub(super) struct Redis {
    link: Arc<Link>,
    bus: Arc<Bus>,
    scripts: Arc<Scripts>,
    clock: Arc<dyn Clock>,
}

impl Redis {
    /// Does not wait for Redis: a node may start while it is away, and says so in its health.
    pub fn open(url: &str, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Result<Self, OpenStoreError> {
        let client = client(url)?;
        let scripts = Arc::new(Scripts::new());
        let link = Arc::new(Link::new(client.clone()).map_err(OpenStoreError::state)?);
        let bus = Arc::new(Bus::new(link.clone(), client, scripts.clone(), rng));
        Ok(Self { link, bus, scripts, clock })
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A value as it is stored, and its `PX`.
    fn stored(&self, value: &str, ttl: Duration) -> (String, u64) {
        (format!("{}:{value}", self.now().plus(ttl).0.max(0)), millis(ttl + SLACK))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.bus.stop();
    }
}

/// `rediss://…?ca_file=/path.pem` trusts that CA instead of the public ones.
fn client(url: &str) -> Result<::redis::Client, OpenStoreError> {
    let Some((url, ca)) = url.split_once("?ca_file=") else {
        return ::redis::Client::open(url).map_err(OpenStoreError::state);
    };
    let path = std::path::Path::new(ca);
    let root_cert = Some(std::fs::read(path).map_err(|e| OpenStoreError::file(path, e))?);
    let certificates = ::redis::TlsCertificates { client_tls: None, root_cert };
    ::redis::Client::build_with_tls(url, certificates).map_err(OpenStoreError::state)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(1 << 50)
}
