//! From YAML to [`Config`], collecting every problem instead of stopping at the first.
//!
//! serde stops at the first error. So what was wrong is noted, taken out of the tree, and the rest is read again,
//! until nothing is wrong any more; what was taken out has its default then.

use crate::chain::config::NESTED;

use super::{
    Config,
    problem::{KeyPath, Problem, Segment},
};
use serde_yaml::{Mapping, Value};
use std::collections::{HashMap, HashSet};

/// What could be read, and what could not.
pub struct Typed {
    pub config: Config,
    pub problems: Vec<Problem>,
    /// Top-level keys from which something with a meaning had to be taken out: what is missing there was not
    /// left out by the operator.
    pub damaged: HashSet<String>,
}

/// A file with more mistakes than this is another file.
const MOST: usize = 100;

pub fn read(text: &str) -> Result<Typed, Problem> {
    let mut tree = parse(text)?;
    let (mut removed, mut taken_out) = (Removed::default(), HashSet::new());
    let (mut problems, mut damaged) = (Vec::new(), HashSet::new());
    while problems.len() < MOST {
        let error = match serde_path_to_error::deserialize::<_, Config>(tree.clone()) {
            Ok(config) => return Ok(Typed { config, problems, damaged }),
            Err(error) => error,
        };
        let mut found = segments(error.path());
        let message = error.inner().to_string();
        let told = words(inside(&message, &mut found));
        if let (Wrong::Value, Some(Segment::Key(module))) = (&told.wrong, found.first()) {
            damaged.insert(module.clone());
        }
        let place = removed.original(&found);
        // What was taken out because it was wrong is missing now; saying so would accuse the operator twice.
        let ours = |name: &String| taken_out.contains(&place.clone().key(name));
        if !told.missing.as_ref().is_some_and(ours) {
            problems.push(Problem::error(place.clone(), told.what, told.fix));
        }
        taken_out.insert(place);
        if !remove(&mut tree, &found) {
            break;
        }
        removed.note(&found);
    }
    Ok(Typed { config: Config::default(), problems, damaged: HashSet::from(["sites".to_owned()]) })
}

fn parse(text: &str) -> Result<Value, Problem> {
    let at_line = |error: serde_yaml::Error| {
        // A second document (`---`) is the one error without a place.
        let line = Some(error.location().map_or(1, |place| place.line()));
        let what = error.to_string();
        let fix = if what.contains("duplicate") {
            "keep one of the two; YAML would silently take the last"
        } else {
            "mend the YAML; indent with spaces, and quote texts that hold `: ` or start with a special character"
        };
        Problem { line, ..Problem::error(KeyPath::default(), format!("not valid YAML: {what}"), fix) }
    };
    match serde_yaml::from_str::<Value>(text).map_err(at_line)? {
        Value::Null => Ok(Value::Mapping(Mapping::new())),
        // A section in which everything is commented out is an empty section.
        Value::Mapping(map) => Ok(Value::Mapping(map.into_iter().filter(|(_, value)| !value.is_null()).collect())),
        _ => Err(Problem {
            line: Some(1),
            ..Problem::error(
                KeyPath::default(),
                "the file holds no keys",
                "start from the gateway.yaml that came with vestibule",
            )
        }),
    }
}

fn segments(path: &serde_path_to_error::Path) -> Vec<Segment> {
    use serde_path_to_error::Segment as S;
    path.iter()
        .filter_map(|segment| match segment {
            S::Seq { index } => Some(Segment::Index(*index)),
            S::Map { key } => Some(Segment::Key(key.clone())),
            S::Enum { .. } | S::Unknown => None,
        })
        .collect()
}

/// An instance of the chain tells apart its own keys and its kind's, and marks where in itself an error is.
fn inside<'a>(message: &'a str, found: &mut Vec<Segment>) -> &'a str {
    let mut parts = message.splitn(3, NESTED);
    let (Some(_), Some(path), Some(message)) = (parts.next(), parts.next(), parts.next()) else { return message };
    for part in path.split('.').filter(|part| !part.is_empty() && *part != "?") {
        let (key, indices) = part.split_once('[').map_or((part, ""), |(key, rest)| (key, rest));
        if !key.is_empty() {
            found.push(Segment::Key(key.to_owned()));
        }
        found.extend(indices.split(['[', ']']).filter_map(|index| index.parse().ok()).map(Segment::Index));
    }
    message
}

fn remove(tree: &mut Value, path: &[Segment]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let mut place = tree;
    for segment in parents {
        let next = match segment {
            Segment::Key(name) => place.get_mut(name.as_str()),
            Segment::Index(index) => place.get_mut(*index),
        };
        let Some(next) = next else { return false };
        place = next;
    }
    match (place, last) {
        (Value::Mapping(map), Segment::Key(name)) => map.remove(name.as_str()).is_some(),
        (Value::Sequence(list), Segment::Index(index)) if *index < list.len() => {
            list.remove(*index);
            true
        }
        _ => false,
    }
}

/// Elements that were taken out of sequences move the later ones up; this says where they stood.
#[derive(Default)]
struct Removed(HashMap<Vec<Segment>, Vec<usize>>);

