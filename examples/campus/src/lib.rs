//! campus: the demonstration LMS, and the LMS of the integration tests.
//!
//! It answers as a Moodle 4.2 was recorded to answer (`recordings/`): same statuses, headers,
//! cookies, JSON and order of checks; the HTML is its own, with the markers that a client looks
//! for. What a gateway must close stands open here, so that a test can tell a closed door from a
//! missing one. Nothing is kept on disk; ids, tokens and keys are new on every run.
//!
//! In reading order: `paths`, `php`, `multipart` (what nginx and PHP make of a request) · `settings` · `accounts` · `sessions` ·
//! `site` (all of what is remembered) · `visit` (one request being answered) · `html`, `reply` ·
//! the scripts (`login`, `passwords`, `token`, `rest` with `functions`, `ajax`, `mobile`, `files`,
//! `web`, `doors`, `local`) · `router` · `server` · `log`.

mod accounts;
mod ajax;
mod doors;
mod files;
mod functions;
mod html;
mod local;
mod log;
mod login;
mod mobile;
mod multipart;
mod passwords;
mod paths;
mod php;
mod random;
#[cfg(test)]
mod replay;
mod reply;
mod rest;
mod router;
mod server;
mod sessions;
mod settings;
mod site;
mod token;
mod visit;
mod web;
mod websocket;

pub use accounts::{Account, Keys};
pub use log::{KEPT_BODY, Logged};
pub use reply::pattern;
pub use settings::{Settings, Shibboleth};
pub use site::{CONFIRM_SECRET, RESET_TOKEN};

use server::Shared;
use site::Site;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Where to listen and under which URL the world sees the site.
#[derive(Debug, Clone)]
pub struct Options {
    pub listen: SocketAddr,
    /// `wwwroot`: the URL of the gateway in front, without a slash at the end.
    pub public_url: String,
}

/// A running LMS. Dropping it stops it.
pub struct Campus {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Campus {
    /// Listens; port 0 takes a free one.
    pub async fn start(options: Options) -> std::io::Result<Campus> {
        let listener = TcpListener::bind(options.listen).await?;
        let addr = listener.local_addr()?;
        let (stop, stopping) = watch::channel(false);
        let shared = Arc::new(Shared::new(Site::new(&options.public_url, addr), stopping));
        let server = tokio::spawn(server::run(listener, Arc::clone(&shared)));
        Ok(Campus { addr, shared, stop, server })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes `wwwroot`: a test learns the gateway's port after this has started.
    pub fn set_public_url(&self, url: &str) {
        self.shared.site().www = url.trim_end_matches('/').to_owned();
    }

    /// Every request received, in order (the newest [`Settings::keep_requests`]).
    pub fn requests(&self) -> Vec<Logged> {
        self.shared.journal.since(0)
    }

    /// A place in the log, for [`Campus::since`].
    pub fn mark(&self) -> usize {
        self.shared.journal.len()
    }

    /// The requests received after `mark`.
    pub fn since(&self, mark: usize) -> Vec<Logged> {
        self.shared.journal.since(mark)
    }

    /// Changes settings while running.
    pub fn settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.site().settings);
    }

    /// Enables auth_shibboleth with the user in this header and the attributes beside it, or switches it off.
    pub fn trust_header(&self, header: Option<&str>) {
        self.shared.site().settings.shibboleth = header.map(Shibboleth::named);
    }

    /// Changes an account; does nothing for an unknown id.
    pub fn account(&self, user: u64, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.shared.site().accounts.get_mut(user) {
            change(account);
        }
    }

    /// An account as it is now.
    pub fn account_of(&self, user: u64) -> Option<Account> {
        self.shared.site().accounts.get(user).cloned()
    }

    /// The id of a username, written exactly so.
    pub fn user_id(&self, username: &str) -> Option<u64> {
        self.shared.site().accounts.all().find(|account| account.username == username).map(|account| account.id)
    }

    /// All sessions time out: the next page is a 303 to the sign-in with a new anonymous cookie.
    pub fn expire_sessions(&self) {
        self.shared.site().sessions.expire_all();
    }

    /// Whose session a `MoodleSession` value is (guests are user 1); `None` for anonymous, unknown
    /// or dead ones. After a login-as it is the user who is impersonated.
    pub fn session_user(&self, cookie_value: &str) -> Option<u64> {
        let site = self.shared.site();
        let session = site.sessions.get(cookie_value)?;
        session.user.filter(|_| !session.timed_out)
    }

    /// Authenticated sessions of a user.
    pub fn live_sessions(&self, user: u64) -> usize {
        self.shared.site().sessions.live(user)
    }

    /// The token issued last to (user, service), as issued.
    pub fn token_of(&self, user: u64, service: &str) -> Option<String> {
        let site = self.shared.site();
        let mut tokens = site.tokens.iter().rev();
        let token = tokens.find(|token| token.user == user && token.service == service);
        token.map(|token| token.value.clone())
    }

    /// The private token that belongs to [`Campus::token_of`].
    pub fn private_token_of(&self, user: u64, service: &str) -> Option<String> {
        let site = self.shared.site();
        let mut tokens = site.tokens.iter().rev();
        let token = tokens.find(|token| token.user == user && token.service == service);
        token.map(|token| token.private.clone())
    }

    /// Makes a token without any request, as an administrator can.
    pub fn issue_token(&self, user: u64, service: &str) -> String {
        self.shared.site().issue_token(user, service).0.value
    }

    /// All tokens expire.
    pub fn expire_tokens(&self) {
        let now = std::time::Instant::now();
        for token in &mut self.shared.site().tokens {
            token.expires = now;
        }
    }

    /// Stops listening and drops every connection.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.server.await;
    }
}
