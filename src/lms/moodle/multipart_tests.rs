//! Attack H1 on multipart bodies, and the scanner across chunk borders.

use super::*;
use proptest::prelude::*;

const FORM: &str = "--B\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nabc\r\n\
    --B\r\nContent-Disposition: form-data; name=\"filearea\"\r\n\r\ndraft\r\n\
    --B\r\nContent-Disposition: form-data; name=\"file_1\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--B-\r\n\r\n\
    --B--\r\n";

fn scan(chunks: impl Iterator<Item = impl AsRef<[u8]>>) -> Result<Vec<Part>, Ambiguous> {
    let mut scanner = Scanner::new("B")?.guard("token");
    for chunk in chunks {
        scanner.feed(chunk.as_ref())?;
    }
    scanner.finish()
}

fn field(name: &str, value: &str) -> String {
    format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn file(name: &str) -> String {
    format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x\"\r\n\r\ncontent\r\n")
}

#[test]
fn a_form_is_split_into_its_parts() {
    // A near-delimiter inside a file ends nothing, but PHP would search on from it: refused in the full grammar.
    assert!(parse("B", FORM.as_bytes()).is_err());
    let form = FORM.replace("\r\n--B-\r\n", "\r\n--C\r\n");
    let parts = parse("B", form.as_bytes()).unwrap();
    let summary: Vec<_> = parts.iter().map(|p| (p.name.as_slice(), p.is_file, p.value.as_deref())).collect();
    assert_eq!(
        summary,
        [(&b"token"[..], false, Some(&b"abc"[..])), (b"filearea", false, Some(b"draft")), (b"file_1", true, None)]
    );
    for part in &parts {
        let content = &form.as_bytes()[part.content.start as usize..part.content.end as usize];
        assert_eq!(part.value.as_deref().unwrap_or(b"hello\r\n--C\r\n"), content);
        assert!(part.complete);
    }
}

#[test]
fn the_recorded_form_of_the_app_is_read() {
    // recording: token-multipart (Moodle 4.2)
    let body = field("username", "student1")
        + &field("password", "Stud.1234")
        + &field("service", "moodle_mobile_app")
        + "--B--\r\n";
    assert_eq!(parse("B", body.as_bytes()).unwrap().len(), 3);
}

#[test]
fn h1_a_token_is_found_before_the_first_file_and_refused_after_it() {
    let head = field("filearea", "draft") + &field("token", "secret");
    let mut scanner = Scanner::new("B").unwrap().guard("token");
    scanner.feed(field("filearea", "draft").as_bytes()).unwrap();
    assert_eq!(scanner.seen("token"), Seen::NotYet);
    scanner.feed(field("token", "secret").as_bytes()).unwrap();
    scanner.feed(file("f").as_bytes()).unwrap();
    let Seen::Field(part) = scanner.seen("token") else { panic!("not found") };
    assert_eq!(&head.as_bytes()[part.content.start as usize..part.content.end as usize], b"secret");

    let mut scanner = Scanner::new("B").unwrap().guard("token");
    scanner.feed(file("f").as_bytes()).unwrap();
    assert_eq!(scanner.seen("token"), Seen::Absent);
    for late in ["token", " token", "token\u{0}x", "token[]", "token[a]"] {
        assert!(scan([file("f"), field(late, "x"), "--B--".into()].iter()).is_err(), "{late:?}");
        assert!(scan([field("token", "x"), field(late, "y"), "--B--".into()].iter()).is_err(), "{late:?}");
    }
    assert!(scan([file("token"), "--B--".into()].iter()).is_err());
    assert!(scan([field("token", &"x".repeat(MAX_VALUE + 1)), "--B--".into()].iter()).is_err());
    scan([field("token", "x"), file("f"), field("other", "y"), "--B--".into()].iter()).unwrap();
}

#[test]
fn h1_memory_stays_bounded() {
    let mut scanner = Scanner::new("B").unwrap().guard("token");
    scanner.feed(b"--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n").unwrap();
    for _ in 0..200 {
        scanner.feed(&[b'\n'; 64 * 1024]).unwrap();
        assert!(scanner.pending.len() < 256);
    }
    let mut scanner = Scanner::new("B").unwrap();
    assert!((0..20).any(|_| scanner.feed(&[b'-'; 1024]).is_err()));
    let mut scanner = Scanner::new("B").unwrap();
    scanner.feed(b"--B\r\n").unwrap();
    assert!((0..20).any(|_| scanner.feed(&[b'x'; 1024]).is_err()), "headers without end");
    let mut scanner = Scanner::new("B").unwrap();
    scanner.feed(field("long", &"x".repeat(100_000)).as_bytes()).unwrap();
    assert_eq!(scanner.parts()[0].value, None);
    assert!((0..=MAX_VARS).any(|n| scanner.feed(field(&format!("v{n}"), "").as_bytes()).is_err()));
}

