//! AJAX without a session: what is open to everybody goes on as nobody, and everything else does not go on.

use crate::{
    people::{Browser, MoodleApp},
    wire::{PASSWORD, quiet_world},
};

fn calls(functions: &[&str]) -> String {
    let call = |(n, name): (usize, &&str)| format!(r#"{{"index":{n},"methodname":"{name}","args":{{}}}}"#);
    format!("[{}]", functions.iter().enumerate().map(call).collect::<Vec<_>>().join(","))
}

#[tokio::test(flavor = "multi_thread")]
async fn h11_anonymous_ajax_is_judged_by_each_of_its_calls() {
    let world = quiet_world(|_| {}).await;
    let app = MoodleApp::at(&world);
    let (open, service) = ("/lib/ajax/service-nologin.php", "/lib/ajax/service.php");
    let json = Some("application/json");
    let config = app.send(http::Method::POST, open, json, calls(&["tool_mobile_get_public_config"])).await;
    assert_eq!(config.json()[0]["data"]["wwwroot"], world.url, "{}", config.text());
    let encoded = percent_encoding::utf8_percent_encode(
        &calls(&["tool_mobile_get_public_config"]),
        percent_encoding::NON_ALPHANUMERIC,
    )
    .to_string();
    assert_eq!(app.get(&format!("{open}?args={encoded}")).await.json()[0]["error"], false);
    let both = app.send(http::Method::POST, service, json, calls(&["core_get_string", "core_get_strings"])).await;
    assert_eq!(both.json().as_array().map(Vec::len), Some(2), "open functions pass as nobody: {}", both.text());

    let mark = world.campus.mark();
    for (path, functions, code) in [
        (open, vec!["core_get_string", "core_session_time_remaining"], "servicenotavailable"),
        (open, vec!["core_webservice_get_site_info"], "accessexception"),
        (service, vec!["core_get_string", "core_calendar_get_calendar_export_token"], "accessexception"),
        (service, vec!["core_get_string", "core_session_time_remaining"], "servicerequireslogin"),
        (service, vec!["core_session_touch"], "servicerequireslogin"),
        (service, vec![], "servicerequireslogin"),
    ] {
        let answer = app.send(http::Method::POST, path, json, calls(&functions)).await;
        assert_eq!(answer.json()[0]["exception"]["errorcode"], code, "{path} {functions:?}: {}", answer.text());
        assert_eq!(answer.status, 200);
    }
    // Doors of their own, with or without a session (22, 23).
    for (path, function) in [
        (open, "core_auth_resend_confirmation_email"),
        (service, "core_auth_resend_confirmation_email"),
        (open, "tool_mobile_get_tokens_for_qr_login"),
        (service, "tool_mobile_get_tokens_for_qr_login"),
    ] {
        let answer = app.send(http::Method::POST, path, json, calls(&["core_get_string", function])).await;
        assert_eq!(answer.status, 403, "{path} {function}");
    }
    // Strangers get a handful of calls, and no list of people to mail.
    let many = vec!["core_get_string"; 31];
    let mails = vec!["core_auth_request_password_reset"; 2];
    for functions in [&many, &mails] {
        assert_eq!(app.send(http::Method::POST, open, json, calls(functions)).await.status, 400);
    }
    // Calls in query and body at once are read differently by the two scripts.
    let target = format!("{open}?args={encoded}");
    let answer = app.send(http::Method::POST, &target, json, calls(&["core_get_string"])).await;
    assert_eq!(answer.status, 400);
    assert!(world.campus.since(mark).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn j4_a_pending_or_ended_session_is_nobody_on_open_entries() {
    let world = quiet_world(|_| {}).await;
    let mut pending = Browser::at(&world);
    assert_eq!(pending.sign_in("student1", PASSWORD).await.location(), "/vestibule/enrol");
    let mut ended = Browser::at(&world);
    ended.enrol(&world, "student2", PASSWORD).await;
    let kept = ended.cookies.clone();
    assert_eq!(ended.get("/my/").await.status, 200);
    crate::wire::admin(&world, r#"{"session":{"revoke":{"account":"student2"}}}"#).await;
    ended.cookies = kept;
    for browser in [&mut pending, &mut ended] {
        let mark = world.campus.mark();
        let body = calls(&["core_get_string", "core_fetch_notifications"]);
        let ajax = browser.fetch(http::Method::POST, "/lib/ajax/service.php", "application/json", &body).await;
        assert_eq!(ajax.json()[0]["error"], false, "{}", ajax.text());
        assert_eq!(ajax.json()[1]["exception"]["errorcode"], "requireloginerror");
        let open = browser.get("/admin/tool/dataprivacy/summary.php").await;
        assert_eq!(open.status, 200);
        browser.get("/theme/styles.php/boost/1/all").await;
        assert_eq!(browser.get("/my/").await.location(), "/login/index.php");
        let body = calls(&["core_session_time_remaining"]);
        let ajax = browser.fetch(http::Method::POST, "/lib/ajax/service.php", "application/json", &body).await;
        assert_eq!(ajax.json()[0]["exception"]["errorcode"], "servicerequireslogin");
        for seen in world.campus.since(mark) {
            let cookies = seen.header("cookie").join("; ");
            let session = cookies.split("; ").find_map(|pair| pair.strip_prefix("MoodleSession=").map(str::to_owned));
            let user = session.and_then(|value| world.campus.session_user(&value));
            assert_eq!(user, None, "{} went along as somebody", seen.target);
            assert!(seen.headers.iter().all(|(name, _)| !name.starts_with("x-vestibule")), "{seen:?}");
        }
    }
}
