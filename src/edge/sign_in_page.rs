//! The gateway's own sign-in page, `/vestibule/sign-in`, where a site says `sign_in: header`. The browser's door all
//! the same: the chain is asked as for the LMS's form, and every refusal reads alike.

use super::{
    browser::stage_path,
    gate::{Gate, House},
    reply::{self, Reply},
    request::Incoming,
    rescue,
};
use crate::{
    flow::{self, FlowError, Refused, SignIn},
    lms::{self, Guest, LoginForm, moodle::params::Params},
    pages::{Button, SignInProblem, View},
    sessions::cookie,
    types::{Door, Password},
};
use http::header;

pub(super) const SIGN_IN: &str = "/vestibule/sign-in";
pub(super) const WITH_PASSKEY: &str = "/vestibule/sign-in/passkey";

impl House {
    /// Where somebody without a session is sent.
    pub(super) fn sign_in_path(&self) -> &'static str {
        match self.hall.site.sign_in {
            lms::SignIn::Form => "/login/index.php",
            lms::SignIn::Header => SIGN_IN,
        }
    }
}

impl Gate {
    pub(super) async fn sign_in_page(&self, house: &House, incoming: &Incoming) -> Reply {
        if house.sign_in_path() != SIGN_IN {
            return reply::see_other(house.sign_in_path());
        }
        match self.session(house, incoming).await {
            // A guest may become somebody.
            Ok(Some(session)) if session.account().is_some() => reply::see_other("/"),
            Ok(_) => self.show(incoming, 200, &self.sign_in_view(house, None, String::new())),
            Err(error) => self.story_failed(incoming, &FlowError::Store(error)),
        }
    }

    /// Its form. The body is our own page's: two fields, each once.
    pub(super) async fn sign_in_here(&self, house: &House, incoming: &Incoming, params: &Params) -> Reply {
        if house.sign_in_path() != SIGN_IN {
            return reply::see_other(house.sign_in_path());
        }
        let field = |name: &str| params.text(name).ok().flatten().unwrap_or_default().to_owned();
        let (username, password) = (field("username"), Password::new(field("password")));
        self.judge_form(house, incoming, LoginForm { username, password, others: Vec::new() }).await
    }

    /// A posted form, whosever page it stood on.
    pub(super) async fn judge_form(&self, house: &House, incoming: &Incoming, form: LoginForm) -> Reply {
        let typed = form.username.clone();
        let (wanted, caller) = (self.wanted(house, incoming), self.caller(incoming));
        match flow::sign_in(&self.desk, &house.hall, &caller, form, wanted).await {
            Ok(signed_in) => self.signed(house, incoming, signed_in, typed),
            Err(FlowError::SourceDown) => {
                self.metrics.sign_in(Door::Browser, "unavailable");
                self.source_down(house, incoming, typed)
            }
            Err(error) => {
                self.metrics.sign_in(Door::Browser, "unavailable");
                self.story_failed(incoming, &error)
            }
        }
    }

    /// How a sign-in ended, whatever it began with.
    pub(super) fn signed(&self, house: &House, incoming: &Incoming, signed_in: SignIn, typed: String) -> Reply {
        match signed_in {
            SignIn::Refused(Refused::Lms(answer)) => {
                self.metrics.sign_in(Door::Browser, "refused");
                self.lms_refusal(house, incoming, *answer)
            }
            SignIn::Refused(Refused::Ours) => {
                self.metrics.sign_in(Door::Browser, "refused");
                self.show(incoming, 422, &self.sign_in_view(house, Some(SignInProblem::Refused), typed))
            }
            SignIn::Continue(id, stage) => {
                self.metrics.sign_in(Door::Browser, "challenged");
                let mut answer = reply::see_other(stage_path(&stage));
                reply::add_cookie(&mut answer, &cookie::set(cookie::FLOW, id.expose()));
                answer
            }
            SignIn::SignedIn(signed_in) => self.welcome(house, incoming, *signed_in),
        }
    }

    /// The sign-in page again, after something that was not typed there.
    pub(super) fn sign_in_again(&self, house: &House, incoming: &Incoming, problem: SignInProblem) -> Reply {
        self.metrics.sign_in(Door::Browser, "refused");
        self.show(incoming, 422, &self.sign_in_view(house, Some(problem), String::new()))
    }

    /// The honest refusal, for every name alike: a source that might know it does not answer (attack X9).
    pub(super) fn source_down(&self, house: &House, incoming: &Incoming, typed: String) -> Reply {
        let view = match house.hall.site.sign_in {
            lms::SignIn::Form => View::SignInUnavailable,
            lms::SignIn::Header => self.sign_in_view(house, Some(SignInProblem::Unavailable), typed),
        };
        let mut answer = rescue::with_retry(self.show(incoming, 503, &view), 503);
        reply::set(answer.headers_mut(), header::CACHE_CONTROL, "no-store");
        answer
    }

    /// A passkey instead of name and password. The same origin was seen to.
    pub(super) async fn sign_in_with_passkey(&self, house: &House, incoming: &Incoming, params: &Params) -> Reply {
        if house.sign_in_path() != SIGN_IN {
            return reply::see_other(house.sign_in_path());
        }
        let field = |name: &str| params.text(name).ok().flatten().unwrap_or_default();
        let (wanted, caller) = (self.wanted(house, incoming), self.caller(incoming));
        let shown = (field("ticket"), field("code"));
        match flow::sign_in_by_passkey(&self.desk, &house.hall, &caller, shown, wanted).await {
            Ok(SignIn::Refused(_)) => self.sign_in_again(house, incoming, SignInProblem::Passkey),
            Ok(signed_in) => self.signed(house, incoming, signed_in, String::new()),
            Err(FlowError::SourceDown) => {
                self.metrics.sign_in(Door::Browser, "unavailable");
                self.source_down(house, incoming, String::new())
            }
            Err(error) => {
                self.metrics.sign_in(Door::Browser, "unavailable");
                self.story_failed(incoming, &error)
            }
        }
    }

    fn sign_in_view(&self, house: &House, problem: Option<SignInProblem>, username: String) -> View {
        let redirects = house.hall.instances.iter().filter_map(|instance| {
            instance.redirect.as_ref()?;
            Some(Button { source: instance.name.to_string(), label: instance.label().to_owned() })
        });
        let asks_lms = house.hall.instances.iter().any(|instance| instance.kind.name == "lms");
        let guest = asks_lms && house.hall.site.guest == Guest::Allow;
        // What cannot be a name is not written into the page again.
        let username = if username.len() <= 400 { username } else { String::new() };
        let passkey = flow::doorway(&self.desk, &house.hall);
        View::SignIn { problem, username, buttons: redirects.collect(), guest, passkey }
    }
}
