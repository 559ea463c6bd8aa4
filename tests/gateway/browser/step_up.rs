//! Places that ask for a fresh factor, and forms that have to wait for one.

use super::*;
use crate::webdriver::{Chromium, Device, Scripts};
use vestibule::{config::Config, types::Clock};

const SAVE: &str = "/x/save.php?id=2";
const BODY: &str = "sesskey=abc&text%5B%5D=na%C3%AFve+%26+more&text%5B%5D=2";
const FORM: &str = "application/x-www-form-urlencoded";
const PERMIT: &str = "/vestibule/permit";
const SEND: &str = "/vestibule/send";

fn guard(config: &mut Config, stage: &str) {
    let rule = format!(
        "{{name: sensitive, stage: {stage}, fresh_minutes: 15, first_enrolment: at_sign_in, \
          enrolment_window: {{until: 2100-01-01}}, \
          paths: [\"@administration\", \"@roles\", /x/, /local/campus/]}}"
    );
    config.mfa.rules.push(serde_yaml::from_str(&rule).expect("a rule"));
}

async fn world() -> World {
    World::with(|config| guard(config, "required")).await
}

/// Somebody whose factor is twenty minutes old.
async fn aged(world: &World, username: &str) -> (Browser, Authenticator) {
    let (browser, device) = signed_in(world, username).await;
    world.advance(Duration::from_secs(20 * 60));
    (browser, device)
}

/// Answers what `page` asks.
async fn confirm(world: &World, browser: &mut Browser, device: &Authenticator, page: &str) -> Answer {
    let csrf = browser.csrf(page).await;
    let code = device.code(world.clock.now());
    browser.post(page, &[("csrf", &csrf), ("factor", "totp"), ("code", &code)]).await
}

/// What a form of an LMS page sends when its reader presses the button, with these headers besides.
fn pressed(world: &World, content_type: &str) -> Vec<(&'static str, String)> {
    vec![
        ("accept", "text/html".into()),
        ("sec-fetch-mode", "navigate".into()),
        ("sec-fetch-dest", "document".into()),
        ("sec-fetch-site", "same-origin".into()),
        ("origin", world.url.clone()),
        ("content-type", content_type.into()),
    ]
}

async fn send_form(world: &World, browser: &mut Browser) -> Answer {
    browser.send(Method::POST, SAVE, &pressed(world, FORM), BODY.to_owned()).await
}

/// A click on "Send it now".
async fn click(browser: &mut Browser) -> Answer {
    let page = browser.get(SEND).await;
    assert_eq!(page.status, StatusCode::OK, "{} {}", page.location(), page.text());
    let page = page.text();
    let action = between(&page, "<form method=\"post\" action=\"", "\"").replace("&#x2f;", "/").replace("&amp;", "&");
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    browser.post(&action, &[("csrf", &csrf)]).await
}

