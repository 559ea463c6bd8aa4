//! Attacks A1–A3, A6–A8, A13 and A14 on the path alone.

use super::*;
use proptest::prelude::*;

fn canonical(raw: &str) -> CanonicalPath {
    CanonicalPath::parse(raw.as_bytes()).unwrap_or_else(|e| panic!("{raw}: {e}"))
}

fn refused(raw: impl AsRef<[u8]>) {
    let raw = raw.as_ref();
    assert!(CanonicalPath::parse(raw).is_err(), "{:?} passed", String::from_utf8_lossy(raw));
}

#[test]
fn a1_climbing_is_refused_in_every_spelling() {
    for raw in [
        "/public/../grade/export",
        "/public/%2e%2e/grade",
        "/public/.%2e/grade",
        "/public/%2E./grade",
        "/public/..",
        "/..",
        "/public/..;/grade",
        "/public/..%3b/grade",
        "/public/.%3bx/grade",
        "/public/..%20/grade",
        "/public/.../grade",
        "/public/%20/grade",
        "/x/../login/token.php",
    ] {
        refused(raw);
    }
}

#[test]
fn a2_nothing_is_decoded_twice() {
    for raw in [
        "/public/%2e%2e%2fgrade",
        "/public/%252e%252e%252fgrade",
        "/a%252Fb",
        "/a%255cb",
        "/a%2500",
        "/a%25252eb",
        "/login/token%252ephp",
        "/course/..%2flogin/index.php",
        "/login/token.php%2f",
    ] {
        refused(raw);
    }
    assert_eq!(canonical("/100%25.pdf").decoded(), "/100%.pdf");
    assert_eq!(canonical("/100%25.pdf").encoded(), "/100%25.pdf");
    assert_eq!(canonical("/50%25%20off").decoded(), "/50% off");
}

#[test]
fn a3_doubled_slashes_and_dots_collapse() {
    for raw in [
        "//login/token.php",
        "/login//token.php",
        "/./login/token.php",
        "/login/./token.php",
        "/login/%2e/token.php",
        "///login/.//./token.php",
        "/login/%74oken%2ephp",
    ] {
        assert_eq!(canonical(raw).encoded(), "/login/token.php", "{raw}");
    }
    assert_eq!(canonical("/login/.").encoded(), "/login/");
    assert_eq!(canonical("/login//").encoded(), "/login/");
    assert_eq!(canonical("/").encoded(), "/");
    assert_eq!(canonical("//").encoded(), "/");
}

#[test]
fn a6_path_parameters_are_refused() {
    refused("/login/token.php;x=/public/");
    refused("/login;/token.php");
    // Encoded it is part of a file's name, and stays encoded.
    assert_eq!(canonical("/pluginfile.php/a%3bb").encoded(), "/pluginfile.php/a%3Bb");
}

#[test]
fn a7_backslashes_are_refused() {
    refused("/login\\token.php");
    refused("/login%5ctoken.php");
    refused("/login%5Ctoken.php");
}

#[test]
fn a8_a_hash_is_refused_raw_and_a_name_when_encoded() {
    refused("/grade#/public/");
    let path = canonical("/grade%23/public/");
    assert_eq!((path.decoded(), path.encoded()), ("/grade#/public/", "/grade%23/public/"));
    assert_eq!(canonical("/grade%3Fx").encoded(), "/grade%3Fx");
}

#[test]
fn a13_bytes_no_path_may_hold_are_refused() {
    for raw in [
        &b"/a\0b"[..],
        b"/a%00b",
        b"/a\rb",
        b"/a\nb",
        b"/a%0d%0ab",
        b"/a\tb",
        b"/a b",
        b"/a\x7fb",
        b"/a%7fb",
        b"/\xc3\x9c",
        b"/%c3",
        b"/%c0%af",
        b"/%ed%a0%80",
        b"/%ff",
        b"/%",
        b"/%2",
        b"/%zz",
        b"/%+1",
        b"/a\"b",
        b"/<b>",
        b"",
        b"*",
        b"login",
    ] {
        refused(raw);
    }
}

#[test]
fn a13_names_as_moodle_encodes_them_arrive_unchanged() {
    // rawurlencode("Übung 100%25;a#1.pdf") in a segment of pluginfile.php.
    for raw in [
        "/pluginfile.php/21/mod_folder/content/0/%C3%9Cbung%20100%25%3Ba%231.pdf",
        "/pluginfile.php/21/mod_folder/content/0/%28a%29%20%2B%20b%2C%20c%27s%20%26%20d%21.pdf",
        "/pluginfile.php/21/mod_folder/content/0/(a)+b,c's&d!.pdf",
        "/webservice/pluginfile.php/19/mod_resource/content/0/handout.txt",
        "/theme/styles.php/boost/1700000000_1/all",
        "/pluginfile.php/5/user/icon/boost/f1~x_y-z",
        "/pluginfile.php/1/%E6%BC%A2%E5%AD%97/%F0%9F%98%80.png",
    ] {
        assert_eq!(canonical(raw).encoded(), raw);
    }
    let path = canonical("/pluginfile.php/0/%C3%9Cbung%20100%25%3Ba%231.pdf");
    assert_eq!(path.decoded(), "/pluginfile.php/0/Übung 100%;a#1.pdf");
    let path = canonical("/pluginfile.php/0/%C3%9Cbung%20100%2525%3Ba%231.pdf");
    assert_eq!(path.decoded(), "/pluginfile.php/0/Übung 100%25;a#1.pdf");
    assert_eq!(path.encoded(), "/pluginfile.php/0/%C3%9Cbung%20100%2525%3Ba%231.pdf");
}

#[test]
fn a14_a_long_path_is_414() {
    let raw = format!("/{}", "a".repeat(MAX_PATH));
    assert_eq!(CanonicalPath::parse(raw.as_bytes()).unwrap_err().status, 414);
    canonical(&raw[..MAX_PATH]);
}

#[test]
fn a4_script_and_path_info_split_at_the_first_php_segment() {
    let path = canonical("/login/token.php/public/x.php");
    assert_eq!((path.script(), path.path_info()), (Some("login/token.php"), "/public/x.php"));
    let path = canonical("/login/token.php");
    assert_eq!((path.script(), path.path_info()), (Some("login/token.php"), ""));
    let path = canonical("/LOGIN/Token.PHP%20/x");
    assert_eq!((path.script(), path.path_info()), (Some("LOGIN/Token.PHP "), "/x"));
    assert_eq!(canonical("/login/").script(), None);
}

proptest! {
    #[test]
    fn r8_the_canonical_form_is_a_fixed_point(raw in "/([a-c./%;~ü#]|%[0-9a-fA-F]{2}){0,24}") {
        if let Ok(path) = CanonicalPath::parse(raw.as_bytes()) {
            let again = CanonicalPath::parse(path.encoded().as_bytes()).expect("canonical form parses");
            prop_assert_eq!(&again, &path);
            prop_assert!(path.decoded().split('/').skip(1).all(|s| s != "." && s != ".."));
            prop_assert!(!path.decoded().contains("//"));
            prop_assert!(!path.decoded().bytes().any(|b| b < 0x20 || b == 0x7f || b == b'\\'));
            prop_assert!(path.encoded().bytes().all(|b| b.is_ascii_graphic() && !b"\\;#?\"<>".contains(&b)));
        }
    }

    #[test]
    fn a13_any_bytes_parse_or_are_refused_without_panic(raw in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = CanonicalPath::parse(&raw);
    }
}
