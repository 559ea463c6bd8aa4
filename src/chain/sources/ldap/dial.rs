//! Which of an instance's servers is asked: in the order of gateway.yaml, except that one which has just failed waits
//! at the end for a while, so that not every sign-in finds it dead again.

use super::{
    endpoint::Endpoint,
    line::{Fault, Line},
};
use crate::chain::Trace;
use rustls::ClientConfig;
use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout};

/// How long a server that failed stands behind the others.
const ASIDE: Duration = Duration::from_secs(30);

/// One operation on its way: its notes, and whom it last spoke to.
pub struct Errand<'a> {
    pub trace: &'a Trace,
    last: Mutex<Option<Endpoint>>,
}

impl<'a> Errand<'a> {
    pub fn new(trace: &'a Trace) -> Self {
        Self { trace, last: Mutex::default() }
    }
    pub fn asks(&self, endpoint: &Endpoint) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(endpoint.clone());
    }
    pub fn last(&self) -> Option<Endpoint> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub struct Dialer {
    endpoints: Vec<Endpoint>,
    failed: Mutex<Vec<Option<Instant>>>,
    pub tls: Arc<ClientConfig>,
    /// For one server, until it is found to be good: with several, none may use up the instance's whole deadline.
    patience: Duration,
}

impl Dialer {
    pub fn new(endpoints: Vec<Endpoint>, tls: Arc<ClientConfig>, deadline: Duration) -> Self {
        let patience = match endpoints.len() {
            0 | 1 => deadline,
            several => deadline / u32::try_from(several + 1).unwrap_or(u32::MAX),
        };
        Self { failed: Mutex::new(vec![None; endpoints.len()]), endpoints, tls, patience }
    }

    /// Opens a connection to the first server on which `ready` succeeds, which must say the first thing on it: a
    /// server that accepts connections and says nothing is as dead as one that does not.
    pub async fn first<T, F, Fut>(&self, errand: &Errand<'_>, ready: F) -> Result<(Line, T), Fault>
    where
        F: Fn(Line) -> Fut,
        Fut: Future<Output = Result<(Line, T), Fault>>,
    {
        let mut last = Fault::Other("no server is configured".into());
        for place in self.order() {
            let endpoint = &self.endpoints[place];
            errand.asks(endpoint);
            let attempt = async { ready(Line::open(endpoint, &self.tls, errand.trace).await?).await };
            let tried = timeout(self.patience, attempt).await.unwrap_or_else(|_| Err(Fault::Slow(endpoint.clone())));
            match tried {
                Ok(done) => {
                    self.mark(place, None);
                    return Ok(done);
                }
                Err(fault) if fault.is_the_servers() => {
                    errand.trace.note("connect", || fault.to_string());
                    self.mark(place, Some(Instant::now()));
                    last = fault;
                }
                Err(fault) => return Err(fault),
            }
        }
        Err(last)
    }

    /// A server that was good and then stopped answering.
    pub fn suspect(&self, endpoint: &Endpoint) {
        if let Some(place) = self.endpoints.iter().position(|known| known == endpoint) {
            self.mark(place, Some(Instant::now()));
        }
    }

    fn mark(&self, place: usize, failed: Option<Instant>) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)[place] = failed;
    }

    fn order(&self) -> Vec<usize> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let aside = |place: &usize| failed[*place].is_some_and(|when| when.elapsed() < ASIDE);
        let mut order: Vec<usize> = (0..self.endpoints.len()).collect();
        order.sort_by_key(aside); // stable: the file's order among equals
        order
    }
}

#[cfg(test)]
mod tests {
    use super::super::{endpoint::Rules, settings};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_failed_waits_behind_the_others_for_a_while() {
        let rules = Rules { starttls: false, plaintext: false };
        let endpoints = ["ldaps://a", "ldaps://b", "ldaps://c"].map(|url| Endpoint::parse(url, rules).unwrap());
        let dialer = Dialer::new(endpoints.to_vec(), settings::tls(None).unwrap(), Duration::from_secs(3));
        assert_eq!(dialer.order(), [0, 1, 2]);
        dialer.suspect(&endpoints[0]);
        assert_eq!(dialer.order(), [1, 2, 0]);
        dialer.suspect(&endpoints[1]);
        assert_eq!(dialer.order(), [2, 0, 1]);
        tokio::time::advance(ASIDE).await;
        assert_eq!(dialer.order(), [0, 1, 2]);
        assert_eq!(dialer.patience, Duration::from_millis(750), "three servers fit into the deadline, with time left");
    }
}
