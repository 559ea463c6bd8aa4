//! Attack H1: our reading is PHP's, or a refusal.

use super::*;
use proptest::prelude::*;
use serde_json::Value as Json;

/// What php-cgi 8.2 made of some hundreds of odd requests (`tests/fixtures/php-params.py`).
fn corpus() -> Vec<Json> {
    serde_json::from_str(include_str!("../../../tests/fixtures/php-params.json")).expect("fixture is JSON")
}

/// The fixture writes bytes as Latin-1.
fn bytes(text: &Json) -> Vec<u8> {
    text.as_str().expect("a string").chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect()
}

fn latin(bytes: &[u8]) -> Json {
    Json::String(bytes.iter().map(|b| char::from(*b)).collect())
}

/// The arrays that PHP would build from our pairs.
fn as_php(params: &Params) -> Json {
    let mut top = PhpArray::default();
    for (name, value) in &params.entries {
        match value {
            Value::Scalar(value) => top.set(&[Index::Key(name.clone())], value),
            Value::Array(items) => {
                for (path, value) in items {
                    let path: Vec<Index> =
                        std::iter::once(Index::Key(name.clone())).chain(path.iter().cloned()).collect();
                    top.set(&path, value);
                }
            }
        }
    }
    top.json()
}

#[derive(Default)]
struct PhpArray {
    items: Vec<(Vec<u8>, Node)>,
    next: i64,
}

enum Node {
    Leaf(Vec<u8>),
    Array(PhpArray),
}

impl PhpArray {
    fn set(&mut self, path: &[Index], value: &[u8]) {
        let key = match &path[0] {
            Index::Key(key) => key.clone(),
            Index::Next => self.next.to_string().into_bytes(),
        };
        if is_integer(&key) {
            let n: i64 = std::str::from_utf8(&key).unwrap().parse().unwrap();
            // A first negative key is followed by 0 before PHP 8.3.
            self.next = self.next.max(n.saturating_add(1)).max(0);
        }
        let at = self.items.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
            self.items.push((key, Node::Leaf(Vec::new())));
            self.items.len() - 1
        });
        let node = &mut self.items[at].1;
        match (path.len(), &mut *node) {
            (1, node) => *node = Node::Leaf(value.to_vec()),
            (_, Node::Array(inner)) => inner.set(&path[1..], value),
            (_, node) => {
                let mut inner = PhpArray::default();
                inner.set(&path[1..], value);
                *node = Node::Array(inner);
            }
        }
    }

    fn json(&self) -> Json {
        let item = |(key, node): &(Vec<u8>, Node)| {
            let value = match node {
                Node::Leaf(value) => latin(value),
                Node::Array(inner) => inner.json(),
            };
            Json::Array(vec![latin(key), value])
        };
        Json::Array(self.items.iter().map(item).collect())
    }
}

#[test]
fn h1_our_reading_of_a_query_is_phps_or_a_refusal() {
    let mut read = 0;
    for case in corpus() {
        if let Ok(params) = Params::parse_query(&bytes(&case["query"])) {
            assert_eq!(as_php(&params), case["get"], "query {}", case["query"]);
            read += usize::from(!params.is_empty());
        }
    }
    assert!(read > 130, "only {read} queries were read at all");
}

#[test]
fn h1_our_reading_of_a_body_is_phps_or_a_refusal() {
    let (mut forms, mut multiparts, mut others) = (0, 0, 0);
    for case in corpus() {
        let content_type = case["type"].as_str();
        match Params::parse_body(content_type, &bytes(&case["body"])) {
            Err(_) => {}
            Ok(BodyParams::NotForm) => {
                assert_eq!(
                    (&case["post"], &case["files"]),
                    (&Json::Array(vec![]), &Json::Array(vec![])),
                    "{content_type:?}"
                );
                others += 1;
            }
            Ok(BodyParams::Form { params, files }) => {
                assert_eq!(as_php(&params), case["post"], "body {} as {content_type:?}", case["body"]);
                let files = Json::Array(files.iter().map(|name| latin(name)).collect());
                assert_eq!(files, case["files"], "files of {} as {content_type:?}", case["body"]);
                let multipart = content_type.is_some_and(|t| t.to_ascii_lowercase().starts_with("multipart"));
                *(if multipart { &mut multiparts } else { &mut forms }) += usize::from(!params.is_empty());
            }
        }
    }
    assert!(
        forms > 130 && multiparts > 30 && others > 5,
        "{forms} forms, {multiparts} multiparts, {others} others read"
    );
}

