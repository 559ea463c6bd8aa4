//! Delivers what waits in the queue: at once after a letter came in here, and every quarter of a minute whatever other
//! nodes or a back-off left.
//!
//! **At least once, as seldom twice as can be.** A letter leaves the queue after the relay took it. Its lease outlasts
//! the time in which it is delivered, so that no second node delivers it meanwhile; what the relay took but the
//! database could not remove is remembered here, removed as soon as it answers, and not sent again. Twice it comes only where the process dies
//! between the two, or the relay takes a letter and does not say so in time.

use super::{Claimed, Post, SmtpError, letter::back_off, smtp::Connection};
use crate::{
    keys::OpenError,
    types::{RngExt, Unavailable},
};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;

const LOOK_EVERY: Duration = Duration::from_secs(15);
const BATCH: u32 = 10;
/// A batch that is not delivered within this is given back; longer than any one letter takes.
const LEASE: Duration = Duration::from_secs(300);
/// A notice of yesterday helps nobody.
const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3600);
/// For the letter in hand, when the gateway stops.
const GRACE: Duration = Duration::from_secs(10);

pub struct Postman {
    post: Arc<Post>,
    /// Taken by the relay, but still in the queue: each with whom it was claimed as.
    delivered: HashMap<String, String>,
}

/// How a look into the queue ended.
enum Round {
    /// Nothing is due any more.
    Empty,
    More,
    /// The relay does not take mail at present; the next try is the next round's.
    Stuck,
}

impl Postman {
    pub fn new(post: Arc<Post>) -> Self {
        Self { post, delivered: HashMap::new() }
    }

    /// Until `stop` says true; the letter in hand has ten seconds then, the others wait in the queue.
    pub async fn run(mut self, stop: watch::Receiver<bool>) {
        let mut stopping = stop.clone();
        let over = async move {
            let _ = stopping.wait_for(|stop| *stop).await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            () = self.work(stop) => {}
            () = over => tracing::warn!("a letter was being handed over when the gateway stopped; it is sent again later"),
        }
    }

