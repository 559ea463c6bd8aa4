//! Connections bound as the service account, kept for the next search. A connection on which a person was bound never
//! comes here.

use super::{
    dial::{Dialer, Errand},
    endpoint::Endpoint,
    line::{Fault, Hits, Line, Query},
    settings::Service,
};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Semaphore, time::Instant};

/// A search takes about a millisecond, so four connections serve more sign-ins than a directory can check passwords,
/// and a campus of gateways stays far below the few thousand connections a directory allows.
const LINES: usize = 4;

/// Directories and firewalls close idle connections after minutes; this is sooner.
const IDLE: Duration = Duration::from_secs(60);

pub struct Pool {
    idle: Mutex<Vec<(Line, Instant)>>,
    lines: Semaphore,
    /// `None`: the directory lets anybody search.
    service: Option<Service>,
}

impl Pool {
    pub fn new(service: Option<Service>) -> Self {
        Self { idle: Mutex::default(), lines: Semaphore::new(LINES), service }
    }

    /// One search as the service account, over a kept connection or a new one. A kept one may have been closed by the
    /// other side meanwhile: then it is asked once more, over a new one. Says which server answered.
    pub async fn search(
        &self,
        dialer: &Dialer,
        query: &Query<'_>,
        errand: &Errand<'_>,
    ) -> Result<(Hits, Endpoint), Fault> {
        let _permit = self.lines.acquire().await.map_err(|closed| Fault::Other(closed.to_string()))?;
        if let Some(mut line) = self.take() {
            errand.trace.note("connect", || format!("{}, kept from before", line.at()));
            errand.asks(line.at());
            match line.search(query).await {
                Err(Fault::Broken(..)) => errand.trace.note("connect", || "it had been closed meanwhile".to_owned()),
                other => return other.map(|hits| (hits, self.give(line))),
            }
        }
        let mut line = self.open(dialer, errand).await?;
        let hits = line.search(query).await?;
        Ok((hits, self.give(line)))
    }

    /// A new connection, bound.
    pub async fn open(&self, dialer: &Dialer, errand: &Errand<'_>) -> Result<Line, Fault> {
        let (line, ()) = dialer.first(errand, |line| self.bind(line, errand)).await?;
        Ok(line)
    }

    /// Binds as the service account. To be refused here is the operator's mistake, not a user's.
    pub async fn bind(&self, mut line: Line, errand: &Errand<'_>) -> Result<(Line, ()), Fault> {
        let Some(service) = &self.service else { return Ok((line, ())) };
        let answer = line.bind(&service.dn, &service.password).await?;
        errand.trace.note("bind", || format!("as {}: result code {}", service.dn, answer.code));
        match answer.code {
            0 => Ok((line, ())),
            code => Err(Fault::Answer { at: line.at().clone(), step: "the service account's bind", code }),
        }
    }

    fn take(&self) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(line, since)| line.is_usable() && since.elapsed() < IDLE);
        idle.pop().map(|(line, _)| line)
    }

    fn give(&self, line: Line) -> Endpoint {
        let at = line.at().clone();
        if line.is_usable() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push((line, Instant::now())); // at most LINES are out, so no more come back
            idle.truncate(LINES);
        }
        at
    }
}
