//! A browser of few words, for the double's own tests.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use campus::{Campus, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub async fn campus() -> Campus {
    let options = Options { listen: ([127, 0, 0, 1], 0).into(), public_url: "https://campus.example".into() };
    Campus::start(options).await.unwrap()
}

pub struct Answer {
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head[9..12].parse().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `MoodleSession` that was set.
    pub fn session(&self) -> Option<&str> {
        let value = self.header("set-cookie")?.strip_prefix("MoodleSession=")?;
        value.split(';').next()
    }

    pub fn between(&self, before: &str, after: &str) -> String {
        let text = self.text();
        let start = text.find(before).expect(before) + before.len();
        let end = text[start..].find(after).expect(after);
        text[start..start + end].to_owned()
    }
}

pub async fn send(campus: &Campus, request: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(campus.addr()).await.unwrap();
    let length = body.len();
    let (first, rest) = request.split_once('\n').unwrap_or((request, ""));
    let rest = rest.replace('\n', "\r\n");
    let head = format!(
        "{first} HTTP/1.1\r\nHost: campus.example\r\nConnection: close\r\nContent-Length: {length}\r\n{rest}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    read(&mut stream).await
}

pub async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    Answer { head: String::from_utf8_lossy(&bytes[..end]).into_owned(), body: bytes[end + 4..].to_vec() }
}

pub const FORM: &str = "Content-Type: application/x-www-form-urlencoded\n";

/// Signs in as a browser does; returns the session's id.
pub async fn sign_in(campus: &Campus, name: &str, password: &str) -> String {
    let page = send(campus, "GET /login/index.php", "").await;
    let anonymous = page.session().unwrap().to_owned();
    let token = page.between("name=\"logintoken\" value=\"", "\"");
    let answer = send(
        campus,
        &format!("POST /login/index.php\n{FORM}Cookie: MoodleSession={anonymous}\n"),
        &format!("logintoken={token}&username={name}&password={password}"),
    )
    .await;
    assert_eq!(answer.status(), 303);
    answer.session().map_or(anonymous, str::to_owned)
}

pub async fn get(campus: &Campus, path: &str, session: &str) -> Answer {
    send(campus, &format!("GET {path}\nCookie: MoodleSession={session}\n"), "").await
}
