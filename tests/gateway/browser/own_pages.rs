//! Our own pages, with hostile neighbours on the same origin (J5, J19), and their forms.

use super::*;
use vestibule::types::Clock;

const PAGES: [&str; 5] = [
    "/vestibule/challenge",
    "/vestibule/enrol",
    "/vestibule/help-desk",
    "/vestibule/recovery-codes",
    "/vestibule/recovery-codes.txt",
];

/// Sends what no form of ours sends; `head` says how the browser got there.
async fn send(browser: &mut Browser, method: Method, path: &str, head: &[(&str, &str)], body: &str) -> Answer {
    let mut all = vec![("accept", "text/html".to_owned())];
    if method == Method::POST {
        all.push(("content-type", "application/x-www-form-urlencoded".to_owned()));
    }
    all.extend(head.iter().map(|(name, value)| (*name, (*value).to_owned())));
    browser.send(method, path, &all, body.to_owned()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_an_answer_without_its_forms_own_token_is_no_answer() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut foreign = challenged(&world, "student1").await;
    let foreign = foreign.csrf("/vestibule/challenge").await;
    let mut browser = challenged(&world, "student1").await;
    let code = device.code(world.clock.now());
    for csrf in ["", "x", &foreign] {
        let fields = [("csrf", csrf), ("factor", "totp"), ("code", &*code)];
        let answer = browser.post("/vestibule/challenge", &fields).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{csrf}");
        browser.post("/vestibule/cancel", &[("csrf", csrf)]).await;
    }
    browser.answer(&code).await;
    assert!(is_in(&mut browser).await, "neither answered, nor cancelled, nor used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_j5_an_answer_from_elsewhere_is_refused() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    let csrf = browser.csrf("/vestibule/challenge").await;
    let code = device.code(world.clock.now());
    let body = format!("csrf={csrf}&factor=totp&code={code}");
    let own = world.url.as_str();
    for (what, head) in [
        ("no Origin", vec![]),
        ("another Origin", vec![("origin", "https://evil.example")]),
        ("null", vec![("origin", "null")]),
        ("cross-site", vec![("origin", own), ("sec-fetch-site", "cross-site")]),
        ("a script's fetch", vec![("origin", own), ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]),
        ("a script's fetch without cors", vec![("origin", own), ("sec-fetch-mode", "no-cors")]),
        ("a frame", vec![("origin", own), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]),
        ("an embed", vec![("origin", own), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "embed")]),
    ] {
        for path in [
            "/vestibule/challenge",
            "/vestibule/enrol",
            "/vestibule/help-desk",
            "/vestibule/recovery-codes",
            "/vestibule/cancel",
        ] {
            let answer = send(&mut browser, Method::POST, path, &head, &body).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what} {path}");
        }
    }
    let answer = send(&mut browser, Method::POST, "/vestibule/challenge", &[("origin", own)], &body).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "a browser without Sec-Fetch headers may");
}

#[tokio::test(flavor = "multi_thread")]
async fn j5_j19_our_pages_are_given_to_top_level_navigations_only() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    let secret = between(&browser.get("/vestibule/enrol").await.text(), "secret=", "&");
    for path in PAGES {
        for head in [
            [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
            [("sec-fetch-mode", "same-origin"), ("sec-fetch-dest", "empty")],
            [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")],
            [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
            [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "object")],
        ] {
            let answer = send(&mut browser, Method::GET, path, &head, "").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {head:?}");
            assert!(!answer.text().contains(&secret));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d12_d13_our_pages_are_neither_framed_nor_kept_nor_scripted() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    for (path, status) in [("/vestibule/enrol", 200), ("/vestibule/nothing", 404), ("/admin/cron.php", 403)] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        let csp = answer.header("content-security-policy").expect("a policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
            assert!(csp.contains(part), "{path}: {csp}");
        }
        assert!(!csp.contains("unsafe"), "{csp}");
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path} {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j5_no_service_worker_is_registered_on_this_origin() {
    let world = World::start().await;
    let (mut browser, _) = signed_in(&world, "student1").await;
    let mark = world.campus.mark();
    for path in [
        "/pluginfile.php/19/mod_resource/content/0/sw.js",
        "/local/campus/echo",
        "/lib/javascript.php/1/sw.js",
        "/vestibule/assets/x.js",
    ] {
        let head = [("service-worker", "script"), ("sec-fetch-dest", "serviceworker")];
        assert_eq!(send(&mut browser, Method::GET, path, &head, "").await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(world.campus.since(mark).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn get_changes_nothing_and_other_methods_are_refused() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    let csrf = browser.csrf("/vestibule/challenge").await;
    let code = device.code(world.clock.now());
    let query = format!("csrf={csrf}&factor=totp&code={code}");
    let answer = browser.get(&format!("/vestibule/challenge?{query}")).await;
    assert!(answer.status == StatusCode::OK && !answer.text().contains(&code), "nor is it put into the page");
    assert_eq!(browser.get(&format!("/vestibule/cancel?{query}")).await.status, StatusCode::NOT_FOUND);
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let answer =
            send(&mut browser, method, &format!("/vestibule/challenge?{query}"), &[("origin", &world.url)], "").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    let answer = send(&mut browser, Method::HEAD, "/vestibule/challenge", &[], "").await;
    assert!(answer.status == StatusCode::OK && answer.body.is_empty());
    browser.answer(&code).await;
    assert!(is_in(&mut browser).await, "the code was not used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recovery_codes_are_shown_once_and_can_be_saved() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    let page = browser.get("/vestibule/enrol").await.text();
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let code = Authenticator::from_page(&page).code(world.clock.now());
    let answer = browser.post("/vestibule/enrol", &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(answer.location(), "/vestibule/recovery-codes");
    // Nobody is signed in before they said that they kept them.
    assert!(!is_in(&mut browser).await);
    let file = browser.get("/vestibule/recovery-codes.txt").await;
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"recovery-codes.txt\""));
    assert_eq!(file.header("cache-control"), Some("no-store"));
    let csrf = browser.csrf("/vestibule/recovery-codes").await;
    let answer = browser.post("/vestibule/recovery-codes", &[("csrf", &csrf)]).await;
    assert_eq!(answer.location(), "/login/index.php?testsession=3", "the LMS's next step");
    for path in ["/vestibule/recovery-codes", "/vestibule/recovery-codes.txt", "/vestibule/enrol"] {
        let answer = browser.get(path).await;
        assert_ne!(answer.status, StatusCode::OK, "{path}");
    }
    // Sent twice (an impatient click): they go on.
    assert!(is_in(&mut browser).await);
}
