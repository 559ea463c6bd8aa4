//! The calls inside one request to `/lib/ajax/service.php` and `service-nologin.php` (doors 22–24).
//!
//! lib/ajax/service.php (3.2 to 5.x): service-nologin takes `args` from query or form first, unless PHP's `empty()`
//! says no (`""` and `"0"`), then `php://input`; service.php reads the input only. Each element's `methodname` passes
//! PARAM_ALPHANUMEXT, which **deletes** other characters, and is then looked up in MySQL, which folds case. One request
//! carries many calls. So the request is never sent on as it came: it is read here, strictly, and
//! [`Calls::to_body`] is posted as `application/json` without `args` in the query.

use super::params::Params;
use serde::{
    Deserialize,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;

/// Pages send a handful; the app's longest batch is 50.
const MAX_CALLS: usize = 200;

/// Functions that hand out a credential of Moodle's own or tell whether a password is right: refused at every door.
pub const CREDENTIAL_FUNCTIONS: [&str; 6] = [
    "core_auth_resend_confirmation_email",     // 23: a password oracle without lockout
    "core_calendar_get_calendar_export_token", // 32: permanent token
    "mod_chat_login_user",                     // 35: chat_sid
    "mod_lti_get_tool_launch_data",            // signed launch of an external tool
    "tool_mobile_get_autologin_key",           // 2: browser session from a token
    "tool_mobile_get_tokens_for_qr_login",     // 22: app token from a QR key
];
/// Its answer holds the permanent file key. Allowed as an app call of its own, where the answer is rewritten.
pub const SITE_INFO: &str = "core_webservice_get_site_info";
/// Calls further functions; see [`super::rest`].
pub const BATCH: &str = "tool_mobile_call_external_functions";

/// Open to anyone (Moodle 4.2, moodle-wire §9), less [`CREDENTIAL_FUNCTIONS`]. Sorted.
const OPEN_FUNCTIONS: [&str; 25] = [
    "auth_email_get_signup_settings",
    "auth_email_signup_user",
    "core_auth_confirm_user",
    "core_auth_is_age_digital_consent_verification_enabled",
    "core_auth_is_minor",
    "core_auth_request_password_reset",
    "core_blog_get_entries",
    "core_blog_view_entries",
    "core_fetch_notifications",
    "core_form_get_filetypes_browser_data",
    "core_get_component_strings",
    "core_get_string",
    "core_get_strings",
    "core_output_load_fontawesome_icon_map",
    "core_output_load_fontawesome_icon_system_map",
    "core_output_load_template",
    "core_output_load_template_with_dependencies",
    "media_videojs_get_language",
    "paygw_paypal_create_transaction_complete",
    "tool_mobile_get_plugins_supporting_mobile",
    "tool_mobile_get_public_config",
    "tool_mobile_validate_subscription_key",
    "tool_policy_get_policy_version",
    "tool_templatelibrary_list_templates",
    "tool_templatelibrary_load_canonical_template",
];

/// Not a list of calls that only one reader exists for. The caller answers 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCalls(pub &'static str);

impl fmt::Display for BadCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unreadable AJAX calls: {}", self.0)
    }
}

impl std::error::Error for BadCalls {}

/// The calls of one request, in order.
#[derive(Debug)]
pub struct Calls(Vec<Call>);

/// One element.
#[derive(Debug)]
pub struct Call {
    /// A number, or digits in quotes.
    pub index: Box<RawValue>,
    /// `[a-z0-9_]+`
    pub methodname: String,
    /// An object or array, verbatim.
    pub args: Box<RawValue>,
}

impl Calls {
    /// A JSON body.
    pub fn parse(body: &[u8]) -> Result<Calls, BadCalls> {
        let text = std::str::from_utf8(body).map_err(|_| BadCalls("not UTF-8"))?;
        let list: CallList = serde_json::from_str(text).map_err(|_| BadCalls("not a JSON array of calls"))?;
        Ok(Calls(list.0))
    }

    /// The `args` parameter of a query, as service-nologin.php reads it.
    pub fn from_args_query(query: &Params) -> Result<Calls, BadCalls> {
        match query.get("args") {
            Ok(Some(args)) => Calls::parse(args),
            Ok(None) => Err(BadCalls("no calls")),
            Err(_) => Err(BadCalls("args is an array")),
        }
    }

