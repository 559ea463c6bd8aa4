//! One request while it is being answered: parameters, session, and who is acting.

use crate::accounts::{Claims, GUEST};
use crate::html;
use crate::multipart::Upload;
use crate::php::{self, Params, Value};
use crate::reply::Reply;
use crate::reply::http_date;
use crate::sessions::{Session, Touched};
use crate::site::Site;
use http::HeaderMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds that a browser keeps `MOODLEID1_`.
const KEPT_NAME: u64 = 5_184_000;

/// A request as the scripts see it.
pub(crate) struct Request {
    pub method: String,
    /// The script's path, for example `/login/index.php`.
    pub script: String,
    /// What follows the script in the path.
    pub info: String,
    /// The target as sent.
    pub target: String,
    pub version: http::Version,
    pub headers: HeaderMap,
    pub query: Params,
    pub post: Params,
    pub files: Vec<Upload>,
    /// The beginning of the body.
    pub body: Vec<u8>,
    pub body_len: u64,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn is_app(&self) -> bool {
        self.header("user-agent").contains("MoodleMobile")
    }

    /// `optional_param`: the body's value, else the query's; arrays count as missing.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            Value::Text(text) => Some(text),
            Value::Array => None,
        }
    }

    pub(crate) fn value(&self, name: &str) -> Option<Value<'_>> {
        self.post.get(name).or_else(|| self.query.get(name))
    }

    /// An element of an array argument.
    pub(crate) fn at(&self, name: &str, path: &[&str]) -> Option<&str> {
        self.post.at(name, path).or_else(|| self.query.at(name, path))
    }

    fn cookie(&self, name: &str) -> Option<String> {
        let joined: Vec<&str> = self.headers.get_all("cookie").iter().filter_map(|value| value.to_str().ok()).collect();
        php::cookie(&joined.join("; "), name)
    }
}

/// Who may see a page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admit {
    Guests,
    Members,
}

/// The request, the site, and the session once a script asks for it.
pub(crate) struct Visit<'a> {
    pub site: &'a mut Site,
    pub request: &'a Request,
    session: Option<String>,
    cookies: Vec<String>,
    /// The user of a request without session: token, key, trusted header.
    pub acting: Option<u64>,
    /// The session that the cookie named had timed out.
    pub timed_out: bool,
    /// `contextInstanceId` of the page: the user's id on pages in the user's own context.
    pub context_instance: u64,
}

