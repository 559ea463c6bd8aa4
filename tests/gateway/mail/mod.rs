//! Mail to people, against a real mail server: what arrives, what never leaves in the clear (attacks F5 and I4), and
//! what happens while the server is down, slow, or says no (`queue`, fault X20).

mod queue;
mod reminders;

use crate::{operation::program::Program, servers::Smtp, world::World};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    time::{Duration, Instant},
};
use vestibule::{config::Config, language::Lang, outbound::mail::Message};

/// The queue is looked at every quarter of a minute.
const PATIENCE: Duration = Duration::from_secs(40);

pub fn through(smtp: &Smtp) -> impl Fn(&mut Config) + use<> {
    let ca = if smtp.url().starts_with("smtp:") { String::new() } else { format!("ca_file: {:?}", smtp.ca_file()) };
    settings(&smtp.url(), ca)
}

pub fn settings(url: &str, more: String) -> impl Fn(&mut Config) + use<> {
    let yaml = format!("server: {url:?}\nfrom: Campus sign-in <sign-in@example.org>\ntimeout_seconds: 2\n{more}");
    move |config| config.outbound.mail = Some(serde_yaml::from_str(&yaml).expect("mail settings"))
}

fn linked(source: &str) -> Message {
    Message::MethodLinked { site: "campus.example.org".into(), source: source.into() }
}

pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A figure of `/metrics`, as the world's mailer counts it.
pub fn counted(world: &World, outcome: &str) -> u64 {
    let line = format!("vestibule_mails_total{{outcome=\"{outcome}\"}} ");
    let figures = world.app.metrics.encode();
    figures.lines().find_map(|l| l.strip_prefix(&line)).map_or(0, |n| n.parse().expect("a number"))
}

