//! Signing in through Moodle's own login form, on a Moodle session that no browser has ever held.
//!
//! The exchange is the one recorded on Moodle 4.2 (`login-get`, `login-post-ok`, `login-post-wrong`,
//! `login-post-forcechange`): GET the form for its logintoken and a fresh session, POST the credentials, and judge
//! by "303 **and** a rotated cookie", never by the Location alone. Where the Location does not name the user, the
//! session itself is asked.

use super::{Moodle, encode_form, markers};
use crate::{
    lms::{Held, Judgement, Lms, LmsError, LmsUser, LoginForm},
    outbound::Answer,
    types::{ClientAddr, LmsUserId, Password},
};
use http::{Method, StatusCode, header};

/// The largest login or error page that is read whole: Moodle's dashboard is 210 kB.
const PAGE_LIMIT: usize = 4 << 20;
const LOGIN: &str = "/login/index.php";

type Cookies = Vec<(String, String)>;

impl Moodle {
    pub(super) async fn form_sign_in(&self, form: &LoginForm, client: ClientAddr) -> Result<Judgement, LmsError> {
        let (cookies, logintoken) = self.fresh_form(client).await?;
        let answer = self.post_form(&cookies, logintoken.as_deref(), form, client).await?;
        let rotated = self.rotated(&cookies, &answer);
        let jar = merge(&cookies, &answer.cookies());
        match (answer.status, rotated) {
            (StatusCode::SEE_OTHER | StatusCode::FOUND, true) => {
                let stated = test_session(&answer);
                self.accepted(form, answer, jar, stated, client).await
            }
            // Password-expiry pages authenticate with a 200 (Moodle's ldap plugin).
            (StatusCode::OK, true) => self.accepted(form, answer, jar, None, client).await,
            // An LMS that does not rotate: a Location alone proves nothing, but the session was never a browser's,
            // so asking it is safe (attack J14).
            (StatusCode::SEE_OTHER | StatusCode::FOUND, false) if test_session(&answer).is_some() => {
                self.accepted(form, answer, jar, None, client).await
            }
            (StatusCode::SEE_OTHER | StatusCode::FOUND | StatusCode::OK | StatusCode::FORBIDDEN, false) => {
                Ok(Judgement::Refused(Box::new(with_cookies(answer, &jar))))
            }
            (status, _) => Err(LmsError::Unsuitable(format!("the LMS answered the login form with HTTP {status}"))),
        }
    }

    /// A session of our own and the one-use token of its form (Moodle 3.6+; older ones and
    /// `disablelogintoken` have none).
    async fn fresh_form(&self, client: ClientAddr) -> Result<(Cookies, Option<String>), LmsError> {
        let page = self.fetch(Method::GET, LOGIN, &[], None, client, PAGE_LIMIT).await?;
        match page.status {
            StatusCode::OK | StatusCode::SEE_OTHER => Ok((page.cookies(), markers::logintoken(&page.text()))),
            status => Err(LmsError::Unsuitable(format!("the LMS's login page answered HTTP {status}"))),
        }
    }

    async fn post_form(
        &self,
        cookies: &Cookies,
        logintoken: Option<&str>,
        form: &LoginForm,
        client: ClientAddr,
    ) -> Result<Answer, LmsError> {
        let mut fields: Vec<(&str, &str)> = form.others.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        fields.extend(logintoken.map(|token| ("logintoken", token)));
        fields.push(("username", &form.username));
        fields.push(("password", form.password.expose()));
        let body = encode_form(&fields);
        self.fetch(Method::POST, LOGIN, cookies, Some(body), client, PAGE_LIMIT).await
    }

    /// A right password. Who it is comes from `testsession=`, else from the session, else from token.php.
    async fn accepted(
        &self,
        form: &LoginForm,
        answer: Answer,
        jar: Cookies,
        stated: Option<LmsUserId>,
        client: ClientAddr,
    ) -> Result<Judgement, LmsError> {
        let log_user = super::log_user(&answer.headers);
        let user = match stated {
            Some(id) => Some(id),
            None => self.who_is(&jar, client).await.inspect_err(|_| self.log_out_later(jar.clone()))?,
        };
        let user = match user {
            Some(id) => LmsUser { id, username: self.stated_name(form, log_user.as_deref()), name: None },
            None => self.owner_by_token(form, client).await.inspect_err(|_| self.log_out_later(jar.clone()))?,
        };
        let location = self.local_target(answer.header(header::LOCATION));
        Ok(Judgement::Accepted { user, held: Held::Session { cookies: self.keep(jar), location, log_user } })
    }

    /// `headerloguser` may show id, full name or username; only a value equal to the typed name is surely the last.
    fn stated_name(&self, form: &LoginForm, log_user: Option<&str>) -> Option<String> {
        let typed = self.canonical_username(&form.username);
        log_user.filter(|name| *name == typed && typed.parse::<u64>().is_err()).map(str::to_owned)
    }

