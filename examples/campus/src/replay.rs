//! Replays the recordings: same request in the same state, compared with what was recorded.
//!
//! Ids, tokens and keys of the recordings are put into the site first, so that requests go in
//! unchanged and even the signed launch URL has to come out byte for byte. HTML is not compared
//! (the pages are our own), random values by their shape.

use crate::reply::{Content, Reply};
use crate::site::{OnceKey, Site, Token};
use crate::{router, server};
use serde_json::Value;
use std::time::{Duration, Instant};

const WWW: &str = "https://lms.test:8443";
const COURSE: &str = "https://lms.test:8443/course/view.php?id=2";
const COMPARED: &[&str] = &[
    "content-type",
    "cache-control",
    "location",
    "access-control-allow-origin",
    "accept-ranges",
    "x-frame-options",
    "content-disposition",
    "x-moodleuser",
];

#[test]
fn every_recording_is_answered_as_recorded() {
    let recordings: Vec<Value> = serde_json::from_str(include_str!("../recordings/index.json")).unwrap();
    assert!(recordings.len() > 150, "the recordings are all there");
    let mut problems = Vec::new();
    for recording in &recordings {
        let name = recording["name"].as_str().unwrap();
        let reply = replay(name, &recording["request"]);
        if let Err(problem) = compare(&recording["response"], &reply) {
            problems.push(format!("{name}: {problem}"));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

fn replay(name: &str, recorded: &Value) -> Reply {
    let mut site = Site::new(WWW, ([127, 0, 0, 1], 8081).into());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let body = text(&recorded["body"]);
    let path = text(&recorded["path"]);
    let mut builder = http::Request::builder().method(text(&recorded["method"]).as_str()).uri(&path);
    let mut session = None;
    for header in recorded["headers"].as_array().unwrap() {
        let (key, value) = header.as_str().unwrap().split_once(':').unwrap();
        if key.eq_ignore_ascii_case("cookie") {
            session = crate::php::cookie(value, "MoodleSession");
        }
        builder = builder.header(key, value.trim());
    }
    let headers = builder.headers_mut().unwrap();
    if !headers.contains_key("content-type") {
        let form = "application/x-www-form-urlencoded".parse().unwrap();
        headers.insert("content-type", form);
    }
    headers.entry("host").or_insert(match name {
        "wwwroot-mismatch" | "token-requirecorrectaccess" => "10.0.0.5".parse().unwrap(),
        _ => "lms.test:8443".parse().unwrap(),
    });
    stage(name, &mut site);
    if let Some(id) = session.filter(|_| name != "stale-session") {
        open_session(name, &mut site, &id, &format!("{path}&{body}"));
    }
    let body = body.replace("\r\n", "\n");
    let body = match body.starts_with("--XX") {
        true => body.replace('\n', "\r\n"),
        false => body,
    };
    let (head, ()) = builder.body(()).unwrap().into_parts();
    let length = body.len() as u64;
    let request = server::request(&head, body.into_bytes(), length).unwrap();
    router::answer(&mut site, &request)
}

/// The state that the name of the recording tells.
fn stage(name: &str, site: &mut Site) {
    let set = &mut site.settings;
    set.shibboleth = name.starts_with("shib").then(crate::Shibboleth::recorded);
    set.header_log_user = if name.starts_with("headerloguser") { 3 } else { 0 };
    set.maintenance = name.contains("maintenance");
    set.auth_login_via_email = name.ends_with("via-email");
    set.enable_web_services = !matches!(name, "token-ws-disabled" | "ws-disabled");
    set.ssl_proxy = !name.contains("sslproxy-off");
    set.check_host = matches!(name, "wwwroot-mismatch" | "token-requirecorrectaccess");
    set.force_login = name == "forcelogin-root";
    set.site_policy = matches!(name, "policy-redirect" | "ws-sitepolicy");
    set.webservice_auth = name.starts_with("simpleserver");
    set.type_of_login = match name {
        "launch-ios" | "launch-new-token" => 2,
        other if other.ends_with("typeoflogin2") => 2,
        _ => 1,
    };
    if name == "signup-get" {
        set.register_auth = "email".into();
    }
    if name == "token-service-disabled" {
        set.services.clear();
    }
    if name.starts_with("alternatelogin") {
        set.alternate_login_url = Some(format!("{WWW}/_gate/login"));
    }
    set.lockout_threshold = 3;
    site.confirm_used = name == "confirm-email-replay";
    let account = |site: &mut Site, id, change: fn(&mut crate::Account)| {
        change(site.accounts.get_mut(id).unwrap());
    };
    account(site, 9, |a| a.failures = 3);
    account(site, 3, |a| {
        a.keys.files = "cc105c26c9efbc3a01e6bfb9adeb42fd".into();
        a.keys.calendar = "241ecf28d667fa98785fcf2b7a6f978d87b0a108".into();
    });
    match name {
        "login-unconfirmed" | "token-unconfirmed" => account(site, 5, |a| a.confirmed = false),
        "ws-suspended-user" => account(site, 5, |a| a.suspended = true),
        "shib-new-user" => site.accounts.forget(10),
        "shib-flipped-user" | "shib-target-launch" => {
            account(site, 3, |a| a.auth = "shibboleth".into());
        }
        _ => {}
    }
    tokens(name, site);
}

fn tokens(name: &str, site: &mut Site) {
    let later = Instant::now() + Duration::from_secs(3600);
    let mut token = |user, value: &str, private: &str, expires| {
        site.tokens.push(Token {
            value: value.into(),
            private: private.into(),
            user,
            service: "moodle_mobile_app".into(),
            expires,
        });
    };
    let private = "GD99L56eFFFIriKmUJjD3aHkU64gOsBSd2hzBAmQFb93uhwBlNzwgJlBHBjRwLxt";
    if name == "ws-expired" {
        token(3, "206fd90dff47ad2488a76c3e63805932", "", Instant::now());
    }
    if name == "ws-maintenance" {
        token(3, "206fd90dff47ad2488a76c3e63805932", "", later);
    }
    token(5, "5c52ec8b645a2b4e99e5f93c2990be09", "", later);
    token(8, "22635e95ada74f3a0e066d440889984b", "", later);
    token(3, "471c1d1f56297a775a55a3a694eb9040", "", later);
    token(3, "a52c801085585bb50de2ab8412bb2049", private, later);
    let made = Instant::now();
    if name == "autologin-key-lockout" {
        site.autologin_made.push((3, made));
    }
    if name == "autologin-use" {
        site.autologin_keys.push(OnceKey { value: "d39d6c54386a6f167740c37ba961fa02".into(), user: 3, made });
    }
    if name == "qr-ok" {
        site.qr_keys.push(OnceKey { value: "0123456789abcdef0123456789abcdef".into(), user: 4, made });
    }
}

/// The session that the recorded cookie names, with the secrets that the request carries.
fn open_session(name: &str, site: &mut Site, id: &str, sent: &str) {
    let carried = |key: &str| {
        let found = sent.split(['?', '&']).find_map(|pair| pair.strip_prefix(key));
        found.map(str::to_owned)
    };
    let session = site.sessions.place(id);
    session.user = match name {
        "forcechange-protected" | "login-forcechange-0" | "change-password-post" => Some(8),
        "shib-launch" => Some(10),
        "launch-new-token" => Some(4),
        "ajax-anon-goodsesskey"
        | "login-get-with-creds"
        | "alternatelogin-post-bad"
        | "forgot-set-password"
        | "login-get-after-failure"
        | "login-get-after-locked" => None,
        _ if sent.contains("logintoken=") => None,
        _ => Some(3),
    };
    session.just_logged_in = matches!(name, "launch-after-login-typeoflogin2" | "launch-justloggedin-typeoflogin1")
        || name.starts_with("shib");
    session.timed_out = matches!(name, "session-timeout-get" | "ajax-timedout");
    if name.starts_with("login-get-after") {
        session.login_message = Some("Invalid login, please try again");
    }
    if name == "login-testsession" {
        session.wants_url = Some(COURSE.into());
    }
    if name != "login-post-badlogintoken" {
        session.login_token = carried("logintoken=");
    }
    if let Some(sesskey) = carried("sesskey=").filter(|_| name != "ajax-badsesskey") {
        session.sesskey = sesskey;
    }
}

fn compare(recorded: &Value, reply: &Reply) -> Result<(), String> {
    if recorded["status"] != reply.status {
        return Err(format!("status {} not {}", reply.status, recorded["status"]));
    }
    let wanted: Vec<(String, String)> = recorded["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair[0].as_str().unwrap().to_lowercase(), pair[1].as_str().unwrap().into()))
        .collect();
    let given: Vec<(String, String)> =
        reply.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    for name in COMPARED {
        let of = |all: &[(String, String)]| -> Vec<String> {
            let same = all.iter().filter(|(key, _)| key == name);
            same.map(|(_, value)| unsigned(value)).collect()
        };
        if of(&wanted) != of(&given) {
            return Err(format!("{name}: {:?} not {:?}", of(&given), of(&wanted)));
        }
    }
    let cookies = |all: &[(String, String)]| -> Vec<String> {
        let cookies = all.iter().filter(|(key, _)| key == "set-cookie");
        cookies.map(|(_, value)| cookie_shape(value)).collect()
    };
    if cookies(&wanted) != cookies(&given) {
        return Err(format!("{:?} not {:?}", cookies(&given), cookies(&wanted)));
    }
    body(&recorded["body"], reply)
}

/// A launch URL of a token that was made for this replay is compared without its token.
fn unsigned(location: &str) -> String {
    const STUDENT1: &str = "ZGQ3YzY4YjUyMWUzMWIzN2RmYzgwMTg1NGYzNDA2ZjU6OjphNTJj";
    match location.split_once("token=") {
        Some((scheme, token)) if !token.starts_with(STUDENT1) => scheme.into(),
        _ => location.into(),
    }
}

/// Name, length of a session id, and attributes; of an expiry date only that there is one.
fn cookie_shape(cookie: &str) -> String {
    let mut pieces = cookie.split("; ");
    let (name, value) = pieces.next().unwrap_or_default().split_once('=').unwrap();
    let kind = match name {
        "MoodleSession" => value.len().to_string(),
        _ if value == "deleted" => value.to_owned(),
        _ => "name".to_owned(),
    };
    let attributes: Vec<&str> = pieces
        .map(|piece| match piece.starts_with("expires") {
            true => "expires",
            false => piece,
        })
        .collect();
    format!("{name}={kind}; {}", attributes.join("; "))
}

fn body(recorded: &Value, reply: &Reply) -> Result<(), String> {
    let Content::Bytes(bytes) = &reply.body else {
        return Err("not a plain body".into());
    };
    let given: Option<Value> = serde_json::from_slice(bytes).ok();
    let wanted = match recorded {
        Value::String(text) => serde_json::from_str(text).ok(),
        other => Some(other.clone()),
    };
    match (wanted, given) {
        (Some(wanted), Some(given)) => shape("", &wanted, &given),
        (Some(wanted), None) => Err(format!("no JSON, recorded {wanted}")),
        (None, _) => text_body(recorded.as_str().unwrap_or_default(), bytes),
    }
}

/// Text that was recorded whole; HTML and what was cut is not compared.
fn text_body(recorded: &str, bytes: &[u8]) -> Result<(), String> {
    if recorded.contains("(HTML") || recorded.ends_with("chars]") {
        return Ok(());
    }
    let given = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    match given.trim_end() == recorded.replace("\r\n", "\n").trim_end() {
        true => Ok(()),
        false => Err(format!("{given:?} not {recorded:?}")),
    }
}

/// Same keys in the same order, same types; texts equal where they carry no random value.
fn shape(key: &str, wanted: &Value, given: &Value) -> Result<(), String> {
    const EXACT: &[&str] = &[
        "error",
        "errorcode",
        "exception",
        "message",
        "link",
        "moreinfourl",
        "wwwroot",
        "siteurl",
        "launchurl",
        "autologinurl",
        "fileurl",
        "username",
        "fullname",
        "release",
        "filename",
        "userid",
        "timeremaining",
        "author",
        "source",
        "typeoflogin",
    ];
    match (wanted, given) {
        (Value::Object(w), Value::Object(g)) => {
            let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            if keys(w) != keys(g) {
                return Err(format!("{key}: keys {:?} not {:?}", keys(g), keys(w)));
            }
            w.iter().try_for_each(|(name, value)| shape(name, value, &g[name]))
        }
        (Value::Array(w), Value::Array(g)) => {
            if w.is_empty() != g.is_empty() && key != "functions" {
                return Err(format!("{key}: {} elements not {}", g.len(), w.len()));
            }
            w.iter().zip(g).try_for_each(|(w, g)| shape(key, w, g))
        }
        _ if std::mem::discriminant(wanted) != std::mem::discriminant(given) => {
            Err(format!("{key}: {given} not {wanted}"))
        }
        _ if EXACT.contains(&key) && wanted != given => Err(format!("{key}: {given} not {wanted}")),
        _ => Ok(()),
    }
}
