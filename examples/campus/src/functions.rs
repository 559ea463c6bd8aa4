//! The web-service functions, and the one place where their results are made.

use crate::php;
use crate::random;
use crate::rest::{Caller, Exception};
use crate::site::OnceKey;
use crate::visit::{Request, Visit};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

const VERSION: &str = "2023042400";

/// The functions of the mobile service that the double knows.
const IN_SERVICE: &[&str] = &[
    "core_calendar_get_calendar_export_token",
    "core_course_get_contents",
    "core_enrol_get_users_courses",
    "core_user_get_users_by_field",
    "core_webservice_get_site_info",
    "tool_mobile_call_external_functions",
    "tool_mobile_get_autologin_key",
    "tool_mobile_get_config",
];

/// Functions that exist, but in no service of this site.
const ELSEWHERE: &[&str] = &["core_user_create_users", "core_user_get_users"];

/// Arguments from PHP's parameters or from JSON.
pub(crate) enum Arguments<'a> {
    Request(&'a Request),
    Json(Value),
}

impl<'a> Arguments<'a> {
    pub(crate) fn of_request(request: &'a Request) -> Arguments<'a> {
        Arguments::Request(request)
    }

    /// A scalar at `name[path…]`, as text.
    fn get(&self, name: &str, path: &[&str]) -> Option<String> {
        match self {
            Arguments::Request(request) if path.is_empty() => request.param(name).map(str::to_owned),
            Arguments::Request(request) => request.at(name, path).map(str::to_owned),
            Arguments::Json(value) => {
                let mut found = value.get(name)?;
                for step in path {
                    found = match step.parse::<usize>() {
                        Ok(index) => found.get(index)?,
                        Err(_) => found.get(step)?,
                    };
                }
                match found {
                    Value::String(text) => Some(text.clone()),
                    Value::Null => None,
                    other => Some(other.to_string()),
                }
            }
        }
    }

    fn number(&self, name: &str) -> Result<u64, Exception> {
        let text = self.get(name, &[]).ok_or_else(Exception::parameter)?;
        text.parse().map_err(|_| Exception::parameter())
    }
}

/// Runs a function for a caller.
pub(crate) fn call(visit: &mut Visit, caller: &Caller, name: &str, arguments: &Arguments) -> Result<Value, Exception> {
    if ELSEWHERE.contains(&name) {
        return Err(Exception::access());
    }
    match name {
        "core_webservice_get_site_info" => Ok(site_info(visit, caller)),
        "core_enrol_get_users_courses" => arguments.number("userid").map(|user| courses(visit, user)),
        "core_course_get_contents" => {
            arguments.number("courseid")?;
            course_context(visit, caller)?;
            Ok(recorded(visit, include_str!("../recordings/course_contents.json")))
        }
        "core_user_get_users_by_field" => users_by_field(visit, arguments),
        "core_calendar_get_calendar_export_token" => {
            let account = visit.site.accounts.get(caller.user);
            let token = account.map(|account| account.keys.calendar.clone());
            Ok(json!({"token": token, "warnings": []}))
        }
        "tool_mobile_get_config" => Ok(json!({"settings": [], "warnings": []})),
        "tool_mobile_get_autologin_key" => autologin_key(visit, caller, arguments),
        "tool_mobile_call_external_functions" => batch(visit, caller, arguments),
        _ => Err(Exception {
            class: "dml_missing_record_exception",
            code: Some("invalidrecord"),
            message: "Can't find data record in database table external_functions.".into(),
        }),
    }
}

/// A recorded answer, on this site's URL.
pub(crate) fn recorded(visit: &Visit, text: &str) -> Value {
    let text = text.replace("WWWROOT", &visit.site.www);
    serde_json::from_str(&text).expect("the recordings are JSON")
}

fn site_info(visit: &Visit, caller: &Caller) -> Value {
    let mut info = recorded(visit, include_str!("../recordings/site_info.json"));
    let Some(account) = visit.site.accounts.get(caller.user) else {
        return info;
    };
    info["username"] = account.username.clone().into();
    info["firstname"] = account.first_name.clone().into();
    info["lastname"] = account.last_name.clone().into();
    info["fullname"] = account.full_name().into();
    info["userid"] = account.id.into();
    info["userprivateaccesskey"] = account.keys.files.clone().into();
    info["userissiteadmin"] = visit.site.is_admin(account.id).into();
    info["limitconcurrentlogins"] = visit.site.settings.limit_concurrent_logins.into();
    match (&caller.token, info.as_object_mut()) {
        (Some(_), Some(fields)) => {
            let functions = IN_SERVICE.iter();
            let list = functions.map(|name| json!({"name": name, "version": VERSION}));
            fields.insert("functions".into(), list.collect());
        }
        // a password caller has no service: nothing is said about files and release
        (None, Some(fields)) => without(fields, &["downloadfiles", "uploadfiles", "release", "version"]),
        (_, None) => {}
    }
    info
}

fn without(fields: &mut Map<String, Value>, names: &[&str]) {
    fields.retain(|name, _| !names.contains(&name.as_str()));
}

/// Everybody but guest and administrator is in the one course; others' courses are not shown.
pub(crate) fn courses(visit: &Visit, user: u64) -> Value {
    if Some(user) != visit.acting || user < 3 || user == 8 {
        return json!([]);
    }
    json!([{
        "id": 2, "shortname": "LAB1", "fullname": "Lab course", "displayname": "Lab course",
        "enrolledusercount": 5, "idnumber": "", "visible": 1, "summary": "Test course 1",
        "summaryformat": 1, "format": "topics", "showgrades": true, "lang": "",
        "enablecompletion": true, "completionhascriteria": false, "completionusertracked": true,
        "category": 1, "progress": 0, "completed": false, "startdate": 1_795_219_200,
        "enddate": 0, "marker": 0, "lastaccess": null, "isfavourite": false, "hidden": false,
        "overviewfiles": [], "showactivitydates": true, "showcompletionconditions": true,
        "timemodified": 1_795_281_502,
    }])
}

/// `validate_context` of a course: the forced password change and the site policy stop here.
fn course_context(visit: &Visit, caller: &Caller) -> Result<(), Exception> {
    let Some(account) = visit.site.accounts.get(caller.user) else {
        return Err(Exception::invalid_token());
    };
    let reason = if account.must_change {
        "error/forcepasswordchangenotice".to_owned()
    } else if visit.site.settings.site_policy && !account.policy_agreed {
        format!(
            "Site policy not agreed: <a href=\"{}/user/policy.php\">Click here to open the site policy.</a>",
            visit.site.www
        )
    } else {
        return Ok(());
    };
    Err(Exception::moodle(
        "errorcoursecontextnotvalid",
        format!(
            "You cannot execute functions in the course context (course id:2). The context error message was: {reason}"
        ),
    ))
}

fn users_by_field(visit: &Visit, arguments: &Arguments) -> Result<Value, Exception> {
    let field = arguments.get("field", &[]);
    let field = field.ok_or_else(Exception::parameter)?;
    let values: Vec<String> = (0..100).map_while(|index: u32| arguments.get("values", &[&index.to_string()])).collect();
    let matches = |account: &&crate::Account| {
        let value = match field.as_str() {
            "id" => account.id.to_string(),
            "username" => account.username.clone(),
            "email" => account.email.clone(),
            _ => return false,
        };
        values.contains(&value)
    };
    if !["id", "username", "email", "idnumber"].contains(&field.as_str()) {
        return Err(Exception::parameter());
    }
    let found = visit.site.accounts.all().filter(matches);
    Ok(found
        .map(|account| {
            json!({
                "id": account.id, "username": account.username, "fullname": account.full_name(),
                "firstname": account.first_name, "lastname": account.last_name,
                "email": account.email, "auth": account.auth, "suspended": account.suspended,
                "confirmed": account.confirmed, "lang": "en", "theme": "", "timezone": "99",
            })
        })
        .collect())
}

/// Checks as recorded: the app, then https and administrators, then the pair of tokens, then time.
fn autologin_key(visit: &mut Visit, caller: &Caller, arguments: &Arguments) -> Result<Value, Exception> {
    if !visit.request.is_app() {
        return Err(Exception::moodle("apprequired", APP_REQUIRED));
    }
    if !visit.site.https() {
        return Err(Exception::moodle("httpsrequired", "HTTPS is required"));
    }
    if visit.site.is_admin(caller.user) {
        return Err(Exception::moodle("autologinnotallowedtoadmins", "Auto-login is not allowed for site admins."));
    }
    // the private token counts in the body only, and belongs to the token of this very request
    let in_query = visit.request.query.get("privatetoken").is_some();
    let sent = arguments.get("privatetoken", &[]);
    let sent = sent.filter(|_| !in_query);
    let token = caller.token.as_deref();
    let token = token.and_then(|value| visit.site.token(value));
    if sent.is_none() || token.map(|token| &token.private) != sent.as_ref() {
        return Err(Exception::moodle("invalidprivatetoken", "Invalid private token."));
    }
    let user = caller.user;
    let wait = Duration::from_secs(visit.site.settings.autologin_lockout_secs);
    let made = &mut visit.site.autologin_made;
    made.retain(|(_, when)| when.elapsed() < wait);
    if made.iter().any(|(other, _)| *other == user) {
        return Err(Exception::moodle(
            "autologinkeygenerationlockout",
            "Auto-login key generation is blocked. You need to wait {$a} minutes between requests.",
        ));
    }
    made.push((user, Instant::now()));
    let value = random::hex(32);
    visit.site.autologin_keys.retain(|key| key.user != user);
    visit.site.autologin_keys.push(OnceKey { value: value.clone(), user, made: Instant::now() });
    Ok(json!({
        "key": value,
        "autologinurl": visit.www("/admin/tool/mobile/autologin.php"),
        "warnings": [],
    }))
}

pub(crate) const APP_REQUIRED: &str =
    "This functionality is only available when accessed via the Moodle mobile or desktop app.";

/// `tool_mobile_call_external_functions`: several calls in one, each with arguments as JSON text.
fn batch(visit: &mut Visit, caller: &Caller, arguments: &Arguments) -> Result<Value, Exception> {
    let mut responses = Vec::new();
    for index in 0..100 {
        let index = index.to_string();
        let Some(function) = arguments.get("requests", &[&index, "function"]) else {
            break;
        };
        let text = arguments.get("requests", &[&index, "arguments"]);
        let inner = serde_json::from_str(text.as_deref().unwrap_or("{}"));
        let inner = Arguments::Json(inner.map_err(|_| Exception::parameter())?);
        match call(visit, caller, &function, &inner) {
            Ok(data) => responses.push(json!({"error": false, "data": php::json(&data)})),
            Err(problem) => {
                let exception = json!({
                    "message": problem.message, "errorcode": problem.code,
                    "link": visit.www("/"), "moreinfourl": null,
                });
                responses.push(json!({"error": true, "exception": php::json(&exception)}));
                break;
            }
        }
    }
    Ok(json!({"responses": responses}))
}
