//! `vestibule reload`: the running gateway is asked to read gateway.yaml again.
//!
//! Whoever asks, the command line or SIGHUP, puts a question into one queue. The gateway answers one after the other,
//! so that two reloads never mix.

use serde::{Deserialize, Serialize};
use std::fmt;
use tokio::sync::{mpsc, oneshot};

/// Questions that wait. An operator who asks more often gets the same answer.
const WAITING: usize = 8;

/// A configuration that is in force now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    pub file: String,
    /// By key and name, never by value.
    pub changes: Vec<String>,
    /// What `check` would warn of.
    pub warnings: Vec<String>,
}

/// The one before stays in force.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{said}\nnothing was changed: the configuration that is in force stays")]
pub struct NotReloaded {
    /// For the audit: `invalid`, `restart`, `unusable`.
    pub reason: &'static str,
    /// Where it is wrong.
    pub keys: Vec<String>,
    /// Every problem, with how it is mended.
    pub said: String,
}

/// One question.
pub struct Ask {
    /// Who asks, for the audit.
    pub by: String,
    pub answer: oneshot::Sender<Result<Reloaded, NotReloaded>>,
}

/// Where to ask the running gateway.
#[derive(Clone)]
pub struct Reloads(mpsc::Sender<Ask>);

impl Reloads {
    pub fn channel() -> (Self, mpsc::Receiver<Ask>) {
        let (ask, asked) = mpsc::channel(WAITING);
        (Self(ask), asked)
    }

    /// Waits for the answer.
    pub async fn ask(&self, by: String) -> Result<Reloaded, NotReloaded> {
        let (answer, answered) = oneshot::channel();
        let stopping = || NotReloaded { reason: "unusable", keys: Vec::new(), said: "the gateway is stopping".into() };
        self.0.send(Ask { by, answer }).await.map_err(|_| stopping())?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// For those who cannot wait. Where so many wait already, the file is about to be read anyway.
    pub fn ask_soon(&self, by: &str) {
        let _ = self.0.try_send(Ask { by: by.to_owned(), answer: oneshot::channel().0 });
    }
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        match self.changes.as_slice() {
            [] => writeln!(f, "{file} says what it said; certificates and secrets were read again")?,
            _ => writeln!(f, "{file} is in force:")?,
        }
        self.changes.iter().try_for_each(|change| writeln!(f, "  {change}"))?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "{warning}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told_line_by_line() {
        let changes = vec!["edge.hsts_seconds: changed".to_owned(), "sites[two]: added".to_owned()];
        let reloaded = Reloaded { file: "gateway.yaml".into(), changes, warnings: vec!["warning, line 3: x".into()] };
        let told = "gateway.yaml is in force:\n  edge.hsts_seconds: changed\n  sites[two]: added\nwarning, line 3: x\n";
        assert_eq!(reloaded.to_string(), told);
        let same = Reloaded { changes: Vec::new(), warnings: Vec::new(), ..reloaded };
        assert_eq!(same.to_string(), "gateway.yaml says what it said; certificates and secrets were read again\n");
    }

    #[tokio::test]
    async fn a_gateway_that_ends_leaves_nobody_waiting() {
        let (reloads, asked) = Reloads::channel();
        (0..WAITING + 3).for_each(|_| reloads.ask_soon("SIGHUP"));
        drop(asked);
        assert!(reloads.ask("uid 0".into()).await.unwrap_err().said.contains("stopping"));
    }
}
