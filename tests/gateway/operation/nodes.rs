//! Two nodes with one Redis, one PostgreSQL and one keyring are one gateway.

use crate::{
    app::token_verify::{challenge, wrong},
    people::{Browser, MoodleApp},
    servers::{Postgres, Redis},
    wire::{PASSWORD, SITE_INFO, admin, assert_five_keys, enrolled, next_code, quiet_world},
    world::{self, Folder, World},
};
use campus::{Campus, Options};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use vestibule::types::Clock;

pub struct Nodes {
    pub first: World,
    pub second: World,
    redis: Redis,
    _postgres: Postgres,
}

impl Nodes {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl Fn(&mut vestibule::config::Config)) -> Self {
        let (redis, postgres) = (Redis::start(), Postgres::start());
        let stores = |config: &mut vestibule::config::Config| {
            config.store.state = redis.url();
            config.store.database = postgres.url();
            change(config);
        };
        let first = quiet_world(stores).await;
        let folder = Folder::new();
        let config = world::settings(&folder, &first.url, first.campus.addr(), |config| {
            stores(config);
            config.keys.file = first.config.keys.file.clone();
            config.edge.certificates = first.config.edge.certificates.clone();
        });
        let https = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = https.local_addr().expect("its address");
        let app = world::start(config.clone(), https, first.clock.clone()).await;
        // A world has an LMS; the second node's is the first one's, and this one is nobody's.
        let idle = Options { listen: "127.0.0.1:0".parse().expect("an address"), public_url: first.url.clone() };
        let campus = Campus::start(idle).await.expect("an idle LMS");
        let (url, clock) = (first.url.clone(), first.clock.clone());
        let second = World { campus, app, url, address, clock, folder, config };
        Self { first, second, redis, _postgres: postgres }
    }
}

/// Every key and value, as whoever gets into that Redis sees them.
pub fn everything(redis: &Redis) -> String {
    let read = |key: &str| match redis.cli(&["TYPE", key]).trim() {
        "string" => redis.cli(&["GET", key]),
        "hash" => redis.cli(&["HGETALL", key]),
        "list" => redis.cli(&["LRANGE", key, "0", "-1"]),
        "set" => redis.cli(&["SMEMBERS", key]),
        "zset" => redis.cli(&["ZRANGE", key, "0", "-1", "WITHSCORES"]),
        "none" => String::new(), // it ended in between
        other => panic!("{key} is a {other}"),
    };
    redis.cli(&["KEYS", "*"]).lines().map(|key| format!("{key}\n{}\n", read(key))).collect()
}

