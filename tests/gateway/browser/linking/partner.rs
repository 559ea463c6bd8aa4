//! Signing in and linking by way of a partner: there and back, once, in the browser that left (design R5).

use super::*;

const AWAY: &str = "__Host-vestibule-away";

fn partner() -> Partner {
    let people = vec![row("p-1", "paula", Some("paula@example.org")), row("p-2", "petra", Some("anna@example.org"))];
    Partner::at("https://partner.example/sign-in", people)
}

/// The state with which the browser is sent away.
fn state_of(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let to = answer.header("refresh").expect("it goes on");
    to.strip_prefix("0; url=https://partner.example/sign-in?state=").expect("to the partner").to_owned()
}

async fn leave(browser: &mut Browser) -> String {
    state_of(&browser.post("/vestibule/sign-in/with", &[("source", "partner")]).await)
}

/// The partner's page sends the browser back: a cross-site top-level navigation.
async fn come_back(browser: &mut Browser, path: &str) -> Answer {
    let head = [
        ("accept", "text/html".to_owned()),
        ("sec-fetch-mode", "navigate".into()),
        ("sec-fetch-dest", "document".into()),
        ("sec-fetch-site", "cross-site".into()),
    ];
    browser.send(Method::GET, path, &head, String::new()).await
}

fn callback(query: &str) -> String {
    format!("/vestibule/callback/partner?{query}")
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_by_way_of_the_partner_and_lands_where_they_were_going() {
    let partner = partner();
    let world = world(&partner, |_| {}).await;
    let mut browser = Browser::at(&world);
    assert_eq!(browser.get(COURSE).await.location(), "/vestibule/sign-in");
    let page = browser.get("/vestibule/sign-in").await.text();
    assert!(page.contains("Partner university"), "{page}");
    let state = leave(&mut browser).await;
    assert_eq!(partner.asked.lock().unwrap()[0], format!("{}/vestibule/callback/partner", world.url));
    let answer = come_back(&mut browser, &callback(&partner.answer(&state, "p-1"))).await;
    let device = enrol(&world, &mut browser, &answer).await;
    assert!(!browser.cookies.contains_key(AWAY));
    let judged = world.audited("return_judged").await;
    assert_eq!((&judged[0]["source"], &judged[0]["accepted"]), (&"partner".into(), &true.into()));
    let mut again = Browser::at(&world);
    again.get(COURSE).await;
    let state = leave(&mut again).await;
    let answer = come_back(&mut again, &callback(&partner.answer(&state, "p-1"))).await;
    assert_eq!(answer.location(), "/vestibule/challenge");
    let answer = again.answer(&device.code(vestibule::types::Clock::now(world.clock.as_ref()))).await;
    assert_eq!(answer.location(), COURSE);
}

#[tokio::test(flavor = "multi_thread")]
async fn g3_d6_coming_back_counts_once_in_its_own_browser_at_its_own_source() {
    let partner = partner();
    let world = world(&partner, |config| {
        let common = vestibule::chain::config::Common::default();
        let other = instance("other", &PARTNER, std::sync::Arc::new(partner.clone()), common);
        config.chain.instances.push(other);
    })
    .await;
    let refused =
        |answer: &Answer| answer.status == StatusCode::UNPROCESSABLE_ENTITY && answer.text().contains("did not work");
    let mut attacker = Browser::at(&world);
    let state = leave(&mut attacker).await;
    let link = callback(&partner.answer(&state, "p-1"));
    // Sign-in CSRF: the attacker's answer in the victim's browser, with or without a journey of its own.
    let mut victim = Browser::at(&world);
    assert!(refused(&come_back(&mut victim, &link).await));
    let own = leave(&mut victim).await;
    assert!(refused(&come_back(&mut victim, &link).await));
    // Mix-up: one source's answer at another's address.
    let mixed = format!("/vestibule/callback/other?{}", partner.answer(&own, "p-1"));
    assert!(refused(&come_back(&mut victim, &mixed).await));
    // Two readings are none; a signature that is not the partner's is none either.
    let twice = format!("{}&state=x", callback(&partner.answer(&own, "p-1")));
    assert_eq!(come_back(&mut victim, &twice).await.status, StatusCode::BAD_REQUEST);
    let mut forged = twin(&world, &victim);
    assert!(refused(&come_back(&mut forged, &callback(&format!("state={own}&subject=p-1&signature=00"))).await));
    // That was its once.
    let late = come_back(&mut victim, &callback(&partner.answer(&own, "p-1"))).await;
    assert!(!victim.cookies.contains_key(FLOW), "{} {}", late.status, late.text());
    // In parallel, the right answer counts once.
    let (mut one, mut two) = (twin(&world, &attacker), twin(&world, &attacker));
    let (a, b) = tokio::join!(come_back(&mut one, &link), come_back(&mut two, &link));
    let went_on = [&a, &b].iter().filter(|answer| answer.location() == "/vestibule/enrol").count();
    assert_eq!(went_on, 1, "{} {} / {} {}", a.status, a.text(), b.status, b.text());
    // And in time.
    let state = leave(&mut victim).await;
    world.advance(Duration::from_secs(601));
    assert!(refused(&come_back(&mut victim, &callback(&partner.answer(&state, "p-1"))).await));
    // A page of another site cannot send anybody off.
    let head =
        [("origin", "https://evil.example".to_owned()), ("content-type", "application/x-www-form-urlencoded".into())];
    let answer = victim.send(Method::POST, "/vestibule/sign-in/with", &head, "source=partner".into()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    for source in ["staff", "campus-lms", "nobody", ""] {
        assert!(refused(&victim.post("/vestibule/sign-in/with", &[("source", source)]).await), "{source}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_partner_is_linked_as_a_second_way() {
    let partner = partner();
    let world = world(&partner, |_| {}).await;
    let (mut anna, device) = newcomer(&world, "anna").await;
    wish(&mut anna, "link", "").await;
    permit(&world, &mut anna, &device).await;
    let page = anna.get("/vestibule/second-source").await.text();
    assert!(page.contains("Partner university") && page.contains("Student directory"), "{page}");
    let state = state_of(&second(&mut anna, "partner", "", "").await);
    // Elsewhere, the same answer begins nothing: it belongs to this flow and session.
    let mut other = Browser::at(&world);
    other.cookies.insert(AWAY.into(), anna.cookies[AWAY].clone());
    let link = callback(&partner.answer(&state, "p-2"));
    let mut thief = twin(&world, &anna);
    thief.cookies.remove(SESSION);
    let answer = come_back(&mut anna, &link).await;
    assert_eq!(answer.location(), "/vestibule/join", "{}", answer.text());
    assert!(anna.get("/vestibule/join").await.text().contains("<dd>Partner university: petra</dd>"));
    assert_eq!(press(&mut anna, "/vestibule/join", "").await.location(), ACCOUNT);
    assert_eq!(world.audited("method_linked").await[0]["source"], "partner");
    come_back(&mut other, &link).await;
    come_back(&mut thief, &link).await;
    assert!(!other.cookies.contains_key(SESSION) && !thief.cookies.contains_key(SESSION));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_from_the_partner_with_a_known_address_is_asked_too() {
    let partner = partner();
    let world = world(&partner, |_| {}).await;
    newcomer(&world, "anna").await;
    let mut browser = Browser::at(&world);
    let state = leave(&mut browser).await;
    let answer = come_back(&mut browser, &callback(&partner.answer(&state, "p-2"))).await;
    assert_eq!(answer.location(), "/vestibule/offer", "{}", answer.text());
}
