//! On which line of the YAML a key stands, in block and in flow style alike.
//!
//! The parser itself tells: a reader walks to the key, stops there with an error on purpose, and the YAML library
//! says where it was.

use super::problem::{KeyPath, Segment};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The 1-based line of `path`, or of its nearest parent that exists; line 1 for an empty document.
pub fn line(text: &str, path: &KeyPath) -> usize {
    for known in (1..=path.0.len()).rev() {
        if let Some(line) = exact(text, &path.0[..known]) {
            return line;
        }
    }
    1
}

fn exact(text: &str, path: &[Segment]) -> Option<usize> {
    let error = Walk(path).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    // Any other error is one of the document's own, met on the way.
    error.to_string().contains(HERE).then(|| error.location().map(|place| place.line())).flatten()
}

const HERE: &str = "the key that was looked for";

struct Walk<'a>(&'a [Segment]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The default of every other `visit_…`: a scalar where the path goes on, or the element it ends at.
        f.write_str(if self.0.is_empty() { HERE } else { "a mapping or sequence" })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Segment::Key(wanted), rest)) = self.0.split_first() else { return Err(A::Error::custom(HERE)) };
        while let Some(found) = map.next_key_seed(Name { wanted, last: rest.is_empty() })? {
            if found {
                return map.next_value_seed(Walk(rest));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((Segment::Index(wanted), rest)) = self.0.split_first() else { return Err(A::Error::custom(HERE)) };
        for _ in 0..*wanted {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        seq.next_element_seed(Walk(rest)).map(|_| ())
    }
}

/// A mapping's key: is it the wanted one? Stops right at the key where the path ends there.
struct Name<'a> {
    wanted: &'a str,
    last: bool,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        match (key == self.wanted, self.last) {
            (true, true) => Err(E::custom(HERE)),
            (found, _) => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::problem::at, *};

    const TEXT: &str = "\
# comment
edge:
  https: \"0.0.0.0:8443\"

  certificates:
    - { chain: a,
        key: b }
sites:
  - name: one
    upstream: { url: x, exclusive: true }
  - # a comment between
    name: two
    public_url: y
chain: { instances: [ { name: a },
                      { name: b, kind: lms } ] }
";

    #[test]
    fn block_and_flow_style_are_found() {
        let sites = |n: usize| at("sites").index(n);
        assert_eq!(line(TEXT, &at("edge")), 2);
        assert_eq!(line(TEXT, &at("edge.https")), 3);
        assert_eq!(line(TEXT, &at("edge.certificates").index(0).key("key")), 7);
        assert_eq!(line(TEXT, &sites(0).key("upstream").key("exclusive")), 10);
        assert_eq!(line(TEXT, &sites(1).key("public_url")), 13);
        assert_eq!(line(TEXT, &at("chain.instances").index(1).key("kind")), 15);
        assert_eq!(line(TEXT, &at("chain.instances").index(1)), 15);
    }

    #[test]
    fn what_is_missing_is_said_at_its_parent() {
        assert_eq!(line(TEXT, &at("edge.http")), 2);
        assert_eq!(line(TEXT, &at("tokens.unregistered")), 1);
        assert_eq!(line(TEXT, &at("sites").index(0).key("public_url")), 9);
        assert_eq!(line(TEXT, &at("sites").index(7)), 8);
        assert_eq!(line("", &at("sites")), 1);
    }
}
