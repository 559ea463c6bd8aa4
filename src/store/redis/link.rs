//! The connection for commands, its time-out, and the breaker.
//!
//! Every operation ends within [`ANSWER`]. The first one that does not (or whose connection breaks) opens the
//! breaker, and everything after it fails at once: with Redis frozen, not one request per operation but at most those
//! of one quarter second wait (attack X2). Only the heartbeat ([`super::bus`]) asks while the breaker is open; its
//! first answer closes it, which bounds recovery as well.

use crate::types::Unavailable;
use ::redis::{
    Client, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

pub(super) const ANSWER: Duration = Duration::from_millis(250);
/// A connection may take longer than an answer (TLS, AUTH); nobody waits for it longer than [`ANSWER`].
const CONNECT: Duration = Duration::from_secs(1);

pub(super) struct Link {
    manager: ConnectionManager,
    down: AtomicBool,
}

impl Link {
    /// Connects lazily: a node may start while Redis is away.
    pub fn new(client: Client) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0) // the heartbeat asks again soon enough
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(ANSWER));
        Ok(Self { manager: ConnectionManager::new_lazy_with_config(client, config)?, down: AtomicBool::new(false) })
    }

    pub fn connection(&self) -> ConnectionManager {
        self.manager.clone()
    }

    /// For good: nothing probes any more.
    pub fn shut(&self) {
        self.down.store(true, Relaxed);
    }

    pub async fn ask<T>(&self, operation: impl Future<Output = RedisResult<T>>) -> Result<T, Unavailable> {
        if self.down.load(Relaxed) {
            return Err(Unavailable::state("Redis does not answer; it is being asked again every 250 ms"));
        }
        self.probe(operation).await
    }

    /// Asks even while the breaker is open, and closes it where there is an answer.
    pub async fn probe<T>(&self, operation: impl Future<Output = RedisResult<T>>) -> Result<T, Unavailable> {
        let answer = match tokio::time::timeout(ANSWER, operation).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) if broken(&error) => Err((true, error.to_string())),
            // An answer all the same: no permission, out of memory, read-only replica, loading.
            Ok(Err(error)) => Err((false, error.to_string())),
            Err(_) => Err((true, "no answer within 250 ms".to_owned())),
        };
        let down = matches!(answer, Err((true, _)));
        if self.down.swap(down, Relaxed) != down {
            match &answer {
                Err((_, cause)) => tracing::error!(cause, "Redis is away; proven sessions go on for their grace"),
                Ok(_) => tracing::info!("Redis is back"),
            }
        }
        answer.map_err(|(_, cause)| Unavailable::state(cause))
    }
}

fn broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_timeout() || error.is_connection_dropped() || error.is_connection_refusal()
}