    /// The calls of a whole request, from the query or the body; both at once is refused, since service.php and
    /// service-nologin.php choose differently.
    pub fn from_request(query: &Params, body: &[u8]) -> Result<Calls, BadCalls> {
        match (query.contains("args"), body.is_empty()) {
            (true, true) => Calls::from_args_query(query),
            (false, _) => Calls::parse(body),
            (true, false) => Err(BadCalls("calls in query and body")),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Call> {
        self.0.iter()
    }

    /// The canonical body: what is sent on, as `application/json`.
    pub fn to_body(&self) -> String {
        let mut out = String::from("[");
        for (n, call) in self.0.iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            // The name is [a-z0-9_]+, the rest was JSON when it came.
            out.push_str(&format!(
                r#"{{"index":{},"methodname":"{}","args":{}}}"#,
                call.index.get(),
                call.methodname,
                call.args.get()
            ));
        }
        out.push(']');
        out
    }

    /// May the request go on without a session? Only if each of its functions may (R1).
    pub fn all_open(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|call| OPEN_FUNCTIONS.binary_search(&&*call.methodname).is_ok())
    }

    /// How many of them make the LMS send mail, on nobody's word (entry 24).
    pub fn mails(&self) -> usize {
        let sends = |name: &str| matches!(name, "core_auth_request_password_reset" | "auth_email_signup_user");
        self.0.iter().filter(|call| sends(&call.methodname)).count()
    }

    /// Doors 22 and 23: the app's sign-in by QR code, and the anonymous password oracle.
    pub fn door(&self) -> Option<&'static str> {
        self.0.iter().find_map(|call| match call.methodname.as_str() {
            "tool_mobile_get_tokens_for_qr_login" => Some("qr_login"),
            "core_auth_resend_confirmation_email" => Some("password_oracle"),
            _ => None,
        })
    }

    /// The first function that is refused with or without a session. Batches are refused whole: Moodle doesn't offer
    /// them to AJAX, and site_info's answer is rewritten at the app's door only.
    pub fn denied(&self) -> Option<&str> {
        let is_denied = |name: &str| CREDENTIAL_FUNCTIONS.contains(&name) || name == SITE_INFO || name == BATCH;
        self.0.iter().map(|call| call.methodname.as_str()).find(|name| is_denied(name))
    }
}

/// The shape of every function name in `external_functions`.
pub fn is_function_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 200 && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

struct CallList(Vec<Call>);

impl<'de> Deserialize<'de> for CallList {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = CallList;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of calls")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<CallList, A::Error> {
                let mut calls = Vec::new();
                while let Some(call) = seq.next_element()? {
                    if calls.len() == MAX_CALLS {
                        return Err(de::Error::custom("too many calls"));
                    }
                    calls.push(call);
                }
                Ok(CallList(calls))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

impl<'de> Deserialize<'de> for Call {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CallVisitor)
    }
}

struct CallVisitor;

impl<'de> Visitor<'de> for CallVisitor {
    type Value = Call;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call with index, methodname and args")
    }

    /// PHP keeps the last of two equal keys; refused. Keys that Moodle doesn't read are dropped.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Call, A::Error> {
        let (mut index, mut methodname, mut args) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            let again = match key.as_str() {
                "index" => index.replace(map.next_value::<Box<RawValue>>()?).is_some(),
                "methodname" => methodname.replace(map.next_value::<String>()?).is_some(),
                "args" => args.replace(map.next_value::<Box<RawValue>>()?).is_some(),
                _ => map.next_value::<de::IgnoredAny>().map(|_| false)?,
            };
            if again {
                return Err(de::Error::custom("key twice"));
            }
        }
        let index = index.filter(|i| is_index(i.get())).ok_or_else(|| de::Error::custom("index"))?;
        let methodname = methodname.filter(|m| is_function_name(m)).ok_or_else(|| de::Error::custom("methodname"))?;
        let args = args.filter(|a| a.get().starts_with(['{', '['])).ok_or_else(|| de::Error::custom("args"))?;
        Ok(Call { index, methodname, args })
    }
}

/// Up to nine digits, bare or quoted: PARAM_INT makes the same of both.
fn is_index(raw: &str) -> bool {
    let digits = raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')).unwrap_or(raw);
    (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
#[path = "ajax_tests.rs"]
mod tests;
