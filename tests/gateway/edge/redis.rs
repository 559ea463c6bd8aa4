//! X1, X2, X4 as people meet them: the gateway runs, and Redis does not. The stores' own half is in `store/faults`;
//! the 30 s versions are `tests/faults/redis.sh`.

use super::quiet;
use crate::{
    people::{Answer, Browser},
    servers::Redis,
    world::World,
};
use http::Method;
use std::time::{Duration, Instant};

/// 250 ms on the store, and what two busy cores add.
const PATIENCE: Duration = Duration::from_millis(600);
const BACK_WITHIN: Duration = Duration::from_secs(2);
const CALLS: &str = r#"[{"index":0,"methodname":"core_session_time_remaining","args":{}}]"#;

pub async fn signed_in(redis: &Redis, grace: u64) -> (World, Browser) {
    let url = redis.url();
    let world = World::with(|config| {
        config.store.state = url;
        config.store.grace_seconds = grace;
    })
    .await;
    quiet(&world).await;
    let mut browser = Browser::at(&world);
    browser.enrol(&world, "student1", "Stud.1234").await;
    // Remembered: what follows costs no round trip.
    for _ in 0..3 {
        assert_eq!(browser.get("/my/").await.status, 200);
    }
    (world, browser)
}

/// What a person who has been at it before notices: nothing.
async fn goes_on(browser: &mut Browser, during: Duration) {
    let started = Instant::now();
    let (mut longest, mut requests) = (Duration::ZERO, 0);
    while started.elapsed() < during {
        let asked = Instant::now();
        let page = browser.get("/my/").await;
        let ajax = browser.fetch(Method::POST, "/lib/ajax/service.php?sesskey=x", "application/json", CALLS).await;
        assert_eq!((page.status.as_u16(), ajax.status.as_u16()), (200, 200), "after {:?}", started.elapsed());
        assert!(!ajax.text().contains("servicerequireslogin"), "{}", ajax.text());
        longest = longest.max(asked.elapsed());
        requests += 2;
    }
    assert!(longest < PATIENCE, "{longest:?}");
    assert!(requests > 10, "{requests} requests");
}

#[track_caller]
fn is_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|n| n > 0)));
    assert_eq!(answer.location(), "");
}

/// New sign-ins, steps of one that is pending, unknown cookies and the app are told to come back.
async fn nobody_signs_in(world: &World, pending: &mut Browser) {
    let mut fresh = Browser::at(world);
    let asked = Instant::now();
    is_unavailable(&fresh.sign_in("student2", "Stud.1234").await);
    assert!(!fresh.cookies.contains_key("__Host-vestibule"), "{:?}", fresh.cookies.keys());
    let mut forged = Browser::at(world);
    forged.cookies.insert("__Host-vestibule".into(), "A".repeat(43));
    is_unavailable(&forged.get("/my/").await);
    is_unavailable(&pending.get("/vestibule/enrol").await);
    let app = crate::people::MoodleApp::at(world).token("student1", "Stud.1234").await;
    assert_eq!(
        (app.status.as_u16(), app.json()["errorcode"].as_str()),
        (200, Some("sitemaintenance")),
        "{}",
        app.text()
    );
    assert!(app.json().get("token").is_none());
    assert!(asked.elapsed() < 6 * PATIENCE, "{:?} for five questions", asked.elapsed());
}

pub async fn is_back(world: &World, browser: &mut Browser) {
    let started = Instant::now();
    loop {
        let page = browser.get("/my/").await.status;
        let mut fresh = Browser::at(world);
        let sign_in = fresh.sign_in("student3", "Stud.1234").await;
        if page == 200 && sign_in.location() == "/vestibule/enrol" {
            return;
        }
        assert!(started.elapsed() < BACK_WITHIN + PATIENCE, "not back: {page}, {}", sign_in.status);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x1_redis_killed_signed_in_people_go_on_and_nobody_new_comes_in() {
    let mut redis = Redis::start();
    let (world, mut browser) = signed_in(&redis, 4).await;
    let mut pending = Browser::at(&world);
    pending.sign_in("student2", "Stud.1234").await;
    redis.kill();
    goes_on(&mut browser, Duration::from_millis(800)).await;
    nobody_signs_in(&world, &mut pending).await;
    goes_on(&mut browser, Duration::from_millis(200)).await;
    redis.restart();
    is_back(&world, &mut browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x1_after_the_grace_nobody_is_let_through() {
    let mut redis = Redis::start();
    let (world, mut browser) = signed_in(&redis, 4).await;
    redis.kill();
    let killed = Instant::now();
    let answer = loop {
        let answer = browser.get("/my/").await;
        if answer.status != 200 {
            break answer;
        }
        assert!(killed.elapsed() < Duration::from_secs(8), "the grace of 4 s does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    is_unavailable(&answer);
    assert!(killed.elapsed() > Duration::from_secs(3), "{:?}", killed.elapsed());
    redis.restart();
    is_back(&world, &mut browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x2_redis_frozen_nothing_waits_for_it() {
    let redis = Redis::start();
    let (world, mut browser) = signed_in(&redis, 4).await;
    let mut pending = Browser::at(&world);
    pending.sign_in("student2", "Stud.1234").await;
    redis.pause();
    goes_on(&mut browser, Duration::from_millis(800)).await;
    nobody_signs_in(&world, &mut pending).await;
    redis.resume();
    is_back(&world, &mut browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x4_flushall_means_signing_in_again_and_never_another_s_session() {
    let redis = Redis::start();
    let (world, mut browser) = signed_in(&redis, 4).await;
    redis.cli(&["FLUSHALL"]);
    let started = Instant::now();
    while browser.get("/my/").await.status != 303 {
        assert!(started.elapsed() < BACK_WITHIN, "the session outlives its record");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut again = Browser::at(&world);
    again.enrol(&world, "student2", "Stud.1234").await;
    assert_eq!(again.get("/my/").await.status, 200);
    assert_eq!(browser.get("/my/").await.status, 303, "the old cookie is nobody's");
}

#[tokio::test(flavor = "multi_thread")]
async fn x4_a_read_only_or_full_redis_refuses_sign_ins_and_comes_back() {
    let redis = Redis::start();
    let (world, mut browser) = signed_in(&redis, 4).await;
    for (breaks, mends) in [
        (&["REPLICAOF", "127.0.0.1", "1"][..], &["REPLICAOF", "NO", "ONE"][..]),
        (&["CONFIG", "SET", "maxmemory", "1"], &["CONFIG", "SET", "maxmemory", "0"]),
    ] {
        redis.cli(breaks);
        goes_on(&mut browser, Duration::from_millis(400)).await;
        let mut fresh = Browser::at(&world);
        is_unavailable(&fresh.sign_in("student2", "Stud.1234").await);
        redis.cli(mends);
        is_back(&world, &mut browser).await;
    }
}
