//! Doors 22–24 and attacks J4 and H11 on the list of calls.

use super::*;

fn calls(text: &str) -> Calls {
    Calls::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn one(methodname: &str) -> String {
    format!(r#"[{{"index":0,"methodname":"{methodname}","args":{{}}}}]"#)
}

#[test]
fn recorded_calls_are_read_and_rebuilt() {
    // recordings: ajax-anon, ajax-time-remaining (Moodle 4.2)
    let read = calls(r#"[{"index": 0, "methodname": "core_fetch_notifications", "args": {"contextid": 1}}]"#);
    assert_eq!(read.to_body(), r#"[{"index":0,"methodname":"core_fetch_notifications","args":{"contextid": 1}}]"#);
    assert!(read.all_open());
    let read = calls(
        r#"[{"index": 0, "methodname": "core_session_time_remaining", "args": {}}, {"index": 1, "methodname": "core_session_touch", "args": {}}]"#,
    );
    assert!(!read.all_open() && read.denied().is_none());
    assert_eq!(calls(&read.to_body()).to_body(), read.to_body());
}

#[test]
fn j4_one_closed_function_closes_the_request() {
    let open = r#"{"index":0,"methodname":"core_get_string","args":{}}"#;
    let closed = r#"{"index":1,"methodname":"core_get_fragment","args":{}}"#;
    assert!(calls(&format!("[{open}]")).all_open());
    assert!(calls(&format!("[{open},{open}]")).all_open());
    assert!(!calls(&format!("[{open},{closed}]")).all_open());
    assert!(!calls(&format!("[{closed},{open}]")).all_open());
    assert!(!calls("[]").all_open());
}

#[test]
fn h3_functions_that_hand_out_credentials_are_named() {
    for name in CREDENTIAL_FUNCTIONS.into_iter().chain([SITE_INFO, BATCH]) {
        assert_eq!(calls(&one(name)).denied(), Some(name));
        assert!(!calls(&one(name)).all_open(), "{name}");
        let second = format!(r#"[{{"index":0,"methodname":"core_get_string","args":{{}}}},{}"#, &one(name)[1..]);
        assert_eq!(calls(&second).denied(), Some(name));
    }
    let escaped = r#"[{"index":0,"methodname":"core_auth_resend_confirmation_\u0065mail","args":{}}]"#;
    assert_eq!(calls(escaped).denied(), Some("core_auth_resend_confirmation_email"));
    assert_eq!(calls(&one("core_course_get_contents")).denied(), None);
}

#[test]
fn the_open_list_is_sorted_and_holds_no_credential() {
    assert!(OPEN_FUNCTIONS.is_sorted());
    assert!(OPEN_FUNCTIONS.iter().all(|name| is_function_name(name) && !CREDENTIAL_FUNCTIONS.contains(name)));
}

#[test]
fn r8_lists_that_two_readers_see_differently_are_refused() {
    for text in [
        "",
        "null",
        "{}",
        "[1]",
        "[[]]",
        "[null]",
        r#"{"0":{"index":0,"methodname":"core_get_string","args":{}}}"#,
        r#"[{"index":0,"methodname":"core_get_string","methodname":"core_x","args":{}}]"#,
        r#"[{"index":0,"index":1,"methodname":"core_get_string","args":{}}]"#,
        r#"[{"index":0,"methodname":"core_get_string","args":{},"\u0061rgs":{}}]"#,
        r#"[{"index":0,"methodname":"core_get_string"}]"#,
        r#"[{"index":0,"args":{}}]"#,
        r#"[{"methodname":"core_get_string","args":{}}]"#,
        r#"[{"index":0,"methodname":["core_get_string"],"args":{}}]"#,
        r#"[{"index":0,"methodname":"core_get_string","args":"x"}]"#,
        r#"[{"index":0,"methodname":"core_get_string","args":null}]"#,
        r#"[{"index":-1,"methodname":"core_get_string","args":{}}]"#,
        r#"[{"index":1.5,"methodname":"core_get_string","args":{}}]"#,
        r#"[{"index":[0],"methodname":"core_get_string","args":{}}]"#,
        r#"[{"index":"0x","methodname":"core_get_string","args":{}}]"#,
        r#"[{"index":0,"methodname":"core_get_string","args":{}}] x"#,
        r#"[{"index":0,"methodname":"core_get_string","args":{}},]"#,
        r#"[{'index':0,"methodname":"core_get_string","args":{}}]"#,
        "\u{feff}[]",
    ] {
        assert!(Calls::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(Calls::parse(b"[{\"index\":0,\"methodname\":\"x\",\"args\":{\"a\":\"\xff\"}}]").is_err());
    // PARAM_ALPHANUMEXT deletes what does not belong, MySQL folds case.
    for name in [
        "core_auth_resend_confirmation!_email",
        "Core_get_string",
        "core-x",
        "core_x ",
        "",
        "core_str\\u00efng",
        "a\\u0000",
    ] {
        assert!(Calls::parse(one(name).as_bytes()).is_err(), "{name}");
    }
}

#[test]
fn what_moodle_does_not_read_is_not_sent_on() {
    let read =
        calls(r#"[{"wstoken":"x","index":"7","methodname":"core_get_string","args":[1],"more":{"methodname":"y"}}]"#);
    assert_eq!(read.to_body(), r#"[{"index":"7","methodname":"core_get_string","args":[1]}]"#);
}

#[test]
fn i9_many_or_deep_calls_are_refused() {
    let many = |n: usize| format!("[{}]", vec![r#"{"index":0,"methodname":"x","args":{}}"#; n].join(","));
    assert_eq!(calls(&many(200)).iter().count(), 200);
    assert!(Calls::parse(many(201).as_bytes()).is_err());
    let deep = format!(r#"[{{"index":0,"methodname":"x","args":{}{}}}]"#, "[".repeat(100_000), "]".repeat(100_000));
    // Either is fine, as long as it answers: args are skipped, not built.
    let _ = Calls::parse(deep.as_bytes());
}

#[test]
fn h1_calls_come_from_the_query_or_the_body_never_both() {
    let query = |text: &str| Params::parse_query(text.as_bytes()).unwrap();
    let body = one("core_get_string");
    let encoded = "args=%5B%7B%22index%22%3A%200%2C%20%22methodname%22%3A%20%22tool_mobile_get_public_config%22%2C%20%22args%22%3A%20%7B%7D%7D%5D";
    // recording: ws-publicconfig-get (Moodle 4.2)
    assert!(Calls::from_request(&query(encoded), b"").unwrap().all_open());
    assert!(Calls::from_request(&query("info=core_get_string&nosessionupdate=1"), body.as_bytes()).unwrap().all_open());
    for both in [encoded, "args=", "args=0", "+args=x", "args[]=x", "args%00x=1"] {
        assert!(Calls::from_request(&query(both), body.as_bytes()).is_err(), "{both}");
    }
    assert!(Calls::from_request(&query("args="), b"").is_err());
    assert!(Calls::from_request(&query("args[]=x"), b"").is_err());
    assert!(Calls::from_request(&query(""), b"").is_err());
    // A form's `args` would be read by service-nologin.php; it is no JSON here.
    assert!(Calls::from_request(&query(""), encoded.as_bytes()).is_err());
}
