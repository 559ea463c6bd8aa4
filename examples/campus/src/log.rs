//! Every request that arrived, in order, as it was on the wire.
//!
//! Bounded three ways: the beginning of each body, the number of requests, and the bytes of all
//! bodies together; a benchmark or a 4 GB upload must not fill the memory of the double.

use std::collections::VecDeque;
use std::sync::Mutex;

/// What is kept of one body.
pub const KEPT_BODY: usize = 4 << 20;
const KEPT_BODIES: usize = 256 << 20;

/// One request as received.
#[derive(Debug, Clone)]
pub struct Logged {
    pub method: String,
    /// The request target as sent: nothing is decoded or folded.
    pub target: String,
    pub version: http::Version,
    /// In order, duplicates included; names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The first [`KEPT_BODY`] bytes.
    pub body: Vec<u8>,
    /// All bytes of the body, kept or not.
    pub body_len: u64,
    /// The body came to its end; false while it is coming, and for one that broke off.
    pub whole: bool,
    /// Which TCP connection it came on; counted from 1.
    pub connection: u64,
}

impl Logged {
    /// All values of a header, decoded leniently. `name` in any case.
    pub fn header(&self, name: &str) -> Vec<String> {
        self.headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

#[derive(Default)]
pub(crate) struct Journal(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    dropped: usize,
    kept: VecDeque<Logged>,
    bodies: usize,
}

impl Journal {
    /// Notes the head at its arrival; the body follows with [`Journal::body`].
    pub(crate) fn head(&self, logged: Logged, keep: usize) -> usize {
        let mut entries = self.entries();
        entries.kept.push_back(logged);
        while entries.kept.len() > keep {
            let gone = entries.kept.pop_front();
            entries.bodies -= gone.map_or(0, |gone| gone.body.len());
            entries.dropped += 1;
        }
        (entries.dropped + entries.kept.len()).saturating_sub(1)
    }

    pub(crate) fn body(&self, index: usize, body: &[u8], total: u64, whole: bool) {
        let mut entries = self.entries();
        let room = KEPT_BODIES.saturating_sub(entries.bodies);
        let kept = &body[..body.len().min(room)];
        let Some(at) = index.checked_sub(entries.dropped) else {
            return;
        };
        if let Some(entry) = entries.kept.get_mut(at) {
            entry.body = kept.to_vec();
            entry.body_len = total;
            entry.whole = whole;
            entries.bodies += kept.len();
        }
    }

    pub(crate) fn len(&self) -> usize {
        let entries = self.entries();
        entries.dropped + entries.kept.len()
    }

    pub(crate) fn since(&self, mark: usize) -> Vec<Logged> {
        let entries = self.entries();
        let skip = mark.saturating_sub(entries.dropped);
        entries.kept.iter().skip(skip).cloned().collect()
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(target: &str) -> Logged {
        Logged {
            method: "GET".into(),
            target: target.into(),
            version: http::Version::HTTP_11,
            headers: Vec::new(),
            body: Vec::new(),
            body_len: 0,
            whole: false,
            connection: 1,
        }
    }

    #[test]
    fn marks_stay_right_when_old_requests_are_dropped() {
        let journal = Journal::default();
        for i in 0..5 {
            let index = journal.head(logged(&format!("/{i}")), 2);
            journal.body(index, b"x", 1, true);
        }
        assert_eq!(journal.len(), 5);
        let last: Vec<_> = journal.since(4).into_iter().map(|l| l.target).collect();
        assert_eq!(last, ["/4"]);
        assert_eq!(journal.since(0).len(), 2);
    }
}