    /// Before Moodle 3.7 no session can say whose it is; token.php with the password just proven can.
    async fn owner_by_token(&self, form: &LoginForm, client: ClientAddr) -> Result<LmsUser, LmsError> {
        match self.token_sign_in(&form.username, &form.password, super::APP_SERVICE, client).await {
            Ok(Judgement::Accepted { user, .. }) => Ok(user),
            Ok(Judgement::Refused(_)) | Err(_) => Err(LmsError::Unsuitable(
                "the LMS accepted a password but cannot say whose session it opened: enable web services and the \
                 mobile app service (Site administration → Mobile app), or use Moodle 3.7 or later"
                    .into(),
            )),
        }
    }

    /// `core_session_time_remaining` (Moodle 3.7+) names the session's own user, also while a password change is
    /// forced; it needs the sesskey of any page of that session. The login page itself is such a page.
    pub(super) async fn who_is(
        &self,
        cookies: &[(String, String)],
        client: ClientAddr,
    ) -> Result<Option<LmsUserId>, LmsError> {
        let Some(sesskey) = self.sesskey(cookies, client).await? else { return Ok(None) };
        let target = format!("/lib/ajax/service.php?sesskey={sesskey}&info=core_session_time_remaining");
        let call = r#"[{"index":0,"methodname":"core_session_time_remaining","args":{}}]"#;
        let answer = self.fetch_json(&target, cookies, call, client).await?;
        let id = answer.pointer("/0/data/userid").and_then(serde_json::Value::as_u64);
        Ok(id.filter(|id| *id != 0).map(LmsUserId))
    }

    async fn sesskey(&self, cookies: &[(String, String)], client: ClientAddr) -> Result<Option<String>, LmsError> {
        for page in [LOGIN, "/login/change_password.php"] {
            let answer = self.fetch(Method::GET, page, cookies, None, client, PAGE_LIMIT).await?;
            // A new cookie here means that this session was not known: it is nobody's.
            if self.rotated(cookies, &answer) {
                return Ok(None);
            }
            if let Some(sesskey) = markers::sesskey(&answer.text()) {
                return Ok(Some(sesskey));
            }
        }
        Ok(None)
    }

    pub(super) async fn end_session(&self, cookies: &[(String, String)]) -> Result<(), LmsError> {
        let client = super::own_address();
        if let Some(sesskey) = self.sesskey(cookies, client).await? {
            let target = format!("/login/logout.php?sesskey={sesskey}");
            self.fetch(Method::GET, &target, cookies, None, client, PAGE_LIMIT).await?;
        }
        Ok(())
    }

    /// A refusal of ours in the LMS's own words: the name, an empty password and a logintoken that cannot be valid,
    /// which Moodle checks before the password (`moodle-wire.md` §4).
    pub(super) async fn refusal_page(&self, canonical: &str, client: ClientAddr) -> Result<Answer, LmsError> {
        let (cookies, _) = self.fresh_form(client).await?;
        let form =
            LoginForm { username: canonical.to_owned(), password: Password::new(String::new()), others: Vec::new() };
        let answer = self.post_form(&cookies, Some("refused"), &form, client).await?;
        if self.rotated(&cookies, &answer) {
            return Err(LmsError::Unsuitable(
                "the LMS accepted an empty password; it must not be used as a source".into(),
            ));
        }
        let jar = merge(&cookies, &answer.cookies());
        Ok(with_cookies(answer, &jar))
    }

    /// Whether the answer replaced the session cookie that was sent.
    pub(super) fn rotated(&self, sent: &[(String, String)], answer: &Answer) -> bool {
        answer.cookies().iter().any(|(name, value)| {
            super::is_session_cookie(name) && !sent.iter().any(|(known, old)| known == name && old == value)
        })
    }

    /// Only what a browser needs to hold: the login page's other cookies name the user to the next visitor.
    fn keep(&self, jar: Cookies) -> Cookies {
        jar.into_iter().filter(|(name, _)| super::is_session_cookie(name)).collect()
    }
}

/// `testsession=N` of the Location, Moodle's own statement of who has just signed in.
fn test_session(answer: &Answer) -> Option<LmsUserId> {
    let location = answer.header(header::LOCATION)?;
    let (_, query) = location.split_once("/login/index.php?")?;
    let id = query.split('&').find_map(|pair| pair.strip_prefix("testsession="))?;
    id.parse().ok().map(LmsUserId)
}

fn merge(old: &Cookies, new: &Cookies) -> Cookies {
    let mut jar: Cookies = old.iter().filter(|(name, _)| !new.iter().any(|(n, _)| n == name)).cloned().collect();
    jar.extend(new.iter().cloned());
    jar
}

/// Puts the whole jar on an answer that is passed on, so that the browser's next GET finds the LMS's message.
fn with_cookies(mut answer: Answer, jar: &Cookies) -> Answer {
    answer.headers.remove(header::SET_COOKIE);
    for (name, value) in jar {
        if let Ok(value) = http::HeaderValue::from_str(&format!("{name}={value}")) {
            answer.headers.append(header::SET_COOKIE, value);
        }
    }
    answer
}
