//! A9, A16, I10: which site a request is for, by Host, `:authority`, the target and the TLS name.

use super::{
    SOON, ask,
    frames::{H2, Outcome, request},
    status,
};
use crate::{
    origin::{Bench, OK, Origin, Plan},
    people::{raw_until_closed, status_of, tls},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A gateway with two sites, each with an LMS of its own.
async fn two_sites() -> (Bench, Origin) {
    let annex = Origin::start(Plan::Answer(OK.to_vec())).await;
    let url = format!("http://{}", annex.address);
    let bench = Bench::with(Plan::Answer(OK.to_vec()), |config| {
        let mut site = config.sites[0].clone();
        site.name = vestibule::types::SiteName::new("annex");
        site.public_url = "https://annex.test:8443".parse().unwrap();
        site.upstream.url = url.parse().unwrap();
        config.sites.push(site);
    })
    .await;
    annex.until("the question at the start", |annex| annex.heads().len() == 1).await;
    (bench, annex)
}

/// `sni` as an address means that none is sent (RFC 6066 §3).
async fn by_name(bench: &Bench, sni: &str, host: &str) -> u16 {
    let mut stream = tls(bench.world.address, sni, &[b"http/1.1"]).await;
    let bytes = format!("GET /theme/styles.php HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("closed");
    status_of(&answer)
}

async fn by_name_h2(bench: &Bench, sni: &str, authority: &str) -> Outcome {
    let mut h2 = H2::connect(bench.world.address, sni).await;
    h2.headers(1, &request(b"GET", authority.as_bytes(), b"/theme/styles.php"), true).await;
    h2.outcome(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a16_every_spelling_of_a_host_is_that_site_and_the_lms_sees_one() {
    let bench = Bench::start().await;
    let hosts = [bench.host(), "localhost", "LOCALHOST", "localhost.", "LocalHost.:443", "localhost:443"];
    for host in hosts {
        assert_eq!(by_name(&bench, "localhost", host).await, 200, "{host}");
        assert_eq!(by_name_h2(&bench, "localhost", host).await, Outcome::Status(200), "{host}");
    }
    let heads = bench.origin.heads();
    assert_eq!(heads.len(), 2 * hosts.len());
    for (_, head) in heads {
        let lines: Vec<String> = head.lines().map(str::to_lowercase).filter(|l| l.starts_with("host:")).collect();
        assert_eq!(lines, [format!("host: {}", bench.host())], "the public host, once");
        assert!(head.to_lowercase().contains(&format!("x-forwarded-host: {}\r\n", bench.host())), "{head}");
        assert!(head.to_lowercase().contains("x-forwarded-proto: https\r\n"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a16_a_host_that_can_be_read_two_ways_is_400() {
    let bench = Bench::start().await;
    let host = bench.host();
    for head in [
        format!("GET /theme/styles.php HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n"),
        format!("GET /theme/styles.php HTTP/1.1\r\nHost: {host}\r\nhOST: other\r\n\r\n"),
        "GET /theme/styles.php HTTP/1.1\r\n\r\n".to_owned(),
        "GET /theme/styles.php HTTP/1.0\r\n\r\n".to_owned(),
        "GET /theme/styles.php HTTP/1.1\r\nHost:\r\n\r\n".to_owned(),
        "GET /theme/styles.php HTTP/1.1\r\nHost: localhost, other\r\n\r\n".to_owned(),
        "GET /theme/styles.php HTTP/1.1\r\nHost: user@localhost\r\n\r\n".to_owned(),
        "GET /theme/styles.php HTTP/1.1\r\nHost: localhost:0443\r\n\r\n".to_owned(),
        "GET /theme/styles.php HTTP/1.1\r\nHost: localhost/x\r\n\r\n".to_owned(),
        "GET /theme/styles.php HTTP/1.1\r\nHost: l%6fcalhost\r\n\r\n".to_owned(),
    ] {
        assert_eq!(status_of(&raw_until_closed(&bench.world, head.as_bytes()).await), 400, "{head:?}");
    }
    let mut fields = request(b"GET", host.as_bytes(), b"/theme/styles.php");
    fields.push((b"host", b"other"));
    let mut h2 = H2::connect(bench.world.address, "localhost").await;
    h2.headers(1, &fields, true).await;
    assert!(h2.outcome(1).await.is_refusal());
    let mut h2 = H2::connect(bench.world.address, "localhost").await;
    h2.headers(1, &[(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/theme/styles.php")], true).await;
    assert!(h2.outcome(1).await.is_refusal());
    assert_eq!(bench.origin.mark(), 0, "the LMS stayed silent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a16_the_tls_name_and_the_host_name_one_site() {
    let (bench, annex) = two_sites().await;
    let before = (bench.origin.mark(), annex.mark());
    for (sni, host) in
        [("annex.test", bench.host()), ("localhost", "annex.test:8443"), ("localhost", "xn--bcher-kva.test")]
    {
        assert_eq!(by_name(&bench, sni, host).await, 421, "{sni} and {host}");
        assert_eq!(by_name_h2(&bench, sni, host).await, Outcome::Status(421), "{sni} and {host}");
    }
    assert_eq!((bench.origin.mark(), annex.mark()), before, "both stayed silent");
    assert_eq!(by_name(&bench, "annex.test", "annex.test:8443").await, 200);
    assert_eq!(by_name_h2(&bench, "annex.test", "annex.test").await, Outcome::Status(200));
    assert_eq!((bench.origin.mark(), annex.heads().len()), (before.0, 3), "each site has its own LMS");
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_without_a_tls_name_the_host_decides() {
    let (bench, annex) = two_sites().await;
    assert_eq!(by_name(&bench, "127.0.0.1", bench.host()).await, 200);
    assert_eq!(by_name(&bench, "127.0.0.1", "annex.test").await, 200);
    assert_eq!(by_name(&bench, "127.0.0.1", "elsewhere.test").await, 421);
    assert_eq!(by_name(&bench, "127.0.0.1", "127.0.0.1").await, 421);
    assert_eq!((bench.origin.heads().len(), annex.heads().len()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_an_absolute_target_names_this_host_or_is_400() {
    let bench = Bench::start().await;
    let url = &bench.world.url;
    for target in [
        "http://other/theme/styles.php".to_owned(),
        "https://annex.test/theme/styles.php".to_owned(),
        format!("{url}@other/theme/styles.php"),
        "https://localhost:1/theme/styles.php".to_owned(),
        "ftp://localhost/theme/styles.php".to_owned(),
        url.clone(),
        format!("{url}?x"),
        "localhost:443".to_owned(),
    ] {
        assert_eq!(status(&bench.world, "GET", target.as_bytes()).await, 400, "{target}");
    }
    assert_eq!(bench.origin.mark(), 0, "the LMS stayed silent");
    let target = format!("{url}/theme//styles.php?a");
    assert_eq!(status_of(&ask(&bench.world, "GET", target.as_bytes(), "").await), 200);
    assert_eq!(bench.origin.heads()[0].1.lines().next(), Some("GET /theme/styles.php?a HTTP/1.1"), "in origin-form");
}
