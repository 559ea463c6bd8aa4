//! Reload: the file is read again while people are signed in and requests run (issue B §6, fault X14).

use super::program::Program;
use crate::{
    people::{Browser, tls},
    servers::until,
    wire::PASSWORD,
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};
use std::{
    fs,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vestibule::{
    admin,
    chain::password::new_hash,
    edge::Certificate,
    types::{Clock, Password, SystemClock, SystemRng},
};

const STORE: &str = "{ directory: DIR, database: \"sqlite:DIR/vestibule.db\" }";
const SOON: Duration = Duration::from_secs(10);

impl Program {
    fn yaml(&self) -> String {
        fs::read_to_string(self.file("gateway.yaml")).unwrap()
    }

    /// Edits gateway.yaml as an operator does.
    #[track_caller]
    fn edit(&self, from: &str, to: &str) {
        let yaml = self.yaml();
        assert!(yaml.contains(from), "{from} is not in\n{yaml}");
        fs::write(self.file("gateway.yaml"), yaml.replacen(from, to, 1)).unwrap();
    }

    /// Exit code 1, and what is told.
    #[track_caller]
    fn refused(&self, words: &str) -> String {
        let (code, said, told) = self.cli(words);
        assert_eq!((code, said.as_str()), (1, ""), "{told}");
        told
    }

    fn audited(&self, event: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.file("audit.jsonl")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["event"] == event).collect()
    }

    /// The next line of that event after the first `known`.
    fn next_audited(&self, event: &str, known: usize) -> Value {
        until(&format!("{event} is audited"), SOON, || self.audited(event).len() > known);
        self.audited(event).remove(known)
    }

    /// `a ok`, `b declined`: who was asked in this attempt, in order, and what each said.
    async fn asked(&self, browser: &mut Browser, name: &str, password: &str) -> Vec<String> {
        let known = self.audited("password_judged").len();
        browser.sign_in(name, password).await;
        let judged = self.next_audited("password_judged", known);
        let word = |verdict: &Value, key: &str| verdict[key].as_str().unwrap_or_default().to_owned();
        let verdicts = judged["verdicts"].as_array().expect("verdicts").iter();
        verdicts.map(|v| format!("{} {} {}", word(v, "instance"), word(v, "verdict"), word(v, "reason"))).collect()
    }

    fn hang_up(&self) {
        let done = Command::new("kill").arg("-HUP").arg(self.pid().to_string()).status().unwrap();
        assert!(done.success());
    }

    async fn metric(&self, name: &str) -> i64 {
        let text = self.watch("GET", "/metrics").await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        line.trim().parse().unwrap()
    }
}

/// Two tables that know the same two people, and that the LMS's own password opens the LMS.
async fn two_tables() -> Program {
    let mut program = Program::prepared(STORE, "info").await;
    let url = format!("sqlite:{}?mode=rwc", program.file("users.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let hash = new_hash(&Password::new(PASSWORD.to_owned()), &SystemRng);
    let people = format!(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, login TEXT, hash TEXT);
         INSERT INTO people VALUES (1, 'student1', '{hash}'), (2, 'student2', '{hash}')"
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(people))).await.unwrap();
    connection.close().await.unwrap();
    let [staff, students] = [table(&program, "staff"), table(&program, "students")];
    program.edit("{ name: campus-lms, kind: lms, site: campus }", &format!("{staff}, {students}"));
    program.start();
    program
}

