//! Signing in by Moodle's core Shibboleth plugin, which believes a header (`moodle-wire.md` §12; recordings
//! `shib-*`). Settings on Moodle's side only: `deploy/moodle/`.
//!
//! The header's name is the whole secret (attack J2). It stands on the calls made here and on no others: what a client
//! sends under it is removed by hygiene on every path, and what is proxied never carries it.
//!
//! The plugin looks a name up as the database compares, so `studént1` opens student1's session on MySQL (attack J1).
//! Therefore only names that fold to nothing else are sent, and whom the LMS then says it is is asked every time.

use super::{APP_SERVICE, Moodle, adapter::MAX_USERNAME, app::Asked, encode_form};
use crate::{
    keys::{Attribute, TrustedHeader},
    lms::{HeaderIdentity, Held, Judgement, Lms, LmsError, LmsUser},
    outbound::Answer,
    types::{ClientAddr, LmsUserId, Secret},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

const DOOR: &str = "/auth/shibboleth/index.php";
/// Error pages of Moodle's are 27 kB; nothing larger is of use here.
const PAGE_LIMIT: usize = 1 << 20;
/// Moodle's columns `firstname`, `lastname` and `email`.
const MAX_ATTRIBUTE: usize = 100;

/// The settings of a Moodle that is to trust this header, as its own commands. They hold the secret.
pub fn header_settings(trusted: &TrustedHeader) -> Vec<String> {
    let set = |setting: &str, header: &Secret<String>| {
        // As CGI names it (RFC 3875 §4.1.18).
        let variable = format!("HTTP_{}", header.expose().to_ascii_uppercase().replace('-', "_"));
        format!("php admin/cli/cfg.php --component=auth_shibboleth --name={setting} --set={variable}")
    };
    vec![
        set("user_attribute", trusted.user()),
        set("field_map_firstname", &trusted.attribute(Attribute::FirstName)),
        set("field_map_lastname", &trusted.attribute(Attribute::LastName)),
        set("field_map_email", &trusted.attribute(Attribute::Email)),
    ]
}

impl Moodle {
    pub(super) async fn header_sign_in(&self, who: &HeaderIdentity, client: ClientAddr) -> Result<Judgement, LmsError> {
        let headers = self.trusted(who, client)?;
        let (answer, cookies) = self.knock(headers).await?.ok_or_else(not_believed)?;
        let asked = self.owner_of_session(who, &answer, &cookies, client).await;
        let user = asked.inspect_err(|_| self.log_out_later(cookies.clone()))?;
        let location = self.local_target(answer.header(header::LOCATION));
        let log_user = super::log_user(&answer.headers);
        Ok(Judgement::Accepted { user, held: Held::Session { cookies, location, log_user } })
    }

    /// Whether the LMS opens a session for whoever comes with this header, for `vestibule check --probe`. The session is
    /// logged out.
    pub async fn believes(&self, trusted: &TrustedHeader, name: &str) -> Result<bool, LmsError> {
        let who = HeaderIdentity { username: name.to_owned(), first_name: None, last_name: None, email: None };
        let headers = self.told(trusted, &who, super::own_address())?;
        let Some((_, cookies)) = self.knock(headers).await? else { return Ok(false) };
        self.end_session(&cookies).await?;
        Ok(true)
    }

    /// The session that the LMS opened for these headers; `None` where it did not believe them.
    async fn knock(&self, headers: HeaderMap) -> Result<Option<(Answer, Vec<(String, String)>)>, LmsError> {
        // No cookie goes with it: a session that somebody held before must not become this user's.
        let answer = self.fetch_with(headers, Method::GET, DOOR, &[], None, PAGE_LIMIT).await?;
        let cookies: Vec<_> = answer.cookies().into_iter().filter(|(name, _)| super::is_session_cookie(name)).collect();
        match answer.status {
            StatusCode::SEE_OTHER | StatusCode::FOUND if !cookies.is_empty() => Ok(Some((answer, cookies))),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(LmsError::Unsuitable(format!("the LMS answered the header login with HTTP {status}"))),
        }
    }

    pub(super) async fn header_mint(
        &self,
        who: &HeaderIdentity,
        service: &str,
        client: ClientAddr,
    ) -> Result<Judgement, LmsError> {
        let (token, private_token, log_user) = match self.ask_by_header(who, service, client).await? {
            Asked::Issued { token, private_token, log_user } => (token, private_token, log_user),
            Asked::Refused(judgement) => return Ok(judgement),
        };
        let user = self.owner_of(&token, client).await?.ok_or_else(|| {
            LmsError::Unsuitable(
                "the LMS issued a token but does not say whose: add core_webservice_get_site_info to the service"
                    .into(),
            )
        })?;
        let held = Held::Token { service: service.to_owned(), token: token.expose().clone(), private_token, log_user };
        Ok(Judgement::Accepted { user, held })
    }

    /// `token.php` believes the header with any password. An empty one goes with it, which no plugin of Moodle's takes
    /// for right: if the header is not believed, nothing else is.
    async fn ask_by_header(&self, who: &HeaderIdentity, service: &str, client: ClientAddr) -> Result<Asked, LmsError> {
        let body = encode_form(&[("username", &who.username), ("password", ""), ("service", service)]);
        match self.ask_token_with(self.trusted(who, client)?, body).await? {
            // The chain said OK before: `invalidlogin` is not about a password.
            Asked::Refused(Judgement::Refused(_)) => Err(not_believed()),
            asked => Ok(asked),
        }
    }

    /// The id from the session itself; the name from the answer where it is told (`headerloguser` 3), else from a token
    /// of the same user.
    async fn owner_of_session(
        &self,
        who: &HeaderIdentity,
        answer: &Answer,
        cookies: &[(String, String)],
        client: ClientAddr,
    ) -> Result<LmsUser, LmsError> {
        let id = self.who_is(cookies, client).await?.filter(|id| *id != self.guest()).ok_or_else(|| {
            LmsError::Unsuitable(
                "the LMS answered the header login with a session that does not say whose it is; header sign-in needs \
                 Moodle 3.7 or later"
                    .into(),
            )
        })?;
        // Modes 1 and 2 say an id or a full name. Only what equals the name that was sent is surely the name; anything
        // else is asked for.
        let stated = super::log_user(&answer.headers).filter(|name| *name == who.username);
        match stated.filter(|name| name.parse::<u64>().is_err()) {
            Some(name) => Ok(LmsUser { id, username: Some(name), name: None }),
            None => self.name_by_token(who, id, client).await,
        }
    }

    async fn name_by_token(
        &self,
        who: &HeaderIdentity,
        id: LmsUserId,
        client: ClientAddr,
    ) -> Result<LmsUser, LmsError> {
        let owner = match self.ask_by_header(who, APP_SERVICE, client).await? {
            Asked::Issued { token, .. } => self.owner_of(&token, client).await?,
            // Web services are off, or the account may not use them: the name cannot be asked.
            Asked::Refused(_) => None,
        };
        match owner {
            Some(owner) if owner.id == id => Ok(owner),
            Some(_) => Err(LmsError::Unsuitable("the LMS took one header for two users".into())),
            None => Ok(LmsUser { id, username: None, name: None }),
        }
    }

    /// Whether there is a header to sign in by.
    pub(super) fn has_header(&self) -> Result<(), LmsError> {
        self.ring.load().trusted_header(&self.site).map(|_| ()).ok_or_else(|| self.no_header())
    }

    fn no_header(&self) -> LmsError {
        LmsError::Unsuitable(format!(
            "the keyring holds no header name for this site: run `vestibule keys rotate-header {}`",
            self.site
        ))
    }

    /// Every header of a call that signs somebody in.
    fn trusted(&self, who: &HeaderIdentity, client: ClientAddr) -> Result<HeaderMap, LmsError> {
        let ring = self.ring.load();
        let trusted = ring.trusted_header(&self.site).ok_or_else(|| self.no_header())?;
        self.told(trusted, who, client)
    }

    fn told(&self, trusted: &TrustedHeader, who: &HeaderIdentity, client: ClientAddr) -> Result<HeaderMap, LmsError> {
        if !is_plain_name(&who.username) {
            return Err(LmsError::Name);
        }
        let mut headers = self.own_headers(client);
        let mut say = |name: &Secret<String>, value: &str| {
            let name = HeaderName::from_bytes(name.expose().as_bytes());
            if let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        };
        say(trusted.user(), &who.username);
        for (attribute, value) in [
            (Attribute::FirstName, who.first_name.as_deref().and_then(name_value)),
            (Attribute::LastName, who.last_name.as_deref().and_then(name_value)),
            (Attribute::Email, who.email.as_deref().and_then(address_value)),
        ] {
            if let Some(value) = value {
                say(&trusted.attribute(attribute), &value);
            }
        }
        Ok(headers)
    }
}

/// `[a-z0-9._@-]{1,100}` (design §2 "Binding to the LMS").
fn is_plain_name(name: &str) -> bool {
    let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'@' | b'-');
    (1..=MAX_USERNAME).contains(&name.len()) && name.bytes().all(plain)
}