impl<'a> Visit<'a> {
    pub(crate) fn new(site: &'a mut Site, request: &'a Request) -> Visit<'a> {
        Visit { site, request, session: None, cookies: Vec::new(), acting: None, timed_out: false, context_instance: 1 }
    }

    pub(crate) fn www(&self, path: &str) -> String {
        format!("{}{path}", self.site.www)
    }

    /// Opens the session at first use; an unknown or dead id is replaced by an anonymous one.
    pub(crate) fn session(&mut self) -> &mut Session {
        let id = match self.session.clone() {
            Some(id) => id,
            None => self.open(),
        };
        self.session = Some(id.clone());
        self.site.sessions.get_mut(&id).expect("an open session is not removed")
    }

    fn open(&mut self) -> String {
        let timeout = Duration::from_secs(self.site.settings.session_timeout_secs);
        if let Some(sent) = self.request.cookie("MoodleSession") {
            self.end_if_suspended(&sent);
            match self.site.sessions.touch(&sent, timeout) {
                Touched::Live => return sent,
                Touched::TimedOut => self.timed_out = true,
                Touched::Unknown => {}
            }
        }
        let id = self.site.sessions.create();
        self.send_session_cookie(&id);
        id
    }

    /// A session does not outlive the suspension of its account.
    fn end_if_suspended(&mut self, id: &str) {
        let user = self.site.sessions.get(id).and_then(|session| session.user);
        let account = user.and_then(|user| self.site.accounts.get(user));
        if account.is_some_and(|account| account.suspended) {
            self.site.sessions.remove(id);
        }
    }

    /// The user of the session, guest included.
    pub(crate) fn user(&mut self) -> Option<u64> {
        self.session().user
    }

    /// The user of the session unless that is the guest.
    pub(crate) fn member(&mut self) -> Option<u64> {
        self.user().filter(|&user| user != GUEST)
    }

    /// `complete_user_login`.
    pub(crate) fn sign_in(&mut self, user: u64) {
        self.session();
        let old = self.session.clone().unwrap_or_default();
        let rotate = self.site.settings.rotate_at_sign_in;
        let new = self.site.sessions.sign_in(&old, user, rotate);
        if rotate {
            self.cookies.retain(|cookie| !cookie.starts_with("MoodleSession="));
            self.send_session_cookie(&new);
        }
        self.session = Some(new);
        let limit = self.site.settings.limit_concurrent_logins;
        if limit > 0 && user != GUEST {
            self.site.sessions.limit(user, limit);
        }
    }

    /// Ends the session and starts an anonymous one.
    pub(crate) fn sign_out(&mut self) {
        self.session();
        if let Some(old) = self.session.take() {
            self.site.sessions.remove(&old);
        }
        let new = self.site.sessions.create();
        self.send_session_cookie(&new);
        self.session = Some(new);
    }

    fn send_session_cookie(&mut self, id: &str) {
        let attributes = self.cookie_attributes();
        self.cookies.push(format!("MoodleSession={id}{attributes}"));
    }

    /// `MOODLEID1_`, the username for the next form: a deleted one first, then the value.
    pub(crate) fn remember_username(&mut self, username: &str) {
        let attributes = self.cookie_attributes();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let expires = http_date(now.unwrap_or_default().as_secs() + KEPT_NAME);
        let value: String = username.bytes().map(|b| format!("%25{:02X}", b ^ 0x28)).collect();
        self.cookies.push(format!("MOODLEID1_=deleted; expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0{attributes}"));
        self.cookies.push(format!("MOODLEID1_={value}; expires={expires}; Max-Age={KEPT_NAME}{attributes}"));
    }

    fn cookie_attributes(&self) -> String {
        let mut text = String::from("; path=/");
        if self.site.https() {
            text.push_str("; secure");
        }
        if self.site.settings.cookie_http_only {
            text.push_str("; HttpOnly");
        }
        if self.site.https() && self.request.header("user-agent").contains("Chrome") {
            text.push_str("; SameSite=None");
        }
        text
    }

    /// An answer that takes back what cookies it would have set.
    pub(crate) fn drop_cookies(&mut self) {
        self.cookies.clear();
    }

    /// `require_login`: the user, or the redirect that stands in the way.
    pub(crate) fn require_login(&mut self, admit: Admit) -> Result<u64, Reply> {
        let user = self.user();
        let admitted = user.filter(|&user| admit == Admit::Guests || user != GUEST);
        let Some(user) = admitted else {
            let wanted = self.www(&self.request.target.clone());
            self.session().wants_url = Some(wanted);
            return Err(Reply::see_other(self.www("/login/index.php")));
        };
        if self.site.settings.maintenance && !self.site.is_admin(user) {
            return Err(html::maintenance(self));
        }
        let account = self.site.accounts.get(user);
        if account.is_some_and(|account| account.must_change) {
            return Err(Reply::see_other(self.www("/login/change_password.php")));
        }
        if self.request.script != "/user/edit.php"
            && let Some(form) = self.unfinished_profile(user)
        {
            return Err(Reply::see_other(form));
        }
        let account = self.site.accounts.get(user);
        let agreed = account.is_some_and(|account| account.policy_agreed);
        if self.site.settings.site_policy && !agreed && user != GUEST {
            return Err(Reply::see_other(self.www("/user/policy.php")));
        }
        Ok(user)
    }

    /// `require_sesskey`.
    pub(crate) fn require_sesskey(&mut self) -> Result<(), Reply> {
        let sent = self.request.param("sesskey").unwrap_or_default();
        match sent == self.session().sesskey {
            true => Ok(()),
            false => Err(html::error(self, "Your session has most likely timed out. Please log in again.")),
        }
    }

    /// What the trusted headers of auth_shibboleth say, if the one with the user is there and not empty. Of an
    /// attribute with several values, separated by `;`, the plugin takes the first (`get_first_string`).
    pub(crate) fn claims(&self) -> Option<Claims> {
        let settings = self.site.settings.shibboleth.as_ref()?;
        let name = self.server_variable(&settings.user).filter(|value| !value.is_empty())?;
        let attribute = |header: &str| {
            let value = self.server_variable(header).unwrap_or_default();
            value.split(';').next().unwrap_or_default().trim_end().to_owned()
        };
        Some(Claims {
            name: name.to_ascii_lowercase(),
            first_name: attribute(&settings.first_name),
            last_name: attribute(&settings.last_name),
            email: attribute(&settings.email),
            update_on_login: settings.update_on_login,
        })
    }

    /// `$_SERVER['HTTP_…']`: `_` and `-` are the same to PHP, and of several copies the last wins.
    fn server_variable(&self, header: &str) -> Option<String> {
        let wanted = header.replace('_', "-");
        let copies = self.request.headers.iter();
        let last = copies.filter(|(name, _)| name.as_str().replace('_', "-").eq_ignore_ascii_case(&wanted)).last();
        last.map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// Where somebody goes after a sign-in whose profile has empty fields.
    pub(crate) fn unfinished_profile(&self, user: u64) -> Option<String> {
        let account = self.site.accounts.get(user).filter(|account| account.unfinished())?;
        Some(self.www(&format!("/user/edit.php?id={}&course=1", account.id)))
    }

    /// Adds the cookies and `headerloguser`'s header.
    pub(crate) fn finish(mut self, mut reply: Reply) -> Reply {
        if let Some(name) = self.logged_as() {
            reply.headers.push(("X-MOODLEUSER", name));
        }
        for cookie in self.cookies.drain(..) {
            reply.headers.push(("Set-Cookie", cookie));
        }
        reply
    }

    fn logged_as(&self) -> Option<String> {
        if let Some(name) = &self.site.settings.names_everybody {
            return Some(name.clone());
        }
        let mode = self.site.settings.header_log_user;
        let name = |user| self.site.accounts.get(user)?.logged_as(mode);
        if let Some(user) = self.acting {
            return name(user);
        }
        let session = self.site.sessions.get(self.session.as_deref()?)?;
        let user = name(session.user?)?;
        Some(match session.real_user {
            Some(real) => format!("{} as {user}", name(real)?),
            None => user,
        })
    }
}
