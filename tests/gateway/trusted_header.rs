//! The trusted-header login of an LMS: who is told, who is believed, and who is asked afterwards (J1, J2, R9).

use crate::{
    people::Browser,
    wire::{PASSWORD, quiet_world, straight},
    world::World,
};
use arc_swap::ArcSwap;
use campus::{Campus, Options};
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use vestibule::{
    keys::{Keyring, SharedKeyring},
    lms::{HeaderIdentity, Held, Judgement, Lms, LmsError, LmsUser, moodle::Moodle},
    outbound::Upstream,
    types::{ClientAddr, LmsUserId, SiteName, SystemRng, Timestamp},
};

const SERVICE: &str = "moodle_mobile_app";
const DOOR: &str = "/auth/shibboleth/index.php";

/// The adapter alone, in front of an LMS that trusts its header.
struct Bench {
    campus: Campus,
    moodle: Moodle,
    ring: SharedKeyring,
}

fn site() -> SiteName {
    SiteName::new("campus")
}

fn client() -> ClientAddr {
    ClientAddr::new([192, 0, 2, 7].into())
}

fn named(username: &str) -> HeaderIdentity {
    HeaderIdentity { username: username.into(), first_name: None, last_name: None, email: None }
}

fn somebody(username: &str) -> HeaderIdentity {
    let text = |text: &str| Some(text.to_owned());
    HeaderIdentity {
        first_name: text("Ünal"),
        last_name: text("N; M"),
        email: text("n@example.test"),
        ..named(username)
    }
}

impl Bench {
    async fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let url = "https://campus.example";
        let options = Options { listen: "127.0.0.1:0".parse().expect("an address"), public_url: url.into() };
        let campus = Campus::start(options).await.expect("the demonstration LMS");
        let ring: SharedKeyring = Arc::new(ArcSwap::from_pointee(Keyring::generate(&SystemRng, Timestamp(1))));
        let base = format!("http://{}", campus.addr());
        let wait = Duration::from_secs(10);
        let upstream = Upstream::new(&base, "campus.example", wait, wait).expect("an upstream");
        let moodle = Moodle::new(upstream, url, ring.clone(), site());
        let bench = Self { campus, moodle, ring };
        bench.rotate();
        bench.campus.trust_header(Some(&bench.header()));
        bench
    }

    /// As `vestibule keys rotate-header` does in the running gateway.
    fn rotate(&self) {
        let mut ring = Keyring::parse(self.ring.load().to_text().expose()).expect("a ring");
        ring.rotate_header(&site(), &SystemRng);
        self.ring.store(Arc::new(ring));
    }

    fn header(&self) -> String {
        self.ring.load().trusted_header(&site()).expect("a name").user().expose().clone()
    }

    async fn sign_in(&self, who: &HeaderIdentity) -> Result<(LmsUser, Held), LmsError> {
        accepted(self.moodle.sign_in_by_header(who, client()).await)
    }

    async fn mint(&self, who: &HeaderIdentity) -> Result<(LmsUser, Held), LmsError> {
        accepted(self.moodle.mint_by_header(who, SERVICE, client()).await)
    }
}

#[track_caller]
fn accepted(judged: Result<Judgement, LmsError>) -> Result<(LmsUser, Held), LmsError> {
    match judged? {
        Judgement::Accepted { user, held } => Ok((user, held)),
        other @ (Judgement::Refused(_) | Judgement::Barred(_)) => panic!("{other:?}"),
    }
}

