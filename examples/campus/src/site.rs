//! Everything the LMS remembers: settings, accounts, sessions, tokens, keys, files.

use crate::accounts::{ADMIN, Accounts};
use crate::multipart::Upload;
use crate::random;
use crate::sessions::Sessions;
use crate::settings::Settings;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) const NAME: &str = "Legacy LMS";
/// The mailed secret that confirm.php takes once, for student3.
pub const CONFIRM_SECRET: &str = "sEcReT1234abcde";
/// The mailed token that forgot_password.php takes once, for student2.
pub const RESET_TOKEN: &str = "abcdefghijklmnopqrstuvwxyz012345";
const KEPT_FILES: usize = 200;

/// A web-service token: one per user and service while it is valid.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub value: String,
    pub private: String,
    pub user: u64,
    pub service: String,
    pub expires: Instant,
}

/// A key that works once and for a short time (autologin, QR).
#[derive(Debug)]
pub(crate) struct OnceKey {
    pub value: String,
    pub user: u64,
    pub made: Instant,
}

/// A file somebody uploaded.
#[derive(Debug)]
pub(crate) struct Stored {
    pub user: u64,
    pub item: u64,
    pub file: Upload,
}

/// The LMS behind the lock.
pub(crate) struct Site {
    /// `wwwroot`, without a slash at the end.
    pub www: String,
    pub addr: SocketAddr,
    pub settings: Settings,
    pub accounts: Accounts,
    pub sessions: Sessions,
    pub tokens: Vec<Token>,
    pub autologin_keys: Vec<OnceKey>,
    pub autologin_made: Vec<(u64, Instant)>,
    pub qr_keys: Vec<OnceKey>,
    pub files: Vec<Stored>,
    pub confirm_used: bool,
    pub reset_used: bool,
}

impl Site {
    pub(crate) fn new(www: &str, addr: SocketAddr) -> Site {
        Site {
            www: www.trim_end_matches('/').to_owned(),
            addr,
            settings: Settings::default(),
            accounts: Accounts::recorded(),
            sessions: Sessions::default(),
            tokens: Vec::new(),
            autologin_keys: Vec::new(),
            autologin_made: Vec::new(),
            qr_keys: Vec::new(),
            files: Vec::new(),
            confirm_used: false,
            reset_used: false,
        }
    }

    pub(crate) fn https(&self) -> bool {
        self.www.starts_with("https://")
    }

    pub(crate) fn is_admin(&self, user: u64) -> bool {
        user == ADMIN
    }

    /// The newest valid token of (user, service), or a new one; the flag says which.
    pub(crate) fn issue_token(&mut self, user: u64, service: &str) -> (Token, bool) {
        let now = Instant::now();
        let valid = self.tokens.iter().rev().find(|t| t.user == user && t.service == service && t.expires > now);
        if let Some(token) = valid {
            return (token.clone(), false);
        }
        let token = Token {
            value: random::hex(32),
            private: random::alphanumeric(64),
            user,
            service: service.to_owned(),
            expires: now + Duration::from_secs(self.settings.token_duration_secs),
        };
        self.tokens.push(token.clone());
        (token, true)
    }

    pub(crate) fn token(&self, value: &str) -> Option<&Token> {
        self.tokens.iter().find(|token| token.value == value)
    }

    /// Whether a private token may be shown: over https, and never to an administrator.
    pub(crate) fn shows_private_token(&self, user: u64) -> bool {
        self.https() && !self.is_admin(user)
    }

    pub(crate) fn store(&mut self, user: u64, item: u64, file: Upload) {
        if self.files.len() >= KEPT_FILES {
            self.files.remove(0);
        }
        self.files.push(Stored { user, item, file });
    }

    /// `{"token","privatetoken"}` as QR login and token.php give them.
    pub(crate) fn private_of(&self, token: &Token) -> serde_json::Value {
        match self.shows_private_token(token.user) {
            true => token.private.clone().into(),
            false => serde_json::Value::Null,
        }
    }
}
