//! Names inside filters and distinguished names: escaping, templates, and what a group is called.
//!
//! A name typed by a stranger reaches a directory only through here (attack E7).

/// Where the name goes in a filter or a bind name.
pub const USERNAME: &str = "{username}";
/// Where the person's DN goes in a group filter.
pub const DN: &str = "{dn}";

/// A value inside a filter (RFC 4515 §3). Everything outside ASCII is escaped as well: no directory reads it as syntax.
pub fn filter_value(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value {
        match byte {
            // Braces too: a value that holds `{dn}` must not be filled in by the next step.
            b'*' | b'(' | b')' | b'\\' | b'{' | b'}' | 0..=0x1f | 0x7f.. => text.push_str(&format!("\\{byte:02x}")),
            _ => text.push(char::from(*byte)),
        }
    }
    text
}

/// A value inside a distinguished name (RFC 4514 §2.4), escaped wherever it could be read as anything else.
pub fn dn_value(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (at, c) in value.char_indices() {
        match c {
            ' ' if at == 0 || at == last => text.push_str("\\20"),
            '#' if at == 0 => text.push_str("\\23"),
            '"' | '+' | ',' | ';' | '<' | '>' | '=' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            c if c.is_ascii_control() => text.push_str(&format!("\\{:02x}", c as u32)),
            c => text.push(c),
        }
    }
    text
}

/// A filter with the name in its place.
pub fn filter_for(template: &str, username: &str) -> String {
    template.replace(USERNAME, &filter_value(username.as_bytes()))
}

/// A filter that matches whoever it would match under some name. `(uid={username})` becomes `(uid=*)`.
pub fn filter_for_anybody(template: &str) -> String {
    template.replace(USERNAME, "*")
}

/// The name to bind as, by template: a DN (it has a `=`), or as it stands, `{username}@example.org` or
/// `EXAMPLE\{username}`.
pub fn bind_name(template: &str, username: &str) -> String {
    if is_dn(template) { template.replace(USERNAME, &dn_value(username)) } else { template.replace(USERNAME, username) }
}

pub fn is_dn(template: &str) -> bool {
    template.contains('=')
}

/// What a group is called: one that stands directly below `base` by its first value (`cn=staff,BASE` is `staff`), any
/// other by its whole DN. A bare `staff` could be anybody's, made in a corner of the tree that others may write to.
pub fn group_name(dn: &str, base: Option<&str>) -> String {
    let short = base.and_then(|base| {
        let (value, parent) = first_value(dn)?;
        same_dn(parent, base).then_some(value)
    });
    short.unwrap_or_else(|| dn.to_owned())
}

/// The first component's value, unescaped, and the DN of the parent. `None` for a component of several values.
fn first_value(dn: &str) -> Option<(String, &str)> {
    let (component, parent) = split_first(dn);
    let (_, value) = component.split_once('=')?;
    let (mut text, mut bytes) = (Vec::new(), value.trim().bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => return None,
            b'\\' => {
                let next = bytes.next()?;
                match (hex(next), bytes.clone().next().and_then(hex)) {
                    (Some(high), Some(low)) => {
                        bytes.next();
                        text.push(high << 4 | low);
                    }
                    _ => text.push(next),
                }
            }
            byte => text.push(byte),
        }
    }
    Some((String::from_utf8(text).ok()?, parent))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Up to the first comma that is not escaped, and what follows it.
fn split_first(dn: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in dn.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => return (&dn[..at], &dn[at + 1..]),
            _ => {}
        }
    }
    (dn, "")
}

/// Equal as written, apart from case and from spaces around commas and equals signs.
fn same_dn(mut one: &str, mut other: &str) -> bool {
    let tidy = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (name.trim().to_lowercase(), value.trim().to_lowercase())
    };
    while !one.trim().is_empty() && !other.trim().is_empty() {
        let ((a, one_rest), (b, other_rest)) = (split_first(one), split_first(other));
        if tidy(a) != tidy(b) {
            return false;
        }
        (one, other) = (one_rest, other_rest);
    }
    one.trim().is_empty() && other.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e7_a_name_never_becomes_a_filter() {
        let filter = filter_for("(&(objectClass=person)(uid={username}))", "*)(uid=*");
        assert_eq!(filter, r"(&(objectClass=person)(uid=\2a\29\28uid=\2a))");
        assert_eq!(filter_value(b"a\\b\0c"), r"a\5cb\00c");
        assert_eq!(filter_value("é".as_bytes()), r"\c3\a9");
        assert_eq!(filter_value(&[0x12, 0xff]), r"\12\ff");
    }

    #[test]
    fn e7_a_name_never_becomes_a_part_of_a_dn() {
        let template = "uid={username},ou=people,dc=example,dc=org";
        let bound = bind_name(template, "x,ou=admins");
        assert_eq!(bound, r"uid=x\,ou\=admins,ou=people,dc=example,dc=org");
        assert_eq!(dn_value(r#"a+b;c<d>e"f\g"#), r#"a\+b\;c\<d\>e\"f\\g"#);
        assert_eq!(dn_value(" #a "), r"\20#a\20");
        assert_eq!(dn_value("#a"), r"\23a");
        assert_eq!(dn_value("a\0b"), r"a\00b");
        assert_eq!(dn_value(" "), r"\20");
    }

    #[test]
    fn a_name_of_active_directory_is_taken_as_it_stands() {
        assert_eq!(bind_name("{username}@example.org", "mara.lind"), "mara.lind@example.org");
        assert_eq!(bind_name(r"EXAMPLE\{username}", "mara"), r"EXAMPLE\mara");
    }

    #[test]
    fn a_filter_for_anybody_matches_what_any_name_would() {
        assert_eq!(filter_for_anybody("(&(uid={username})(x=1))"), "(&(uid=*)(x=1))");
        assert_eq!(filter_for_anybody("(mail={username}@example.org)"), "(mail=*@example.org)");
    }

    #[test]
    fn a_group_directly_below_the_base_has_a_short_name_and_no_other() {
        let base = Some("ou=groups,dc=example,dc=org");
        assert_eq!(group_name("cn=staff,ou=groups,dc=example,dc=org", base), "staff");
        assert_eq!(group_name("CN=Staff, OU=Groups,DC=example,DC=org", base), "Staff");
        assert_eq!(group_name(r"cn=a\,b\2bc,ou=groups,dc=example,dc=org", base), "a,b+c");
        let elsewhere = "cn=staff,ou=clubs,ou=groups,dc=example,dc=org";
        assert_eq!(group_name(elsewhere, base), elsewhere);
        assert_eq!(group_name("cn=staff,ou=groups,dc=example,dc=org", None), "cn=staff,ou=groups,dc=example,dc=org");
        assert_eq!(group_name("cn=staff+ou=x,ou=groups,dc=example,dc=org", base).len(), 41);
        let escaped = r"cn=staff\,ou=groups,dc=example,dc=org";
        assert_eq!(group_name(escaped, base), escaped, "an escaped comma ends nothing");
        assert_eq!(group_name("staff", base), "staff");
    }
}
