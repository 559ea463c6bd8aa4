//! Moodle's token endpoint as a judge, and what a token says of its owner (`moodle-wire.md` §7, §8, §11).

use super::{Moodle, encode_form};
use crate::{
    lms::{Held, Judgement, LmsError, LmsUser, LoginForm},
    outbound::Answer,
    types::{ClientAddr, LmsUserId, Password, Secret},
};
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;

const ANSWER_LIMIT: usize = 4 << 20;
const TOKEN: &str = "/login/token.php";
const REST: &str = "/webservice/rest/server.php?moodlewsrestformat=json";

/// token.php's answer.
pub(super) enum Asked {
    Issued { token: Secret<String>, private_token: Option<String>, log_user: Option<String> },
    Refused(Judgement),
}

impl Moodle {
    pub(super) async fn token_sign_in(
        &self,
        username: &str,
        password: &Password,
        service: &str,
        client: ClientAddr,
    ) -> Result<Judgement, LmsError> {
        let (token, private_token, log_user) = match self.ask_token(username, password, service, client).await? {
            Asked::Issued { token, private_token, log_user } => (token, private_token, log_user),
            Asked::Refused(judgement) => return Ok(judgement),
        };
        let user = match self.owner_of(&token, client).await? {
            Some(user) => user,
            // A service without site_info: the form, on a session that is ended at once, says who it is.
            None => self.owner_by_form(username, password, client).await?,
        };
        let held = Held::Token { service: service.to_owned(), token: token.expose().clone(), private_token, log_user };
        Ok(Judgement::Accepted { user, held })
    }

    /// token.php alone, without asking whose token it gives.
    async fn ask_token(
        &self,
        username: &str,
        password: &Password,
        service: &str,
        client: ClientAddr,
    ) -> Result<Asked, LmsError> {
        let body = encode_form(&[("username", username), ("password", password.expose()), ("service", service)]);
        self.ask_token_with(self.own_headers(client), body).await
    }

    /// `body` is the form, `headers` all that goes with it.
    pub(super) async fn ask_token_with(&self, headers: HeaderMap, body: String) -> Result<Asked, LmsError> {
        let answer = self.fetch_with(headers, Method::POST, TOKEN, &[], Some(body), ANSWER_LIMIT).await?;
        let json = json_of(&answer)?;
        let Some(token) = json.get("token").and_then(Value::as_str).filter(|t| is_token(t)) else {
            return refused(answer, &json).map(Asked::Refused);
        };
        let token = Secret::new(token.to_owned());
        let private_token = json.get("privatetoken").and_then(Value::as_str).map(str::to_owned);
        Ok(Asked::Issued { token, private_token, log_user: super::log_user(&answer.headers) })
    }

    /// Who a password just proven belongs to, by a token of the app's own service.
    pub(super) async fn owner_by_app_service(
        &self,
        form: &LoginForm,
        client: ClientAddr,
    ) -> Result<Option<LmsUser>, LmsError> {
        match self.ask_token(&form.username, &form.password, super::APP_SERVICE, client).await? {
            Asked::Issued { token, .. } => self.owner_of(&token, client).await,
            Asked::Refused(_) => Ok(None),
        }
    }

    pub(super) async fn owner_of(
        &self,
        token: &Secret<String>,
        client: ClientAddr,
    ) -> Result<Option<LmsUser>, LmsError> {
        let info = self.call(token, "core_webservice_get_site_info", &[], client, None).await?;
        let Some(id) = info.get("userid").and_then(Value::as_u64) else { return Ok(None) };
        let text = |key: &str| info.get(key).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
        Ok(Some(LmsUser { id: LmsUserId(id), username: text("username"), name: text("fullname") }))
    }

    async fn owner_by_form(
        &self,
        username: &str,
        password: &Password,
        client: ClientAddr,
    ) -> Result<LmsUser, LmsError> {
        let form = LoginForm { username: username.to_owned(), password: password.clone(), others: Vec::new() };
        match self.form_sign_in(&form, client).await? {
            Judgement::Accepted { user, held: Held::Session { cookies, .. } } => {
                self.log_out_later(cookies);
                Ok(user)
            }
            Judgement::Accepted { .. } | Judgement::Refused(_) | Judgement::Barred(_) => Err(LmsError::Unsuitable(
                "the LMS issued a token but does not say whose: add core_webservice_get_site_info to the service"
                    .into(),
            )),
        }
    }

