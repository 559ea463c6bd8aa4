//! Changing and recovering a password, confirming and unlocking an account.
//!
//! Two of these doors open an authenticated session without the sign-in form: the recovery POST
//! (303) and the confirmation link (a 200 page).

use crate::accounts::GUEST;
use crate::html;
use crate::php;
use crate::reply::Reply;
use crate::site::{CONFIRM_SECRET, RESET_TOKEN};
use crate::visit::Visit;

/// `/login/change_password.php`: same session before and after.
pub(crate) fn change(visit: &mut Visit) -> Result<Reply, Reply> {
    let Some(user) = visit.user().filter(|&user| user != GUEST) else {
        let here = visit.www("/login/change_password.php");
        visit.session().wants_url = Some(here);
        return Err(Reply::see_other(visit.www("/login/index.php")));
    };
    visit.context_instance = user;
    if visit.request.post.is_empty() {
        return Ok(change_form(visit, None));
    }
    visit.require_sesskey()?;
    let field = |name| visit.request.param(name).unwrap_or_default().to_owned();
    let (old, new, again) = (field("password"), field("newpassword1"), field("newpassword2"));
    let Some(account) = visit.site.accounts.get_mut(user) else {
        return Ok(html::error(visit, "Unknown user"));
    };
    if account.password.as_deref() != Some(&old) {
        return Ok(change_form(visit, Some("Invalid login, please try again")));
    }
    if new.is_empty() || new != again {
        return Ok(change_form(visit, Some("These passwords do not match")));
    }
    account.password = Some(new);
    account.must_change = false;
    let content = format!(
        "<div class=\"card\"><p>Password has been changed</p><p><a class=\"btn\" href=\"{}/my/\">Continue</a></p></div>",
        php::html(&visit.site.www)
    );
    Ok(html::page(visit, "Change password", &content))
}

fn change_form(visit: &mut Visit, problem: Option<&str>) -> Reply {
    let sesskey = visit.session().sesskey.clone();
    let problem =
        problem.map_or(String::new(), |text| format!("<div class=\"alert alert-danger\" role=\"alert\">{text}</div>"));
    let content = format!(
        "<div class=\"card\">{problem}<form action=\"{www}/login/change_password.php\" method=\"post\" id=\"changepassword\">\
         <input type=\"hidden\" name=\"id\" value=\"1\"><input type=\"hidden\" name=\"sesskey\" value=\"{sesskey}\">\
         <input type=\"hidden\" name=\"_qf__login_change_password_form\" value=\"1\">\
         <label for=\"id_password\">Current password</label><input type=\"password\" id=\"id_password\" name=\"password\" autocomplete=\"current-password\">\
         <label for=\"id_newpassword1\">New password</label><input type=\"password\" id=\"id_newpassword1\" name=\"newpassword1\" autocomplete=\"new-password\">\
         <label for=\"id_newpassword2\">New password (again)</label><input type=\"password\" id=\"id_newpassword2\" name=\"newpassword2\" autocomplete=\"new-password\">\
         <button class=\"btn\" type=\"submit\" name=\"submitbutton\" value=\"Save changes\">Save changes</button></form></div>",
        www = php::html(&visit.site.www.clone()),
    );
    html::page(visit, "Change password", &content)
}

/// `/login/forgot_password.php`: the mailed token moves into the session, then a new password
/// signs the browser in.
pub(crate) fn forgot(visit: &mut Visit) -> Result<Reply, Reply> {
    let has_new = visit.request.post.get("password").is_some();
    let token = visit.request.param("token").map(str::to_owned);
    if let (Some(token), false) = (&token, has_new) {
        visit.session().reset_token = Some(token.clone());
        return Ok(Reply::see_other(visit.www("/login/forgot_password.php")));
    }
    if has_new {
        visit.require_sesskey()?;
        let right = token.as_deref() == Some(RESET_TOKEN) && !visit.site.reset_used;
        let field = |name| visit.request.param(name).unwrap_or_default();
        let (new, again) = (field("password").to_owned(), field("password2").to_owned());
        let owner = visit.site.accounts.named("student2").map(|a| a.id);
        let Some(user) = owner.filter(|_| right && !new.is_empty() && new == again) else {
            return Ok(html::error(visit, "This password reset request is not valid."));
        };
        visit.site.reset_used = true;
        if let Some(account) = visit.site.accounts.get_mut(user) {
            account.password = Some(new);
            account.must_change = false;
        }
        visit.sign_in(user);
        return Ok(Reply::see_other(visit.www("/my/")));
    }
    if visit.request.post.get("username").is_some() || visit.request.post.get("email").is_some() {
        let content = "<div class=\"card\"><p>If the account exists, an e-mail is on its way to its address.</p></div>";
        return Ok(html::page(visit, "Forgotten password", content));
    }
    Ok(forgot_form(visit))
}

