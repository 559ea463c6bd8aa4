//! Header sign-in as its operator meets it: the secret name in the keyring, and `vestibule check --probe` (J2).

use super::program::Program;
use crate::world::{Folder, settings};
use arc_swap::ArcSwap;
use campus::{Campus, Options};
use std::{
    fs,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use vestibule::{
    admin::probe::{Plan, Report, Weight, probe},
    keys::{Keyring, SharedKeyring},
    outbound::Upstream,
    types::{Rng, SiteName, SystemRng, Timestamp},
};

fn by_header(yaml: &str) -> String {
    let sites = yaml.replace("upstream: { ", "upstream: { exclusive: true, ");
    sites.replace("name: campus, public_url", "name: campus, sign_in: header, lms: { users_before: 10 }, public_url")
}

/// The name as the command line gives it, and as it stands in the keyring's file.
fn rotated(program: &Program) -> String {
    let said = program.json("keys rotate-header campus");
    let name = said["header"]["header"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned();
    assert!(fs::read_to_string(program.file("keys")).unwrap().contains(&name));
    let setting = said["header"]["settings"][0].as_str().unwrap();
    assert!(
        setting.starts_with("php admin/cli/cfg.php --component=auth_shibboleth --name=user_attribute --set=HTTP_X_V_")
    );
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn j2_the_header_name_is_made_by_command_and_stands_in_the_keyring_alone() {
    let mut program = Program::prepared("{ directory: DIR, database: \"sqlite:DIR/vestibule.db\" }", "trace").await;
    program.start();
    let (first, second) = (rotated(&program), rotated(&program));
    assert_ne!(first, second);
    let (code, _, told) = program.cli("keys rotate-header other");
    assert_eq!(code, 1);
    assert!(told.contains("known: campus") && told.contains("vestibule init"), "{told}");
    program.stop();
    // Nobody runs: the command does it by itself.
    let third = rotated(&program);
    for entry in fs::read_dir(program.file("")).unwrap().flatten() {
        let (path, bytes) = (entry.path(), fs::read(entry.path()).unwrap_or_default());
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        for name in [&first, &second, &third] {
            let holds = text.contains(&name[4..]);
            assert_eq!(holds, entry.file_name() == "keys" && *name == third, "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn header_sign_in_is_refused_until_the_keyring_holds_a_name() {
    let program = Program::prepared("{ directory: DIR, database: \"sqlite:DIR/vestibule.db\" }", "info").await;
    let yaml = fs::read_to_string(program.file("gateway.yaml")).unwrap();
    fs::write(program.file("gateway.yaml"), by_header(&yaml)).unwrap();
    for words in ["check", "serve"] {
        let (code, _, told) = program.cli(words);
        assert_eq!(code, 2, "{words}: {told}");
        assert!(told.contains("sites[0].sign_in") && told.contains("vestibule keys rotate-header campus"), "{told}");
    }
    rotated(&program);
    assert!(program.done("check").contains("the gateway's own page"));
    // A first start has it from `init`, which tells what to set and does so once.
    fs::remove_file(program.file("keys")).unwrap();
    let said = program.done("init");
    assert!(said.contains("HEADER=X-V-") && said.contains("user_attribute"), "{said}");
    assert_eq!(program.done("init"), "nothing was missing\n");
    program.done("check");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_says_whether_header_sign_in_works_and_leaves_no_session() {
    let program = Program::prepared("{ directory: DIR, database: \"sqlite:DIR/vestibule.db\" }", "info").await;
    let said = program.done("check --probe");
    for line in
        ["ok       127.0.0.1:", "ok       a guessed header name", "unknown  header sign-in: the keyring holds no"]
    {
        assert!(said.contains(line), "{line} in {said}");
    }
    assert!(said.contains("not seen from here"), "it says what it cannot know: {said}");
    let name = rotated(&program);
    assert!(program.done("check --probe").contains("was not tried"));
    let mark = program.campus.mark();
    let (code, said, _) = program.cli("check --probe --as shibuser1");
    assert_eq!(code, 1, "the LMS has not been told: {said}");
    assert!(said.contains("BAD") && said.contains("user_attribute"), "{said}");
    program.campus.trust_header(Some(&name));
    let said = program.done("check --probe --as shibuser1");
    assert!(said.contains("header sign-in works: shibuser1 is user 10"), "{said}");
    let (code, said, _) = program.cli("check --probe --as student1");
    assert_eq!(code, 1);
    assert!(said.contains("`auth` is not `shibboleth`"), "{said}");
    program.campus.account(10, |account| account.username = "shibusér1".into());
    let (code, said, _) = program.cli("check --probe --as shibuser1");
    assert_eq!(code, 1);
    assert!(said.contains("folds names"), "{said}");
    assert!(!said.contains(&name[4..]), "the name is shown by rotate-header alone");
    assert_eq!(program.campus.live_sessions(10), 0);
    assert_eq!(program.campus.user_id("vestibule-probe"), None, "nobody was created");
    assert!(program.campus.since(mark).iter().any(|call| call.path() == "/login/logout.php"));
}

/// A probe of one LMS as a machine with these addresses does it.
async fn probed(lms: SocketAddr, own: &[&str], user: Option<&str>) -> Report {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = settings(&Folder::new(), "https://localhost:8443", lms, |_| {});
    let wait = Duration::from_secs(10);
    let mut ring = Keyring::generate(&SystemRng, Timestamp(1));
    ring.rotate_header(&SiteName::new("campus"), &SystemRng);
    let ring: SharedKeyring = Arc::new(ArcSwap::from_pointee(ring));
    let plan = Plan {
        site: &config.sites[0],
        upstream: Upstream::new(&format!("http://{lms}"), "localhost:8443", wait, wait).unwrap(),
        ring,
        own: own.iter().map(|ip| ip.parse::<IpAddr>().unwrap()).collect(),
        user,
    };
    probe(&plan, &SystemRng as &dyn Rng).await
}

/// 127.0.0.2 stands for an address of this machine that others can name: Linux answers on it only where something
/// listens on it.
#[tokio::test(flavor = "multi_thread")]
async fn j2_an_lms_that_listens_on_more_than_loopback_is_warned_of() {
    for (listen, weight, says) in [
        ("127.0.0.1:0", Weight::Good, "does not answer at 127.0.0.2"),
        ("0.0.0.0:0", Weight::Warning, "answers at 127.0.0.2 too"),
    ] {
        let options = Options { listen: listen.parse().unwrap(), public_url: "https://localhost:8443".into() };
        let campus = Campus::start(options).await.unwrap();
        let lms = SocketAddr::from(([127, 0, 0, 1], campus.addr().port()));
        let report = probed(lms, &["127.0.0.2"], None).await;
        let found = report.findings.iter().find(|finding| finding.what.contains(says));
        assert_eq!(found.map(|finding| finding.weight), Some(weight), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j2_an_lms_that_believes_any_header_is_found_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let lms = listener.local_addr().unwrap();
    let credulous = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let answer = "HTTP/1.1 303 See Other\r\nLocation: https://localhost:8443/my/\r\nSet-Cookie: \
                          MoodleSession=oj3gjpg5ij1l6b7e7880n09p7u; path=/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let report = probed(lms, &[], None).await;
    assert!(report.worst() == Weight::Bad && report.to_string().contains("only guessed"), "{report}");
    credulous.abort();
    let _ = credulous.await;
    let report = probed(lms, &[], Some("shibuser1")).await;
    assert!(report.to_string().contains("nothing answers at"), "{report}");
    assert!(!report.to_string().contains("signs nobody in"), "what was not tried is not said to be well: {report}");
}