pub fn header<'a>(letter: &'a Value, name: &str) -> &'a str {
    let all = letter["headers"].as_array().expect("headers");
    let mut found = all.iter().filter(|header| header[0] == name);
    let value = found.next().unwrap_or_else(|| panic!("no {name} in {letter}"))[1].as_str().expect("text");
    assert!(found.next().is_none(), "two {name} in {letter}");
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_arrives_in_text_and_html_in_the_reader_s_language() {
    for smtp in [Smtp::plain(), Smtp::tls(), Smtp::starttls()] {
        let world = World::with(through(&smtp)).await;
        world.app.mailer.send("ann@example.org", Lang::De, linked("Prüfungsamt <b>&")).await;
        eventually("a letter arrives", || !smtp.letters().is_empty()).await;
        let letter = smtp.letters().remove(0);
        assert_eq!(letter["tls"], !smtp.url().starts_with("smtp:"), "{}", smtp.url());
        assert_eq!((&letter["from"], &letter["to"][0]), (&"sign-in@example.org".into(), &"ann@example.org".into()));
        assert_eq!(header(&letter, "Subject"), "Ein Anmeldeweg ist hinzugekommen");
        assert_eq!(header(&letter, "From"), "Campus sign-in <sign-in@example.org>");
        assert_eq!(header(&letter, "Auto-Submitted"), "auto-generated");
        assert!(header(&letter, "Message-ID").ends_with("@example.org>"));
        assert!(!header(&letter, "Date").is_empty());
        assert_eq!(letter["type"], "multipart/alternative");
        let (text, html) = (letter["text"].as_str().unwrap(), letter["html"].as_str().unwrap());
        assert!(text.contains("campus.example.org") && text.contains("Prüfungsamt <b>&"), "{text}");
        assert!(html.contains("<html lang=\"de\">") && html.contains("Prüfungsamt &lt;b&gt;&amp;"), "{html}");
        eventually("it counts as sent", || counted(&world, "sent") == 1).await;
        assert_eq!(counted(&world, "queued"), 1);
        world.app.stop().await;
        assert_eq!(smtp.letters().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f5_i4_a_hostile_name_or_address_adds_nothing_to_a_letter() {
    let smtp = Smtp::plain();
    let world = World::with(through(&smtp)).await;
    let mailer = &world.app.mailer;
    for to in ["ann@example.org\r\nRCPT TO:<eve@example.org>", "ann@example.org, eve@example.org", "ann", ""] {
        mailer.send(to, Lang::En, linked("x")).await;
    }
    assert_eq!(counted(&world, "unwritten"), 4);
    let names = [
        "x\r\nBcc: eve@example.org\r\n\r\n<script>alert(1)</script>",
        "\r\n.\r\nMAIL FROM:<eve@example.org>\r\n",
        "{{ 7 * 7 }} {% raw %} { $site }",
        &"🎓".repeat(16 * 1024),
    ];
    for name in names {
        mailer.send("ann@example.org", Lang::En, linked(name)).await;
    }
    eventually("all letters arrive", || smtp.letters().len() >= names.len()).await;
    world.app.stop().await;
    let letters = smtp.letters();
    assert_eq!(letters.len(), names.len());
    for letter in &letters {
        assert_eq!(letter["to"], serde_json::json!(["ann@example.org"]));
        assert_eq!(header(letter, "Subject"), "A way to sign in was added");
        let known = ["From", "To", "Subject", "Message-ID", "Date", "Auto-Submitted", "MIME-Version", "Content-Type"];
        let got = letter["headers"].as_array().unwrap().iter().map(|header| header[0].as_str().unwrap());
        assert_eq!(got.collect::<BTreeSet<_>>(), BTreeSet::from(known), "{letter}");
        let html = letter["html"].as_str().unwrap();
        assert!(!html.contains("<script") && html.len() < 4096, "{html}");
    }
    let texts = letters.iter().filter_map(|letter| letter["text"].as_str());
    assert_eq!(texts.filter(|text| text.contains("{{ 7 * 7 }}")).count(), 1, "a name is no template");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_where_starttls_was_stripped_or_the_certificate_is_wrong() {
    let (other, secret) = (Smtp::starttls(), "mail-secret");
    let anothers = |scheme| Smtp::with_anothers_certificate(scheme);
    let foreign = |smtp: &Smtp| settings(&smtp.url(), format!("ca_file: {:?}", other.ca_file()));
    let public = |smtp: &Smtp| settings(&smtp.url(), String::new());
    let mut cases = Vec::new();
    for smtp in [Smtp::stripped(), anothers("smtps"), anothers("smtp+starttls")] {
        let change = through(&smtp);
        cases.push((smtp, Box::new(change) as Box<dyn Fn(&mut Config)>));
    }
    for smtp in [Smtp::tls(), Smtp::starttls()] {
        let change = foreign(&smtp);
        cases.push((smtp, Box::new(change)));
    }
    let smtp = Smtp::tls();
    let change = public(&smtp);
    cases.push((smtp, Box::new(change)));
    for (smtp, change) in cases {
        let folder = crate::world::Folder::new();
        let password = folder.0.join("password");
        fs::write(&password, secret).unwrap();
        let world = World::with(|config| {
            change(config);
            let mail = config.outbound.mail.as_mut().unwrap();
            mail.user = Some("vestibule".into());
            mail.password = Some(format!("file:{}", password.display()));
        })
        .await;
        world.app.mailer.send("ann@example.org", Lang::En, linked("x")).await;
        eventually("the letter is put off", || counted(&world, "postponed") == 1).await;
        let told = world.app.mailer.test("ann@example.org").await.unwrap_err().to_string();
        assert!(told.contains("no connection to"), "{told}");
        world.app.stop().await;
        assert!(smtp.letters().is_empty(), "{}", smtp.url());
        assert!(!smtp.log().contains("MAIL") && !smtp.log().contains("AUTH"), "{}: {}", smtp.url(), smtp.log());
    }
}

/// Somebody in between who lets STARTTLS through and appends answers of their own to the server's.
#[tokio::test(flavor = "multi_thread")]
async fn answers_injected_before_tls_are_not_read_after_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp+starttls://localhost:{}", listener.local_addr().unwrap().port());
    let between = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        stream.write_all(b"220 hello\r\n").unwrap();
        lines.read_line(&mut line).unwrap();
        stream.write_all(b"250-hello\r\n250 STARTTLS\r\n").unwrap();
        line.clear();
        lines.read_line(&mut line).unwrap();
        assert_eq!(line, "STARTTLS\r\n");
        stream.write_all(b"220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n").unwrap();
        let mut hello = [0; 1];
        std::io::Read::read_exact(&mut lines, &mut hello).unwrap();
        hello[0]
    });
    let world = World::with(settings(&url, String::new())).await;
    let told = world.app.mailer.test("ann@example.org").await.unwrap_err().to_string();
    assert_eq!(between.join().unwrap(), 0x16, "TLS begins with a handshake record");
    // What was injected met the handshake, not the SMTP parser.
    assert!(told.contains("InvalidContentType") || told.contains("corrupt message"), "{told}");
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_test_tells_each_step_or_what_the_server_said() {
    let smtp = Smtp::starttls_with_auth();
    let mut program = Program::serve().await;
    let (code, _, told) = program.cli("mail test --to ann@example.org");
    assert_eq!(code, 1);
    assert!(told.contains("outbound.mail is not set"), "{told}");
    program.stop();

    let yaml = fs::read_to_string(program.file("gateway.yaml")).unwrap();
    let (url, ca, file) = (smtp.url(), smtp.ca_file(), program.file("password"));
    let keys = format!("server: {url:?}, ca_file: {ca:?}, user: vestibule, password: \"file:{}\"", file.display());
    let mail = format!("outbound: {{ mail: {{ {keys}, from: sign-in@example.org, timeout_seconds: 5 }} }}");
    fs::write(program.file("gateway.yaml"), format!("{yaml}\n{mail}\n")).unwrap();
    fs::write(&file, "mail-secret\n").unwrap();
    let offline = program.done("mail test --to ann@example.org");
    program.start();
    let online = program.done("mail test --to bob@example.org");
    for (said, n) in [(offline, 0), (online, 1)] {
        for step in ["connected to localhost", "STARTTLS", "signed in as vestibule", "took the letter"] {
            assert!(said.contains(step), "{said}");
        }
        let letter = &smtp.letters()[n];
        assert_eq!((&letter["user"], &letter["tls"]), (&"vestibule".into(), &true.into()));
        assert_eq!(header(letter, "Subject"), "A test of the mail settings");
    }
    smtp.behave("550");
    let (code, _, told) = program.cli("mail test --to ann@example.org");
    assert_eq!(code, 1);
    assert!(told.contains("signed in as vestibule") && told.contains("550") && told.contains("never"), "{told}");
    let (code, _, told) = program.cli("mail test --to nobody");
    assert_eq!((code, told.contains("address")), (1, true), "{told}");
    program.stop();
    fs::write(&file, "wrong\n").unwrap();
    let (code, _, told) = program.cli("mail test --to ann@example.org");
    assert_eq!(code, 1);
    assert!(told.contains("STARTTLS") && told.contains("535") && !told.contains("signed in"), "{told}");
    assert!(!told.contains("wrong") && !program.log().contains("mail-secret"), "{told}");
}
