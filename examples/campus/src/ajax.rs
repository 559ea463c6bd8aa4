//! `/lib/ajax/service.php` and its cookie-less twin `service-nologin.php`.
//!
//! A request carries several calls; the answer has one element each and stops at the first
//! error. Every element must be judged by itself: the twin runs a password oracle too.

use crate::accounts::GUEST;
use crate::functions::{self, APP_REQUIRED};
use crate::mobile;
use crate::php;
use crate::reply::{JSON, NO_STORE, Reply};
use crate::visit::Visit;
use serde_json::{Value, json};

/// Which of the two scripts runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Session,
    NoLogin,
}

/// An error: code, the component its text belongs to, text.
struct Problem(&'static str, &'static str, &'static str);

const NOT_AVAILABLE: Problem = Problem(
    "servicenotavailable",
    "webservice",
    "Web service is not available. (It doesn't exist or might be disabled.)",
);
const REQUIRES_LOGIN: Problem = Problem(
    "servicerequireslogin",
    "webservice",
    "Web service is not available. (The session has been logged out or has expired.)",
);
const BAD_SESSKEY: Problem =
    Problem("invalidsesskey", "moodle", "Your session has most likely timed out. Please log in again.");
const CONTEXT_LOGIN: Problem = Problem("requireloginerror", "moodle", "Course or activity not accessible.");
const INVALID_LOGIN: Problem = Problem("invalidlogin", "moodle", "Invalid login, please try again");

/// Answers all calls of the request.
pub(crate) fn service(visit: &mut Visit, door: Door) -> Reply {
    let user = match door {
        Door::Session => visit.user(),
        Door::NoLogin => None,
    };
    let sesskey = match door {
        Door::Session => visit.request.param("sesskey").unwrap_or_default() == visit.session().sesskey,
        Door::NoLogin => false,
    };
    let Some(calls) = calls(visit) else {
        return reply(
            door,
            &json!({
                "error": "Coding error detected, it must be fixed by a programmer: Invalid json in request",
                "errorcode": "codingerror", "stacktrace": null, "debuginfo": null, "reproductionlink": null,
            }),
        );
    };
    let mut answers = Vec::new();
    for call in &calls {
        let name = call["methodname"].as_str().unwrap_or_default();
        let result = match member_function(visit, name) {
            true => match (door, user) {
                (Door::NoLogin, _) | (_, None) => Err(REQUIRES_LOGIN),
                (Door::Session, Some(_)) if !sesskey => Err(BAD_SESSKEY),
                (Door::Session, Some(user)) => as_member(visit, name, user),
            },
            false => as_anyone(visit, name, &call["args"], user),
        };
        match result {
            Ok(data) => answers.push(json!({"error": false, "data": data})),
            Err(problem) => {
                answers.push(exception(visit, &problem));
                break;
            }
        }
    }
    reply(door, &Value::Array(answers))
}

/// The body of a POST, else the query's `args`.
fn calls(visit: &Visit) -> Option<Vec<Value>> {
    let request = visit.request;
    let text = match request.body.is_empty() {
        true => request.param("args")?.to_owned(),
        false => String::from_utf8_lossy(&request.body).into_owned(),
    };
    match serde_json::from_str(&text).ok()? {
        Value::Array(calls) => Some(calls),
        _ => None,
    }
}

/// Functions that need a session and its sesskey.
fn member_function(visit: &Visit, name: &str) -> bool {
    match name {
        "core_session_time_remaining" => visit.site.settings.time_remaining,
        "core_session_touch"
        | "core_get_fragment"
        | "core_course_get_enrolled_courses_by_timeline_classification"
        | "core_message_get_unread_conversations_count"
        | "message_popup_get_unread_popup_notification_count" => true,
        _ => false,
    }
}

fn as_member(visit: &mut Visit, name: &str, user: u64) -> Result<Value, Problem> {
    match name {
        "core_session_time_remaining" => Ok(json!({
            "userid": user,
            "timeremaining": visit.site.settings.session_timeout_secs,
        })),
        "core_session_touch" => Ok(json!(true)),
        "core_course_get_enrolled_courses_by_timeline_classification" => {
            let acting = visit.acting;
            visit.acting = Some(user);
            let courses = functions::courses(visit, user);
            visit.acting = acting;
            Ok(json!({"courses": courses, "nextoffset": 1}))
        }
        "core_get_fragment" => Ok(json!({"html": "", "javascript": ""})),
        _ => Ok(json!(0)),
    }
}

/// The list of functions that need no login.
fn as_anyone(visit: &mut Visit, name: &str, args: &Value, user: Option<u64>) -> Result<Value, Problem> {
    let text = |key: &str| args[key].as_str().unwrap_or_default().to_owned();
    match name {
        "core_fetch_notifications" => match user.filter(|&user| user != GUEST) {
            Some(_) => Ok(json!([])),
            None => Err(CONTEXT_LOGIN),
        },
        "core_get_string" => Ok(json!(format!("[{}]", text("stringid")))),
        "core_get_strings" | "core_get_component_strings" => Ok(json!([])),
        "core_output_load_template" => Ok(json!("")),
        "core_output_load_fontawesome_icon_map" | "core_output_load_fontawesome_icon_system_map" => Ok(json!([])),
        "tool_mobile_get_public_config" => Ok(public_config(visit)),
        "tool_mobile_get_plugins_supporting_mobile" => Ok(json!({"plugins": [], "warnings": []})),
        "tool_mobile_get_tokens_for_qr_login" => qr_login(visit, args),
        "core_auth_resend_confirmation_email" => resend(visit, &text("username"), &text("password")),
        "core_auth_request_password_reset" => {
            Err(Problem("cannotmailconfirm", "moodle", "Error sending password change confirmation email"))
        }
        "auth_email_get_signup_settings" | "auth_email_signup_user" => {
            Err(Problem("registrationdisabled", "moodle", "Registration is disabled on this site"))
        }
        _ => Err(NOT_AVAILABLE),
    }
}

fn public_config(visit: &Visit) -> Value {
    let mut config = functions::recorded(visit, include_str!("../recordings/public_config.json"));
    let settings = &visit.site.settings;
    config["typeoflogin"] = settings.type_of_login.into();
    config["enablewebservices"] = u8::from(settings.enable_web_services).into();
    config["maintenanceenabled"] = u8::from(settings.maintenance).into();
    config["authloginviaemail"] = u8::from(settings.auth_login_via_email).into();
    config["registerauth"] = settings.register_auth.clone().into();
    config["guestlogin"] = u8::from(settings.guest_login).into();
    if settings.shibboleth.is_some()
        && let Some(fields) = config.as_object_mut()
    {
        // in the recorded order: after the QR type, before the warnings
        let warnings = fields.remove("warnings").unwrap_or_default();
        let url = format!("{}/auth/shibboleth/index.php", visit.site.www);
        let providers = json!([{"name": "Shibboleth", "iconurl": "", "url": url}]);
        fields.insert("identityproviders".into(), providers);
        fields.insert("warnings".into(), warnings);
    }
    config
}

fn qr_login(visit: &mut Visit, args: &Value) -> Result<Value, Problem> {
    if !visit.request.is_app() {
        return Err(Problem("apprequired", "tool_mobile", APP_REQUIRED));
    }
    let user = match &args["userid"] {
        Value::String(text) => text.parse().unwrap_or(0),
        other => other.as_u64().unwrap_or(0),
    };
    let key = args["qrloginkey"].as_str().unwrap_or_default();
    if !mobile::take_qr_key(visit.site, key, user) {
        return Err(Problem("invalidkey", "moodle", "Incorrect key"));
    }
    visit.acting = Some(user);
    let (token, _) = visit.site.issue_token(user, "moodle_mobile_app");
    let private = visit.site.private_of(&token);
    Ok(json!({"token": token.value, "privatetoken": private, "warnings": []}))
}

/// The password oracle: runs the whole login check, and names nobody in `X-MOODLEUSER`.
fn resend(visit: &mut Visit, username: &str, password: &str) -> Result<Value, Problem> {
    let claims = visit.claims();
    let settings = visit.site.settings.clone();
    let accounts = &mut visit.site.accounts;
    let user = accounts.authenticate(username, password, claims.as_ref(), &settings);
    let user = user.map_err(|_| INVALID_LOGIN)?;
    match accounts.get(user).is_some_and(|a| a.confirmed) {
        true => Err(Problem("alreadyconfirmed", "moodle", "Registration has already been confirmed")),
        false => Ok(json!({"status": true, "warnings": []})),
    }
}

fn exception(visit: &Visit, problem: &Problem) -> Value {
    let Problem(code, component, message) = problem;
    json!({"error": true, "exception": {
        "message": message, "errorcode": code, "link": visit.www("/"),
        "moreinfourl": format!("https://docs.moodle.org/402/en/error/{component}/{code}"),
    }})
}

fn reply(door: Door, value: &Value) -> Reply {
    let reply = Reply::new(200, JSON, php::json(value));
    match door {
        Door::Session => reply.with("Cache-Control", NO_STORE),
        Door::NoLogin => reply,
    }
}