#[test]
fn h1_query_and_body_merge_as_in_php() {
    let mut merged = 0;
    for case in corpus().iter().filter(|case| case["merged"].is_array()) {
        let query = Params::parse_query(&bytes(&case["query"]));
        let body = Params::parse_body(case["type"].as_str(), &bytes(&case["body"]));
        if let (Ok(query), Ok(body)) = (query, body) {
            assert_eq!(as_php(&Params::merged(&query, body.params())), case["merged"], "{case}");
            merged += 1;
        }
    }
    assert!(merged > 20, "only {merged} merged");
}

/// R8: what is sent on is read by PHP as what was judged.
#[test]
fn h1_the_canonical_spelling_reads_the_same() {
    for case in corpus() {
        let body = Params::parse_body(case["type"].as_str(), &bytes(&case["body"]));
        let query = Params::parse_query(&bytes(&case["query"]));
        for params in body.iter().filter_map(BodyParams::params).chain(query.iter()) {
            let spelled = params.to_urlencoded();
            let again = Params::parse_query(spelled.as_bytes()).expect("canonical form reads");
            assert_eq!(as_php(&again), as_php(params), "{spelled}");
            assert_eq!(again.to_urlencoded(), spelled);
        }
    }
}

fn query(text: &str) -> Params {
    Params::parse_query(text.as_bytes()).unwrap()
}

#[test]
fn h1_aliases_of_a_name_are_one_name() {
    for text in
        ["username=a", "%75sername=a", "+username=a", "%20%20username=a", "username%00z=a", "username=x&username=a"]
    {
        assert_eq!(query(text).get("username").unwrap(), Some(&b"a"[..]), "{text}");
        assert_eq!(query(text).to_urlencoded(), "username=a", "{text}");
    }
    for text in ["Username=a", "username.=a", "%09username=a", "username]=a", "username;x=a", "%2575sername=a"] {
        assert_eq!(query(text).get("username").unwrap(), None, "{text}");
    }
    assert_eq!(query("user.name=a").get("user_name").unwrap(), Some(&b"a"[..]));
}

#[test]
fn h1_arrays_and_odd_brackets_are_refused_where_a_value_belongs() {
    for text in ["username[]=a", "username[x]=a", "username=a&username[]=b", "%75sername%5b%5d=a"] {
        assert!(query(text).get("username").is_err(), "{text}");
    }
    // PHP's last word counts.
    assert_eq!(query("username[]=a&username=b").get("username").unwrap(), Some(&b"b"[..]));
    for text in ["username[=a", "username[x]y=a", "a[[x]]=1", "[username]=a", "a[ x]=1", "__Host-x=1"] {
        assert!(Params::parse_query(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn h1_more_variables_than_php_reads_are_refused() {
    let many = |n: usize| vec!["a=1"; n].join("&");
    assert!(Params::parse_query(many(1000).as_bytes()).is_ok());
    assert!(Params::parse_query(many(1001).as_bytes()).is_err());
    assert!(Params::parse_query("&".repeat(1001).as_bytes()).is_err());
}

#[test]
fn h1_credentials_are_utf8_without_nul() {
    assert_eq!(query("p=%C3%BC%20%2B").text("p").unwrap(), Some("ü +"));
    assert!(query("p=a%00b").text("p").is_err());
    assert!(query("p=%FF").text("p").is_err());
}

#[test]
fn values_can_be_taken_out_and_put_in() {
    let mut params = query("a=1&wstoken=x&b[]=2&b[]=3&c[k][]=4");
    params.replace("wstoken", "y z");
    params.replace("new", "5");
    assert!(params.remove("a").is_some() && params.remove("a").is_none());
    assert_eq!(params.to_urlencoded(), "wstoken=y%20z&b%5B%5D=2&b%5B%5D=3&c%5Bk%5D%5B%5D=4&new=5");
    assert_eq!(format!("{params:?}"), r#"["wstoken", "b", "c", "new"]"#);
}

proptest! {
    #[test]
    fn h1_any_bytes_are_read_or_refused_without_panic(text in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Params::parse_query(&text);
        let _ = Params::parse_body(Some("application/x-www-form-urlencoded"), &text);
        let _ = Params::parse_body(Some("multipart/form-data; boundary=B"), &text);
    }

    #[test]
    fn h1_the_canonical_spelling_is_a_fixed_point(text in "([ab.+%=&]|\\[|\\]|%5[bd]|%00|%20|%C3%BC){0,24}") {
        if let Ok(params) = Params::parse_query(text.as_bytes()) {
            let spelled = params.to_urlencoded();
            let again = Params::parse_query(spelled.as_bytes()).expect("canonical form reads");
            prop_assert_eq!(as_php(&again), as_php(&params));
            prop_assert_eq!(again.to_urlencoded(), spelled);
        }
    }
}