impl Removed {
    fn note(&mut self, path: &[Segment]) {
        let original = self.original(path);
        if let Some((Segment::Index(index), list)) = original.0.split_last() {
            self.0.entry(list.to_vec()).or_default().push(*index);
        }
    }

    fn original(&self, path: &[Segment]) -> KeyPath {
        let mut original = Vec::new();
        for segment in path {
            let segment = match segment {
                Segment::Key(_) => segment.clone(),
                Segment::Index(index) => {
                    let mut gone = self.0.get(&original).cloned().unwrap_or_default();
                    gone.sort_unstable();
                    Segment::Index(gone.into_iter().fold(*index, |at, gone| if gone <= at { at + 1 } else { at }))
                }
            };
            original.push(segment);
        }
        KeyPath(original)
    }
}

enum Wrong {
    Unknown,
    Value,
}

struct Told {
    wrong: Wrong,
    what: String,
    fix: String,
    /// The key that is missing, where that is what is wrong.
    missing: Option<String>,
}

/// serde's message in the operator's words. Only wording depends on it, never a decision.
fn words(message: &str) -> Told {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let told = |wrong, what: String, fix: String| Told { wrong, what, fix, missing: None };
    if message.starts_with("unknown field") {
        let (unknown, known) = names.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
        let what = format!("there is no key \"{unknown}\" here");
        return match (nearest(unknown, known), known.is_empty()) {
            (_, true) => told(Wrong::Unknown, what, "this is reserved and empty in this version: leave it {}".into()),
            (Some(near), _) => told(Wrong::Unknown, what, format!("did you mean \"{near}\"?")),
            (None, _) => told(Wrong::Unknown, what, format!("known here: {}", known.join(", "))),
        };
    }
    if message.starts_with("unknown variant") {
        let (unknown, known) = names.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
        return told(Wrong::Value, format!("\"{unknown}\" is not known here"), format!("write {}", known.join(" or ")));
    }
    if message.starts_with("missing field") {
        let name = names.first().copied().unwrap_or_default();
        let told = told(Wrong::Value, format!("the key \"{name}\" is missing"), format!("add \"{name}: …\""));
        return Told { missing: Some(name.to_owned()), ..told };
    }
    if let Some((given, expected)) = message.split_once(", expected ") {
        let given = given.split_once(": ").map_or(given, |(_, given)| given);
        return told(Wrong::Value, format!("{given} does not fit here"), format!("write {}", plain(expected)));
    }
    let fix = if message.contains("socket address") {
        "write an address and a port, such as \"0.0.0.0:8443\" or \"[::]:8443\""
    } else {
        "correct the value; the comment at this key in the sample gateway.yaml shows its form"
    };
    told(Wrong::Value, message.to_owned(), fix.to_owned())
}

/// Rust's names of types, for people who write YAML.
fn plain(expected: &str) -> &str {
    match expected {
        "u16" | "u32" | "u64" | "usize" => "a whole number, not below 0",
        "a boolean" => "true or false",
        "a sequence" => "a list: [ … ]",
        "socket address" => "an address and a port, such as \"0.0.0.0:8443\"",
        "path string" => "a path",
        other if other.starts_with("struct ") => "keys and values: { key: value }",
        other => other,
    }
}

/// The known key that takes the fewest changed letters, if those are few enough to be a slip.
fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (distance(unknown, name), *name))
        .filter(|(far, name)| *far <= 1 + name.len() / 4)
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            let fewest = replaced.min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], fewest);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<(String, String)> {
        let typed = read(text).unwrap_or_else(|p| panic!("{p}"));
        typed.problems.into_iter().map(|p| (p.path.to_string(), format!("{} / {}", p.what, p.fix))).collect()
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let found = problems("edge: { htps: x, max_connections: many }\nlimits: { window_minutes: -1 }\nsesions: {}\n");
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["edge.htps", "edge.max_connections", "limits.window_minutes", "sesions"], "{found:?}");
        assert!(found[0].1.contains("did you mean \"http"), "{found:?}");
        assert!(found[3].1.contains("did you mean \"sessions\""), "{found:?}");
    }

    #[test]
    fn indices_stay_the_files_own_after_an_element_was_taken_out() {
        let found = problems("mfa: { rules: [ {stage: off}, {stage: required}, {name: c, stage: odd} ] }\n");
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["mfa.rules[0]", "mfa.rules[1]", "mfa.rules[2].stage"], "{found:?}");
    }

    #[test]
    fn a_section_with_everything_commented_out_is_empty() {
        assert!(problems("edge:\n  # https: x\nlimits:\n").is_empty());
        assert!(problems("").is_empty());
    }

    #[test]
    fn duplicate_keys_are_refused_with_their_line() {
        let problem = read("edge: {}\nsites: []\nedge: {}\n").err().unwrap();
        assert!(problem.what.contains("duplicate"), "{problem}");
    }

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        assert_eq!(nearest("idle_minute", &["idle_minutes", "absolute_hours"]), Some("idle_minutes"));
        assert_eq!(nearest("colour", &["idle_minutes", "absolute_hours"]), None);
    }
}
