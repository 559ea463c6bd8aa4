//! Watching the LMS's answers (design R9): what they set, whom they name, and whether that may reach the client.
//!
//! Pure. The proxy and the relay both ask here, so that a page, an AJAX call and a file are judged by one rule.

use crate::{
    keys::SealKey,
    lms::moodle::{CookieClass, cookie_class, log_user},
    sessions::{
        LmsHalf, Session, Who,
        cookie::{self, Jar},
    },
    types::{LmsUserId, Rng, SiteName},
};
use http::{HeaderMap, StatusCode, header};
use std::sync::Arc;

/// As whom a request was sent on.
pub enum Standing {
    /// As nobody, with no cookie: nothing the answer sets is kept.
    Bare,
    /// As an anonymous visitor, whose LMS cookies are sealed to the visit.
    Visitor { key: SealKey },
    /// Under a session, with these LMS cookies.
    Session { session: Arc<Session>, half: LmsHalf, sent: Vec<(String, String)> },
    /// With the LMS token of this user, and no cookie. `log_user` is what token.php's answer named.
    Token { user: LmsUserId, log_user: Option<String> },
}

/// What may be done with an answer.
pub enum Ruling {
    /// It passes, with these `Set-Cookie` lines and no other.
    Pass { set_cookies: Vec<String> },
    /// The LMS ended its half of the session. `stray` is a session it opened instead, to be logged out.
    HalfOver { stray: Vec<(String, String)> },
    /// It names somebody else, and nobody may see it.
    Withhold { named: String, stray: Vec<(String, String)> },
}

/// One cookie of an answer.
struct Set {
    name: String,
    /// `None` where the answer deletes it.
    value: Option<String>,
}

pub fn rule(standing: &Standing, status: StatusCode, headers: &HeaderMap, site: &SiteName, rng: &dyn Rng) -> Ruling {
    let cookies = cookies(headers);
    let named = log_user(headers);
    let opened = || sessions_of(&cookies);
    match standing {
        Standing::Bare => match named.filter(|name| !is_guest(name)) {
            Some(named) => Ruling::Withhold { named, stray: opened() },
            None => Ruling::Pass { set_cookies: Vec::new() },
        },
        Standing::Visitor { key } => match named.filter(|name| !is_guest(name)) {
            Some(named) => Ruling::Withhold { named, stray: opened() },
            None => Ruling::Pass { set_cookies: sealed(&cookies, Jar::Visit, key, site, rng) },
        },
        Standing::Token { user, log_user } => match named.filter(|name| !is_owner(name, *user, log_user.as_deref())) {
            Some(named) => Ruling::Withhold { named, stray: opened() },
            None => Ruling::Pass { set_cookies: Vec::new() },
        },
        Standing::Session { session, half, sent } => match named.filter(|name| !is_holder(name, session, half)) {
            Some(named) => Ruling::Withhold { named, stray: rotated(&cookies, sent).unwrap_or_default() },
            None => match rotated(&cookies, sent) {
                // A timed-out session is sent to the login page with a new cookie, which is then anonymous.
                Some(_) if is_login_redirect(status, headers) => Ruling::HalfOver { stray: Vec::new() },
                Some(stray) => Ruling::HalfOver { stray },
                None => {
                    let key = SealKey::new(half.seal_key);
                    Ruling::Pass { set_cookies: sealed(&cookies, Jar::Session, &key, site, rng) }
                }
            },
        },
    }
}

/// `Some` if a session cookie changed or went: the new ones, to be logged out.
fn rotated(cookies: &[Set], sent: &[(String, String)]) -> Option<Vec<(String, String)>> {
    let changed = |set: &&Set| {
        let was = sent.iter().find(|(name, _)| *name == set.name).map(|(_, value)| value.as_str());
        cookie_class(&set.name) == CookieClass::Session && set.value.as_deref() != was
    };
    cookies.iter().any(|set| changed(&set)).then(|| {
        let new = cookies.iter().filter(changed);
        new.filter_map(|set| Some((set.name.clone(), set.value.clone()?))).collect()
    })
}

fn sessions_of(cookies: &[Set]) -> Vec<(String, String)> {
    rotated(cookies, &[]).unwrap_or_default()
}

fn sealed(cookies: &[Set], jar: Jar, key: &SealKey, site: &SiteName, rng: &dyn Rng) -> Vec<String> {
    cookies
        .iter()
        .filter(|set| cookie_class(&set.name) != CookieClass::Drop)
        // More than a dozen is no LMS but an attack on the browser's jar (design R10).
        .take(12)
        .filter_map(|set| match &set.value {
            Some(value) => cookie::seal(rng, jar, key, site, &set.name, value),
            None => Some(cookie::clear(&jar.sealed_name(&set.name))),
        })
        .collect()
}

fn cookies(headers: &HeaderMap) -> Vec<Set> {
    let mut all: Vec<Set> = Vec::new();
    for line in headers.get_all(header::SET_COOKIE).iter().filter_map(|v| v.to_str().ok()) {
        let mut parts = line.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
        let (name, value) = (name.trim(), value.trim());
        let gone = parts.any(|attribute| attribute.trim().eq_ignore_ascii_case("max-age=0"));
        let value = (!gone && value != "deleted" && !value.is_empty()).then(|| value.to_owned());
        // A later line of the same name replaces the earlier one, as in a browser.
        all.retain(|set| set.name != name);
        all.push(Set { name: name.to_owned(), value });
    }
    all
}