    async fn work(&mut self, mut stop: watch::Receiver<bool>) {
        loop {
            while !*stop.borrow() {
                match self.round(&stop).await {
                    Ok(Round::More) => {}
                    Ok(Round::Empty | Round::Stuck) => break,
                    Err(error) => {
                        tracing::warn!(%error, "the mail queue does not answer; it is asked again");
                        break;
                    }
                }
            }
            let post = self.post.clone();
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = post.wake.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn round(&mut self, stop: &watch::Receiver<bool>) -> Result<Round, Unavailable> {
        self.clear_away().await?;
        let holder = self.post.rng.hex(16);
        let (since, now) = (Instant::now(), self.post.clock.now());
        let batch = self.post.queue.claim(&holder, now, now.plus(LEASE), BATCH).await?;
        if batch.is_empty() {
            self.post.metrics.mail_waiting(self.post.queue.waiting().await?);
            return Ok(Round::Empty);
        }
        let mut left = batch.into_iter();
        let mut stuck = false;
        let mut connection = None;
        for claimed in left.by_ref() {
            if !self.handle(&holder, &claimed, &mut connection).await? {
                stuck = true;
                break;
            }
            // The next letter must be delivered before anybody else may claim it.
            if *stop.borrow() || since.elapsed() + 2 * self.post.smtp.deadline() > LEASE {
                break;
            }
        }
        for claimed in left {
            let now = self.post.clock.now();
            self.post.queue.postpone(&claimed.id, &holder, now, claimed.attempts).await?;
        }
        if let Some(connection) = connection {
            connection.quit().await;
        }
        self.post.metrics.mail_waiting(self.post.queue.waiting().await?);
        Ok(if stuck { Round::Stuck } else { Round::More })
    }

    /// Removes what was delivered while the database did not answer: before anything is claimed, so that it is not
    /// claimed here, and mostly while the lease keeps others away.
    async fn clear_away(&mut self) -> Result<(), Unavailable> {
        for (id, holder) in self.delivered.clone() {
            // `false`: it is gone, or somebody else's by now. Either way it is no matter of ours any more.
            self.post.queue.remove(&id, &holder).await?;
            self.delivered.remove(&id);
        }
        Ok(())
    }

    /// Delivers one letter, or puts it off. `false`: no use in trying others now.
    async fn handle(
        &mut self,
        holder: &str,
        claimed: &Claimed,
        connection: &mut Option<Connection>,
    ) -> Result<bool, Unavailable> {
        match self.deliver(claimed, connection).await {
            Ok(()) => {
                self.post.metrics.mail("sent");
                self.delivered.insert(claimed.id.clone(), holder.to_owned());
                self.post.queue.remove(&claimed.id, holder).await?;
                self.delivered.remove(&claimed.id);
                Ok(true)
            }
            Err(Failed::Later(error)) => {
                *connection = None;
                self.put_off(holder, claimed, &error).await?;
                Ok(true)
            }
            Err(Failed::Relay(error)) => {
                *connection = None;
                self.put_off(holder, claimed, &error).await?;
                Ok(false)
            }
            Err(Failed::TooLate) => {
                self.post.metrics.mail("expired");
                tracing::warn!(letter = %claimed.id, "a code ran out before it could be delivered; it is not sent");
                self.post.queue.remove(&claimed.id, holder).await?;
                Ok(true)
            }
            Err(Failed::ForGood(error)) => {
                *connection = None;
                self.post.metrics.mail("refused");
                tracing::error!(letter = %claimed.id, %error, "a letter is given up");
                self.post.queue.remove(&claimed.id, holder).await?;
                Ok(true)
            }
        }
    }

    async fn deliver(&self, claimed: &Claimed, connection: &mut Option<Connection>) -> Result<(), Failed> {
        let letter = self.post.open(&claimed.id, &claimed.sealed).map_err(|error| match error {
            // After a rotation, until this node has the new keyring: another one has it already.
            OpenError::UnknownKey(_) => Failed::Later(error.to_string()),
            OpenError::Form | OpenError::Forged => Failed::ForGood(error.to_string()),
        })?;
        if letter.useless_from.is_some_and(|from| from <= self.post.clock.now()) {
            return Err(Failed::TooLate);
        }
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(self.post.smtp.connect(&mut Vec::new()).await?),
        };
        connection.send(&letter).await?;
        Ok(())
    }

    async fn put_off(&self, holder: &str, claimed: &Claimed, error: &str) -> Result<(), Unavailable> {
        let (queue, now) = (&self.post.queue, self.post.clock.now());
        if now.since(claimed.created) >= GIVE_UP_AFTER {
            self.post.metrics.mail("expired");
            tracing::error!(letter = %claimed.id, %error, "a letter could not be delivered for a day and is given up");
            queue.remove(&claimed.id, holder).await?;
            return Ok(());
        }
        let attempts = claimed.attempts.saturating_add(1);
        let wait = back_off(attempts);
        self.post.metrics.mail("postponed");
        tracing::warn!(letter = %claimed.id, %error, again_in = ?wait, "a letter could not be delivered");
        queue.postpone(&claimed.id, holder, now.plus(wait), attempts).await?;
        Ok(())
    }
}

/// Why a letter was not delivered.
enum Failed {
    /// This one not now.
    Later(String),
    /// None of them now.
    Relay(String),
    ForGood(String),
    /// Nobody needs it any more.
    TooLate,
}

impl From<SmtpError> for Failed {
    fn from(error: SmtpError) -> Self {
        let told = error.to_string();
        match error {
            SmtpError::Refused(_) => Self::ForGood(told),
            SmtpError::Later(_) => Self::Later(told),
            SmtpError::Settings(_) | SmtpError::Connect { .. } | SmtpError::Broken(_) | SmtpError::Timeout(_) => {
                Self::Relay(told)
            }
        }
    }
}
