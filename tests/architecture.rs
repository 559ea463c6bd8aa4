//! The house's plan, held to: modules use only what stands above them in `src/lib.rs`, pure ones touch nothing, proofs
//! are made in one place each, and there is one TLS stack.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A module that is pure (◇ in the plan), and what it may use all the same, with the reason.
const PURE: &[(&str, &[&str])] = &[
    // The port's one real implementation is here, beside the hand-moved one's trait.
    ("types", &["SystemTime::now"]),
    ("language.rs", &[]),
    ("keys", &[]),
    ("audit/event.rs", &[]),
    ("limits", &[]),
    ("lms/moodle/routes.rs", &[]),
    ("lms/moodle/params.rs", &[]),
    ("lms/moodle/multipart.rs", &[]),
    ("lms/moodle/ajax.rs", &[]),
    ("lms/moodle/rest.rs", &[]),
    ("lms/moodle/errors.rs", &[]),
    ("lms/moodle/sensitive.rs", &[]),
    ("chain/health.rs", &[]),
    ("chain/names.rs", &[]),
    ("chain/sources/ldap/ber.rs", &[]),
    ("chain/sources/ldap/endpoint.rs", &[]),
    ("chain/sources/ldap/entry.rs", &[]),
    ("chain/sources/ldap/names.rs", &[]),
    ("chain/sources/ldap/state.rs", &[]),
    ("chain/sources/ldap/times.rs", &[]),
    ("chain/password/hash.rs", &[]),
    ("chain/password/crypt.rs", &[]),
    ("chain/password/derived.rs", &[]),
    ("chain/password/policy.rs", &[]),
    // An instance's deadline and how long it took: no clock that a rule could read.
    ("chain/run.rs", &["tokio::time::timeout", "Instant::now"]),
    ("accounts", &[]),
    ("mfa/policy.rs", &[]),
    ("mfa/policy/combinations.rs", &[]),
    ("mfa/words.rs", &[]),
    ("mfa/paths.rs", &[]),
    ("mfa/enrolment.rs", &[]),
    ("mfa/factors/device.rs", &[]),
    ("mfa/marks.rs", &[]),
    ("mfa/factors/mailed", &[]),
    ("mfa/factors/totp.rs", &[]),
    ("mfa/factors/recovery.rs", &[]),
    ("mfa/factors/webauthn.rs", &[]),
    ("sessions", &[]),
    ("identity", &[]),
    ("flow/step.rs", &[]),
    ("edge/hygiene", &[]),
    ("edge/watch.rs", &[]),
    ("edge/file_keys.rs", &[]),
    ("config/check", &[]),
    ("config/difference.rs", &[]),
    ("config/fixed.rs", &[]),
];

/// What a pure module has no business with. Addresses (`std::net::IpAddr`) are words, sockets are not.
const IMPURE: &[&str] = &[
    "tokio::",
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "std::process",
    "std::env",
    "SystemTime::now",
    "Instant::now",
    "pingora",
    "hyper",
    "reqwest",
    "sqlx",
    "redis::",
];

/// A proof and the one file that makes it (design R3).
const PROOFS: &[(&str, &str)] = &[
    ("Authenticated", "chain/run.rs"),
    ("Resolved", "accounts/resolve.rs"),
    ("Bound", "accounts/bind.rs"),
    ("Satisfied", "mfa/policy.rs"),
    ("Permitted", "mfa/policy.rs"),
];

/// A second TLS stack, or a crate that brings one.
const REFUSED: &[&str] = &["openssl", "openssl-sys", "native-tls", "reqwest", "boring", "boring-sys", "s2n-tls"];

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file below `root`, as (path relative to it, text).
fn files(root: &Path) -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() && entry.file_name().is_none_or(|name| name != "target") {
                folders.push(entry);
            } else if entry.extension().is_some_and(|ending| ending == "rs") {
                let name = entry.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&entry).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Without comments: a module's documentation may speak of whom it likes.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| match line.find("//") {
        // `https://` inside a text is no comment.
        Some(at) if at == 0 || line.as_bytes()[at - 1] != b':' => &line[..at],
        Some(_) | None => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Up to the unit tests, which stand last (house rule).
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

fn is_test(name: &str) -> bool {
    name.ends_with("tests.rs")
}

