//! Text messages, by way of a service that takes them.

use super::*;
use crate::browser::is_in;
use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering::SeqCst},
    },
};

const NUMBER: &str = "+491701234567";

/// Takes messages, and answers with the status it is told.
struct Service {
    url: String,
    status: Arc<AtomicU16>,
    taken: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/send?account=7", listener.local_addr().expect("its address"));
        let (status, taken) = (Arc::new(AtomicU16::new(202)), Arc::new(Mutex::new(Vec::new())));
        let (says, takes) = (status.clone(), taken.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let Some((head, body)) = request(&mut stream) else { continue };
                let body = serde_json::from_str(&body).expect("JSON");
                takes.lock().unwrap().push((head, body));
                let answer =
                    format!("HTTP/1.1 {} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok", says.load(SeqCst));
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { url, status, taken }
    }

    fn code(&self) -> String {
        let taken = self.taken.lock().unwrap();
        let (head, body) = taken.last().expect("a message");
        assert!(head.starts_with("POST /send?account=7 HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("authorization: bearer sms-secret\r\n"), "{head}");
        assert_eq!(body["to"], NUMBER);
        let text = body["text"].as_str().expect("a text");
        assert!(text.contains("@localhost #"), "{text}");
        text[..6].to_owned()
    }
}

fn request(stream: &mut std::net::TcpStream) -> Option<(String, String)> {
    let (mut bytes, mut some) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut some).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&some[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .to_lowercase()
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.lines().next().and_then(|length| length.trim().parse::<usize>().ok()));
        if body.len() >= length.unwrap_or(0) {
            return Some((format!("{head}\r\n"), body.to_owned()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_added_by_a_code_sent_there_and_signs_in_by_another() {
    let (smtp, service) = (Smtp::plain(), Service::start());
    let folder = crate::world::Folder::new();
    let secret = folder.0.join("sms-secret");
    std::fs::write(&secret, "sms-secret\n").unwrap();
    let yaml = format!("url: {:?}\nsecret: \"file:{}\"\n", service.url, secret.display());
    let world = world(&smtp, |config| {
        config.outbound.sms = Some(serde_yaml::from_str(&yaml).expect("sms settings"));
        config.mfa.factors.push(Factor::of(FactorKind::Sms));
    })
    .await;
    let mut owner = with_email(&world, &smtp, "student1", ANN).await;
    let csrf = owner.csrf("/vestibule/account").await;
    owner.post("/vestibule/account", &[("csrf", &csrf), ("act", "add"), ("kind", "sms")]).await;
    let code = sent_at(&mut owner, "/vestibule/permit", &smtp).await.code;
    let csrf = owner.csrf("/vestibule/permit").await;
    let answer = owner.post("/vestibule/permit", &[("csrf", &csrf), ("factor", "email"), ("code", &code)]).await;
    assert_eq!(answer.location(), ADDRESS, "{}", answer.text());
    world.advance(Duration::from_secs(61));
    for wrong in ["", "0170 1234567", "call me", "+49170"] {
        let csrf = owner.csrf(ADDRESS).await;
        let answer = owner.post(ADDRESS, &[("csrf", &csrf), ("act", "send"), ("to", wrong)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    let csrf = owner.csrf(ADDRESS).await;
    let answer = owner.post(ADDRESS, &[("csrf", &csrf), ("act", "send"), ("to", "+49 170 / 1234567")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let code = service.code();
    let wrong = other(&code);
    let answer = owner.post(ADDRESS, &[("csrf", &csrf), ("code", &wrong)]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = owner.post(ADDRESS, &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(answer.location(), "/vestibule/account", "{}", answer.text());
    world.advance(Duration::from_secs(61));

    let mut browser = asked(&world, "student1").await;
    let page = browser.get(&format!("{CHALLENGE}?factor=sms")).await.text();
    assert!(page.contains("…67") && !page.contains(NUMBER), "{page}");
    let csrf = browser.csrf(CHALLENGE).await;
    let send = [("csrf", &*csrf), ("factor", "sms"), ("act", "send")];
    service.status.store(500, SeqCst);
    let answer = browser.post(CHALLENGE, &send).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().contains("No code could be sent"), "{}", answer.text());
    service.status.store(200, SeqCst);
    let answer = browser.post(CHALLENGE, &send).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "what was not sent did not count: {}", answer.text());
    let code = service.code();
    let fields = [("csrf", &*csrf), ("factor", "sms"), ("code", &*code)];
    assert_eq!(browser.post(CHALLENGE, &fields).await.status, StatusCode::SEE_OTHER);
    assert!(is_in(&mut browser).await);
    world.app.stop().await;
}