fn session_of(held: &Held) -> String {
    let Held::Session { cookies, .. } = held else { panic!("{held:?}") };
    assert_eq!(cookies.len(), 1);
    cookies[0].1.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_the_lms_has_never_seen_is_created_and_asked_who_they_are() {
    let bench = Bench::new().await;
    for mode in [0, 1, 2, 3] {
        bench.campus.settings(|settings| settings.header_log_user = mode);
        let name = format!("new{mode}");
        let (user, held) = bench.sign_in(&somebody(&name)).await.expect("signed in");
        assert_eq!((user.id, user.username.as_deref()), (LmsUserId(11 + u64::from(mode)), Some(name.as_str())));
        assert_eq!(bench.campus.session_user(&session_of(&held)), Some(user.id.0));
        let Held::Session { location, .. } = held else { panic!() };
        assert_eq!(location, "/my/");
    }
    let account = bench.campus.account_of(11).expect("created");
    assert_eq!((account.first_name.as_str(), account.last_name.as_str()), ("Ünal", "N, M"));
    assert_eq!((account.email.as_str(), account.auth.as_str()), ("n@example.test", "shibboleth"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_minted_in_one_call_without_a_password_and_its_owner_is_asked() {
    let bench = Bench::new().await;
    let mark = bench.campus.mark();
    let (user, held) = bench.mint(&named("shibuser1")).await.expect("minted");
    assert_eq!((user.id, user.username.as_deref()), (LmsUserId(10), Some("shibuser1")));
    let Held::Token { token, private_token, service, .. } = held else { panic!() };
    assert_eq!((Some(token), service.as_str()), (bench.campus.token_of(10, SERVICE), SERVICE));
    assert_eq!(private_token, bench.campus.private_token_of(10, SERVICE));
    let calls = bench.campus.since(mark);
    let targets: Vec<&str> = calls.iter().map(|call| call.path()).collect();
    assert_eq!(targets, ["/login/token.php", "/webservice/rest/server.php"]);
    assert!(String::from_utf8_lossy(&calls[0].body).contains("password=&"), "no password goes with it");
    assert!(calls[1].header(&bench.header()).is_empty(), "the header goes only where somebody is signed in");
    assert_eq!(calls[0].header("x-forwarded-for"), ["192.0.2.7"]);
    // A stranger is created here too.
    assert_eq!(bench.mint(&somebody("fresh")).await.expect("minted").0.id, LmsUserId(11));
}

#[tokio::test(flavor = "multi_thread")]
async fn j1_a_name_that_a_database_would_fold_is_never_sent() {
    let bench = Bench::new().await;
    bench.campus.account(3, |account| account.auth = "shibboleth".into());
    // The LMS itself would take it for student1.
    let header = bench.header();
    let folded = straight(bench.campus.addr(), "GET", DOOR, &[(&header, "studént1")], "").await;
    let cookie = folded.headers["set-cookie"].to_str().expect("a cookie").to_owned();
    let id = cookie.trim_start_matches("MoodleSession=").split(';').next().expect("an id");
    assert_eq!(bench.campus.session_user(id), Some(3));
    let mark = bench.campus.mark();
    for name in ["studént1", "ＳＴＵＤＥＮＴ1", "student1 ", "Student1", "", "a\r\nb"] {
        assert!(matches!(bench.sign_in(&named(name)).await, Err(LmsError::Name)), "{name:?}");
        assert!(matches!(bench.mint(&named(name)).await, Err(LmsError::Name)), "{name:?}");
    }
    assert!(bench.campus.since(mark).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn j1_whom_the_database_found_is_reported_as_the_lms_spells_it() {
    let bench = Bench::new().await;
    bench.campus.account(10, |account| account.username = "studént9".into());
    for mode in [0, 1, 2, 3] {
        bench.campus.settings(|settings| settings.header_log_user = mode);
        let (user, _) = bench.sign_in(&named("student9")).await.expect("the LMS lets in whom it found");
        assert_eq!((user.id, user.username.as_deref()), (LmsUserId(10), Some("studént9")), "mode {mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_account_and_a_plugin_that_is_off_are_the_operators_to_mend() {
    let bench = Bench::new().await;
    for (what, who) in [("a manual account", "student1"), ("a site administrator", "admin"), ("the guest", "guest")] {
        for outcome in [bench.sign_in(&named(who)).await, bench.mint(&named(who)).await] {
            let Err(LmsError::HeaderRefused(why)) = outcome else { panic!("{what}: {outcome:?}") };
            assert!(why.contains("`auth`") && why.contains("user_attribute"), "{what}: {why}");
            assert!(!why.to_lowercase().contains(&bench.header()[4..]), "{why}");
        }
    }
    assert_eq!((3..=9).map(|user| bench.campus.live_sessions(user)).sum::<usize>(), 0);
    bench.campus.trust_header(None);
    assert!(matches!(bench.sign_in(&named("shibuser1")).await, Err(LmsError::HeaderRefused(_))));
    assert!(matches!(bench.mint(&named("shibuser1")).await, Err(LmsError::HeaderRefused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_off_is_the_lmss_own_answer_and_the_name_is_then_not_known() {
    let bench = Bench::new().await;
    bench.campus.settings(|settings| settings.enable_web_services = false);
    let judged = bench.moodle.mint_by_header(&named("shibuser1"), SERVICE, client()).await.expect("an answer");
    assert!(matches!(judged, Judgement::Barred(_)), "{judged:?}");
    let (user, _) = bench.sign_in(&named("shibuser1")).await.expect("signed in");
    assert_eq!((user.id, user.username), (LmsUserId(10), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn r9_a_session_that_does_not_say_whose_it_is_is_logged_out() {
    let bench = Bench::new().await;
    bench.campus.settings(|settings| settings.time_remaining = false);
    let Err(LmsError::Unsuitable(why)) = bench.sign_in(&named("shibuser1")).await else { panic!() };
    assert!(why.contains("3.7"), "{why}");
    vestibule::lms::farewell::drain().await;
    assert_eq!(bench.campus.live_sessions(10), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_attribute_is_not_sent_so_that_it_blanks_nothing() {
    let bench = Bench::new().await;
    let mark = bench.campus.mark();
    let blank = |text: &str| Some(text.to_owned());
    let who = HeaderIdentity {
        first_name: blank(""),
        last_name: blank(" \r\n"),
        email: blank("nobody"),
        ..named("shibuser1")
    };
    bench.sign_in(&who).await.expect("signed in");
    let prefix = bench.header().to_lowercase();
    for call in bench.campus.since(mark) {
        let family: Vec<&str> =
            call.headers.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("x-v-")).collect();
        let signs_in = [DOOR, "/login/token.php"].contains(&call.path());
        assert_eq!(family, if signs_in { vec![prefix.as_str()] } else { Vec::new() }, "{}", call.target);
    }
    let account = bench.campus.account_of(10).expect("shibuser1");
    assert_eq!((account.last_name.as_str(), account.email.as_str()), ("Lab", "shibuser1@example.test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_counts_at_once_and_the_old_name_no_more() {
    let bench = Bench::new().await;
    let old = bench.header();
    bench.sign_in(&named("shibuser1")).await.expect("signed in");
    bench.rotate();
    assert_ne!(old, bench.header());
    assert!(
        matches!(bench.sign_in(&named("shibuser1")).await, Err(LmsError::HeaderRefused(_))),
        "the LMS knows the old"
    );
    bench.campus.trust_header(Some(&bench.header()));
    bench.sign_in(&named("shibuser1")).await.expect("signed in by the new name");
    let mark = bench.campus.mark();
    bench.ring.store(Arc::new(Keyring::generate(&SystemRng, Timestamp(1))));
    let Err(LmsError::Unsuitable(why)) = bench.sign_in(&named("shibuser1")).await else { panic!() };
    assert!(why.contains("vestibule keys rotate-header campus"), "{why}");
    assert!(bench.campus.since(mark).is_empty());
}

/// What is logged while it lives, at the most talkative level; on this thread alone.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one thread").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn j2_neither_logs_nor_errors_tell_the_headers_name() {
    let heard = Heard::default();
    let writer = heard.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let bench = Bench::new().await;
    tracing::trace!("the log is being heard");
    let mut told = format!("{:?}", bench.ring.load().trusted_header(&site()));
    for who in ["shibuser1", "student1", "studént1"] {
        told += &format!("{:?} {:?}", bench.sign_in(&named(who)).await, bench.mint(&named(who)).await);
    }
    bench.campus.trust_header(None);
    told += &format!("{:?}", bench.sign_in(&named("shibuser1")).await);
    told += &String::from_utf8_lossy(&heard.0.lock().expect("one thread"));
    assert!(told.contains("is being heard"));
    assert!(!told.to_lowercase().contains(&bench.header()[4..]), "{told}");
}

/// The secret name in every spelling a client could try, and the names beside it.
fn spellings(name: &str) -> Vec<String> {
    let bases = ["", "-Firstname", "-Lastname", "-Email"].map(|suffix| format!("{name}{suffix}"));
    bases.iter().flat_map(|n| [n.clone(), n.to_uppercase(), n.to_lowercase(), n.replace('-', "_")]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_b8_j2_no_client_reaches_the_lms_with_the_secret_name_on_any_path() {
    let world = quiet_world(|_| {}).await;
    // Worst case: the client has learnt the name that the keyring holds and the LMS trusts.
    let mut ring = vestibule::admin::read_keyring(&world.config.keys.file).expect("the ring");
    let name = ring.rotate_header(&site(), &SystemRng).user().expose().clone();
    world.campus.trust_header(Some(&name));
    let direct = straight(world.campus.addr(), "GET", DOOR, &[(&name, "shibuser1")], "").await;
    assert_eq!(direct.status, 303, "the LMS itself would believe it");
    let mark = world.campus.mark();
    for spelling in spellings(&name) {
        for (method, path) in [
            ("GET", "/login/index.php"),
            ("POST", "/login/token.php"),
            ("GET", "/theme/styles.php/boost/1/all"),
            ("OPTIONS", "/my/"),
            ("GET", DOOR),
            ("GET", "/nothing%00"),
            ("POST", "/lib/ajax/service-nologin.php"),
        ] {
            let answer = raw(&world, method, path, &spelling).await;
            assert!(!answer.contains("privatetoken") && !answer.contains("shibuser1"), "{spelling} {path}: {answer}");
        }
    }
    let seen = world.campus.since(mark);
    assert!(!seen.is_empty(), "some of these paths reach the LMS");
    let digits = name[4..].to_lowercase();
    for call in &seen {
        assert!(call.headers.iter().all(|(n, _)| !n.to_lowercase().contains(&digits)), "{call:?}");
    }
    assert_eq!(world.campus.live_sessions(10), 1, "the one opened directly");
    let mut browser = Browser::of(world.address, &world.url);
    browser.sign_in("student1", PASSWORD).await;
    let after = world.campus.since(mark);
    assert!(after.iter().all(|call| call.headers.iter().all(|(n, _)| !n.starts_with("x-v-"))), "nor by form sign-in");
}

async fn raw(world: &World, method: &str, path: &str, header: &str) -> String {
    let host = world.url.trim_start_matches("https://");
    let body = "username=shibuser1&password=x&service=moodle_mobile_app";
    let (kind, body) = if method == "POST" { ("application/x-www-form-urlencoded", body) } else { ("text/plain", "") };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         {header}: shibuser1\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    String::from_utf8_lossy(&crate::people::raw(world, head.as_bytes()).await).into_owned()
}
