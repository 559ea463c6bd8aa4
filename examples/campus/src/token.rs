//! `/login/token.php`: the app's sign-in. Any method, query and body merged, no cookies.

use crate::php;
use crate::reply::{JSON, Reply};
use crate::visit::Visit;
use serde_json::json;

/// Answers in the recorded order of checks.
pub(crate) fn token(visit: &mut Visit) -> Reply {
    if visit.request.param("appsitecheck").is_some_and(truthy) {
        return Reply::new(200, JSON, php::json(&json!({"appsitecheck": "ok"})))
            .with("Access-Control-Allow-Origin", "*");
    }
    if !visit.site.settings.enable_web_services {
        return Reply::app_error("enablewsdescription", "Web services must be enabled in Advanced features.");
    }
    let mut fields = [String::new(), String::new(), String::new()];
    for (field, name) in fields.iter_mut().zip(["username", "password", "service"]) {
        match visit.request.param(name) {
            Some(value) => *field = value.to_owned(),
            None => {
                return Reply::app_error("missingparam", &format!("A required parameter ({name}) was missing"));
            }
        }
    }
    let [username, password, service] = fields;
    issue(visit, &username, &password, &service)
}

fn issue(visit: &mut Visit, username: &str, password: &str, service: &str) -> Reply {
    let claims = visit.claims();
    let settings = visit.site.settings.clone();
    let accounts = &mut visit.site.accounts;
    let Ok(user) = accounts.authenticate(username, password, claims.as_ref(), &settings) else {
        return Reply::app_error("invalidlogin", "Invalid login, please try again");
    };
    let account = accounts.get(user).cloned();
    if settings.maintenance && !visit.site.is_admin(user) {
        return Reply::app_error(
            "sitemaintenance",
            "The site is undergoing maintenance and is currently not available",
        );
    }
    if user == crate::accounts::GUEST {
        return Reply::app_error("noguest", "No guests here!");
    }
    if let Some(account) = account.filter(|account| !account.confirmed) {
        return Reply::app_error("usernotconfirmed", &format!("Could not confirm {}", account.username));
    }
    visit.acting = Some(user);
    if !settings.services.iter().any(|known| known == service) {
        return Reply::app_error(
            "servicenotavailable",
            "Web service is not available. (It doesn't exist or might be disabled.)",
        );
    }
    let (token, _) = visit.site.issue_token(user, service);
    let private = visit.site.private_of(&token);
    Reply::app_json(&json!({"token": token.value, "privatetoken": private}))
}

/// PHP's idea of a true `PARAM_BOOL`.
fn truthy(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "on" | "yes")
}
