//! Files and uploads under a surrogate, and files under a swapped key.

use crate::{
    app::ledger_calls::{raw_token, signed_in},
    people::{self, MoodleApp, status_of},
    wire::{FORM, PASSWORD, SITE_INFO, ask, assert_five_keys, multipart, next_code},
    world::World,
};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const FILE: &str = "/19/mod_resource/content/0/handout.txt";
const CONTENT: &str = "lab handout contents\n";
const UPLOAD: &str = "/webservice/upload.php";
const PARTS: &str = "multipart/form-data; boundary=b";

async fn key_of(world: &World, token: &str) -> String {
    let info = MoodleApp::at(world).call(token, SITE_INFO, &[]).await.json();
    info["userprivateaccesskey"].as_str().expect("a key").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_open_with_a_surrogate_in_query_or_form() {
    let (world, token) = signed_in().await;
    let (raw, kind) = (raw_token(&world), [("content-type", FORM)]);
    for script in ["/webservice/pluginfile.php", "/webservice/draftfile.php"] {
        let (bare, with) = (format!("{script}{FILE}"), format!("{script}{FILE}?token={token}&offline=1"));
        let twice = format!("{script}{FILE}?token={raw}&token={token}");
        for (method, target, body) in [
            ("GET", &with, String::new()),
            ("GET", &twice, String::new()),
            ("POST", &bare, format!("token={token}")),
            ("POST", &format!("{bare}?token={raw}"), format!("x=1&token={token}")),
        ] {
            let mark = world.campus.mark();
            let answer = ask(&world, method, target, &kind, body.clone()).await;
            assert_eq!(answer.text(), CONTENT, "{method} {target} {body} {}", answer.status);
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            let seen = &world.campus.since(mark)[0];
            let sent = format!("{}{}", seen.target, String::from_utf8_lossy(&seen.body));
            assert!(sent.contains(&raw) && !sent.contains(&token), "{sent}");
        }
        let head = ask(&world, "HEAD", &with, &[("range", "bytes=0-3")], "").await;
        assert_eq!((head.status.as_u16(), head.text().as_str()), (200, ""));
        let mark = world.campus.mark();
        ask(&world, "GET", &with, &[("range", "bytes=0-3"), ("cookie", "MoodleSession=x")], "").await;
        let seen = &world.campus.since(mark)[0];
        assert_eq!((seen.header("range"), seen.header("cookie").len()), (vec!["bytes=0-3".to_owned()], 0));
        let mark = world.campus.mark();
        for bad in [raw.as_str(), "x", ""] {
            let answer = ask(&world, "GET", &format!("{bare}?token={bad}"), &[], "").await;
            assert_five_keys(&answer, "invalidtoken");
        }
        assert_five_keys(&ask(&world, "GET", &bare, &[], "").await, "missingparam");
        assert_eq!(ask(&world, "GET", &format!("{bare}?token[]={token}"), &[], "").await.status, 400);
        assert!(world.campus.since(mark).is_empty());
    }
    let away = format!("/webservice/pluginfile.php/1/no/such/0/file?token={token}");
    let answer = ask(&world, "GET", &away, &[], "").await;
    assert_eq!(answer.status, 404, "the LMS's own answer passes");
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_only_swapped_keys_open_tokenpluginfile() {
    let (world, token) = signed_in().await;
    let (raw, key) = (world.campus.account_of(3).unwrap().keys.files, key_of(&world, &token).await);
    // The LMS would open its own key, in the path and in the query.
    for target in [format!("/tokenpluginfile.php/{raw}{FILE}"), format!("/tokenpluginfile.php?token={raw}&file={FILE}")]
    {
        let own = crate::wire::straight(world.campus.addr(), "GET", &target, &[], "").await;
        assert_eq!(own.text(), CONTENT);
    }
    let open = format!("/tokenpluginfile.php/{key}{FILE}?offline=1&lang=en");
    let mark = world.campus.mark();
    let answer = ask(&world, "GET", &open, &[("range", "bytes=0-3")], "").await;
    assert_eq!(answer.text(), CONTENT);
    let seen = &world.campus.since(mark)[0];
    assert_eq!(seen.target, format!("/tokenpluginfile.php/{raw}{FILE}?offline=1&lang=en"));
    assert_eq!(seen.header("range"), ["bytes=0-3"]);
    assert_eq!(ask(&world, "HEAD", &open, &[], "").await.status, 200, "the app tries it so");
    let mark = world.campus.mark();
    for target in [
        format!("/tokenpluginfile.php/{raw}{FILE}"),
        format!("/tokenpluginfile.php/{token}{FILE}"),
        format!("/tokenpluginfile.php/{}{FILE}", key.to_uppercase()),
        format!("/tokenpluginfile.php/{key}{FILE}?token={raw}"),
        format!("/tokenpluginfile.php/{key}?file={FILE}"),
        format!("/tokenpluginfile.php?token={key}&file={FILE}"),
        format!("/tokenpluginfile.php?token={raw}&file={FILE}"),
        "/tokenpluginfile.php".to_owned(),
    ] {
        assert_eq!(ask(&world, "GET", &target, &[], "").await.status, 404, "{target}");
    }
    assert!(world.campus.since(mark).is_empty());
    // It dies with the token it came with.
    let id = world.audited("token_minted").await[0]["token"].as_str().unwrap().to_owned();
    crate::wire::admin(&world, &format!(r#"{{"token":{{"revoke":{{"id":"{id}"}}}}}}"#)).await;
    assert_eq!(ask(&world, "GET", &open, &[], "").await.status, 404);
    let file = format!("/webservice/pluginfile.php{FILE}?token={token}");
    assert_five_keys(&ask(&world, "GET", &file, &[], "").await, "invalidtoken");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_device_has_a_file_key_of_its_own() {
    let world = crate::wire::quiet_world(|_| {}).await;
    let (device, _) = crate::wire::enrolled(&world, "student1").await;
    let app = MoodleApp::at(&world);
    let first = app.sign_in(&world, "student1", PASSWORD, &device).await;
    next_code(&world);
    let second = app.sign_in(&world, "student1", PASSWORD, &device).await;
    assert_ne!(key_of(&world, &first).await, key_of(&world, &second).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_finds_its_token_in_the_query_or_before_the_first_file() {
    let (world, token) = signed_in().await;
    let raw = raw_token(&world);
    let file: (&str, &str, &[u8]) = ("file_1", "a.txt", b"hello");
    for (target, fields) in [
        (format!("{UPLOAD}?token={token}"), vec![("filearea", "draft"), ("itemid", "77")]),
        (UPLOAD.to_owned(), vec![("token", token.as_str()), ("itemid", "77")]),
        (UPLOAD.to_owned(), vec![("itemid", "77"), ("token", token.as_str())]),
        (format!("{UPLOAD}?token={raw}"), vec![("token", token.as_str()), ("itemid", "77")]),
    ] {
        let mark = world.campus.mark();
        let body = multipart("b", &fields, &[file]);
        let answer = ask(&world, "POST", &target, &[("content-type", PARTS)], body).await;
        let json = answer.json();
        assert_eq!((&json[0]["filename"], &json[0]["filesize"]), (&"a.txt".into(), &5.into()), "{target}: {json}");
        assert_eq!(json[0]["userid"], "3");
        let seen = &world.campus.since(mark)[0];
        let sent = format!("{}\n{}", seen.target, String::from_utf8_lossy(&seen.body));
        assert!(sent.contains(&raw) && !sent.contains(&token), "{sent}");
        assert_eq!(seen.header("content-length"), [seen.body_len.to_string()]);
    }
    let stored = format!("/webservice/draftfile.php/11/user/draft/77/a.txt?token={token}");
    assert_eq!(ask(&world, "GET", &stored, &[], "").await.text(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_without_a_live_token_never_reaches_the_lms() {
    let (world, token) = signed_in().await;
    let raw = raw_token(&world);
    let file: (&str, &str, &[u8]) = ("file_1", "a.txt", b"hello");
    let mark = world.campus.mark();
    for (target, fields, code) in [
        (UPLOAD.to_owned(), vec![], "missingparam"),
        (UPLOAD.to_owned(), vec![("itemid", "1")], "missingparam"),
        (format!("{UPLOAD}?token={raw}"), vec![], "invalidtoken"),
        (UPLOAD.to_owned(), vec![("token", raw.as_str())], "invalidtoken"),
        (format!("{UPLOAD}?token={token}"), vec![("token", raw.as_str())], "invalidtoken"),
    ] {
        let body = multipart("b", &fields, &[file]);
        let answer = ask(&world, "POST", &target, &[("content-type", PARTS)], body).await;
        assert_five_keys(&answer, code);
    }
    for body in [format!("token={raw}"), String::new()] {
        let answer = ask(&world, "POST", UPLOAD, &[("content-type", FORM)], body).await;
        assert!(["invalidtoken", "missingparam"].contains(&answer.json()["errorcode"].as_str().unwrap()));
    }
    assert_five_keys(&ask(&world, "GET", &format!("{UPLOAD}?token={raw}"), &[], "").await, "invalidtoken");
    let array = multipart("b", &[("token[]", &token)], &[file]);
    let answer = ask(&world, "POST", UPLOAD, &[("content-type", PARTS)], array).await;
    assert!(answer.status == 400 || answer.json()["errorcode"] == "missingparam", "{}", answer.text());
    assert!(world.campus.since(mark).is_empty());
}

/// Writes a whole request over TLS, piece by piece, and returns the answer.
async fn write(world: &World, head: &str, pieces: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let stream = people::tls(world.address, "localhost", &[b"http/1.1"]).await;
    let host = world.url.trim_start_matches("https://");
    let (mut reader, mut writer) = tokio::io::split(stream);
    let head =
        format!("{head} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {PARTS}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let pieces: Vec<Vec<u8>> = pieces.into_iter().collect();
    let writing = tokio::spawn(async move {
        // A refusal may close the connection in the middle of it.
        let mut ok = writer.write_all(head.as_bytes()).await.is_ok();
        for piece in pieces {
            ok = ok && writer.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await.is_ok();
            ok = ok && writer.write_all(&piece).await.is_ok() && writer.write_all(b"\r\n").await.is_ok();
        }
        let _ = writer.write_all(b"0\r\n\r\n").await;
        let _ = writer.flush().await;
        writer
    });
    let mut answer = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while !answer.windows(4).any(|w| w == b"\r\n\r\n") || !complete(&answer) {
        match tokio::time::timeout(Duration::from_secs(20), reader.read(&mut buffer)).await {
            Ok(Ok(n)) if n > 0 => answer.extend_from_slice(&buffer[..n]),
            _ => break,
        }
    }
    writing.abort();
    answer
}

fn complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).and_then(|n| n.trim().parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_streams_in_chunks_and_arrives_whole() {
    let (world, token) = signed_in().await;
    const PIECES: usize = 64 * 16;
    let mut open = multipart("b", &[("token", &token), ("itemid", "5")], &[("file", "big.bin", b"")]);
    open.truncate(open.len() - "\r\n--b--\r\n".len());
    let prefix = open.len() - token.len() + raw_token(&world).len();
    let piece = vec![b'x'; 64 * 1024];
    let pieces = std::iter::once(open)
        .chain((0..PIECES).map(|_| piece.clone()))
        .chain(std::iter::once(b"\r\n--b--\r\n".to_vec()));
    let answer = write(&world, &format!("POST {UPLOAD}"), pieces).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("\"filesize\":67108864"), "{text}");
    let seen = world.campus.requests().pop().unwrap();
    assert_eq!(seen.body_len as usize, prefix + (64 << 20) + "\r\n--b--\r\n".len());
    assert_eq!(seen.header("transfer-encoding"), ["chunked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn h1_a_token_after_a_file_is_refused_and_the_lms_sees_no_whole_request() {
    let (world, token) = signed_in().await;
    let raw = raw_token(&world);
    let file: (&str, &str, &[u8]) = ("file", "a.txt", b"hello");
    let late = |value: &str| {
        let mut body = multipart("b", &[], &[file]);
        body.truncate(body.len() - "--b--\r\n".len());
        [body, multipart("b", &[("token", value)], &[])].concat()
    };
    let twice = |value: &str| {
        let mut body = multipart("b", &[("token", &token)], &[file]);
        body.truncate(body.len() - "--b--\r\n".len());
        [body, multipart("b", &[("token", value)], &[])].concat()
    };
    for (query, body) in [
        (format!("?token={token}"), late(&raw)),
        (format!("?token={token}"), late(&token)),
        (String::new(), twice(&raw)),
        (String::new(), twice("x")),
    ] {
        let mark = world.campus.mark();
        let answer = write(&world, &format!("POST {UPLOAD}{query}"), body.chunks(50).map(<[u8]>::to_vec)).await;
        assert_eq!(status_of(&answer), 400, "{}", String::from_utf8_lossy(&answer));
        // The LMS may have been asked, but it never stored anything.
        let draft = format!("/webservice/draftfile.php/11/user/draft/0/a.txt?token={token}");
        assert_eq!(ask(&world, "GET", &draft, &[], "").await.status, 404);
        let uploads = world.campus.since(mark).into_iter().filter(|seen| seen.path() == UPLOAD);
        assert!(uploads.into_iter().all(|seen| !seen.whole), "a whole upload reached the LMS");
    }
    // Without any token before the file the LMS is not even connected to.
    let mark = world.campus.mark();
    let answer = write(&world, &format!("POST {UPLOAD}"), late(&token).chunks(50).map(<[u8]>::to_vec)).await;
    assert!(status_of(&answer) == 400 || String::from_utf8_lossy(&answer).contains("missingparam"));
    assert!(world.campus.since(mark).is_empty());
}
