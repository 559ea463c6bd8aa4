//! The double over real sockets: what its users see of it, without a gateway in between.

use campus::{Campus, Options};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn campus() -> Campus {
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        public_url: "https://campus.example".into(),
    };
    Campus::start(options).await.unwrap()
}

struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> u16 {
        self.head[9..12].parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `MoodleSession` that was set.
    fn session(&self) -> Option<&str> {
        let value = self.header("set-cookie")?.strip_prefix("MoodleSession=")?;
        value.split(';').next()
    }

    fn between(&self, before: &str, after: &str) -> String {
        let text = self.text();
        let start = text.find(before).expect(before) + before.len();
        let end = text[start..].find(after).expect(after);
        text[start..start + end].to_owned()
    }
}

async fn send(campus: &Campus, request: &str, body: &str) -> Answer {
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

async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    Answer {
        head: String::from_utf8_lossy(&bytes[..end]).into_owned(),
        body: bytes[end + 4..].to_vec(),
    }
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\n";

/// Signs in as a browser does; returns the session's id.
async fn sign_in(campus: &Campus, name: &str, password: &str) -> String {
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

async fn get(campus: &Campus, path: &str, session: &str) -> Answer {
    send(
        campus,
        &format!("GET {path}\nCookie: MoodleSession={session}\n"),
        "",
    )
    .await
}

#[tokio::test]
async fn a_sign_in_rotates_the_cookie_and_the_wanted_page_is_remembered() {
    let campus = campus().await;
    let wanted = send(&campus, "GET /course/view.php?id=2", "").await;
    assert_eq!(
        wanted.header("location"),
        Some("https://campus.example/login/index.php")
    );
    let anonymous = wanted.session().unwrap().to_owned();
    let page = get(&campus, "/login/index.php", &anonymous).await;
    let token = page.between("name=\"logintoken\" value=\"", "\"");
    let body = format!("logintoken={token}&username=%20STUDENT1&password=Stud.1234");
    let head = format!("POST /login/\n{FORM}Cookie: MoodleSession={anonymous}\n");
    let answer = send(&campus, &head, &body).await;
    let session = answer.session().unwrap().to_owned();
    assert_ne!(session, anonymous);
    assert_eq!(campus.session_user(&session), Some(3));
    assert_eq!(campus.session_user(&anonymous), None);
    let next = get(&campus, "/login/index.php?testsession=3", &session).await;
    assert_eq!(
        next.header("location"),
        Some("https://campus.example/course/view.php?id=2")
    );
}

#[tokio::test]
async fn a_login_token_works_once_and_a_failure_is_told_on_the_next_page() {
    let campus = campus().await;
    let page = send(&campus, "GET /login/index.php", "").await;
    let session = page.session().unwrap().to_owned();
    let token = page.between("name=\"logintoken\" value=\"", "\"");
    let head = format!("POST /login/index.php\n{FORM}Cookie: MoodleSession={session}\n");
    let wrong = format!("logintoken={token}&username=student1&password=bad");
    let right = format!("logintoken={token}&username=student1&password=Stud.1234");
    let first = send(&campus, &head, &wrong).await;
    assert_eq!((first.status(), first.session()), (303, None));
    let second = send(&campus, &head, &right).await;
    assert_eq!(second.status(), 200, "the unread message is shown inline");
    assert!(second.text().contains("id=\"loginerrormessage\""));
    assert_eq!(campus.live_sessions(3), 0);
}

#[tokio::test]
async fn an_lms_that_does_not_rotate_keeps_the_anonymous_id() {
    let campus = campus().await;
    campus.settings(|settings| settings.rotate_at_sign_in = false);
    let page = send(&campus, "GET /login/index.php", "").await;
    let anonymous = page.session().unwrap().to_owned();
    let token = page.between("name=\"logintoken\" value=\"", "\"");
    let head = format!("POST /login/index.php\n{FORM}Cookie: MoodleSession={anonymous}\n");
    let body = format!("logintoken={token}&username=student1&password=Stud.1234");
    assert_eq!(send(&campus, &head, &body).await.session(), None);
    assert_eq!(campus.session_user(&anonymous), Some(3));
}

#[tokio::test]
async fn the_limit_on_concurrent_logins_ends_the_older_session() {
    let campus = campus().await;
    campus.settings(|settings| settings.limit_concurrent_logins = 1);
    let first = sign_in(&campus, "student1", "Stud.1234").await;
    let second = sign_in(&campus, "student1", "Stud.1234").await;
    assert_eq!(campus.session_user(&first), None);
    assert_eq!(campus.session_user(&second), Some(3));
}

#[tokio::test]
async fn expired_sessions_lead_to_the_sign_in_with_a_new_cookie() {
    let campus = campus().await;
    let session = sign_in(&campus, "student1", "Stud.1234").await;
    campus.expire_sessions();
    let answer = get(&campus, "/my/", &session).await;
    assert_eq!(answer.status(), 303);
    assert!(answer.session().is_some());
}

#[tokio::test]
async fn the_one_token_of_a_user_and_service_comes_back_until_it_expires() {
    let campus = campus().await;
    let head = format!("POST /login/token.php\n{FORM}");
    let body = "username=student1&password=Stud.1234&service=moodle_mobile_app";
    let first = send(&campus, &head, body)
        .await
        .between("\"token\":\"", "\"");
    let second = send(&campus, &head, body)
        .await
        .between("\"token\":\"", "\"");
    assert_eq!(first, second);
    assert_eq!(campus.token_of(3, "moodle_mobile_app"), Some(first.clone()));
    campus.expire_tokens();
    let third = send(&campus, &head, body)
        .await
        .between("\"token\":\"", "\"");
    assert_ne!(first, third);
}

#[tokio::test]
async fn the_folder_without_a_slash_shows_the_servers_own_address() {
    let campus = campus().await;
    let answer = send(&campus, "GET /login?x=1", "").await;
    let port = campus.addr().port();
    let own = format!("http://campus.example:{port}/login/?x=1");
    assert_eq!(
        (answer.status(), answer.header("location")),
        (301, Some(own.as_str()))
    );
}

#[tokio::test]
async fn a_qr_key_from_the_profile_page_works_once() {
    let campus = campus().await;
    let session = sign_in(&campus, "student1", "Stud.1234").await;
    let key = get(&campus, "/user/profile.php", &session)
        .await
        .between("qrlogin=", "&amp;");
    let head = "POST /lib/ajax/service-nologin.php\nUser-Agent: MoodleMobile 5.2.0\nContent-Type: application/json\n";
    let body = format!(
        "[{{\"index\":0,\"methodname\":\"tool_mobile_get_tokens_for_qr_login\",\"args\":{{\"qrloginkey\":\"{key}\",\"userid\":\"3\"}}}}]"
    );
    assert!(
        send(&campus, head, &body)
            .await
            .text()
            .contains("\"privatetoken\"")
    );
    assert!(
        send(&campus, head, &body)
            .await
            .text()
            .contains("invalidkey")
    );
}

#[tokio::test]
async fn login_as_keeps_the_session_and_names_both() {
    let campus = campus().await;
    campus.settings(|settings| settings.header_log_user = 3);
    let session = sign_in(&campus, "admin", "Admin.1234").await;
    let sesskey = get(&campus, "/my/", &session)
        .await
        .between("\"sesskey\":\"", "\"");
    let path = format!("/course/loginas.php?id=1&user=3&sesskey={sesskey}");
    assert_eq!(get(&campus, &path, &session).await.session(), None);
    let page = get(&campus, "/my/", &session).await;
    assert_eq!(page.header("x-moodleuser"), Some("admin as student1"));
    campus.settings(|settings| settings.header_log_user = 1);
    let page = get(&campus, "/my/", &session).await;
    assert_eq!(page.header("x-moodleuser"), Some("2 as 3"));
}

#[tokio::test]
async fn the_trusted_header_counts_in_every_spelling_and_the_last_copy_wins() {
    let campus = campus().await;
    for name in ["X-Remote-User", "x_remote_user", "X_REMOTE-User"] {
        let head =
            format!("POST /login/token.php\n{FORM}X-Remote-User: student1\n{name}: shibuser1\n");
        let body = "username=shibuser1&password=x&service=moodle_mobile_app";
        assert!(
            send(&campus, &head, body)
                .await
                .text()
                .contains("privatetoken"),
            "{name}"
        );
    }
    campus.settings(|settings| settings.shibboleth = false);
    let head = format!("POST /login/token.php\n{FORM}X-Remote-User: shibuser1\n");
    let body = "username=shibuser1&password=x&service=moodle_mobile_app";
    assert!(
        send(&campus, &head, body)
            .await
            .text()
            .contains("invalidlogin")
    );
}

#[tokio::test]
async fn an_upload_page_lists_what_was_sent() {
    let campus = campus().await;
    let session = sign_in(&campus, "student1", "Stud.1234").await;
    let sesskey = get(&campus, "/user/files.php", &session)
        .await
        .between("\"sesskey\":\"", "\"");
    let head = format!(
        "POST /user/files.php\nContent-Type: multipart/form-data; boundary=XX\nCookie: MoodleSession={session}\n"
    );
    let body = format!(
        "--XX\r\nContent-Disposition: form-data; name=\"sesskey\"\r\n\r\n{sesskey}\r\n--XX\r\nContent-Disposition: form-data; name=\"repo_upload_file\"; filename=\"notes.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--XX--\r\n"
    );
    let page = send(&campus, &head, &body).await;
    assert!(page.text().contains("notes.txt</a> (5 bytes)"));
    let file = get(
        &campus,
        "/pluginfile.php/11/user/private/0/notes.txt",
        &session,
    )
    .await;
    assert_eq!(file.text(), "hello");
}

#[tokio::test]
async fn requests_are_logged_as_received() {
    let campus = campus().await;
    let mark = campus.mark();
    send(
        &campus,
        "POST /local/campus/echo?a=%41\nX-Twice: 1\nX-Twice: 2\n",
        "body",
    )
    .await;
    let logged = &campus.since(mark)[0];
    assert_eq!(logged.target, "/local/campus/echo?a=%41");
    assert_eq!(logged.header("X-TWICE"), ["1", "2"]);
    assert_eq!(
        (logged.body.as_slice(), logged.body_len),
        (b"body".as_slice(), 4)
    );
}

#[tokio::test]
async fn a_long_body_is_counted_and_only_its_beginning_kept() {
    let campus = campus().await;
    let body = "x".repeat(campus::KEPT_BODY + 1000);
    let answer = send(&campus, "PUT /local/campus/echo", &body).await;
    assert!(
        answer
            .text()
            .ends_with(&format!("body-length: {}\n", body.len()))
    );
    let logged = &campus.requests()[0];
    assert_eq!(logged.body.len(), campus::KEPT_BODY);
    assert_eq!(logged.body_len, body.len() as u64);
}

#[tokio::test]
async fn a_download_has_its_length_and_pattern() {
    let campus = campus().await;
    let answer = send(&campus, "GET /local/campus/big?bytes=200000", "").await;
    assert_eq!(answer.header("content-length"), Some("200000"));
    assert_eq!(answer.body.len(), 200_000);
    assert_eq!(answer.body[199_999], campus::pattern(199_999));
}

#[tokio::test]
async fn a_websocket_echoes_frames_and_answers_pings_until_it_is_closed() {
    let campus = campus().await;
    let mut stream = TcpStream::connect(campus.addr()).await.unwrap();
    let head = "GET /local/campus/ws HTTP/1.1\r\nHost: campus.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // text "hi", ping "p", close; all masked with zeros
    let frames = b"\x81\x82\0\0\0\0hi\x89\x81\0\0\0\0p\x88\x80\0\0\0\0";
    stream.write_all(frames).await.unwrap();
    let answer = read(&mut stream).await;
    assert_eq!(answer.status(), 101);
    assert_eq!(
        answer.header("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    assert_eq!(answer.body, b"\x81\x02hi\x8a\x01p\x88\x00");
}

#[tokio::test]
async fn the_plugin_page_that_rotates_turns_the_session_into_another_users() {
    let campus = campus().await;
    let session = sign_in(&campus, "student1", "Stud.1234").await;
    let answer = get(&campus, "/local/campus/rotate?to=4", &session).await;
    assert_eq!(campus.session_user(answer.session().unwrap()), Some(4));
    assert_eq!(campus.session_user(&session), None);
}

#[tokio::test]
async fn stopping_closes_open_connections() {
    let campus = campus().await;
    let mut stream = TcpStream::connect(campus.addr()).await.unwrap();
    let addr = campus.addr();
    campus.stop().await;
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest));
    assert!(closed.await.is_ok());
    assert!(TcpStream::connect(addr).await.is_err());
}
