//! The browser's sign-in: the form, its POST, and the way out.
//!
//! The order of checks is the recorded one: a `testsession` parameter suppresses credentials, the
//! logintoken comes before the password, and every failure looks alike from outside.

use crate::accounts::GUEST;
use crate::html;
use crate::php::{self, Value};
use crate::random;
use crate::reply::Reply;
use crate::visit::Visit;

const INVALID: &str = "Invalid login, please try again";
const COOKIES: &str = "Cookies are currently not enabled in your browser";
const TIMED_OUT: &str = "Your session has timed out. Please log in again.";

/// `/login/index.php`.
pub(crate) fn index(visit: &mut Visit) -> Reply {
    visit.session();
    if let Some(asked) = visit.request.param("testsession") {
        return test_session(visit, asked.trim().parse().unwrap_or(0));
    }
    match credentials(visit) {
        Some((username, password)) => sign_in(visit, &username, &password),
        None => form(visit),
    }
}

/// Credentials count in the body only, and only as text.
fn credentials(visit: &Visit) -> Option<(String, String)> {
    let post = &visit.request.post;
    let Some(Value::Text(username)) = post.get("username") else {
        return None;
    };
    let password = match post.get("password") {
        Some(Value::Text(password)) => password,
        _ => "",
    };
    Some((username.to_owned(), password.to_owned()))
}

fn test_session(visit: &mut Visit, asked: u64) -> Reply {
    match visit.user() {
        Some(user) if user == asked => Reply::see_other(landing(visit)),
        _ => html::login_page(visit, Some(COOKIES)),
    }
}

/// Where a fresh sign-in goes: the page that was wanted (once), else the dashboard.
fn landing(visit: &mut Visit) -> String {
    let guest = visit.user() == Some(GUEST);
    let wanted = visit.session().wants_url.take();
    wanted.unwrap_or_else(|| visit.www(if guest { "/" } else { "/my/" }))
}

fn form(visit: &mut Visit) -> Reply {
    let message = visit.session().login_message.take();
    if let Some(member) = visit.member() {
        return already(visit, member);
    }
    if let Some(url) = visit.site.settings.alternate_login_url.clone() {
        return Reply::see_other(url);
    }
    let timed_out = visit.timed_out.then_some(TIMED_OUT);
    html::login_page(visit, message.or(timed_out))
}

fn already(visit: &mut Visit, member: u64) -> Reply {
    let name = visit.site.accounts.get(member).map(|a| a.full_name());
    let sesskey = visit.session().sesskey.clone();
    let content = format!(
        "<div class=\"card\"><p>You are already logged in as {}. Log out before logging in as somebody else.</p>\
         <form action=\"{www}/login/logout.php\" method=\"post\"><input type=\"hidden\" name=\"sesskey\" value=\"{sesskey}\">\
         <button class=\"btn\" type=\"submit\">Log out</button></form></div>",
        php::html(&name.unwrap_or_default()),
        www = php::html(&visit.site.www.clone()),
    );
    html::page(visit, "Confirm", &content)
}

fn sign_in(visit: &mut Visit, username: &str, password: &str) -> Reply {
    if !right_login_token(visit) {
        return failed(visit);
    }
    if php::username(username) == "guest" && !visit.site.settings.guest_login {
        return failed(visit);
    }
    let claims = visit.claims();
    let settings = visit.site.settings.clone();
    let accounts = &mut visit.site.accounts;
    match accounts.authenticate(username, password, claims.as_ref(), &settings) {
        Ok(user) => signed_in(visit, user),
        Err(_) => failed(visit),
    }
}

fn signed_in(visit: &mut Visit, user: u64) -> Reply {
    let Some(account) = visit.site.accounts.get(user).cloned() else {
        return failed(visit);
    };
    if !account.confirmed {
        let content = format!(
            "<div class=\"card\"><p>An e-mail was sent to {}. It says how to confirm this account.</p></div>",
            php::html(&account.email)
        );
        return html::page(visit, "Confirm your account", &content);
    }
    visit.sign_in(user);
    if visit.site.settings.expiry_page {
        let content = "<div class=\"card\"><p>Your password will expire in 3 days.</p></div>";
        return html::page(visit, "Password", content);
    }
    if account.must_change {
        return Reply::see_other(visit.www("/login/change_password.php"));
    }
    if account.auth != "shibboleth" && user != GUEST {
        visit.remember_username(&account.username);
    }
    Reply::see_other(visit.www(&format!("/login/index.php?testsession={user}")))
}

/// The message waits in the session for the next view of the page; if one is waiting already it
/// is shown at once.
fn failed(visit: &mut Visit) -> Reply {
    if let Some(url) = visit.site.settings.alternate_login_url.clone() {
        let glue = if url.contains('?') { '&' } else { '?' };
        return Reply::see_other(format!("{url}{glue}errorcode=3"));
    }
    if let Some(message) = visit.session().login_message.take() {
        return html::login_page(visit, Some(message));
    }
    visit.session().login_message = Some(INVALID);
    Reply::see_other(visit.www("/login/index.php"))
}

/// The token of the session's form, made at first use.
pub(crate) fn login_token(visit: &mut Visit) -> String {
    visit.session().login_token.get_or_insert_with(|| random::alphanumeric(32)).clone()
}

/// A validation uses the token up, right or wrong.
fn right_login_token(visit: &mut Visit) -> bool {
    let expected = visit.session().login_token.take();
    if visit.site.settings.alternate_login_url.is_some() {
        return true;
    }
    let sent = match visit.request.post.get("logintoken") {
        Some(Value::Text(sent)) => Some(sent.to_owned()),
        _ => None,
    };
    expected.is_some() && expected == sent
}

/// `/login/logout.php`.
pub(crate) fn logout(visit: &mut Visit) -> Reply {
    if visit.user().is_none() {
        return Reply::see_other(visit.www("/"));
    }
    let sent = visit.request.param("sesskey").map(str::to_owned);
    let sesskey = visit.session().sesskey.clone();
    if sent.as_deref() == Some(&sesskey) {
        visit.sign_out();
        return Reply::see_other(visit.www("/"));
    }
    let content = format!(
        "<div class=\"card\"><p>Do you really want to log out?</p>\
         <form action=\"{www}/login/logout.php\" method=\"post\"><input type=\"hidden\" name=\"sesskey\" value=\"{sesskey}\">\
         <button class=\"btn\" type=\"submit\">Log out</button></form></div>",
        www = php::html(&visit.site.www.clone()),
    );
    html::page(visit, "Log out", &content)
}