fn table(program: &Program, name: &str) -> String {
    let database = program.file("users.db").display().to_string();
    format!(
        "{{ name: {name}, kind: sql, lms_password: same, database: \"sqlite:{database}\", \
         query: \"SELECT id AS subject, login AS username, hash AS password_hash FROM people WHERE login = :username\" }}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn another_order_in_the_file_is_another_order_for_strangers_and_nothing_for_a_pinned_name() {
    let program = two_tables().await;
    let mut browser = program.browser();
    assert_eq!(
        program.asked(&mut program.browser(), "nobody", "x").await,
        ["staff declined unknown", "students declined unknown"]
    );
    program.enrol(&mut browser, "student1", PASSWORD).await;
    assert_eq!(browser.get("/my/").await.status, 200);

    let [staff, students] = [table(&program, "staff"), table(&program, "students")];
    program.edit(&format!("{staff}, {students}"), &format!("{students}, {staff}"));
    let said = program.done("reload");
    let file = program.file("gateway.yaml").display().to_string();
    assert!(said.starts_with(&format!("{file} is in force:\n")), "{said}");
    assert!(said.contains("\n  chain.instances: order staff, students → students, staff\n"), "{said}");
    assert!(program.log().contains("chain.instances: order staff, students → students, staff"), "{}", program.log());

    assert_eq!(
        program.asked(&mut program.browser(), "nobody", "x").await,
        ["students declined unknown", "staff declined unknown"]
    );
    assert_eq!(program.asked(&mut program.browser(), "student2", PASSWORD).await, ["students ok "]);
    assert_eq!(program.asked(&mut program.browser(), "student1", PASSWORD).await, ["staff ok "]);
    assert_eq!(browser.get("/my/").await.status, 200, "the session stays");

    let audited = program.next_audited("configuration_reloaded", 0);
    assert!(audited["by"].as_str().is_some_and(|by| by.starts_with("uid ")), "{audited}");
    assert_eq!(audited["changes"][0], "chain.instances: order staff, students → students, staff");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_wrong_is_told_line_by_line_and_changes_nothing() {
    let program = Program::serve().await;
    let mut browser = program.browser();
    program.enrol(&mut browser, "student1", PASSWORD).await;
    let before = program.metric("vestibule_config_last_success_timestamp_seconds").await;
    assert!(before > 0);
    let right = program.yaml();
    program.edit("drain_seconds: 2", "drain_seconds: 2, hsts_seconds: 7, htps: 1");
    program.edit("unregistered: refuse", "unregistered: perhaps");
    let (_, _, checked) = program.cli("check");
    assert!(checked.contains("2 errors") && checked.contains("did you mean \"http"), "{checked}");
    let told = program.refused("reload");
    assert_eq!(
        told,
        format!("{}\nnothing was changed: the configuration that is in force stays\n", checked.trim_end())
    );
    assert!(program.log().contains("edge.htps"), "{}", program.log());
    let audited = program.next_audited("configuration_refused", 0);
    assert_eq!((&audited["reason"], &audited["keys"][0]), (&"invalid".into(), &"edge.htps".into()), "{audited}");
    assert_eq!(program.metric("vestibule_config_last_reload_successful").await, 0);
    let page = browser.get("/my/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("strict-transport-security"), Some("max-age=31536000"));

    // A signal is told the same, by the log.
    program.hang_up();
    assert_eq!(program.next_audited("configuration_refused", 1)["by"], "SIGHUP");
    // What is no YAML does not even name the socket.
    fs::write(program.file("gateway.yaml"), "edge: {\n").unwrap();
    assert!(program.refused("reload").contains("not valid YAML"));
    fs::write(program.file("gateway.yaml"), right.replace("drain_seconds: 2", "drain_seconds: 2, hsts_seconds: 7"))
        .unwrap();
    program.hang_up();
    let audited = program.next_audited("configuration_reloaded", 0);
    assert_eq!(
        (&audited["by"], &audited["changes"]),
        (&"SIGHUP".into(), &serde_json::json!(["edge.hsts_seconds: added"]))
    );
    assert_eq!(browser.get("/my/").await.header("strict-transport-security"), Some("max-age=7"));
    assert_eq!(program.metric("vestibule_config_last_reload_successful").await, 1);
    assert!(program.metric("vestibule_config_last_success_timestamp_seconds").await >= before);
    assert!(program.done("reload").contains("says what it said"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_keeps_the_configuration_that_it_came_under() {
    let program = Program::serve().await;
    let mut browser = program.browser();
    program.enrol(&mut browser, "student1", PASSWORD).await;
    program.campus.settings(|settings| settings.slow = Some(Duration::from_secs(3)));
    let mark = program.campus.mark();
    let under_way = tokio::spawn(async move { (browser.get("/my/").await, browser) });
    // `until` blocks this thread alone; the request runs on another.
    until("the LMS has the request", SOON, || !program.campus.since(mark).is_empty());
    program.edit("drain_seconds: 2", "drain_seconds: 2, hsts_seconds: 7");
    program.done("reload");
    assert!(!under_way.is_finished(), "the LMS was not slow enough for this test");
    let (answer, mut browser) = under_way.await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
    program.campus.settings(|settings| settings.slow = None);
    // The next one comes under the new.
    assert_eq!(browser.get("/my/").await.header("strict-transport-security"), Some("max-age=7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_needs_a_restart_refuses_the_whole_file() {
    let mut program = Program::serve().await;
    program.edit("drain_seconds: 2", "drain_seconds: 3, hsts_seconds: 7");
    program.edit(&format!("https: \"{}\"", program.address), "https: \"127.0.0.1:1\"");
    let told = program.refused("reload");
    assert!(told.contains("edge.https, edge.drain_seconds changed, which needs a restart"), "{told}");
    let page = program.browser().get("/login/index.php").await;
    assert_eq!(page.header("strict-transport-security"), Some("max-age=31536000"));
    let audited = program.next_audited("configuration_refused", 0);
    assert_eq!((&audited["reason"], &audited["keys"][0]), (&"restart".into(), &"edge.https".into()), "{audited}");
    // What cannot be built refuses it, too.
    program.edit("https: \"127.0.0.1:1\"", &format!("https: \"{}\"", program.address));
    program.edit("drain_seconds: 3", "drain_seconds: 2");
    program.edit(&format!("url: \"http://{}\"", program.campus.addr()), "url: \"http://lms.invalid\"");
    let told = program.refused("reload");
    assert!(told.contains("lms.invalid does not resolve"), "{told}");
    assert_eq!(program.next_audited("configuration_refused", 1)["reason"], "unusable");
    assert_eq!(program.browser().get("/login/index.php").await.status, 200);

    program.stop();
    let (code, _, told) = program.cli("reload");
    assert!(code == 1 && told.contains("no gateway runs here"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn x14_thirty_reloads_a_third_of_them_wrong_fail_no_request() {
    let program = Arc::new(Program::serve().await);
    let mut first = program.browser();
    program.enrol(&mut first, "student1", PASSWORD).await;
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let streams: Vec<_> = (0..4)
        .map(|n| {
            let mut browser = program.browser();
            browser.cookies.clone_from(&first.cookies);
            let (over, answered) = (over.clone(), answered.clone());
            tokio::spawn(async move {
                while !over.load(SeqCst) {
                    let path = if n % 2 == 0 { "/my/" } else { "/login/forgot_password.php" };
                    let answer = browser.get(path).await;
                    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                    answered.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    let right = program.yaml();
    for n in 0..30 {
        let seen = answered.load(SeqCst);
        let operator = program.clone();
        let right = right.clone();
        let code = tokio::task::spawn_blocking(move || {
            let edited = match n % 3 {
                0 => right.replace("unregistered: refuse", "unregistered: perhaps"),
                1 => right.replace("drain_seconds: 2", "drain_seconds: 2, hsts_seconds: 7"),
                _ => right,
            };
            fs::write(operator.file("gateway.yaml"), edited).unwrap();
            operator.cli("reload").0
        });
        assert_eq!(code.await.unwrap(), i32::from(n % 3 == 0), "reload {n}");
        // Requests have come through meanwhile, not only afterwards.
        let (answered, streams) = (answered.clone(), &streams);
        until("requests are answered", SOON, || {
            answered.load(SeqCst) > seen || streams.iter().any(|stream| stream.is_finished())
        });
    }
    over.store(true, SeqCst);
    for stream in streams {
        stream.await.expect("no request failed");
    }
    assert_eq!(first.get("/my/").await.status, 200, "the session stays");
    let count = |event| program.audited(event).len();
    until("every reload is audited", SOON, || {
        (count("configuration_reloaded"), count("configuration_refused")) == (20, 10)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tightened_rule_counts_for_sessions_and_open_websockets_and_a_loosened_one_again() {
    let mut program = Program::prepared(STORE, "info").await;
    let lenient = "rules: [ { name: everybody, stage: off,";
    program.edit("rules: [ { name: everybody,", lenient);
    program.start();
    let mut browser = program.browser();
    assert_eq!(browser.sign_in("student1", PASSWORD).await.status, 303);
    assert_eq!(browser.get("/my/").await.status, 200, "a password is enough");
    // An LMS as far away as a real one (tests/gateway/browser/websockets.rs).
    program.campus.settings(|settings| settings.slow = Some(Duration::from_millis(20)));
    let mut socket = websocket(&program, &browser).await;
    assert_eq!(say(&mut socket, "hello").await.as_deref(), Some("hello"));

    program.edit("drain_seconds: 2", "drain_seconds: 2, hsts_seconds: 7");
    program.done("reload");
    assert_eq!(say(&mut socket, "still here").await.as_deref(), Some("still here"));
    program.edit(lenient, "rules: [ { name: everybody, stage: required,");
    assert!(program.done("reload").contains("mfa.rules[everybody].stage: changed"));
    assert_eq!(browser.get("/my/").await.location(), "/login/index.php", "a password is not enough any more");
    // Nothing is sent: the guard notices by itself.
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(SOON, socket.read_to_end(&mut rest)).await.expect("it is cut");

    program.edit("rules: [ { name: everybody, stage: required,", lenient);
    program.done("reload");
    assert_eq!(browser.get("/my/").await.status, 200, "sessions hold facts, not verdicts");
}

type Socket = tokio_rustls::client::TlsStream<tokio::net::TcpStream>;

async fn websocket(program: &Program, browser: &Browser) -> Socket {
    let host = program.url.trim_start_matches("https://");
    let cookies: Vec<String> = browser.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let request = format!(
        "GET /local/campus/ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-Fetch-Mode: websocket\r\n\
         Origin: {}\r\nCookie: {}\r\n\r\n",
        program.url,
        cookies.join("; ")
    );
    let mut socket = tls(program.address, "localhost", &[b"http/1.1"]).await;
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(SOON, socket.read_u8()).await.expect("an answer").unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    socket
}

/// A masked text frame (RFC 6455 §5.2), and what came back.
async fn say(socket: &mut Socket, text: &str) -> Option<String> {
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    socket.write_all(&frame).await.ok()?;
    let mut head = [0; 2];
    tokio::time::timeout(SOON, socket.read_exact(&mut head)).await.expect("an answer").ok()?;
    let mut payload = vec![0; usize::from(head[1])];
    socket.read_exact(&mut payload).await.ok()?;
    Some(String::from_utf8_lossy(&payload).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_certificate_is_shown_and_one_that_cannot_be_used_is_not() {
    let program = Program::serve().await;
    let shown = async || {
        let socket = tls(program.address, "localhost", &[b"http/1.1"]).await;
        socket.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let first = shown().await;
    let (chain, key) = (program.file("tls.pem"), program.file("tls.key"));
    fs::write(&chain, "no certificate").unwrap();
    assert!(program.refused("reload").contains("tls.pem"));
    assert_eq!(shown().await, first);
    fs::remove_file(&chain).unwrap();
    fs::remove_file(&key).unwrap();
    admin::development_certificate(&Certificate { chain, key }, &[], SystemClock.now()).unwrap();
    assert!(program.done("reload").contains("edge.certificates: other certificates are shown"));
    assert_ne!(shown().await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_stays_open_over_a_reload_and_closes_with_other_settings() {
    let program = two_tables().await;
    fs::rename(program.file("users.db"), program.file("elsewhere.db")).unwrap();
    fs::create_dir(program.file("users.db")).unwrap();
    let breaker = "staff error its breaker is open";
    let mut asked = Vec::new();
    // The connection of before may answer a few more times.
    for _ in 0..20 {
        asked = program.asked(&mut program.browser(), "nobody", "x").await;
        if asked[0] == breaker {
            break;
        }
    }
    assert_eq!(asked[0], breaker);
    program.edit("refusal_milliseconds: 0", "refusal_milliseconds: 1");
    program.done("reload");
    assert_eq!(program.asked(&mut program.browser(), "nobody", "x").await[0], breaker);
    program.edit("{ name: staff,", "{ name: staff, deadline_seconds: 2,");
    assert!(program.done("reload").contains("chain.instances[staff].deadline_seconds: added"));
    let asked = program.asked(&mut program.browser(), "nobody", "x").await;
    assert!(asked[0].starts_with("staff error ") && asked[0] != breaker, "{asked:?}");
    assert_eq!(asked[1], "students error its breaker is open");
}
