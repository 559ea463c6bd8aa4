//! The LMS's own sessions: anonymous ones too, as every cookie-using page makes one.

use crate::random;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Anonymous sessions are dropped beyond this many, so that a load test has flat memory.
const MAX_SESSIONS: usize = 100_000;

/// What PHP keeps for one `MoodleSession`.
#[derive(Debug)]
pub(crate) struct Session {
    pub user: Option<u64>,
    /// The administrator behind a login-as.
    pub real_user: Option<u64>,
    pub sesskey: String,
    /// One use; made when the form is shown.
    pub login_token: Option<String>,
    /// Shown at the next view of the login page.
    pub login_message: Option<&'static str>,
    pub wants_url: Option<String>,
    /// No page has been rendered since the sign-in.
    pub just_logged_in: bool,
    pub reset_token: Option<String>,
    pub timed_out: bool,
    last_use: Instant,
    born: u64,
}

/// All sessions by id.
#[derive(Default)]
pub(crate) struct Sessions {
    map: HashMap<String, Session>,
    born: u64,
}

impl Sessions {
    pub(crate) fn create(&mut self) -> String {
        if self.map.len() >= MAX_SESSIONS {
            self.map.retain(|_, session| session.user.is_some());
        }
        let id = random::session_id();
        self.born += 1;
        let session = Session {
            user: None,
            real_user: None,
            sesskey: random::alphanumeric(10),
            login_token: None,
            login_message: None,
            wants_url: None,
            just_logged_in: false,
            reset_token: None,
            timed_out: false,
            last_use: Instant::now(),
            born: self.born,
        };
        self.map.insert(id.clone(), session);
        id
    }

    /// A new anonymous session under a recorded id.
    #[cfg(test)]
    pub(crate) fn place(&mut self, id: &str) -> &mut Session {
        let made = self.create();
        let session = self.map.remove(&made).expect("just created");
        self.map.entry(id.to_owned()).or_insert(session)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Session> {
        self.map.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.map.get_mut(id)
    }

    /// A session that may be used now; marks the use. A timed-out one is removed and reported.
    pub(crate) fn touch(&mut self, id: &str, timeout: Duration) -> Touched {
        let Some(session) = self.map.get_mut(id) else {
            return Touched::Unknown;
        };
        if session.timed_out || session.last_use.elapsed() > timeout {
            self.map.remove(id);
            return Touched::TimedOut;
        }
        session.last_use = Instant::now();
        Touched::Live
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.map.remove(id);
    }

    /// `complete_user_login`: a new id unless the LMS keeps it, the old one is worth nothing.
    pub(crate) fn sign_in(&mut self, id: &str, user: u64, rotate: bool) -> String {
        let new = if rotate {
            let new = random::session_id();
            if let Some(session) = self.map.remove(id) {
                self.map.insert(new.clone(), session);
            }
            new
        } else {
            id.to_owned()
        };
        self.born += 1;
        if let Some(session) = self.map.get_mut(&new) {
            session.user = Some(user);
            session.real_user = None;
            session.sesskey = random::alphanumeric(10);
            session.login_token = None;
            session.login_message = None;
            session.just_logged_in = true;
            session.born = self.born;
        }
        new
    }

    /// `limitconcurrentlogins`: only the newest `limit` sessions of the user go on.
    pub(crate) fn limit(&mut self, user: u64, limit: u32) {
        let mut ages: Vec<(u64, String)> = self
            .map
            .iter()
            .filter(|(_, session)| session.user == Some(user))
            .map(|(id, session)| (session.born, id.clone()))
            .collect();
        ages.sort_unstable();
        let surplus = ages.len().saturating_sub(limit as usize);
        for (_, id) in ages.into_iter().take(surplus) {
            self.map.remove(&id);
        }
    }

    pub(crate) fn expire_all(&mut self) {
        for session in self.map.values_mut() {
            session.timed_out = true;
        }
    }

    pub(crate) fn live(&self, user: u64) -> usize {
        self.map.values().filter(|session| session.user == Some(user) && !session.timed_out).count()
    }
}

/// What became of an id that a browser sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    Live,
    TimedOut,
    Unknown,
}