fn is_login_redirect(status: StatusCode, headers: &HeaderMap) -> bool {
    let location = headers.get(header::LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    status.is_redirection() && location.split('?').next().is_some_and(|path| path.ends_with("/login/index.php"))
}

/// The log header's guest, by id or username.
fn is_guest(name: &str) -> bool {
    name == "guest" || name == "1"
}

/// Whether the header names the session's own user: as it did at sign-in, or as an administrator looking through
/// another's eyes ("admin as student1"). Without a value from sign-in only what is sure counts.
fn is_holder(name: &str, session: &Session, half: &LmsHalf) -> bool {
    let base = name.split_once(" as ").map_or(name, |(who, _)| who);
    match (&half.log_user, &session.who) {
        (Some(known), _) => base == known,
        (None, Who::Guest) => is_guest(base),
        (None, Who::Account(identity)) => {
            base == half.user.to_string() || identity.username.as_deref().is_some_and(|username| username == base)
        }
    }
}

/// The same for a token. Where its answer at minting named nobody, only the id form can be held against it.
fn is_owner(name: &str, user: LmsUserId, log_user: Option<&str>) -> bool {
    match (log_user, name.parse::<u64>()) {
        (Some(known), _) => name == known,
        (None, Ok(id)) => LmsUserId(id) == user,
        (None, Err(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sessions::{self, Visit},
        types::{ClientAddr, Secret, SystemRng, Timestamp},
    };

    fn session(log_user: Option<&str>) -> Standing {
        let visit = Visit {
            site: SiteName::new("campus"),
            client: ClientAddr::new([127, 0, 0, 1].into()),
            agent: String::new(),
            now: Timestamp(0),
        };
        let log_user = log_user.map(str::to_owned);
        let issued = sessions::issue_guest(LmsUserId(1), log_user, visit, &sessions::Config::default(), &SystemRng);
        let half = issued.session.lms.clone().unwrap();
        Standing::Session {
            session: Arc::new(issued.session),
            half,
            sent: vec![("MoodleSession".into(), "old".into())],
        }
    }

    fn answer(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn ruled(standing: &Standing, status: u16, lines: &[(&str, &str)]) -> Ruling {
        let status = StatusCode::from_u16(status).unwrap();
        rule(standing, status, &answer(lines), &SiteName::new("campus"), &SystemRng)
    }

    #[test]
    fn r9_a_rotated_cookie_never_joins_the_session() {
        let standing = session(None);
        let set = ("set-cookie", "MoodleSession=new; path=/; secure");
        assert!(matches!(ruled(&standing, 200, &[set]), Ruling::HalfOver { stray } if stray.len() == 1));
        let login = ("location", "https://lms/login/index.php");
        assert!(matches!(ruled(&standing, 303, &[set, login]), Ruling::HalfOver { stray } if stray.is_empty()));
        let same = ("set-cookie", "MoodleSession=old; path=/; secure");
        assert!(matches!(ruled(&standing, 200, &[same]), Ruling::Pass { set_cookies } if set_cookies.len() == 1));
        let gone = ("set-cookie", "MoodleSession=deleted; Max-Age=0");
        assert!(matches!(ruled(&standing, 200, &[gone]), Ruling::HalfOver { stray } if stray.is_empty()));
    }

    #[test]
    fn r9_an_answer_that_names_another_user_is_withheld() {
        let named = |standing: &Standing, name: &str| {
            matches!(ruled(standing, 200, &[("x-moodleuser", name)]), Ruling::Withhold { .. })
        };
        let student = session(Some("student1"));
        assert!(!named(&student, "student1"));
        assert!(named(&student, "student2"));
        assert!(named(&student, "student2 as student1"));
        let admin = session(Some("admin"));
        assert!(!named(&admin, "admin as student1"));
        let visitor = Standing::Visitor { key: Secret::new([0; 32]) };
        assert!(named(&visitor, "student1") && !named(&visitor, "guest"));
        assert!(named(&Standing::Bare, "3"));
        let token = Standing::Token { user: LmsUserId(3), log_user: Some("student1".into()) };
        assert!(!named(&token, "student1") && named(&token, "student2"));
        let silent = Standing::Token { user: LmsUserId(3), log_user: None };
        assert!(!named(&silent, "3") && named(&silent, "4"));
    }

    #[test]
    fn user_names_in_cookies_never_reach_the_browser() {
        let visitor = Standing::Visitor { key: Secret::new([0; 32]) };
        let lines = [
            ("set-cookie", "MoodleSession=anon; path=/"),
            ("set-cookie", "MOODLEID1_=%25; path=/"),
            ("set-cookie", "MFA_TOKEN_3=x; path=/"),
        ];
        let Ruling::Pass { set_cookies } = ruled(&visitor, 200, &lines) else { panic!("withheld") };
        assert_eq!(set_cookies.len(), 1);
        assert!(set_cookies[0].starts_with("__Host-anon-MoodleSession="));
        assert!(matches!(ruled(&Standing::Bare, 200, &lines), Ruling::Pass { set_cookies } if set_cookies.is_empty()));
    }
}