/// A name as it is, in UTF-8. Not percent-encoded like the identity headers (attack B5): the plugin stores the bytes it
/// finds, so `%C3%9Cnal` would be somebody's name; bytes from 0x80 on are allowed in a field (RFC 9110 §5.5, obs-text)
/// and web servers hand them on. What could end the field goes. `;` separates values there, and all after the first
/// are thrown away (`get_first_string`, all versions).
fn name_value(text: &str) -> Option<String> {
    let spaced = text.chars().map(|c| match c {
        c if c.is_control() || c.is_whitespace() => ' ',
        ';' => ',',
        c => c,
    });
    let value: String = spaced.collect();
    let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
    let value: String = words.join(" ").chars().take(MAX_ATTRIBUTE).collect();
    Some(value.trim_end().to_owned()).filter(|value| !value.is_empty())
}

/// An address whole or not at all: one that was changed is somebody else's.
fn address_value(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = text.chars().count() <= MAX_ATTRIBUTE && text.contains('@');
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != ';';
    (fits && text.chars().all(plain)).then(|| text.to_owned())
}

fn not_believed() -> LmsError {
    LmsError::HeaderRefused(
        "the LMS did not believe the trusted header: either its setting auth_shibboleth/user_attribute is not this \
         site's header name or the plugin is not enabled (deploy/moodle/header-on.sh), or this user's `auth` is not \
         `shibboleth`, or the user is suspended there"
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn j1_only_names_that_fold_to_nothing_else_are_told() {
        for name in ["student1", "a.b_c@example-1.org", &"a".repeat(100)] {
            assert!(is_plain_name(name), "{name}");
        }
        for name in ["", "studént1", "ＳＴＵＤＥＮＴ1", "Student1", "student1 ", " a", "a\n", "a\0", &"a".repeat(101)]
        {
            assert!(!is_plain_name(name), "{name:?}");
        }
    }

    #[test]
    fn b5_names_keep_their_letters_and_never_end_their_field() {
        assert_eq!(name_value(" Ünal\r\nX-V-1: root ").as_deref(), Some("Ünal X-V-1: root"));
        assert_eq!(name_value("Lab; the second").as_deref(), Some("Lab, the second"));
        for empty in ["", "  ", "\u{0}", "\r\n"] {
            assert_eq!(name_value(empty), None, "{empty:?}");
        }
        assert_eq!(address_value(" a@example.test ").as_deref(), Some("a@example.test"));
        for bad in ["", "a", "a@b;c@d", "a@b\r\nX: y", "a b@c", &format!("{}@example.test", "a".repeat(100))] {
            assert_eq!(address_value(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn b5_whatever_a_source_says_is_one_field_or_none(text: String) {
            for value in [name_value(&text), address_value(&text)].into_iter().flatten() {
                prop_assert!(!value.is_empty() && value.chars().count() <= MAX_ATTRIBUTE);
                prop_assert!(HeaderValue::from_bytes(value.as_bytes()).is_ok());
                prop_assert!(!value.contains(';'));
            }
        }
    }

    #[test]
    fn the_settings_name_the_variables_that_php_makes_of_the_headers() {
        let trusted = TrustedHeader::parse("X-V-0123456789abcdef0123456789abcdef").unwrap();
        let settings = header_settings(&trusted);
        let variable = "HTTP_X_V_0123456789ABCDEF0123456789ABCDEF";
        assert!(settings[0].ends_with(&format!("--name=user_attribute --set={variable}")), "{settings:?}");
        assert!(settings[1].ends_with(&format!("--name=field_map_firstname --set={variable}_FIRSTNAME")));
    }
}