/// The browser moves to another node, as behind a load balancer.
fn moved(browser: &Browser, to: &World) -> Browser {
    let mut there = Browser::at(to);
    there.cookies = browser.cookies.clone();
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_begun_on_one_node_finishes_on_the_other() {
    let nodes = Nodes::start().await;
    let (first, second) = (&nodes.first, &nodes.second);
    let (device, _) = enrolled(first, "student1").await;
    let mut browser = Browser::at(first);
    browser.get("/course/view.php?id=2").await;
    assert_eq!(browser.sign_in("student1", PASSWORD).await.location(), "/vestibule/challenge");

    // Between the two it is in Redis, and cannot be read there.
    let held = everything(&nodes.redis);
    assert!(held.contains("flow"), "the pending flow is in Redis: {held}");
    let id = browser.cookies["__Host-vestibule-flow"].clone();
    for secret in [id.as_str(), PASSWORD, "student1", "MoodleSession"] {
        assert!(!held.contains(secret), "{secret} in {held}");
    }

    let mut there = moved(&browser, second);
    let answer = there.answer(&device.code(first.clock.now())).await;
    assert_eq!(answer.location(), "/course/view.php?id=2", "{}", answer.text());
    assert_eq!(there.get("/my/").await.status, 200);
    assert_eq!(moved(&there, first).get("/my/").await.status, 200, "the session is both nodes'");
    assert_eq!(browser.get("/vestibule/challenge").await.status, 410, "the flow is over on both");

    next_code(first);
    let flow = challenge(&MoodleApp::at(second), "student1").await;
    let app = MoodleApp::at(first);
    let json = app.verify(&flow, "totp", &device.code(first.clock.now())).await.json();
    let token = json["token"].as_str().unwrap_or_else(|| panic!("{json}")).to_owned();
    for node in [first, second] {
        assert_eq!(MoodleApp::at(node).call(&token, SITE_INFO, &[]).await.json()["userid"], 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x27_f1_fifty_posts_of_one_code_over_two_nodes_are_one_success() {
    let nodes = Nodes::start().await;
    let (first, second) = (&nodes.first, &nodes.second);
    let (device, _) = enrolled(first, "student1").await;
    let apps = [MoodleApp::at(first), MoodleApp::at(second)];
    // One flow for all of them, then a flow for each of ten.
    for flows in [1, 10] {
        let mut ids = Vec::new();
        for _ in 0..flows {
            ids.push(challenge(&apps[0], "student1").await);
        }
        let now = device.code(first.clock.now());
        let posts = (0..50).map(|n| apps[n % 2].verify(&ids[n % flows], "totp", &now));
        let answers = futures_util::future::join_all(posts).await;
        let tokens = answers.iter().filter(|answer| answer.json().get("token").is_some()).count();
        let told: BTreeSet<String> = answers.iter().map(|answer| answer.json()["errorcode"].to_string()).collect();
        assert_eq!(tokens, 1, "{flows} flows: {told:?}");
        next_code(first);
    }
    // Wrong ones are counted together: ten on two nodes lock the factor on both.
    let (mut looked_at, guess) = (0, wrong(first, &device));
    for n in 0..3 {
        let flow = challenge(&apps[n % 2], "student1").await;
        let posts = (0..10).map(|n| apps[n % 2].verify(&flow, "totp", &guess));
        let answers = futures_util::future::join_all(posts).await;
        looked_at += answers.iter().filter(|answer| answer.json()["errorcode"] == "mfawrongcode").count();
    }
    assert!(looked_at <= 10, "{looked_at} guesses were looked at");
    for app in &apps {
        let flow = challenge(app, "student1").await;
        assert_five_keys(&app.verify(&flow, "totp", &device.code(first.clock.now())).await, "mfalocked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_h4_an_account_that_is_disabled_on_one_node_is_out_on_the_other_within_a_second() {
    let nodes = Nodes::start().await;
    let (first, second) = (&nodes.first, &nodes.second);
    let mut browser = Browser::at(first);
    let (device, _) = browser.enrol(first, "student1", PASSWORD).await;
    for act in [r#"{"account":{"disable":{"user":"student1"}}}"#, r#"{"session":{"revoke":{"account":"student1"}}}"#] {
        next_code(first);
        let mut browser = Browser::at(first);
        browser.sign_in_with(first, "student1", PASSWORD, &device).await;
        next_code(first);
        let token = MoodleApp::at(first).sign_in(first, "student1", PASSWORD, &device).await;
        // Both are in the other node's cache.
        let (mut there, app) = (moved(&browser, second), MoodleApp::at(second));
        assert_eq!(there.get("/my/").await.status, 200);
        assert_eq!(app.call(&token, SITE_INFO, &[]).await.json()["userid"], 3);
        admin(first, act).await;
        let told = Instant::now();
        loop {
            let out = there.get("/my/").await.location() == "/login/index.php";
            let token = app.call(&token, SITE_INFO, &[]).await.json()["errorcode"] == "invalidtoken";
            if out && (token || !act.contains("disable")) {
                break;
            }
            assert!(told.elapsed() < Duration::from_secs(1), "{act}: session out {out}, token out {token}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if act.contains("disable") {
            assert_five_keys(&app.token("student1", PASSWORD).await, "invalidlogin");
            admin(second, r#"{"account":{"enable":{"user":"student1"}}}"#).await;
            assert_eq!(there.get("/my/").await.location(), "/login/index.php", "what has ended stays ended");
            assert_eq!(app.call(&token, SITE_INFO, &[]).await.json()["errorcode"], "invalidtoken");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x17_a_restart_loses_no_session_no_flow_no_token_and_no_counter() {
    let mut world = quiet_world(|_| {}).await;
    let (device, codes) = enrolled(&world, "student1").await;
    let mut browser = Browser::at(&world);
    browser.sign_in_with(&world, "student1", PASSWORD, &device).await;
    next_code(&world);
    let token = MoodleApp::at(&world).sign_in(&world, "student1", PASSWORD, &device).await;
    let used = device.code(world.clock.now());
    let mut pending = Browser::at(&world);
    pending.sign_in("student1", PASSWORD).await;
    let flow = challenge(&MoodleApp::at(&world), "student1").await;
    for _ in 0..3 {
        assert_five_keys(&MoodleApp::at(&world).verify(&flow, "totp", &wrong(&world, &device)).await, "mfawrongcode");
    }
    for _ in 0..10 {
        MoodleApp::at(&world).token("student2", "wrong").await;
    }
    world = world.restart().await;
    let app = MoodleApp::at(&world);
    assert_eq!(browser.get("/my/").await.status, 200, "the session");
    assert_eq!(app.call(&token, SITE_INFO, &[]).await.json()["userid"], 3, "the token");
    let json = assert_five_keys(&app.verify(&flow, "totp", &used).await, "mfawrongcode");
    assert_eq!(json["mfa"]["attempts_left"], 2, "a code stays used, and wrong ones stay counted");
    assert_five_keys(&app.token("student2", PASSWORD).await, "invalidlogin");
    next_code(&world);
    assert_eq!(pending.answer(&device.code(world.clock.now())).await.status, 303, "the browser's flow");
    assert!(app.verify(&flow, "recovery", &codes[0]).await.json()["token"].is_string(), "the app's flow");
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_a_thousand_codes_over_many_flows_addresses_and_two_nodes_are_twenty_an_hour() {
    let nodes = Nodes::with(|config| config.edge.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    let (first, second) = (&nodes.first, &nodes.second);
    let (device, _) = enrolled(first, "student1").await;
    let (mut looked_at, mut refused) = (0, 0);
    for n in 0..20_usize {
        // Half an hour and a little in between: the lock has ended once within the hour.
        if n == 10 {
            first.advance(Duration::from_secs(30 * 60 + 1));
        }
        let from = |node: &World, k: usize| {
            let mut app = MoodleApp::at(node);
            app.headers.push(("x-forwarded-for", format!("198.51.{n}.{k}")));
            app
        };
        let flow = challenge(&from([first, second][n % 2], 0), "student1").await;
        let guess = wrong(first, &device);
        let posts = (0..50).map(|k| {
            let (app, flow, guess) = (from([first, second][k % 2], k), &flow, &guess);
            async move { app.verify(flow, "totp", guess).await.json()["errorcode"].to_string() }
        });
        for said in futures_util::future::join_all(posts).await {
            looked_at += usize::from(said == "\"mfawrongcode\"");
            refused += usize::from(said != "\"mfawrongcode\"");
        }
    }
    assert_eq!(looked_at + refused, 1000);
    assert!((11..=20).contains(&looked_at), "{looked_at}");
}
