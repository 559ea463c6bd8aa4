//! Our cookies, and the LMS's cookies in their sealed form (design R2).
//!
//! | cookie | holds |
//! |---|---|
//! | `__Host-vestibule` | the session's opaque id |
//! | `__Host-vestibule-flow` | the pending sign-in's handle |
//! | `__Host-vestibule-visit` | a visitor's seal key and wanted page, sealed under the keyring: the pre-session |
//! | `__Host-vestibule-away` | that this browser was sent to sign in elsewhere, sealed under the keyring |
//! | `__Host-known` | which accounts this browser was used for, sealed under the keyring ([`super::known`]) |
//! | `__Host-device-…` | that an account trusts this browser, sealed under the keyring ([`crate::mfa::factors::device`]) |
//! | `__Host-lms-NAME` | the LMS's cookie NAME, sealed under the session's key |
//! | `__Host-anon-NAME` | the same of a visitor's anonymous LMS session, sealed under the visit's key |
//!
//! The `__Host-` prefix keeps a sibling domain from tossing one in (RFC 6265bis §4.1.3.2, attack D4). A sealed
//! cookie is bound to its name and site, and opens only under the key of the session it was made for.

use crate::{
    keys::{self, Keyring, SealKey},
    types::{FlowId, Rng, RngExt, Secret, SiteName, Timestamp},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub const SESSION: &str = "__Host-vestibule";
pub const FLOW: &str = "__Host-vestibule-flow";
/// Where the browser was sent to sign in, sealed under the keyring.
pub const AWAY: &str = "__Host-vestibule-away";
pub const VISIT: &str = "__Host-vestibule-visit";
/// Moodle's anonymous session and its logintoken live that long at most; so does what is sealed for it.
const VISIT_LIFE: Duration = Duration::from_secs(8 * 3600);
/// A browser keeps about 4 KiB a cookie; a longer LMS cookie would be lost there anyway.
const LMS_COOKIE_LIMIT: usize = 2048;

/// Whose LMS cookies: a session that has expired keeps its own in the browser while a visitor looks at the login page,
/// so that it can be resumed (design §2 "Sessions").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jar {
    Session,
    Visit,
}

impl Jar {
    fn prefix(self) -> &'static str {
        match self {
            Jar::Session => "__Host-lms-",
            Jar::Visit => "__Host-anon-",
        }
    }
    pub fn holds(self, name: &str) -> bool {
        self.lms_name(name).is_some()
    }
    /// The LMS's name of a sealed cookie, or `None` if `name` is none of this jar's.
    fn lms_name(self, name: &str) -> Option<&str> {
        name.strip_prefix(self.prefix()).filter(|rest| !rest.is_empty())
    }
    pub fn sealed_name(self, lms_name: &str) -> String {
        format!("{}{lms_name}", self.prefix())
    }
}

/// A `Set-Cookie` line for a cookie of ours. Host-only, for this browser session, never readable by a script.
pub fn set(name: &str, value: &str) -> String {
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax")
}

/// The same for a cookie that outlives the browser's session.
pub fn set_for(name: &str, value: &str, life: Duration) -> String {
    format!("{}; Max-Age={}", set(name, value), life.as_secs())
}

/// The line that deletes it.
pub fn clear(name: &str) -> String {
    format!("{name}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
}

/// Seals an LMS cookie into a `Set-Cookie` line; `None` for one that no browser would keep.
pub fn seal(rng: &dyn Rng, jar: Jar, key: &SealKey, site: &SiteName, name: &str, value: &str) -> Option<String> {
    let name_fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if !name_fits || name.len() > 64 || value.len() > LMS_COOKIE_LIMIT {
        return None;
    }
    let sealed = keys::seal_with(rng, key, &place(site, name), value.as_bytes());
    Some(set(&jar.sealed_name(name), &sealed))
}

/// Opens the sealed LMS cookies among a request's cookies, as (LMS name, value). What doesn't open under this key
/// is left out: it belongs to another session, another site, or nobody.
pub fn open<'a>(
    cookies: impl Iterator<Item = (&'a str, &'a str)>,
    jar: Jar,
    key: &SealKey,
    site: &SiteName,
) -> Vec<(String, String)> {
    cookies
        .filter_map(|(name, sealed)| {
            let name = jar.lms_name(name)?;
            let plain = keys::open_with(key, &place(site, name), sealed).ok()?;
            let value = String::from_utf8(plain.expose().clone()).ok()?;
            Some((name.to_owned(), value))
        })
        .collect()
}

