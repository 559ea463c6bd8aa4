//! The web-service servers: token or password in, a function's result out, as JSON or XML.

use crate::functions;
use crate::php::{self, Value as Param};
use crate::reply::Reply;
use crate::visit::Visit;
use serde_json::{Value, json};
use std::time::Instant;

/// An exception as the service answers it.
#[derive(Debug)]
pub(crate) struct Exception {
    pub class: &'static str,
    /// `None` for PHP's own errors, which have no code.
    pub code: Option<&'static str>,
    pub message: String,
}

impl Exception {
    pub(crate) fn moodle(code: &'static str, message: impl Into<String>) -> Exception {
        Exception { class: "moodle_exception", code: Some(code), message: message.into() }
    }

    pub(crate) fn access() -> Exception {
        Exception {
            class: "webservice_access_exception",
            code: Some("accessexception"),
            message: "Access control exception".into(),
        }
    }

    pub(crate) fn parameter() -> Exception {
        Exception {
            class: "invalid_parameter_exception",
            code: Some("invalidparameter"),
            message: "Invalid parameter value detected".into(),
        }
    }

    pub(crate) fn invalid_token() -> Exception {
        Exception::moodle("invalidtoken", "Invalid token - token not found")
    }
}

/// `/webservice/rest/server.php`.
pub(crate) fn server(visit: &mut Visit) -> Reply {
    if !visit.site.settings.enable_web_services {
        return Reply::new(403, crate::reply::HTML, "");
    }
    let result = by_token(visit).and_then(|caller| call(visit, &caller));
    answer(visit, result)
}

/// `/webservice/rest/simpleserver.php`: looks at the stored password only. No lockout, no
/// logintoken, no auth plugin is asked.
pub(crate) fn simple_server(visit: &mut Visit) -> Reply {
    if !visit.site.settings.enable_web_services {
        return Reply::new(403, crate::reply::HTML, "");
    }
    let result = by_password(visit).and_then(|caller| call(visit, &caller));
    answer(visit, result)
}

/// Who calls, and with what.
pub(crate) struct Caller {
    pub user: u64,
    pub token: Option<String>,
}

fn by_token(visit: &mut Visit) -> Result<Caller, Exception> {
    let value = match visit.request.value("wstoken") {
        Some(Param::Text(value)) => value.to_owned(),
        None => return Err(Exception::invalid_token()),
        Some(Param::Array) => {
            return Err(Exception {
                class: "TypeError",
                code: None,
                message: "mysqli::real_escape_string(): Argument #1 ($string) must be of type string, array given"
                    .into(),
            });
        }
    };
    let token = visit.site.token(&value).cloned();
    let token = token.ok_or_else(Exception::invalid_token)?;
    if token.expires <= Instant::now() {
        visit.site.tokens.retain(|other| other.value != value);
        return Err(Exception::access());
    }
    admit(visit, token.user)?;
    Ok(Caller { user: token.user, token: Some(token.value) })
}

fn by_password(visit: &mut Visit) -> Result<Caller, Exception> {
    if !visit.site.settings.webservice_auth {
        return Err(Exception::access());
    }
    let name = php::username(visit.request.param("wsusername").unwrap_or_default());
    let password = visit.request.param("wspassword").unwrap_or_default();
    let account = visit.site.accounts.named(&name);
    let right = account.filter(|account| account.password.as_deref() == Some(password));
    let Some(user) = right.map(|account| account.id) else {
        return Err(Exception::moodle("wrongusernamepassword", "Wrong username or password"));
    };
    admit(visit, user)?;
    Ok(Caller { user, token: None })
}

fn admit(visit: &mut Visit, user: u64) -> Result<(), Exception> {
    if visit.site.settings.maintenance && !visit.site.is_admin(user) {
        return Err(Exception::moodle(
            "sitemaintenance",
            "The site is undergoing maintenance and is currently not available",
        ));
    }
    let account = visit.site.accounts.get(user);
    let account = account.ok_or_else(Exception::invalid_token)?;
    if account.suspended {
        return Err(Exception::moodle(
            "wsaccessusersuspended",
            format!("Refused web service access for suspended username: {}", account.username),
        ));
    }
    if !account.confirmed {
        return Err(Exception::moodle(
            "wsaccessuserunconfirmed",
            format!("Refused web service access for unconfirmed username: {}", account.username),
        ));
    }
    visit.acting = Some(user);
    Ok(())
}

fn call(visit: &mut Visit, caller: &Caller) -> Result<Value, Exception> {
    let name = visit.request.param("wsfunction").map(str::to_owned);
    let name = name.ok_or_else(Exception::parameter)?;
    let arguments = functions::Arguments::of_request(visit.request);
    functions::call(visit, caller, &name, &arguments)
}

fn answer(visit: &Visit, result: Result<Value, Exception>) -> Reply {
    let json = visit.request.param("moodlewsrestformat") == Some("json");
    let (kind, body) = match (json, &result) {
        (true, Ok(value)) => ("application/json", php::json(value)),
        (true, Err(problem)) => ("application/json", php::json(&exception_json(problem))),
        (false, Ok(value)) => ("application/xml; charset=utf-8", xml(value)),
        (false, Err(problem)) => ("application/xml; charset=utf-8", exception_xml(problem)),
    };
    Reply::service(kind, body)
}

/// The shape of an error in JSON; `errorcode` is missing where there is none.
pub(crate) fn exception_json(problem: &Exception) -> Value {
    let mut value = json!({"exception": problem.class});
    if let Some(code) = problem.code {
        value["errorcode"] = code.into();
    }
    value["message"] = problem.message.clone().into();
    value
}

fn exception_xml(problem: &Exception) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<EXCEPTION class=\"{}\">\n{}<MESSAGE>{}</MESSAGE>\n</EXCEPTION>\n",
        problem.class,
        problem.code.map_or(String::new(), |code| format!("<ERRORCODE>{code}</ERRORCODE>\n")),
        php::html(&problem.message)
    )
}

fn xml(value: &Value) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<RESPONSE>\n");
    element(value, &mut text);
    text.push_str("</RESPONSE>\n");
    text
}

fn element(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("<VALUE null=\"null\"/>\n"),
        Value::Bool(flag) => text.push_str(&format!("<VALUE>{}</VALUE>\n", u8::from(*flag))),
        Value::Number(number) => text.push_str(&format!("<VALUE>{number}</VALUE>\n")),
        Value::String(string) => {
            text.push_str(&format!("<VALUE>{}</VALUE>\n", php::html(string)));
        }
        Value::Array(items) => {
            text.push_str("<MULTIPLE>\n");
            items.iter().for_each(|item| element(item, text));
            text.push_str("</MULTIPLE>\n");
        }
        Value::Object(fields) => {
            text.push_str("<SINGLE>\n");
            for (name, field) in fields {
                text.push_str(&format!("<KEY name=\"{}\">", php::html(name)));
                element(field, text);
                text.push_str("</KEY>\n");
            }
            text.push_str("</SINGLE>\n");
        }
    }
}
