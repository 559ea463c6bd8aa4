//! One entry as a search gave it, and the person it describes.
//!
//! Values are bytes until something asks for text: `objectGUID` is binary, and a directory may hold anything.

use super::names;
use crate::chain::Person;
use crate::types::Subject;
use ldap3::asn1::{PL, StructureTag};
use std::collections::HashMap;

/// Longer ones are nobody's name or address (attack B5).
const TEXT_LIMIT: usize = 512;
/// Active Directory hands out no more values of one attribute at a time, and then under the name `memberOf;range=…`.
const VALUES_LIMIT: usize = 10_000;

/// Which attributes say what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    pub subject: String,
    pub username: String,
    pub first_name: String,
    pub last_name: String,
    pub name: String,
    pub email: String,
    pub password_mark: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub dn: String,
    /// By lower-case name: attribute names have no case (RFC 4512 §1.4).
    values: HashMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    /// Reads a SearchResultEntry (RFC 4511 §4.5.2). `None` where it is none.
    pub fn read(tag: StructureTag) -> Option<Self> {
        let mut parts = constructed(tag)?.into_iter();
        let dn = String::from_utf8(primitive(parts.next()?)?).ok()?;
        let mut values = HashMap::new();
        for attribute in constructed(parts.next()?)? {
            let mut parts = constructed(attribute)?.into_iter();
            let name = String::from_utf8(primitive(parts.next()?)?).ok()?.to_ascii_lowercase();
            let all = constructed(parts.next()?)?.into_iter().take(VALUES_LIMIT).map(primitive);
            values.insert(name, all.collect::<Option<Vec<_>>>()?);
        }
        Some(Self { dn, values })
    }

    pub fn bytes(&self, attribute: &str) -> Option<&[u8]> {
        self.values.get(&attribute.to_ascii_lowercase())?.first().map(Vec::as_slice)
    }

    /// The first value, where it is text that a person could have: not empty, no control characters, not endless.
    pub fn text(&self, attribute: &str) -> Option<&str> {
        text(self.bytes(attribute)?)
    }

    /// Every value that is text.
    pub fn texts(&self, attribute: &str) -> Vec<&str> {
        let values = self.values.get(&attribute.to_ascii_lowercase());
        values.into_iter().flatten().filter_map(|value| text(value)).collect()
    }

    /// Whether the directory held some values back (MS-ADTS §3.1.1.3.1.3.3, range retrieval).
    pub fn is_partial(&self, attribute: &str) -> bool {
        let range = format!("{};range=", attribute.to_ascii_lowercase());
        self.values.keys().any(|name| name.starts_with(&range))
    }

    #[cfg(test)]
    pub fn of(dn: &str, values: &[(&str, &[u8])]) -> Self {
        let mut entry = Self { dn: dn.to_owned(), values: HashMap::new() };
        for (name, value) in values {
            entry.values.entry(name.to_ascii_lowercase()).or_default().push(value.to_vec());
        }
        entry
    }
}

fn text(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let fits = !text.is_empty() && text.len() <= TEXT_LIMIT && !text.chars().any(char::is_control);
    fits.then_some(text)
}

fn constructed(tag: StructureTag) -> Option<Vec<StructureTag>> {
    match tag.payload {
        PL::C(parts) => Some(parts),
        PL::P(_) => None,
    }
}

fn primitive(tag: StructureTag) -> Option<Vec<u8>> {
    match tag.payload {
        PL::P(bytes) => Some(bytes),
        PL::C(_) => None,
    }
}

/// The URLs of a continuation reference (RFC 4511 §4.5.3).
pub fn references(tag: StructureTag) -> Vec<String> {
    let parts = constructed(tag).unwrap_or_default();
    parts.into_iter().filter_map(primitive).filter_map(|url| String::from_utf8(url).ok()).collect()
}