fn place(site: &SiteName, name: &str) -> String {
    format!("lms-cookie\n{site}\n{name}")
}

/// A visitor without a session: the key under which the LMS's anonymous cookies are sealed, and where they wanted
/// to go. It ends when a session is issued.
#[derive(Clone)]
pub struct Visit {
    pub key: SealKey,
    pub wanted: Option<String>,
    /// The flow that keeps a form which came after its sender's session had expired.
    pub kept: Option<FlowId>,
    since: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct VisitForm {
    k: [u8; 32],
    w: Option<String>,
    t: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    f: Option<String>,
}

impl Visit {
    pub fn new(rng: &dyn Rng, now: Timestamp) -> Self {
        Self { key: Secret::new(rng.array()), wanted: None, kept: None, since: now }
    }

    /// From the cookie's value; `None` if it is not ours, of another site, or too old.
    pub fn open(ring: &Keyring, site: &SiteName, value: &str, now: Timestamp) -> Option<Self> {
        let plain = ring.open("visit", site.as_str(), value).ok()?;
        let form: VisitForm = serde_json::from_slice(plain.expose()).ok()?;
        let kept = form.f.as_deref().and_then(FlowId::parse);
        (now.since(form.t) < VISIT_LIFE).then(|| Self { key: Secret::new(form.k), wanted: form.w, kept, since: form.t })
    }

    pub fn seal(&self, ring: &Keyring, rng: &dyn Rng, site: &SiteName) -> String {
        let f = self.kept.as_ref().map(|id| id.expose().to_owned());
        let form = VisitForm { k: *self.key.expose(), w: self.wanted.clone(), t: self.since, f };
        // A struct of bytes, text and a number always serialises.
        let plain = Secret::new(serde_json::to_vec(&form).unwrap_or_default());
        ring.seal(rng, "visit", site.as_str(), plain.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;

    fn parts(line: &str) -> (String, String) {
        let (name, rest) = line.split_once('=').unwrap();
        (name.to_owned(), rest.split(';').next().unwrap().to_owned())
    }

    #[test]
    fn r2_a_sealed_cookie_opens_only_for_its_session_site_and_name() {
        let (key, other) = (Secret::new([7; 32]), Secret::new([8; 32]));
        let site = SiteName::new("campus");
        let line = seal(&SystemRng, Jar::Session, &key, &site, "MoodleSession", "13u97kpnig1lo4uusn6v2bba2k").unwrap();
        assert!(!line.contains("13u97kpnig1lo4uusn6v2bba2k"));
        let (name, value) = parts(&line);
        let sent = [(name.as_str(), value.as_str())];
        assert_eq!(open(sent.into_iter(), Jar::Session, &key, &site)[0].1, "13u97kpnig1lo4uusn6v2bba2k");
        assert!(open(sent.into_iter(), Jar::Session, &other, &site).is_empty());
        assert!(open(sent.into_iter(), Jar::Session, &key, &SiteName::new("other")).is_empty());
        assert!(
            open([("__Host-lms-MoodleSession2", value.as_str())].into_iter(), Jar::Session, &key, &site).is_empty()
        );
        assert!(open([("MoodleSession", value.as_str())].into_iter(), Jar::Session, &key, &site).is_empty());
    }

    #[test]
    fn a_visit_survives_its_cookie_and_ends_with_its_time() {
        let ring = Keyring::generate(&SystemRng, Timestamp(0));
        let site = SiteName::new("campus");
        let mut visit = Visit::new(&SystemRng, Timestamp(0));
        visit.wanted = Some("/course/view.php?id=2".into());
        let value = visit.seal(&ring, &SystemRng, &site);
        let again = Visit::open(&ring, &site, &value, Timestamp(1000)).unwrap();
        assert_eq!((again.key.expose(), again.wanted), (visit.key.expose(), visit.wanted));
        assert!(Visit::open(&ring, &site, &value, Timestamp(0).plus(VISIT_LIFE)).is_none());
        assert!(Visit::open(&ring, &SiteName::new("other"), &value, Timestamp(0)).is_none());
        assert!(Visit::open(&ring, &site, "v1.x.y", Timestamp(0)).is_none());
    }

    #[test]
    fn cookies_that_cannot_be_kept_are_not_made() {
        let key = Secret::new([7; 32]);
        let site = SiteName::new("campus");
        assert!(seal(&SystemRng, Jar::Session, &key, &site, "a b", "x").is_none());
        assert!(seal(&SystemRng, Jar::Session, &key, &site, "a", &"x".repeat(3000)).is_none());
    }
}
