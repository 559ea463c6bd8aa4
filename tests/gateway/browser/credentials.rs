//! The posted login form, read as PHP reads it, and how refusals look: the LMS's own, whoever refused.

use super::*;

const FORM: &str = "application/x-www-form-urlencoded";

/// Posts a body as a browser would, with this type.
async fn post_raw(world: &World, browser: &mut Browser, content_type: &str, body: &str) -> Answer {
    let head = [
        ("accept", "text/html".to_owned()),
        ("sec-fetch-mode", "navigate".to_owned()),
        ("sec-fetch-dest", "document".to_owned()),
        ("sec-fetch-site", "same-origin".to_owned()),
        ("origin", world.url.clone()),
        ("content-type", content_type.to_owned()),
    ];
    browser.send(Method::POST, "/login/index.php", &head, body.to_owned()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn h1_credentials_are_read_as_php_reads_them() {
    let world = World::start().await;
    let boundary = "multipart/form-data; boundary=B";
    let part =
        |name: &str, value: &str| format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let multipart = [part("username", "nobody"), part("username", "student1"), part("password", PASSWORD)].concat();
    for (what, kind, body) in [
        ("the last of two counts", FORM, "username=nobody&username=student1&password=x&password=Stud.1234".to_owned()),
        ("an alias is the name", FORM, "+username=student1&password=Stud.1234".to_owned()),
        ("the alias that comes last counts", FORM, "username=nobody&+username=student1&password=Stud.1234".to_owned()),
        ("percent-encoded names are names", FORM, "%75sername=student1&pass%77ord=Stud.1234".to_owned()),
        ("multipart", boundary, format!("{multipart}--B--\r\n")),
    ] {
        let mut browser = Browser::at(&world);
        let answer = post_raw(&world, &mut browser, kind, &body).await;
        assert_eq!(answer.location(), "/vestibule/enrol", "{what}: {}", answer.text());
    }
    let sent = world.campus.requests();
    let forms = sent.iter().filter(|r| r.method == "POST" && r.path() == "/login/index.php");
    for form in forms {
        let body = String::from_utf8_lossy(&form.body);
        assert!(body.ends_with("&username=student1&password=Stud.1234"), "rebuilt: {body}");
        assert_eq!(form.header("content-type"), [FORM]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h1_a_form_that_is_read_in_two_ways_never_reaches_the_lms() {
    let world = World::start().await;
    let mark = world.campus.mark();
    for body in [
        "username[]=student1&password=Stud.1234",
        "username[a]=student1&password=Stud.1234",
        "username=student1&password[]=Stud.1234",
        "username=student1&password=%ff%fe",
    ] {
        let answer = post_raw(&world, &mut Browser::at(&world), FORM, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
    }
    // PHP sees no credentials in these: the form is shown again.
    for (kind, body) in [
        (FORM, "username=student1;password=Stud.1234"),
        ("application/json", r#"{"username":"student1","password":"Stud.1234"}"#),
        ("text/plain", "username=student1&password=Stud.1234"),
        (FORM, ""),
    ] {
        let answer = post_raw(&world, &mut Browser::at(&world), kind, body).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login/index.php"), "{body}");
    }
    // In the query they are no credentials, and are not sent on as such.
    let mut browser = Browser::at(&world);
    browser.get("/login/index.php?username=student1&password=Stud.1234").await;
    assert!(!is_in(&mut browser).await);
    let posts = world.campus.since(mark).into_iter().filter(|r| r.method == "POST" && r.path() == "/login/index.php");
    assert_eq!(posts.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_login_form_from_another_origin_is_refused() {
    let world = World::start().await;
    let mark = world.campus.mark();
    let body = "username=student1&password=Stud.1234";
    let send = async |extra: &[(&'static str, &str)]| {
        let mut head = vec![("accept", "text/html".to_owned()), ("content-type", FORM.to_owned())];
        head.extend(extra.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Browser::at(&world).send(Method::POST, "/login/index.php", &head, body.to_owned()).await.status
    };
    let own = world.url.as_str();
    let referer = format!("{own}/login/index.php");
    let (longer, sibling) = (format!("{own}0/x"), format!("{own}.evil.example/"));
    for (what, extra) in [
        ("neither Origin nor Referer", vec![]),
        ("another Origin", vec![("origin", "https://evil.example")]),
        ("null", vec![("origin", "null")]),
        ("plain http", vec![("origin", "http://localhost")]),
        ("another Referer", vec![("referer", "https://evil.example/")]),
        ("a longer port in Referer", vec![("referer", &*longer)]),
        ("a host that begins like ours", vec![("referer", &*sibling)]),
        ("Origin wins over Referer", vec![("origin", "https://evil.example"), ("referer", &*referer)]),
        ("two origins", vec![("origin", own), ("origin", "https://evil.example")]),
        ("the browser says cross-site", vec![("origin", own), ("sec-fetch-site", "cross-site")]),
        ("the browser says same-site", vec![("origin", own), ("sec-fetch-site", "same-site")]),
    ] {
        assert_eq!(send(&extra).await, StatusCode::FORBIDDEN, "{what}");
    }
    let posted = |r: &&campus::Logged| r.method == "POST" && r.path() == "/login/index.php";
    assert_eq!(world.campus.since(mark).iter().filter(posted).count(), 0);
    assert_eq!(send(&[("referer", &*referer)]).await, StatusCode::SEE_OTHER, "an old browser's Referer is enough");
    assert_eq!(send(&[("origin", own)]).await, StatusCode::SEE_OTHER);
}

/// What is seen of a refusal: status, Location, names of headers and cookies, and the message of the next page.
async fn seen(world: &World, username: &str, password: &str) -> String {
    let mut browser = Browser::at(world);
    let answer = browser.sign_in(username, password).await;
    let mut names: Vec<&str> = answer.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    let cookies: Vec<String> =
        set_cookies(&answer).iter().map(|line| line.split('=').next().unwrap_or_default().to_owned()).collect();
    let body = answer.text();
    let page = browser.get("/login/index.php").await;
    assert!(page.text().contains("Invalid login"), "{username}: the LMS's own words: {}", page.text());
    let again = browser.get("/login/index.php").await;
    assert!(!again.text().contains("Invalid login"), "said once");
    format!("{} {} {names:?} {cookies:?} {body}", answer.status, answer.location())
}

#[tokio::test(flavor = "multi_thread")]
async fn e2_every_refusal_is_the_lmss_own_and_they_all_look_alike() {
    let world = World::start().await;
    world.campus.settings(|s| s.lockout_threshold = 3);
    signed_in(&world, "student3").await;
    disable(&world, "student3").await;
    let wrong = seen(&world, "student1", "wrong").await;
    assert!(wrong.starts_with(&format!("303 See Other {}/login/index.php ", world.url)), "{wrong}");
    assert_eq!(seen(&world, "nobody", "wrong").await, wrong, "unknown");
    assert_eq!(seen(&world, "suspended1", PASSWORD).await, wrong, "suspended at the LMS");
    assert_eq!(seen(&world, "student3", PASSWORD).await, wrong, "switched off here");
    for _ in 0..3 {
        seen(&world, "student2", "wrong").await;
    }
    assert_eq!(seen(&world, "student2", PASSWORD).await, wrong, "locked at the LMS");
    for _ in 0..9 {
        seen(&world, "student1", "wrong").await;
    }
    let before = passwords_at_the_lms(&world);
    assert_eq!(seen(&world, "student1", PASSWORD).await, wrong, "refused by our limit, though right");
    assert_eq!(passwords_at_the_lms(&world), before, "and the password never went to the LMS");
    world.audited("sign_in_throttled").await;
    // They differ in the audit log.
    assert_eq!(world.audited("sign_in_denied").await[0]["reason"], "account_not_active");
    assert_eq!(audit_now(&world, "sign_in_throttled").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unread_message_of_the_lms_is_shown_at_once_as_the_lms_does() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", "wrong").await;
    let page = browser.get("/login/index.php").await;
    assert!(page.text().contains("Invalid login"));
    // Every attempt has an LMS session of its own, so the answer is always the redirect.
    for _ in 0..2 {
        let answer = browser.post("/login/index.php", &[("username", "student1"), ("password", "wrong")]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    }
    assert!(browser.get("/login/index.php").await.text().contains("Invalid login"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unconfirmed_account_sees_the_lmss_own_page() {
    let world = World::start().await;
    world.campus.account(STUDENT1, |a| a.confirmed = false);
    let mut browser = Browser::at(&world);
    let answer = browser.sign_in("student1", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text().contains("An e-mail was sent to student1@example.test"), "{}", answer.text());
    assert!(!browser.cookies.contains_key(FLOW) && !is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn e4_of_500_parallel_wrong_passwords_at_most_eleven_reach_the_lms() {
    let world = World::start().await;
    let world = &world;
    let one = async |n: usize| {
        let body = format!("username=student1&password=guess{n}");
        post_raw(world, &mut Browser::at(world), FORM, &body).await.status
    };
    let answers = futures_util::future::join_all((0..500).map(one)).await;
    assert!(answers.iter().all(|status| *status == StatusCode::SEE_OTHER), "{answers:?}");
    let judged = passwords_at_the_lms(world);
    assert!((1..=11).contains(&judged), "{judged}");
    // The owner is refused for a quarter of an hour, and then is not.
    let mut owner = Browser::at(world);
    assert!(owner.sign_in("student1", PASSWORD).await.location().ends_with("/login/index.php"));
    world.advance(Duration::from_secs(15 * 60 + 1));
    assert_eq!(owner.sign_in("student1", PASSWORD).await.location(), "/vestibule/enrol");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_never_counts_however_many_come_at_once() {
    let world = World::start().await;
    let world = &world;
    let one = async |_| {
        let body = "username=student1&password=Stud.1234";
        post_raw(world, &mut Browser::at(world), FORM, body).await;
    };
    futures_util::future::join_all((0..40).map(one)).await;
    assert_eq!(Browser::at(world).sign_in("student1", PASSWORD).await.location(), "/vestibule/enrol");
}