impl Attributes {
    /// What a search asks for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = [&self.subject, &self.username, &self.first_name, &self.last_name, &self.name, &self.email];
        names.into_iter().chain([&self.password_mark]).map(String::as_str)
    }

    /// Who that is, without groups. `None` without a subject: there would be nothing to know the person by next time.
    pub fn person(&self, entry: &Entry) -> Option<Person> {
        let text = |attribute: &str| entry.text(attribute).map(str::to_owned);
        Some(Person {
            subject: self.subject_of(entry)?,
            username: text(&self.username),
            first_name: text(&self.first_name),
            last_name: text(&self.last_name),
            name: text(&self.name),
            email: text(&self.email),
            groups: None,
            password_mark: text(&self.password_mark),
        })
    }

    fn subject_of(&self, entry: &Entry) -> Option<Subject> {
        let value = entry.bytes(&self.subject)?;
        if self.is_guid() { guid(value).map(Subject::new) } else { text(value).map(Subject::new) }
    }

    /// The filter that finds a subject again. `None` for a text that can be none of this source's.
    pub fn filter_of(&self, subject: &Subject) -> Option<String> {
        let value = if self.is_guid() { guid_bytes(subject.as_str())? } else { subject.as_str().as_bytes().to_vec() };
        Some(format!("({}={})", self.subject, names::filter_value(&value)))
    }

    fn is_guid(&self) -> bool {
        self.subject.eq_ignore_ascii_case("objectGUID")
    }
}

/// Where each pair of digits of a GUID's text stands in its bytes: the first three groups are little-endian
/// (MS-DTYP §2.3.4.2).
const GUID_ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// `objectGUID` as people and tools write it.
pub fn guid(bytes: &[u8]) -> Option<String> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let mut text = String::with_capacity(36);
    for (place, from) in GUID_ORDER.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02x}", bytes[from]));
    }
    Some(text)
}

fn guid_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    if text.len() != 36 || digits.len() != 32 {
        return None;
    }
    let mut bytes = vec![0; 16];
    for (place, to) in GUID_ORDER.into_iter().enumerate() {
        let pair = std::str::from_utf8(&digits[place * 2..place * 2 + 2]).ok()?;
        bytes[to] = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(subject: &str) -> Attributes {
        let name = str::to_owned;
        Attributes {
            subject: name(subject),
            username: name("uid"),
            first_name: name("givenName"),
            last_name: name("sn"),
            name: name("cn"),
            email: name("mail"),
            password_mark: name("pwdChangedTime"),
        }
    }

    #[test]
    fn a_guid_is_written_as_windows_writes_it_and_found_again() {
        let bytes: Vec<u8> = (0..16).collect();
        let text = guid(&bytes).unwrap();
        assert_eq!(text, "03020100-0504-0706-0809-0a0b0c0d0e0f");
        assert_eq!(guid_bytes(&text), Some(bytes));
        assert_eq!(guid(&[0; 15]), None);
        assert_eq!(guid_bytes("03020100-0504-0706-0809-0a0b0c0d0e0"), None);
        assert_eq!(guid_bytes("zz020100-0504-0706-0809-0a0b0c0d0e0f"), None);
        let filter = attributes("objectGUID").filter_of(&Subject::new(text)).unwrap();
        assert_eq!(filter, r"(objectGUID=\00\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f)");
    }

    #[test]
    fn a_person_is_read_whatever_the_case_of_the_attribute_names() {
        let values: &[(&str, &[u8])] =
            &[("ENTRYUUID", b"6f1c"), ("Uid", b"mlind"), ("cn", "Mara Lind".as_bytes()), ("mail", b"m@example.org")];
        let person = attributes("entryUUID").person(&Entry::of("uid=mlind,dc=x", values)).unwrap();
        assert_eq!(person.subject, Subject::new("6f1c"));
        assert_eq!((person.username.as_deref(), person.name.as_deref()), (Some("mlind"), Some("Mara Lind")));
        assert_eq!((person.groups, person.password_mark), (None, None));
    }

    #[test]
    fn without_a_subject_there_is_nobody() {
        assert!(attributes("entryUUID").person(&Entry::of("uid=a,dc=x", &[("uid", b"a")])).is_none());
        assert!(attributes("objectGUID").person(&Entry::of("cn=a,dc=x", &[("objectGUID", b"short")])).is_none());
    }

    #[test]
    fn b5_a_value_with_control_characters_or_without_end_is_left_out() {
        let long = vec![b'a'; TEXT_LIMIT + 1];
        let values: &[(&str, &[u8])] =
            &[("cn", b"a\r\nX-Vestibule-User: b"), ("sn", &long), ("givenName", b"\xff"), ("mail", b"  ")];
        let entry = Entry::of("uid=a,dc=x", values);
        assert_eq!(["cn", "sn", "givenName", "mail"].map(|name| entry.text(name)), [None; 4]);
    }

    #[test]
    fn values_that_were_held_back_are_noticed() {
        let entry = Entry::of("cn=a,dc=x", &[("memberOf;range=0-1499", b"cn=g,dc=x")]);
        assert!(entry.is_partial("memberOf"));
        assert!(!entry.is_partial("member"));
    }
}
