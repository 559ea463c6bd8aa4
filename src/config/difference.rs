//! What is another between two readings of gateway.yaml, in words: names of keys and of entries, never a value.
//!
//! The order of a list whose entries have names is told, because in a chain and among rules it decides.

use super::Original;
use serde_yaml::{Mapping, Value};

/// More lines than this say "another file".
const MOST: usize = 100;

/// One line for each difference, in the order of the newer file; empty where nothing but spelling changed.
pub fn difference(before: &Original, after: &Original) -> Vec<String> {
    let mut found = Vec::new();
    compare("", &before.tree, &after.tree, &mut found);
    if found.len() > MOST {
        let more = found.len() - MOST;
        found.truncate(MOST);
        found.push(format!("and {more} more"));
    }
    found
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Mapping(before), Value::Mapping(after)) => mappings(path, before, after, found),
        (Value::Sequence(old), Value::Sequence(new)) => match (named(old), named(new)) {
            (Some(old), Some(new)) => lists(path, &old, &new, found),
            _ => found.push(format!("{path}: changed")),
        },
        // A section in which everything is commented out is an empty section.
        (Value::Null, Value::Mapping(after)) => mappings(path, &Mapping::new(), after, found),
        (Value::Mapping(before), Value::Null) => mappings(path, before, &Mapping::new(), found),
        _ => found.push(format!("{path}: changed")),
    }
}

fn mappings(path: &str, before: &Mapping, after: &Mapping, found: &mut Vec<String>) {
    let inner = |key: &Value| {
        let key = key.as_str().unwrap_or("?");
        if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
    };
    for (key, value) in after {
        match before.get(key) {
            Some(old) => compare(&inner(key), old, value, found),
            // Of a new section, its entries: `sites` alone would say nothing.
            None if holds_entries(value) => compare(&inner(key), &Value::Sequence(Vec::new()), value, found),
            None => found.push(format!("{}: added", inner(key))),
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(key)) {
        found.push(format!("{}: removed", inner(key)));
    }
}

fn lists(path: &str, before: &[(&str, &Value)], after: &[(&str, &Value)], found: &mut Vec<String>) {
    let is_in = |list: &[(&str, &Value)], name: &str| list.iter().any(|(known, _)| *known == name);
    for (name, value) in after {
        match before.iter().find(|(known, _)| known == name) {
            Some((_, old)) => compare(&format!("{path}[{name}]"), old, value, found),
            None => found.push(format!("{path}[{name}]: added")),
        }
    }
    for (name, _) in before.iter().filter(|(name, _)| !is_in(after, name)) {
        found.push(format!("{path}[{name}]: removed"));
    }
    let kept = |list: &[(&str, &Value)], other: &[(&str, &Value)]| -> Vec<String> {
        list.iter().map(|(name, _)| *name).filter(|name| is_in(other, name)).map(str::to_owned).collect()
    };
    if kept(before, after) != kept(after, before) {
        found.push(format!("{path}: order {} → {}", names(before), names(after)));
    }
}

fn names(list: &[(&str, &Value)]) -> String {
    list.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The entries with their names, where all have one.
fn named(list: &[Value]) -> Option<Vec<(&str, &Value)>> {
    list.iter().map(|entry| Some((entry.get("name")?.as_str()?, entry))).collect()
}

fn holds_entries(value: &Value) -> bool {
    value.as_sequence().is_some_and(|list| !list.is_empty() && named(list).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> Vec<String> {
        difference(&Original::new("a".into(), before), &Original::new("a".into(), after))
    }

    const BEFORE: &str = "\
edge: { hsts_seconds: 5, certificates: [ { chain: a, key: b } ] }
chain:
  instances:
    - { name: a, kind: sql, password: env:OLD }
    - { name: b, kind: lms }
    - { name: c, kind: lms }
mfa: { rules: [ { name: r, stage: off } ] }
";

    #[test]
    fn what_is_another_is_told_by_key_and_name_and_never_by_value() {
        let after = "\
chain:
  instances:
    - { name: b, kind: lms }
    - { name: a, kind: sql, password: env:NEW, deadline_seconds: 4 }
    - { name: d, kind: lms }
edge: { hsts_seconds: 6, certificates: [ { chain: a, key: c } ] }
limits:
sites: [ { name: one } ]
";
        let expected = [
            "chain.instances[a].password: changed",
            "chain.instances[a].deadline_seconds: added",
            "chain.instances[d]: added",
            "chain.instances[c]: removed",
            "chain.instances: order a, b, c → b, a, d",
            "edge.hsts_seconds: changed",
            "edge.certificates: changed",
            "limits: added",
            "sites[one]: added",
            "mfa: removed",
        ];
        assert_eq!(told(BEFORE, after), expected);
    }

    #[test]
    fn spelling_is_no_difference() {
        let block = "# a comment\nmfa:\n  rules:\n    - name: r\n      stage: off\n";
        assert!(told("mfa: { rules: [ { stage: off, name: r } ] }", block).is_empty());
        assert!(told(BEFORE, BEFORE).is_empty());
        assert_eq!(told("edge:\n", "edge: { http: null }\n"), ["edge.http: added"]);
    }

    #[test]
    fn another_file_is_told_in_few_lines() {
        let many: String = (0..500).map(|n| format!("k{n}: 1\n")).collect();
        let told = told("", &many);
        assert_eq!((told.len(), told[MOST].as_str()), (MOST + 1, "and 400 more"));
    }
}