/// The modules that follow `crate::`, also in `crate::{a, b::{c, d}}`.
fn crate_uses(code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = Vec::new();
    for (at, mark) in code.match_indices("crate::") {
        let rest = &code[at + mark.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(word(rest));
            continue;
        };
        let (mut depth, mut start) = (1, 0);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == ',' && depth == 1) || depth == 0 {
                found.push(word(group[start..at].trim_start()));
                start = at + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    found.retain(|module| !module.is_empty());
    found
}

/// The order in which `lib.rs` names the modules.
fn order() -> Vec<String> {
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let code = code(&lib);
    code.lines().filter_map(|line| Some(line.strip_prefix("pub mod ")?.strip_suffix(';')?.to_owned())).collect()
}

#[test]
fn a_module_uses_only_what_stands_above_it() {
    let order = order();
    let place = |module: &str| order.iter().position(|name| name == module);
    assert!(place("types") == Some(0) && place("app") == Some(order.len() - 1), "{order:?}");
    let mut offences = Vec::new();
    for (name, text) in files(&src()).iter().filter(|(name, _)| !matches!(name.as_str(), "main.rs" | "lib.rs")) {
        let module = name.split(['/', '.']).next().unwrap();
        let own = place(module).unwrap_or_else(|| panic!("{name} is in no module of lib.rs"));
        for used in crate_uses(&code(text)) {
            match place(&used) {
                Some(other) if other <= own => {}
                Some(_) => offences.push(format!("{name} uses {used}, which stands below {module}")),
                None => offences.push(format!("{name} uses crate::{used}, which lib.rs does not name")),
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn only_the_composition_root_and_the_configuration_know_the_stores() {
    for (name, text) in files(&src()) {
        let module = name.split(['/', '.']).next().unwrap();
        let may = matches!(module, "store" | "app" | "config" | "main" | "lib");
        assert!(may || !crate_uses(&code(&text)).iter().any(|used| used == "store"), "{name} imports store");
    }
}

#[test]
fn pure_modules_touch_no_socket_file_clock_or_runtime() {
    let all = files(&src());
    for (module, may) in PURE {
        let below = |name: &str| name == *module || name.strip_prefix(module).is_some_and(|rest| rest.starts_with('/'));
        let mut own = all.iter().filter(|(name, _)| below(name) && !is_test(name)).peekable();
        assert!(own.peek().is_some(), "{module} is gone; take it out of this list or give its new name");
        for (name, text) in own {
            let code = may.iter().fold(code(without_tests(text)), |code, allowed| code.replace(allowed, ""));
            for impure in IMPURE {
                assert!(!code.contains(impure), "{name} is pure and yet uses {impure}");
            }
            // `use std::{fs, …}` and `use std::{net::{TcpStream}}` are caught by their parts.
            let imports = code.lines().any(|line| {
                let line = line.trim();
                line.starts_with("use std::{")
                    && line.split(['{', ',', ' ', '}', ':']).any(|part| matches!(part, "fs" | "process" | "env"))
            });
            assert!(!imports, "{name} is pure and yet imports files, processes or the environment");
        }
    }
}

#[test]
fn a_proof_is_made_in_one_file() {
    let all = files(&src());
    for (proof, home) in PROOFS {
        let literal = format!("{proof} {{");
        let other = ["struct ", "impl ", "-> ", "-> &", "for "];
        let declared = other.map(|before| format!("{before}{proof} {{"));
        let makes = |text: &str| {
            let code = code(text);
            // A longer name that ends in the proof's is another type.
            let whole = |(at, _): &(usize, &str)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let all = code.match_indices(&literal).filter(whole).count();
            all > declared.iter().map(|other| code.matches(other.as_str()).count()).sum::<usize>()
        };
        let makers: Vec<&str> = all.iter().filter(|(_, text)| makes(text)).map(|(name, _)| name.as_str()).collect();
        assert_eq!(makers, [*home], "{proof} is made elsewhere");
        let (_, text) = all.iter().find(|(name, _)| name == home).unwrap();
        let body = text.split(&format!("pub struct {proof} {{")).nth(1).unwrap().split("\n}").next().unwrap();
        let public = body.lines().filter(|line| line.trim_start().starts_with("pub ")).count();
        assert_eq!(public, 0, "a field of {proof} is public, so that anybody could make or change one");
        let derives = text.split(&format!("pub struct {proof}")).next().unwrap().lines().last().unwrap();
        assert!(!derives.contains("Clone") && !derives.contains("Deserialize"), "{proof} can be copied: {derives}");
    }
}

#[test]
fn there_is_one_tls_stack() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let names: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    assert!(names.contains(&"rustls") && names.contains(&"aws-lc-rs"), "the list could be read");
    for refused in REFUSED {
        assert!(!names.contains(refused), "{refused} is in Cargo.lock");
    }
    assert_eq!(names.iter().filter(|name| **name == "rustls").count(), 1, "two versions of rustls");
}

#[test]
fn every_file_says_what_it_is_for_and_none_is_unsafe() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let unsafe_block = ["unsafe", " {"].concat();
    for folder in ["src", "tests", "examples"] {
        for (name, text) in files(&root.join(folder)) {
            assert!(text.starts_with("//!"), "{folder}/{name} does not open with //!");
            let code = code(&text);
            for form in [unsafe_block.as_str(), "unsafe fn ", "unsafe impl ", "extern \"C\""] {
                assert!(
                    folder == "tests" && name == "architecture.rs" || !code.contains(form),
                    "{folder}/{name}: {form}"
                );
            }
        }
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}

#[test]
fn this_test_reads_imports_as_the_compiler_does() {
    let text = "use crate::{\n    a::{b, c},\n    d,\n};\nuse crate::e::f;\nfn g() { crate::h::i() }\n// crate::j\n";
    assert_eq!(crate_uses(&code(text)), ["a", "d", "e", "h"]);
    assert_eq!(
        code("let x = \"https://a\"; // b"),
        "let x = \"https://a\"; // b",
        "known: a text hides a comment after it"
    );
}
