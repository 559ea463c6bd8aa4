//! The account page: link, remove, make primary, each by a factor of its own.

use super::*;
use crate::servers::Smtp;

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_or_guest_signs_in_and_comes_back_to_the_account_page() {
    let world = world(&nobody(), |_| {}).await;
    let mut browser = Browser::at(&world);
    assert_eq!(browser.get(ACCOUNT).await.location(), "/vestibule/sign-in");
    type_in(&mut browser, "guest", "guest").await;
    assert!(browser.cookies.contains_key(SESSION));
    assert_eq!(browser.get(ACCOUNT).await.location(), "/vestibule/sign-in");
    assert_eq!(browser.get("/vestibule/sign-in").await.status, StatusCode::OK, "a guest may become somebody");
    let answer = type_in(&mut browser, "anna", SECRET).await;
    enrol(&world, &mut browser, &answer).await;
    let page = browser.get(ACCOUNT).await;
    assert_eq!((page.status, page.header("cache-control")), (StatusCode::OK, Some("no-store")));
    assert!(page.text().contains("Staff directory") && page.text().contains("anna"), "{}", page.text());
    let mut again = Browser::at(&world);
    again.get(ACCOUNT).await;
    type_in(&mut again, "anna", SECRET).await;
    assert!(again.cookies.contains_key(FLOW));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_source_is_linked_after_a_factor_for_that_action_and_a_mail_says_so() {
    let smtp = Smtp::plain();
    let mail = format!("server: {:?}\nfrom: Campus <sign-in@example.org>", smtp.url());
    let world = world(&nobody(), |config| {
        config.outbound.mail = Some(serde_yaml::from_str(&mail).expect("mail settings"));
    })
    .await;
    let (mut browser, device) = newcomer(&world, "anna").await;
    browser.headers.push(("accept-language", "de".into()));
    assert_eq!(wish(&mut browser, "link", "").await.location(), "/vestibule/permit");
    let page = browser.get("/vestibule/permit").await.text();
    assert!(page.contains("Um Ihrem Konto einen weiteren Anmeldeweg hinzuzufügen"), "{page}");
    // Neither another page's form nor a missing code goes on.
    let csrf = browser.csrf("/vestibule/permit").await;
    let code = device.code(vestibule::types::Clock::now(world.clock.as_ref()));
    let stray = browser.post("/vestibule/challenge", &[("csrf", &csrf), ("factor", "totp"), ("code", &code)]).await;
    assert_eq!(stray.location(), "/vestibule/permit");
    assert_eq!(browser.get("/vestibule/second-source").await.location(), "/vestibule/permit");
    assert_eq!(permit(&world, &mut browser, &device).await.location(), "/vestibule/second-source");
    for (source, name, password) in [
        ("students", "anna.b", "wrong"),
        ("students", "anna.b", ""),
        ("staff", "bert", SECRET),
        ("x", "anna.b", SECRET),
    ] {
        let answer = second(&mut browser, source, name, password).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{source} {name} {}", answer.text());
        let again = answer.text();
        assert!(again.contains(&format!("value=\"{name}\" required")), "the name stands there again: {again}");
        let chosen = again.contains("value=\"students\" required checked");
        assert_eq!(chosen, source == "students", "the source stays chosen: {again}");
    }
    assert_eq!(second(&mut browser, "students", "anna.b", SECRET).await.location(), "/vestibule/join");
    let page = browser.get("/vestibule/join").await.text();
    assert!(page.contains("<dd>anna</dd>") && page.contains("<dd>Student directory: anna.b</dd>"), "{page}");
    assert!(audit_now(&world, "method_linked").is_empty(), "GET has changed nothing");
    assert_eq!(press(&mut browser, "/vestibule/join", "").await.location(), ACCOUNT);
    let page = browser.get(ACCOUNT).await.text();
    assert!(page.contains("Student directory") && page.contains("anna.b"), "{page}");
    let linked = world.audited("method_linked").await;
    assert_eq!((&linked[0]["source"], &linked[0]["how"]), (&"students".into(), &"owner".into()));
    until("two letters", async || smtp.letters().len() >= 2).await;
    let subjects = format!("{:?}", smtp.letters());
    assert!(subjects.contains("Ein Anmeldeweg ist hinzugekommen"), "{subjects}");
    assert!(smtp.letters().iter().all(|letter| letter["to"][0] == "anna@example.org"), "{subjects}");
    // And in by it, to the same account, with the same device.
    let mut other = Browser::at(&world);
    assert_eq!(type_in(&mut other, "anna.b", SECRET).await.location(), "/vestibule/challenge");
    other.answer(&device.code(vestibule::types::Clock::now(world.clock.as_ref()))).await;
    assert!(other.get(ACCOUNT).await.text().contains("Staff directory"));
    assert_eq!(audit_now(&world, "account_created").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lms_itself_can_be_linked_and_its_session_of_the_question_is_logged_out() {
    let world = world(&nobody(), |_| {}).await;
    // Bound as nobody yet: their own LMS user is the one that is linked.
    let (mut browser, device) = newcomer(&world, "anna").await;
    let answer = async {
        wish(&mut browser, "link", "").await;
        permit(&world, &mut browser, &device).await;
        second(&mut browser, "campus-lms", "student1", PASSWORD).await
    }
    .await;
    // The header sign-in has made an LMS user of their own; another one is another's.
    assert!(answer.text().contains("already linked to another account"), "{}", answer.text());
    assert_eq!(world.audited("link_refused").await[0]["reason"], "binding_differs");
    until("the LMS session is logged out", async || world.campus.live_sessions(STUDENT1) == 0).await;
    // The other way round: an LMS account gets the directory.
    let mut browser = Browser::at(&world);
    let answer = type_in(&mut browser, "student1", PASSWORD).await;
    let device = enrol(&world, &mut browser, &answer).await;
    assert_eq!(link(&world, &mut browser, &device, "staff", "bert").await.location(), ACCOUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn g5_what_is_somebody_elses_is_not_linked_and_neither_primary_nor_last_is_removed() {
    let world = world(&nobody(), |_| {}).await;
    let (mut carl, _) = newcomer(&world, "carl").await;
    let (mut anna, device) = newcomer(&world, "anna").await;
    let alone = anna.get(ACCOUNT).await.text();
    assert!(!alone.contains("value=\"unlink\"") && !alone.contains("value=\"primary\""), "{alone}");
    wish(&mut anna, "link", "").await;
    permit(&world, &mut anna, &device).await;
    let refused = second(&mut anna, "students", "carl", SECRET).await;
    assert!(refused.text().contains("already linked to another account"), "{}", refused.text());
    assert_eq!(world.audited("link_refused").await[0]["reason"], "linked_elsewhere");
    // The name of another account of this site: it would never sign in, whosever method it is.
    let (mut bert, phone) = newcomer(&world, "bert").await;
    wish(&mut bert, "link", "").await;
    permit(&world, &mut bert, &phone).await;
    assert!(second(&mut bert, "students", "anna", SECRET).await.text().contains("already linked"));
    assert!(audit_now(&world, "method_linked").is_empty());
    assert!(carl.get(ACCOUNT).await.text().contains("Student directory"));
    // Two at once: one method.
    link(&world, &mut anna, &device, "students", "anna.b").await;
    let method = handle(&mut anna).await;
    // Handles of others, and acts that are none, begin nothing.
    for (act, of) in [("unlink", "x"), ("unlink", ""), ("primary", "x")] {
        assert_eq!(wish(&mut anna, act, of).await.location(), ACCOUNT, "{act} {of}");
    }
    assert_eq!(wish(&mut anna, "x", &method).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(wish(&mut bert, "unlink", &method).await.location(), ACCOUNT, "not bert's to remove");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_is_made_primary_and_the_other_removed_with_all_that_was_given_for_it() {
    let world = world(&nobody(), |_| {}).await;
    let (mut anna, device) = newcomer(&world, "anna").await;
    link(&world, &mut anna, &device, "students", "anna.b").await;
    let mut student = Browser::at(&world);
    type_in(&mut student, "anna.b", SECRET).await;
    student.answer(&device.code(vestibule::types::Clock::now(world.clock.as_ref()))).await;
    world.advance(Duration::from_secs(60));
    let page = student.get(ACCOUNT).await.text();
    assert!(page.contains("You are signed in with it now.") && !page.contains("value=\"unlink\""), "{page}");
    let method = handle(&mut anna).await;
    assert_eq!(wish(&mut anna, "primary", &method).await.location(), "/vestibule/permit");
    let page = anna.get("/vestibule/permit").await.text();
    assert!(page.contains("To make ‘Student directory’ the primary way"), "{page}");
    assert_eq!(permit(&world, &mut anna, &device).await.location(), ACCOUNT);
    assert_eq!(world.audited("primary_changed").await[0]["source"], "students");
    // Who came in by the staff directory cannot remove it from there; who came in as a student can.
    assert!(!anna.get(ACCOUNT).await.text().contains("value=\"unlink\""));
    let method = handle(&mut student).await;
    assert_eq!(wish(&mut student, "unlink", &method).await.location(), "/vestibule/permit");
    assert!(student.get("/vestibule/permit").await.text().contains("To remove ‘Staff directory’ from your account"));
    assert_eq!(permit(&world, &mut student, &device).await.location(), ACCOUNT);
    assert_eq!(world.audited("method_unlinked").await[0]["source"], "staff");
    assert_eq!(anna.get(ACCOUNT).await.location(), "/vestibule/sign-in", "what was given for it is over");
    assert_eq!(student.get(ACCOUNT).await.status, StatusCode::OK);
    let mut again = Browser::at(&world);
    assert_eq!(type_in(&mut again, "anna", SECRET).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_keeps_its_users_lets_none_remove_it() {
    let world = world(&nobody(), |config| config.chain.instances[1].common.users_may_unlink = false).await;
    let (mut anna, device) = newcomer(&world, "anna").await;
    link(&world, &mut anna, &device, "students", "anna.b").await;
    assert!(!anna.get(ACCOUNT).await.text().contains("value=\"unlink\""));
    let method = handle(&mut anna).await;
    assert_eq!(wish(&mut anna, "unlink", &method).await.location(), ACCOUNT);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_factor_nothing_is_changed_whatever_let_the_session_in() {
    let world = world(&nobody(), |config| config.mfa.rules[0].stage = vestibule::mfa::config::Stage::Off).await;
    let mut browser = Browser::at(&world);
    type_in(&mut browser, "anna", SECRET).await;
    let page = browser.get(ACCOUNT).await.text();
    assert!(page.contains("once your account has a second step") && !page.contains("value=\"link\""), "{page}");
    let csrf = "x";
    assert_eq!(browser.post(ACCOUNT, &[("csrf", csrf), ("act", "link")]).await.location(), ACCOUNT);
    assert!(!browser.cookies.contains_key(FLOW));
}

#[tokio::test(flavor = "multi_thread")]
async fn g4_in_an_attackers_session_a_victim_has_no_factor_to_link_with() {
    let world = world(&nobody(), |_| {}).await;
    let (mut attacker, phone) = newcomer(&world, "bert").await;
    let (_, victims) = newcomer(&world, "anna").await;
    // The victim's browser holds the attacker's session, and everything the page offers is pressed.
    let mut victim = twin(&world, &attacker);
    assert_eq!(wish(&mut victim, "link", "").await.location(), "/vestibule/permit");
    let answer = permit(&world, &mut victim, &victims).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "the victim's own code is none of this account's");
    assert_eq!(victim.get("/vestibule/second-source").await.location(), "/vestibule/permit");
    // A flow in which the attacker has answered is of no use in a browser with another session.
    wish(&mut attacker, "link", "").await;
    permit(&world, &mut attacker, &phone).await;
    let (mut other, _) = newcomer(&world, "carl").await;
    other.cookies.insert(FLOW.into(), attacker.cookies[FLOW].clone());
    assert_eq!(other.get("/vestibule/second-source").await.location(), ACCOUNT);
    // Nor after signing out and in again in the same browser: the factor was for that session.
    attacker.cookies.remove(SESSION);
    assert_eq!(attacker.get("/vestibule/second-source").await.status, StatusCode::GONE);
    assert!(audit_now(&world, "method_linked").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_for_signing_in_permits_nothing_and_one_for_an_action_signs_nobody_in() {
    let world = world(&nobody(), |_| {}).await;
    let (mut anna, device) = newcomer(&world, "anna").await;
    // A sign-in that waits for its code is no action's flow.
    let mut other = Browser::at(&world);
    assert_eq!(type_in(&mut other, "anna", SECRET).await.location(), "/vestibule/challenge");
    let csrf = other.csrf("/vestibule/challenge").await;
    let code = device.code(vestibule::types::Clock::now(world.clock.as_ref()));
    let answer = other.post("/vestibule/permit", &[("csrf", &csrf), ("factor", "totp"), ("code", &code)]).await;
    assert_eq!(answer.location(), "/vestibule/challenge");
    assert!(!other.cookies.contains_key(SESSION));
    // Five wrong codes end the action, and the person stays signed in.
    wish(&mut anna, "link", "").await;
    let csrf = anna.csrf("/vestibule/permit").await;
    let wrong = wrong_code(&world, &device);
    for _ in 0..5 {
        anna.post("/vestibule/permit", &[("csrf", &csrf), ("factor", "totp"), ("code", &wrong)]).await;
    }
    assert_eq!(anna.get("/vestibule/permit").await.location(), ACCOUNT, "the flow is over");
    assert_eq!(anna.get(ACCOUNT).await.status, StatusCode::OK);
    // Cancelling is no signing out either.
    world.advance(Duration::from_secs(60));
    wish(&mut anna, "link", "").await;
    assert_eq!(press(&mut anna, "/vestibule/permit", "").await.status, StatusCode::BAD_REQUEST, "no factor is named");
    let csrf = anna.csrf("/vestibule/permit").await;
    assert_eq!(anna.post("/vestibule/cancel", &[("csrf", &csrf)]).await.location(), ACCOUNT);
    assert_eq!(anna.get(ACCOUNT).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_j5_j19_a_script_or_frame_on_an_lms_page_gets_nothing_of_it() {
    let world = world(&nobody(), |_| {}).await;
    let (mut anna, _) = newcomer(&world, "anna").await;
    let fetched = anna.fetch(Method::GET, ACCOUNT, "text/plain", "").await;
    assert_eq!(fetched.status, StatusCode::FORBIDDEN);
    let csrf = anna.csrf(ACCOUNT).await;
    let body = format!("csrf={csrf}&act=link");
    let posted = anna.fetch(Method::POST, ACCOUNT, "application/x-www-form-urlencoded", &body).await;
    assert_eq!(posted.status, StatusCode::FORBIDDEN);
    for origin in ["https://evil.example", "null"] {
        let head = [
            ("origin", origin.to_owned()),
            ("sec-fetch-mode", "navigate".into()),
            ("sec-fetch-dest", "document".into()),
            ("sec-fetch-site", "cross-site".into()),
            ("content-type", "application/x-www-form-urlencoded".into()),
        ];
        let answer = anna.send(Method::POST, ACCOUNT, &head, body.clone()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin}");
    }
    assert_eq!(anna.post(ACCOUNT, &[("csrf", "x"), ("act", "link")]).await.location(), ACCOUNT);
    assert!(!anna.cookies.contains_key(FLOW), "no flow was begun");
    let page = anna.get(ACCOUNT).await;
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"), "{policy}");
    assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
}
