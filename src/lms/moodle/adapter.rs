//! The adapter's shell: how calls to Moodle are made, and the [`Lms`] port over the parts beside it.

use super::{APP_SERVICE, encode_form};
use crate::{
    keys::SharedKeyring,
    lms::{HeaderIdentity, Held, Judgement, Lms, LmsError, LmsUser, LoginForm, farewell},
    outbound::{Answer, Upstream},
    types::{ClientAddr, LmsUserId, Password, SiteName},
};
use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Moodle's `user.username` column.
pub(super) const MAX_USERNAME: usize = 100;

/// One Moodle behind the gateway. Cheap to clone: the client inside is shared.
#[derive(Clone)]
pub struct Moodle {
    pub(super) upstream: Upstream,
    /// `https://HOST[:PORT]`, which must equal Moodle's `wwwroot`.
    pub(super) public_url: String,
    /// Where the secret name of the site's trusted header is: looked up at each use, so that a rotation counts at once.
    pub(super) ring: SharedKeyring,
    pub(super) site: SiteName,
}

impl Moodle {
    pub fn new(upstream: Upstream, public_url: &str, ring: SharedKeyring, site: SiteName) -> Self {
        Self { upstream, public_url: public_url.trim_end_matches('/').to_owned(), ring, site }
    }

    pub(super) async fn fetch(
        &self,
        method: Method,
        target: &str,
        cookies: &[(String, String)],
        form: Option<String>,
        client: ClientAddr,
        limit: usize,
    ) -> Result<Answer, LmsError> {
        self.fetch_with(self.own_headers(client), method, target, cookies, form, limit).await
    }

    /// The same with headers beyond those of every call.
    pub(super) async fn fetch_with(
        &self,
        mut headers: HeaderMap,
        method: Method,
        target: &str,
        cookies: &[(String, String)],
        form: Option<String>,
        limit: usize,
    ) -> Result<Answer, LmsError> {
        let body = form.unwrap_or_default();
        if method == Method::POST {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        set_cookies(&mut headers, cookies);
        Ok(self.upstream.fetch(method, target, headers, body.into(), limit).await?)
    }

    pub(super) async fn fetch_json(
        &self,
        target: &str,
        cookies: &[(String, String)],
        body: &str,
        client: ClientAddr,
    ) -> Result<serde_json::Value, LmsError> {
        let mut headers = self.own_headers(client);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        set_cookies(&mut headers, cookies);
        let answer = self.upstream.fetch(Method::POST, target, headers, body.to_owned().into(), 1 << 20).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|_| LmsError::Unsuitable(format!("the LMS answered HTTP {} and no JSON", answer.status)))
    }

    /// What every call of ours carries: the address it is made for, so that Moodle's log and lockout see the user.
    pub(super) fn own_headers(&self, client: ClientAddr) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&client.to_string()) {
            headers.insert(HeaderName::from_static("x-forwarded-for"), value);
        }
        headers.insert(HeaderName::from_static("x-forwarded-proto"), HeaderValue::from_static("https"));
        headers
    }

    /// A path on this site out of a Location of the LMS; the front page for anything else.
    pub(super) fn local_target(&self, location: Option<&str>) -> String {
        let path = location.map(|l| l.strip_prefix(&self.public_url).unwrap_or(l)).unwrap_or("/");
        if path.starts_with('/') && !path.starts_with("//") { path.to_owned() } else { "/".to_owned() }
    }

    pub(super) fn log_out_later(&self, cookies: Vec<(String, String)>) {
        farewell::later(Arc::new(self.clone()), cookies);
    }

    /// The site's public configuration, as the mobile app asks for it.
    async fn public_config(&self) -> Result<serde_json::Value, LmsError> {
        let call = r#"[{"index":0,"methodname":"tool_mobile_get_public_config","args":{}}]"#;
        self.fetch_json(
            "/lib/ajax/service-nologin.php?info=tool_mobile_get_public_config",
            &[],
            call,
            super::own_address(),
        )
        .await
    }
}

#[async_trait]
impl Lms for Moodle {
    fn guest(&self) -> LmsUserId {
        super::GUEST
    }

    fn canonical_username(&self, typed: &str) -> String {
        canonical_username(typed)
    }

    async fn sign_in_by_form(&self, form: &LoginForm, client: ClientAddr) -> Result<Judgement, LmsError> {
        self.form_sign_in(form, client).await
    }

    async fn sign_in_by_token(
        &self,
        username: &str,
        password: &Password,
        service: &str,
        client: ClientAddr,
    ) -> Result<Judgement, LmsError> {
        self.token_sign_in(username, password, service, client).await
    }

    async fn sign_in_by_header(&self, who: &HeaderIdentity, client: ClientAddr) -> Result<Judgement, LmsError> {
        self.header_sign_in(who, client).await
    }

    async fn mint_by_header(
        &self,
        who: &HeaderIdentity,
        service: &str,
        client: ClientAddr,
    ) -> Result<Judgement, LmsError> {
        self.header_mint(who, service, client).await
    }

