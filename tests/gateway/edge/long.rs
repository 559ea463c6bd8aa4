//! X1 and X2 in full length: 30 s without Redis under 300 requests a second. `tests/faults/redis.sh` runs them.

use super::{quiet, redis::signed_in};
use crate::{
    people::{Browser, tls},
    servers::Redis,
    world::World,
};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::time::{Duration, Instant};

const CLIENTS: u64 = 20;
const PER_SECOND: u64 = 300;

/// What was answered and how long it took.
struct Load(Vec<(u16, Duration)>);

impl Load {
    fn share(&self, status: u16) -> f64 {
        self.0.iter().filter(|(found, _)| *found == status).count() as f64 / self.0.len() as f64
    }
    fn percentile(&self, percent: usize) -> Duration {
        let mut times: Vec<Duration> = self.0.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        times[(times.len() - 1) * percent / 100]
    }
}

/// Pages, files and AJAX-sized answers of one signed-in person, on connections that are kept.
async fn load(world: &World, browser: &Browser, during: Duration) -> Load {
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let (cookies, host) = (cookies.join("; "), world.url.trim_start_matches("https://").to_owned());
    let address = world.address;
    let clients = (0..CLIENTS).map(|client| {
        let (cookies, host) = (cookies.clone(), host.clone());
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(1000 * CLIENTS / PER_SECOND));
            let (started, mut seen) = (Instant::now(), Vec::new());
            let mut sender: Option<SendRequest<Empty<Bytes>>> = None;
            while started.elapsed() < during {
                ticks.tick().await;
                let target =
                    ["/my/", "/local/campus/echo", "/local/campus/big?bytes=20000"][(seen.len() + client as usize) % 3];
                let request = Request::get(target).header("host", &host).header("cookie", &cookies);
                let request = request.body(Empty::new()).unwrap();
                let asked = Instant::now();
                let mut ready = match sender.take() {
                    Some(sender) if !sender.is_closed() => sender,
                    _ => {
                        let io = TokioIo::new(tls(address, "localhost", &[b"http/1.1"]).await);
                        let (sender, connection) = handshake(io).await.unwrap();
                        tokio::spawn(connection);
                        sender
                    }
                };
                let status = match ready.send_request(request).await {
                    Ok(response) => {
                        let status = response.status().as_u16();
                        if response.into_body().collect().await.is_ok() { status } else { 0 }
                    }
                    Err(_) => 0,
                };
                sender = ready.ready().await.is_ok().then_some(ready);
                seen.push((status, asked.elapsed()));
            }
            seen
        })
    });
    let all = futures_util::future::join_all(clients).await;
    Load(all.into_iter().flat_map(|seen| seen.expect("a client")).collect())
}

/// Somebody tries to sign in all the time; nobody succeeds, and everybody is told to come back.
async fn newcomers(world: &World, during: Duration) -> usize {
    let (started, mut refused) = (Instant::now(), 0);
    while started.elapsed() < during {
        let mut fresh = Browser::at(world);
        let answer = fresh.sign_in("student2", "Stud.1234").await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
        assert!(!fresh.cookies.contains_key("__Host-vestibule"));
        refused += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    refused
}

async fn without_redis(world: &World, browser: &Browser, seconds: u64) {
    let during = Duration::from_secs(seconds);
    let (load, refused) = tokio::join!(load(world, browser, during), newcomers(world, during));
    let (ok, slow) = (load.share(200), load.percentile(99));
    #[expect(clippy::print_stderr, reason = "a measurement is to be seen")]
    let say = |text: String| eprintln!("{text}");
    say(format!("{} requests, {:.3} % 200, p99 {slow:?}, {refused} sign-ins refused", load.0.len(), ok * 100.0));
    assert!(load.0.len() as u64 > PER_SECOND * seconds / 2, "{} requests are no load", load.0.len());
    assert!(ok >= 0.999, "{:.3} % of the signed-in traffic", ok * 100.0);
    assert!(slow < Duration::from_millis(400), "p99 {slow:?}");
    assert!(refused > 10, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "30 s of load; tests/faults/redis.sh runs it"]
async fn x1_redis_killed_for_28_s_under_load() {
    let mut redis = Redis::start();
    let (world, browser) = signed_in(&redis, 30).await;
    quiet(&world).await;
    redis.kill();
    // The grace of 30 s counts from the last heartbeat.
    without_redis(&world, &browser, 28).await;
    redis.restart();
    back(&world, browser).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "30 s of load; tests/faults/redis.sh runs it"]
async fn x2_redis_frozen_for_28_s_under_load() {
    let redis = Redis::start();
    let (world, browser) = signed_in(&redis, 30).await;
    redis.pause();
    without_redis(&world, &browser, 28).await;
    redis.resume();
    back(&world, browser).await;
}

async fn back(world: &World, mut browser: Browser) {
    super::redis::is_back(world, &mut browser).await;
}