/// Forms that have reached the LMS.
fn saved(world: &World) -> Vec<campus::Logged> {
    world.campus.requests().into_iter().filter(|r| r.target.starts_with("/x/save.php") && r.method == "POST").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_opened_by_a_fresh_factor_under_a_new_id_and_the_session_goes_on() {
    let world = world().await;
    let (mut browser, device) = aged(&world, "student1").await;
    let lms = sesskey(&mut browser).await;
    let mark = world.campus.mark();
    let asked = browser.get("/admin/settings.php?query=x").await;
    assert_eq!(asked.location(), "/vestibule/permit?to=%2Fadmin%2Fsettings%2Ephp%3Fquery%3Dx");
    let page = browser.get(asked.location()).await;
    assert!(page.text().contains("To open the administration of"), "{}", page.text());
    assert!(world.campus.since(mark).is_empty(), "the LMS stayed silent");
    let mut old = twin(&world, &browser);
    let sealed = browser.cookies[SEALED].clone();
    let answer = confirm(&world, &mut browser, &device, asked.location()).await;
    assert_eq!(answer.location(), "/admin/settings.php?query=x", "{}", answer.text());
    assert_ne!(browser.cookies[SESSION], old.cookies[SESSION], "attack D3");
    assert_eq!(browser.cookies[SEALED], sealed);
    assert!(!browser.cookies.contains_key(FLOW));
    assert_eq!(browser.get("/admin/settings.php?query=x").await.status, StatusCode::OK);
    assert_eq!(sesskey(&mut browser).await, lms, "open tabs live on");
    assert_eq!(world.audited("stepped_up").await[0]["rule"], "sensitive");
    // The old id reads for ten seconds, what it could read before.
    assert!(is_in(&mut old).await);
    assert!(old.get("/admin/settings.php").await.location().starts_with(PERMIT));
    assert_eq!(old.post("/my/", &[("a", "b")]).await.location(), "/login/index.php");
    world.advance(Duration::from_secs(10));
    assert!(!is_in(&mut old).await && is_in(&mut browser).await);
    assert_eq!(account(&world, "student1").await.sessions.len(), 1);
    world.advance(Duration::from_secs(15 * 60));
    assert!(browser.get("/admin/settings.php").await.location().starts_with(PERMIT), "it has aged again");
    assert!(is_in(&mut browser).await, "nothing else is asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_tabs_each_come_to_where_they_were_going() {
    let world = world().await;
    let (mut browser, device) = aged(&world, "student1").await;
    let first = browser.get("/admin/settings.php").await.location().to_owned();
    let flow = browser.cookies[FLOW].clone();
    let second = browser.get("/x/report.php?y=1").await.location().to_owned();
    assert_eq!(browser.cookies[FLOW], flow, "one question for both");
    let csrf = browser.csrf(&second).await;
    assert_eq!(confirm(&world, &mut browser, &device, &first).await.location(), "/admin/settings.php");
    let late = browser.post(&second, &[("csrf", &csrf), ("factor", "totp"), ("code", "000000")]).await;
    assert_eq!(late.location(), "/x/report.php?y=1", "the other tab has answered");
    assert_eq!(browser.get("/x/report.php?y=1").await.status, StatusCode::OK);
    // Nobody is led off the site, or in a circle.
    for to in ["%2F%2Fevil.example", "https%3A%2F%2Fevil.example", "%2Fvestibule%2Fpermit", "%2Flogin%2Flogout.php"] {
        let answer = browser.get(&format!("{PERMIT}?to={to}")).await;
        assert_eq!(answer.location(), "/vestibule/account", "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_an_error_and_nothing_reaches_the_lms() {
    let world = world().await;
    let (mut browser, _) = aged(&world, "student1").await;
    let mark = world.campus.mark();
    for method in [Method::GET, Method::POST] {
        let answer = browser.fetch(method, "/admin/settings.php", FORM, "a=b").await;
        assert_eq!(
            (answer.status, answer.json()["errorcode"].as_str()),
            (StatusCode::UNAUTHORIZED, Some("stepuprequired"))
        );
    }
    let (head, _) = websockets::open(&world, &browser, Some(&world.url)).await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    let unenrol = ajax(&mut browser, "core_enrol_unenrol_user_enrolment").await;
    assert_eq!(unenrol.json()[0]["exception"]["errorcode"], "stepuprequired", "{}", unenrol.text());
    let call = |name: &str, args: &str| format!(r#"{{"index":0,"methodname":"{name}","args":{args}}}"#);
    let roles = call("core_update_inplace_editable", r#"{"component":"core_user","itemtype":"user_roles"}"#);
    let batch = format!("[{},{roles}]", call("core_session_touch", "{}"));
    let batch = browser.fetch(Method::POST, "/lib/ajax/service.php?sesskey=x", "application/json", &batch).await;
    assert_eq!(batch.json()[0]["exception"]["errorcode"], "stepuprequired", "one of a batch counts for all of it");
    assert!(world.campus.since(mark).is_empty(), "the LMS stayed silent");
    let touch = ajax(&mut browser, "core_session_touch").await;
    assert_ne!(touch.json()[0]["exception"]["errorcode"], "stepuprequired");
    // A frame cannot show our page, and is not sent there.
    let frame = [("sec-fetch-mode", "navigate".to_owned()), ("sec-fetch-dest", "iframe".to_owned())];
    let framed = browser.send(Method::GET, "/admin/settings.php", &frame, String::new()).await;
    assert_eq!(framed.status, StatusCode::UNAUTHORIZED);
    // Guests have nothing to answer with.
    let mut guest = Browser::at(&world);
    guest.sign_in("guest", "guest").await;
    assert_eq!(guest.get("/admin/settings.php").await.location(), "/login/index.php");
}

#[tokio::test(flavor = "multi_thread")]
async fn j18_a_kept_form_is_named_on_the_page_and_goes_on_once_at_a_click() {
    let world = world().await;
    let (mut browser, device) = aged(&world, "student1").await;
    assert_eq!(send_form(&world, &mut browser).await.location(), PERMIT);
    let page = browser.get(PERMIT).await.text();
    assert!(page.contains("Before your form goes to") && page.contains("save.php"), "{page}");
    assert_eq!(browser.get(SEND).await.location(), PERMIT, "first the factor");
    assert_eq!(confirm(&world, &mut browser, &device, PERMIT).await.location(), SEND);
    let page = browser.get(SEND).await.text();
    assert!(page.contains("You were about to send a form") && page.contains("save.php?id=2"), "{page}");
    assert!(!page.contains("abc"), "what stands in it is not shown");
    assert!(saved(&world).is_empty(), "nothing goes by itself");
    let mut twin = twin(&world, &browser);
    // Not without the page's own token, not by a script, not from elsewhere.
    let marked = "/x/save.php?id=2&vestibule-send";
    assert_eq!(browser.post(marked, &[("csrf", "x")]).await.location(), SEND);
    let csrf = browser.csrf(SEND).await;
    browser.fetch(Method::POST, marked, FORM, &format!("csrf={csrf}")).await;
    let mut elsewhere = pressed(&world, FORM);
    elsewhere[4].1 = "https://evil.example".into();
    let answer = browser.send(Method::POST, marked, &elsewhere, format!("csrf={csrf}")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let other = browser.post("/x/other.php?vestibule-send", &[("csrf", &csrf)]).await;
    assert_ne!(other.status, StatusCode::OK, "to where it was going, and nowhere else");
    assert!(saved(&world).is_empty());
    let answer = click(&mut browser).await;
    assert_eq!(answer.status, StatusCode::OK, "{} {}", answer.location(), answer.text());
    assert!(answer.text().contains("/x/save.php"), "the LMS's own answer: {}", answer.text());
    let sent = saved(&world);
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].target.as_str(), String::from_utf8_lossy(&sent[0].body).as_ref()), (SAVE, BODY));
    assert_eq!(sent[0].header("content-type"), [FORM]);
    // A second click, the same page in another tab, a reload.
    assert_eq!(twin.post(marked, &[("csrf", &csrf)]).await.location(), "/");
    assert_eq!(browser.get(marked).await.location(), SAVE);
    assert_eq!(saved(&world).len(), 1);
    assert_eq!(world.audited("kept_form_sent").await[0]["path"], "/x/save.php");
}

#[tokio::test(flavor = "multi_thread")]
async fn j18_clicks_at_the_same_time_send_it_once_and_a_discarded_one_never() {
    let world = world().await;
    let (mut browser, device) = aged(&world, "student1").await;
    send_form(&world, &mut browser).await;
    confirm(&world, &mut browser, &device, PERMIT).await;
    let mut tabs: Vec<Browser> = (0..8).map(|_| twin(&world, &browser)).collect();
    let csrf = browser.csrf(SEND).await;
    let clicks = tabs.iter_mut().map(|tab| {
        let csrf = csrf.clone();
        async move { tab.post("/x/save.php?id=2&vestibule-send", &[("csrf", &csrf)]).await.status }
    });
    let answers = futures_util::future::join_all(clicks).await;
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{answers:?}");
    assert_eq!(saved(&world).len(), 1);
    world.advance(Duration::from_secs(20 * 60));
    send_form(&world, &mut browser).await;
    confirm(&world, &mut browser, &device, PERMIT).await;
    let csrf = browser.csrf(SEND).await;
    assert_eq!(browser.post("/vestibule/cancel", &[("csrf", &csrf)]).await.location(), "/");
    assert!(browser.cookies.contains_key(SESSION) && is_in(&mut browser).await, "and they stay signed in");
    assert_eq!(browser.get(SEND).await.location(), "/");
    assert_eq!(saved(&world).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn d14_files_long_bodies_and_what_no_person_sent_are_not_kept_and_the_page_says_so() {
    let world = world().await;
    let (mut browser, _) = aged(&world, "student1").await;
    let file = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\nx\r\n--b--\r\n";
    let upload =
        browser.send(Method::POST, SAVE, &pressed(&world, "multipart/form-data; boundary=b"), file.to_owned()).await;
    assert_eq!(upload.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(upload.text().contains("never kept") && upload.text().contains("save.php"), "{}", upload.text());
    let long = format!("text={}", "x".repeat(10 << 20));
    let long = browser.send(Method::POST, SAVE, &pressed(&world, FORM), long).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(long.text().contains("larger than what can be kept"), "{}", long.text());
    // An old browser that does not say where a request comes from, and another site's page.
    let silent = [("origin", world.url.clone()), ("content-type", FORM.to_owned()), ("accept", "text/html".into())];
    assert_eq!(browser.send(Method::POST, SAVE, &silent, BODY.into()).await.status, StatusCode::UNAUTHORIZED);
    let mut cross = pressed(&world, FORM);
    cross[3].1 = "cross-site".into();
    assert_eq!(browser.send(Method::POST, SAVE, &cross, BODY.into()).await.status, StatusCode::FORBIDDEN);
    assert!(!browser.cookies.contains_key(FLOW), "nothing was begun");
    // A script can send as many as it likes; five are kept.
    for _ in 0..5 {
        assert_eq!(send_form(&world, &mut browser).await.location(), PERMIT);
    }
    assert_eq!(send_form(&world, &mut browser).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(saved(&world).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn d14_a_kept_form_is_nothing_to_whoever_signs_in_next_in_that_browser() {
    let world = world().await;
    let (mut other, phone) = signed_in(&world, "student2").await;
    let (mut browser, device) = aged(&world, "student1").await;
    send_form(&world, &mut browser).await;
    confirm(&world, &mut browser, &device, PERMIT).await;
    let (flow, csrf) = (browser.cookies[FLOW].clone(), browser.csrf(SEND).await);
    // Student2 with everything that student1's browser had but the session.
    other.cookies.insert(FLOW.into(), flow);
    assert_eq!(other.get(SEND).await.location(), "/", "it is not even named");
    let answer = other.post("/x/save.php?id=2&vestibule-send", &[("csrf", &csrf)]).await;
    assert_ne!(answer.status, StatusCode::OK);
    // And signing in anew in that very browser leaves nothing of it there.
    world.advance(Duration::from_secs(60));
    browser.cookies.remove(SESSION);
    browser.get("/login/index.php").await;
    browser.sign_in_with(&world, "student2", PASSWORD, &phone).await;
    assert!(is_in(&mut browser).await && browser.get(SEND).await.location() == "/");
    assert!(saved(&world).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_came_after_its_session_had_expired_waits_for_the_same_account() {
    let world = world().await;
    let (_, phone) = signed_in(&world, "student2").await;
    let (mut browser, device) = signed_in(&world, "student1").await;
    let lms = sesskey(&mut browser).await;
    world.advance(Duration::from_secs(2 * 3600));
    let mut another = twin(&world, &browser);
    let edit = "/course/edit.php?id=2";
    for browser in [&mut browser, &mut another] {
        let answer = browser.send(Method::POST, edit, &pressed(&world, FORM), BODY.to_owned()).await;
        assert_eq!(answer.location(), "/login/index.php");
    }
    let sent = || world.campus.requests().into_iter().filter(|r| r.target == edit && r.method == "POST").count();
    assert_eq!(browser.sign_in_with(&world, "student1", PASSWORD, &device).await.location(), SEND);
    assert_eq!(sent(), 0);
    assert_eq!(sesskey(&mut browser).await, lms, "its sesskey is still good");
    let answer = click(&mut browser).await;
    assert!(answer.status == StatusCode::OK && answer.text().contains("/course/edit.php"), "{}", answer.text());
    assert_eq!(sent(), 1);
    another.sign_in_with(&world, "student2", PASSWORD, &phone).await;
    assert_eq!(another.get(SEND).await.location(), "/", "another account has nothing to send");
    assert_eq!(sent(), 1);
    // One that was signed out everywhere is no expired one.
    disable(&world, "student1").await;
    enable(&world, "student1").await;
    world.advance(Duration::from_secs(2 * 3600));
    let flow = browser.cookies.get(FLOW).cloned();
    browser.send(Method::POST, edit, &pressed(&world, FORM), BODY.to_owned()).await;
    assert_eq!(browser.cookies.get(FLOW).cloned(), flow);
    browser.get("/login/index.php").await;
    assert_ne!(browser.sign_in_with(&world, "student1", PASSWORD, &device).await.location(), SEND);
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_no_other_flow_and_no_other_session_opens_the_place() {
    let world = world().await;
    let (mut mallory, phone) = signed_in(&world, "student2").await;
    let (mut victim, device) = aged(&world, "student1").await;
    let place = "/admin/settings.php";
    let to = victim.get(place).await.location().to_owned();
    let theirs = mallory.get(place).await.location().to_owned();
    // The state of one login in the browser of the other, with either's code.
    let own = mallory.cookies[FLOW].clone();
    mallory.cookies.insert(FLOW.into(), victim.cookies[FLOW].clone());
    for device in [&phone, &device] {
        let fields = [("csrf", "x"), ("factor", "totp"), ("code", &*device.code(world.clock.now()))];
        let answer = mallory.post(PERMIT, &fields).await;
        assert!(!answer.location().starts_with("/admin"), "{}", answer.location());
    }
    mallory.cookies.insert(FLOW.into(), own);
    assert!(mallory.get(&theirs).await.status == StatusCode::OK, "and its own still asks");
    // Another browser of the same account, with its flow and form token: a session of its own, a flow of its own.
    let csrf = victim.csrf(&to).await;
    let mut second = challenged(&world, "student1").await;
    let pending = second.cookies[FLOW].clone();
    second.answer(&device.code(world.clock.now())).await;
    let fresh = second.get(place).await;
    assert_eq!(fresh.status, StatusCode::OK, "that sign-in is young");
    second.cookies.insert(FLOW.into(), victim.cookies[FLOW].clone());
    world.advance(Duration::from_secs(60));
    let fields = [("csrf", &*csrf), ("factor", "totp"), ("code", &*device.code(world.clock.now()))];
    let before = second.cookies[SESSION].clone();
    second.post(PERMIT, &fields).await;
    assert_eq!(second.cookies[SESSION], before, "not in a session that has not begun it");
    // What that sign-in answered is none of the first session's; nor is its finished flow.
    victim.cookies.insert(FLOW.into(), pending);
    assert!(victim.get(&to).await.location() == place && victim.get(place).await.location().starts_with(PERMIT));
    assert!(audit_now(&world, "stepped_up").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn d8_a_pending_flow_opens_nothing() {
    let world = world().await;
    let (mut owner, _) = aged(&world, "student1").await;
    owner.get("/admin/settings.php").await;
    let pending = challenged(&world, "student1").await;
    until("the password was judged", async || world.has_audited("password_judged")).await;
    for (what, of) in [("a sign-in's", &pending), ("a step-up's", &owner)] {
        let mark = world.campus.mark();
        let mut browser = Browser::at(&world);
        let flow = of.cookies[FLOW].clone();
        for name in [FLOW, SESSION, "__Host-vestibule-visit"] {
            browser.cookies = [(name.to_owned(), flow.clone())].into();
            for path in ["/my/", COURSE, "/admin/settings.php", "/vestibule/account"] {
                assert_eq!(browser.get(path).await.location(), "/login/index.php", "{what} {path}");
            }
            let (head, _) = websockets::open(&world, &browser, Some(&world.url)).await;
            assert!(head.starts_with("HTTP/1.1 401 "), "{what}: {head}");
            let call = format!(
                "/webservice/rest/server.php?moodlewsrestformat=json&wsfunction=core_webservice_get_site_info&wstoken={flow}"
            );
            assert_eq!(browser.get(&call).await.json()["errorcode"], "invalidtoken", "{what}");
            assert!(requires_login(&ajax(&mut browser, "core_session_touch").await), "{what}");
            for path in ["/vestibule/admin", "/vestibule/metrics", "/metrics", "/health"] {
                let answer = browser.get(path).await;
                assert!(matches!(answer.status.as_u16(), 303 | 404), "{what} {path}: {}", answer.status);
            }
        }
        assert!(world.campus.since(mark).is_empty(), "{what}: the LMS stayed silent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn report_lets_through_and_says_so_once_a_session_and_optional_asks_those_who_can_answer() {
    let world = World::with(|config| guard(config, "report")).await;
    let (mut browser, _) = aged(&world, "student1").await;
    for _ in 0..3 {
        assert_eq!(browser.get("/admin/settings.php").await.status, StatusCode::OK);
    }
    let lines = world.audited("let_through").await;
    assert_eq!((&lines[0]["rule"], &lines[0]["reason"]), (&Value::from("sensitive"), &Value::from("report")));
    assert_eq!(lines.len(), 1);
    let world = World::with(|config| {
        config.mfa.rules[0].stage = vestibule::mfa::Stage::Off;
        guard(config, "optional");
    })
    .await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    assert_eq!(browser.get("/admin/settings.php").await.status, StatusCode::OK, "there is nothing to answer with");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_nothing_to_answer_with_is_told_so_and_stays_signed_in() {
    let world = World::with(|config| {
        config.mfa.rules[0].stage = vestibule::mfa::Stage::Off;
        guard(config, "required");
    })
    .await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    let answer = browser.get("/admin/settings.php").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text().contains("This needs a second step"), "{}", answer.text());
    assert!(is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_real_browser_a_form_waits_for_the_second_factor_and_arrives() {
    const LOAD: Duration = Duration::from_secs(10);
    let world = world().await;
    let screen = Chromium::with(Device::Phone, Scripts::On).await;
    let shot = async |what: &str| drop(screen.screenshot(&format!("step-up-{what}")).await);
    screen.goto(&format!("{}{COURSE}", world.url)).await;
    screen.wait_for("input[name=username]", LOAD).await;
    screen.type_into("input[name=username]", "student1").await;
    screen.type_into("input[name=password]", &format!("{PASSWORD}\u{e007}")).await;
    screen.wait_for("#code", LOAD).await;
    let phone = Authenticator::from_page(&screen.source().await.replace("&amp;", "&"));
    screen.type_into("#code", &format!("{}\u{e007}", phone.code(world.clock.now()))).await;
    screen.wait_for(".codes", LOAD).await;
    screen.type_into("form button[type=submit]", "\u{e007}").await;
    screen.wait_for("#region-main", LOAD).await;
    world.advance(Duration::from_secs(20 * 60));
    screen
        .eval(
            "document.querySelector('#region-main').innerHTML = '<form method=post action=\"/x/save.php?id=2\">\
             <textarea name=text></textarea><button id=save>Save</button></form>'",
        )
        .await;
    screen.type_into("textarea[name=text]", "An hour’s work").await;
    screen.click("#save").await;
    screen.wait_for("#code", LOAD).await;
    assert!(screen.url().await.ends_with(PERMIT));
    shot("1-confirm").await;
    screen.type_into("#code", &format!("{}\u{e007}", phone.code(world.clock.now()))).await;
    screen.wait_for("form[action*='vestibule-send']", LOAD).await;
    assert!(screen.url().await.ends_with(SEND) && saved(&world).is_empty());
    shot("2-send").await;
    screen.click("form[action*='vestibule-send'] button").await;
    screen.wait_for("#region-main", LOAD).await;
    assert!(screen.url().await.starts_with(&format!("{}{SAVE}", world.url)), "{}", screen.url().await);
    shot("3-sent").await;
    let sent = saved(&world);
    assert_eq!(sent.len(), 1);
    assert_eq!(String::from_utf8_lossy(&sent[0].body), "text=An+hour%E2%80%99s+work");
    let ours: Vec<String> = screen.console().await.into_iter().filter(|line| line.contains("/vestibule/")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}