#[test]
fn h1_lenient_multipart_is_refused() {
    for (what, body) in [
        ("preamble", format!("x\r\n{}--B--", field("a", "b"))),
        ("epilogue", format!("{}--B--\r\nx", field("a", "b"))),
        ("second form", format!("{}--B--\r\n{}--B--", field("a", "b"), field("a", "c"))),
        ("no end", field("a", "b")),
        ("bare LF", field("a", "b").replace("\r\n", "\n") + "--B--"),
        ("LF before a boundary", format!("{}--B--", field("a", "b").replace("b\r\n", "b\n"))),
        ("text after a boundary", format!("{}--Bx\r\n--B--", field("a", "b"))),
        ("no disposition", "--B\r\nX: y\r\n\r\nb\r\n--B--".into()),
        ("no headers", "--B\r\n\r\nb\r\n--B--".into()),
        ("no name", "--B\r\nContent-Disposition: form-data\r\n\r\nb\r\n--B--".into()),
        ("folded", "--B\r\nContent-Disposition: form-data;\r\n name=\"a\"\r\n\r\nb\r\n--B--".into()),
        ("NUL", "--B\r\nContent-Disposition: form-data; name=\"a\0\"\r\n\r\nb\r\n--B--".into()),
    ] {
        assert!(parse("B", body.as_bytes()).is_err(), "{what}");
    }
    for disposition in [
        "form-data; name=\"a\"; name=\"b\"",
        "form-data; NAME=\"a\"",
        "form-data; name='a'",
        "form-data; name=\"a\\\"b\"",
        "form-data; name=\"a\\b\"",
        "form-data; name=\"a",
        "form-data; name=\"a\"x",
        "form-data; name=a;b",
        "form-data; name=\"a\";",
        "form-data; name=\"\"",
        "form-data; name*=UTF-8''a",
        "form-data; name=\"a\"; filename*=UTF-8''x",
        "form-data; name=\"a\"; x=\"y\"",
        "form-data; name = \"a\"",
        "form-data name=\"a\"",
        "attachment; name=\"a\"",
        "form-datax; name=\"a\"",
    ] {
        let body = format!("--B\r\nContent-Disposition: {disposition}\r\n\r\nb\r\n--B--");
        assert!(parse("B", body.as_bytes()).is_err(), "{disposition}");
    }
    for header in
        ["Content-Transfer-Encoding: base64", "Content-Disposition: form-data; name=\"b\"", "X : y", "nonsense"]
    {
        let body = format!("--B\r\nContent-Disposition: form-data; name=\"a\"\r\n{header}\r\n\r\nb\r\n--B--");
        assert!(parse("B", body.as_bytes()).is_err(), "{header}");
    }
    for odd in ["", "a b", "a,b", "a;b", "\"", "a\u{e9}", &"x".repeat(71)] {
        assert!(boundary(odd).is_err(), "{odd}");
    }
    assert_eq!(boundary("\"+++++org.apache.cordova.formBoundary\"").unwrap(), "+++++org.apache.cordova.formBoundary");
}

proptest! {
    /// Where the chunks end makes no difference.
    #[test]
    fn h1_chunk_borders_change_nothing(
        values in proptest::collection::vec("[a\r\n\\-B]{0,12}", 1..4),
        size in 1usize..9,
    ) {
        let body: String = values.iter().enumerate().map(|(n, v)| field(&format!("v{n}"), v)).collect::<String>() + "--B--\r\n";
        let whole = parse("B", body.as_bytes());
        let mut scanner = Scanner::new("B").unwrap();
        let fed = body.as_bytes().chunks(size).try_for_each(|chunk| scanner.feed(chunk));
        let streamed = fed.and_then(|()| scanner.finish());
        prop_assert_eq!(whole.is_ok(), streamed.is_ok());
        if let (Ok(whole), Ok(streamed)) = (whole, streamed) {
            prop_assert_eq!(&whole, &streamed);
            let read: Vec<_> = whole.iter().map(|p| p.value.clone().unwrap_or_default()).collect();
            prop_assert_eq!(read, values.iter().map(|v| v.as_bytes().to_vec()).collect::<Vec<_>>());
        }
    }
}