    async fn owner_by_password(&self, form: &LoginForm, client: ClientAddr) -> Result<Option<LmsUser>, LmsError> {
        self.owner_by_app_service(form, client).await
    }

    fn can_open(&self, held: &Held) -> Result<(), LmsError> {
        match held {
            Held::Session { .. } | Held::Token { private_token: Some(_), .. } => Ok(()),
            Held::ByHeader { .. } => self.has_header(),
            Held::Token { private_token: None, .. } => Err(super::app::no_private_token()),
        }
    }

    async fn open_session(&self, user: LmsUserId, held: &Held, client: ClientAddr) -> Result<Held, LmsError> {
        self.session_by_autologin(user, held, client).await
    }

    async fn who(&self, cookies: &[(String, String)]) -> Result<Option<LmsUserId>, LmsError> {
        self.who_is(cookies, super::own_address()).await
    }

    async fn log_out(&self, cookies: &[(String, String)]) -> Result<(), LmsError> {
        self.end_session(cookies).await
    }

    async fn render_refusal(&self, canonical: &str, client: ClientAddr) -> Result<Answer, LmsError> {
        self.refusal_page(canonical, client).await
    }

    async fn self_check(&self) -> Result<Option<String>, LmsError> {
        let probe = encode_form(&[("service", APP_SERVICE)]);
        let answer =
            self.fetch(Method::POST, "/login/token.php", &[], Some(probe), super::own_address(), 1 << 20).await?;
        let code = serde_json::from_slice::<serde_json::Value>(&answer.body)
            .ok()
            .and_then(|json| json.get("errorcode").and_then(|c| c.as_str()).map(str::to_owned));
        Ok(match (answer.status.as_u16(), code.as_deref()) {
            (300..=399, _) => Some(format!(
                "Moodle sends visitors elsewhere ({}): set $CFG->wwwroot = '{}'",
                answer.header(header::LOCATION).unwrap_or("no Location"),
                self.public_url
            )),
            (_, Some("requirecorrectaccess")) => Some(format!(
                "Moodle refuses this host or port: set $CFG->wwwroot = '{}', and $CFG->reverseproxy = true because \
                 the port Moodle listens on is not the public one",
                self.public_url
            )),
            (_, Some("sslonlyaccess")) => Some("the hop to Moodle is plain http: set $CFG->sslproxy = true".into()),
            (_, Some("reverseproxyabused")) => {
                Some("Moodle sees its own host and port: set $CFG->reverseproxy = false".into())
            }
            (_, Some(_)) => self.check_wwwroot(self.public_config().await?),
            (status, None) => {
                Some(format!("the upstream answered login/token.php with HTTP {status} and no JSON: is it a Moodle?"))
            }
        })
    }
}

impl Moodle {
    fn check_wwwroot(&self, config: serde_json::Value) -> Option<String> {
        let said = config.pointer("/0/data/httpswwwroot").and_then(|v| v.as_str()).unwrap_or_default();
        (said != self.public_url)
            .then(|| format!("Moodle's wwwroot is '{said}': set $CFG->wwwroot = '{}', the public URL", self.public_url))
    }
}

fn set_cookies(headers: &mut HeaderMap, cookies: &[(String, String)]) {
    if cookies.is_empty() {
        return;
    }
    let line: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if let Ok(value) = HeaderValue::from_str(&line.join("; ")) {
        headers.insert(header::COOKIE, value);
    }
}

/// The address of calls that no client caused.
pub(super) fn own_address() -> ClientAddr {
    ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Moodle's PARAM_USERNAME (trimmed, lower-cased, signs deleted; `lib/moodlelib.php`), and what its databases fold on
/// top of it: accents and wide forms, so that `álice` and `ａｌｉｃｅ` share a counter with `alice` (attacks E3, J1).
/// Letters that fold to nothing else stay, for sites with `extendedusernamechars`. Cut to the column's length.
fn canonical_username(typed: &str) -> String {
    let folded = typed.trim().nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    let plain = |c: &char| !c.is_ascii() || matches!(c, 'a'..='z' | '0'..='9' | '-' | '.' | '@' | '_');
    folded.filter(plain).filter(|c| c.is_alphanumeric() || c.is_ascii()).take(MAX_USERNAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r6_e3_spellings_of_one_moodle_name_share_one_canonical_form() {
        for typed in ["alice", "ALICE ", " al!ice", "Alice\u{200b}", "álice", "ａｌｉｃｅ", "ALİCE"] {
            assert_eq!(canonical_username(typed), "alice", "{typed:?}");
        }
        assert_eq!(canonical_username("alice@Example.org"), "alice@example.org");
        assert_eq!(canonical_username("Мария"), canonical_username("МАРИЯ"));
        assert_ne!(canonical_username("Мария"), canonical_username("Дарья"));
        assert_eq!(canonical_username(&"a".repeat(60_000)).len(), MAX_USERNAME);
    }
}