fn forgot_form(visit: &mut Visit) -> Reply {
    let www = php::html(&visit.site.www.clone()).into_owned();
    let sesskey = visit.session().sesskey.clone();
    let fields = match visit.session().reset_token.clone() {
        Some(token) => format!(
            "<input type=\"hidden\" name=\"token\" value=\"{}\"><input type=\"hidden\" name=\"_qf__login_set_password_form\" value=\"1\">\
             <input type=\"hidden\" name=\"username\" value=\"student2\">\
             <label for=\"id_password\">New password</label><input type=\"password\" id=\"id_password\" name=\"password\">\
             <label for=\"id_password2\">New password (again)</label><input type=\"password\" id=\"id_password2\" name=\"password2\">",
            php::html(&token)
        ),
        None => "<label for=\"id_username\">Username</label><input type=\"text\" id=\"id_username\" name=\"username\">"
            .into(),
    };
    let content = format!(
        "<div class=\"card\"><form action=\"{www}/login/forgot_password.php\" method=\"post\">\
         <input type=\"hidden\" name=\"sesskey\" value=\"{sesskey}\">{fields}\
         <button class=\"btn\" type=\"submit\">Continue</button></form></div>"
    );
    html::page(visit, "Forgotten password", &content)
}

/// `/login/confirm.php?data=SECRET/USER`: the first use signs in, inside a 200 page.
pub(crate) fn confirm(visit: &mut Visit) -> Reply {
    let data = visit.request.param("data").unwrap_or_default().to_owned();
    let (secret, name) = data.split_once('/').unwrap_or_default();
    let user = visit.site.accounts.named(name).map(|account| account.id);
    let right = secret == CONFIRM_SECRET && name == "student3";
    let Some(user) = user.filter(|_| right) else {
        return html::error(visit, "Invalid confirmation data");
    };
    if visit.site.confirm_used {
        visit.session();
        return html::page(
            visit,
            "Registration has already been confirmed",
            "<div class=\"card\"><p>Nothing is left to do.</p></div>",
        );
    }
    visit.site.confirm_used = true;
    if let Some(account) = visit.site.accounts.get_mut(user) {
        account.confirmed = true;
    }
    visit.sign_in(user);
    html::page(visit, "Your registration has been confirmed", "<div class=\"card\"><p>Welcome.</p></div>")
}

/// `/login/signup.php`.
pub(crate) fn signup(visit: &mut Visit) -> Reply {
    visit.session();
    if visit.site.settings.register_auth.is_empty() {
        return html::error(visit, "Registration is disabled on this site");
    }
    html::page(
        visit,
        "New account",
        "<div class=\"card\"><form method=\"post\"><label for=\"id_username\">Username</label>\
         <input type=\"text\" id=\"id_username\" name=\"username\"><button class=\"btn\" type=\"submit\">Create my new account</button></form></div>",
    )
}

/// `/login/unlock_account.php?u=&s=`: unlocks, and never signs in.
pub(crate) fn unlock(visit: &mut Visit) -> Reply {
    let id = visit.request.param("u").and_then(|id| id.parse().ok());
    let secret = visit.request.param("s").map(str::to_owned);
    let account = id.and_then(|id: u64| visit.site.accounts.get_mut(id));
    match account.filter(|account| secret.as_deref() == Some(&account.unlock_secret)) {
        Some(account) => {
            account.failures = 0;
            html::page(visit, "Account unlocked", "<div class=\"card\"><p>You may log in again.</p></div>")
        }
        None => html::error(visit, "This unlock link is not valid."),
    }
}

/// `/user/emailupdate.php?key=&id=`: changes the address without any sign-in.
pub(crate) fn email_update(visit: &mut Visit) -> Reply {
    let id = visit.request.param("id").and_then(|id| id.parse().ok());
    let key = visit.request.param("key").map(str::to_owned);
    let account = id.and_then(|id: u64| visit.site.accounts.get_mut(id));
    let changed = account.is_some_and(|account| {
        let pending = account.pending_email.take();
        match pending {
            Some((wanted, address)) if Some(&wanted) == key.as_ref() => {
                account.email = address;
                true
            }
            other => {
                account.pending_email = other;
                false
            }
        }
    });
    match changed {
        true => html::page(visit, "E-mail address", "<div class=\"card\"><p>The address has been changed.</p></div>"),
        false => html::page(
            visit,
            "E-mail address",
            "<div class=\"card\"><p>Nothing was changed: the link is no longer valid.</p></div>",
        ),
    }
}