    /// A browser session by the autologin key of a token (Moodle 3.2+; once in 6 minutes, not for site
    /// administrators, needs the private token).
    pub(super) async fn session_by_autologin(
        &self,
        user: LmsUserId,
        held: &Held,
        client: ClientAddr,
    ) -> Result<Held, LmsError> {
        let Held::Token { token, private_token: Some(private), .. } = held else {
            return Err(no_private_token());
        };
        let agent = HeaderValue::from_static("MoodleMobile (vestibule)");
        let token = Secret::new(token.clone());
        let arguments = [("privatetoken", private.as_str())];
        let key = self.call(&token, "tool_mobile_get_autologin_key", &arguments, client, Some(agent)).await?;
        let Some(key) = key.get("key").and_then(Value::as_str).filter(|k| is_token(k)) else {
            let code = key.get("errorcode").and_then(Value::as_str).unwrap_or("no error code");
            return Err(LmsError::Unsuitable(format!("the LMS gave no autologin key: {code}")));
        };
        let target = format!("/admin/tool/mobile/autologin.php?userid={user}&key={key}");
        let answer = self.fetch(Method::GET, &target, &[], None, client, ANSWER_LIMIT).await?;
        let cookies: Vec<_> = answer.cookies().into_iter().filter(|(n, _)| super::is_session_cookie(n)).collect();
        // R9: whatever the LMS hands out is asked whose it is.
        if self.who_is(&cookies, client).await? != Some(user) {
            return Err(LmsError::Unsuitable("autologin opened no session, or another user's".into()));
        }
        let log_user = super::log_user(&answer.headers);
        Ok(Held::Session { cookies, location: "/my/".into(), log_user })
    }

    pub(super) async fn call(
        &self,
        token: &Secret<String>,
        function: &str,
        arguments: &[(&str, &str)],
        client: ClientAddr,
        agent: Option<HeaderValue>,
    ) -> Result<Value, LmsError> {
        let mut fields = arguments.to_vec();
        fields.extend([("wsfunction", function), ("wstoken", token.expose().as_str())]);
        let mut headers = self.own_headers(client);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(agent) = agent {
            headers.insert(header::USER_AGENT, agent);
        }
        let body = encode_form(&fields).into();
        json_of(&self.upstream.fetch(Method::POST, REST, headers, body, ANSWER_LIMIT).await?)
    }
}

pub(super) fn no_private_token() -> LmsError {
    LmsError::Unsuitable(
        "lms.judge: sessionless needs the private token, which Moodle gives over https only and never to site \
         administrators"
            .into(),
    )
}

/// An error of token.php is a refusal in the LMS's own words, whatever its code; anything else cannot be judged.
fn refused(answer: Answer, json: &Value) -> Result<Judgement, LmsError> {
    match json.get("errorcode").and_then(Value::as_str) {
        Some("requirecorrectaccess") => Err(LmsError::Unsuitable(
            "Moodle refuses this host or port: set $CFG->wwwroot to the public URL, and $CFG->reverseproxy = true if \
             the port is not 443"
                .into(),
        )),
        Some("sslonlyaccess") => Err(LmsError::Unsuitable("set $CFG->sslproxy = true in Moodle's config.php".into())),
        Some("invalidlogin") => Ok(Judgement::Refused(Box::new(answer))),
        // The service, the account's state, maintenance: nothing was wrong with the password (design §2: a right one
        // never counts).
        Some(_) => Ok(Judgement::Barred(Box::new(answer))),
        None => Err(LmsError::Unsuitable("token.php answered neither a token nor an error".into())),
    }
}

fn json_of(answer: &Answer) -> Result<Value, LmsError> {
    serde_json::from_slice(&answer.body)
        .map_err(|_| LmsError::Unsuitable(format!("the LMS answered HTTP {} and no JSON", answer.status)))
}

/// Moodle's tokens and keys: 32 hex digits; longer alphanumerics are allowed for by its parameter type.
fn is_token(text: &str) -> bool {
    (16..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}
