//! Every YAML of the repository parses, the shipped configuration has no errors, and each bad sample in
//! tests/fixtures/config/ gives exactly the messages of its `.expected` file.
//!
//! To accept new wording: `UPDATE_EXPECTED=1 cargo test --test config`, then read the difference.

use std::{
    fs, io,
    path::{Path, PathBuf},
};
use vestibule::{
    config::{self, Outside},
    types::Timestamp,
};

/// 2026-11-21T00:00:00Z.
const NOW: Timestamp = Timestamp(1_795_219_200_000);

/// A machine after `vestibule init`, with a keyring that holds a header name for the site "ready".
struct Tidy;

const KEYRING: &str = r#"{"format": 1, "lookup": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "keys": [{"id": "00000000", "created": 0, "material": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}],
    "headers": {"ready": "X-V-0123456789abcdef0123456789abcdef"}}"#;

impl Outside for Tidy {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }
    fn read(&self, path: &Path) -> io::Result<String> {
        if path.starts_with("/nonexistent") {
            return Err(io::ErrorKind::NotFound.into());
        }
        if path.ends_with("keys") {
            return Ok(KEYRING.into());
        }
        Ok("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n".into())
    }
    fn mode(&self, path: &Path) -> io::Result<u32> {
        self.read(path).map(|_| 0o600)
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            if !matches!(name.as_str(), "target" | "data" | "fuzz" | ".git" | "fixtures" | "node_modules") {
                yaml_files(&path, found);
            }
        } else if name.ends_with(".yaml") || name.ends_with(".yml") {
            found.push(path);
        }
    }
}

#[test]
fn every_yaml_of_the_repository_parses_and_every_gateway_yaml_is_free_of_errors() {
    let mut files = Vec::new();
    yaml_files(&root(), &mut files);
    assert!(files.contains(&root().join("gateway.yaml")));
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        serde_yaml::from_str::<serde_yaml::Value>(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        if file.file_name().unwrap().to_string_lossy().starts_with("gateway") {
            let (_, problems) = config::parse(&text, NOW, Some(&Tidy));
            // What `vestibule init` makes is not in the repository.
            let made = |said: &str| said.contains("the keyring holds no header name");
            let errors = problems.iter().filter(|p| p.is_error()).map(ToString::to_string);
            let errors: Vec<String> = errors.filter(|said| !made(said)).collect();
            assert!(errors.is_empty(), "{}:\n{}", file.display(), errors.join("\n"));
        }
    }
}

#[test]
fn each_bad_sample_has_its_messages() {
    let folder = root().join("tests/fixtures/config");
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut samples = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&folder).unwrap().flatten().filter(|e| e.path().extension().is_some_and(|x| x == "yaml"))
    {
        samples += 1;
        let text = fs::read_to_string(entry.path()).unwrap();
        let (_, problems) = config::parse(&text, NOW, Some(&Tidy));
        assert!(problems.iter().any(|p| p.is_error()), "{} has no error", entry.path().display());
        let said: String = problems.iter().map(|p| format!("{p}\n")).collect();
        let expected = entry.path().with_extension("expected");
        if update {
            fs::write(&expected, &said).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{}:\n{said}", expected.display()));
        }
    }
    assert!(samples >= 8, "only {samples} bad samples were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_sample_shows_every_default_as_it_is() {
    let text = fs::read_to_string(root().join("gateway.yaml")).unwrap();
    let (config, _) = config::parse(&text, NOW, None);
    let default = config::Config::default();
    for (shown, built_in) in [
        (format!("{:?}", config.limits), format!("{:?}", default.limits)),
        (format!("{:?}", config.outbound), format!("{:?}", default.outbound)),
        (format!("{:?}", config.sessions), format!("{:?}", default.sessions)),
        (format!("{:?}", config.store), format!("{:?}", default.store)),
        (format!("{:?}", config.audit), format!("{:?}", default.audit)),
        (format!("{:?}", config.keys), format!("{:?}", default.keys)),
        (format!("{:?}", config.telemetry), format!("{:?}", default.telemetry)),
        (format!("{:?}", config.admin), format!("{:?}", default.admin)),
        (format!("{:?}", config.mfa.factors), format!("{:?}", default.mfa.factors)),
        (
            format!("{:?}", config::Config { edge: without_certificates(config.edge.clone()), ..default.clone() }.edge),
            format!("{:?}", default.edge),
        ),
    ] {
        assert_eq!(shown, built_in);
    }
}

fn without_certificates(mut edge: vestibule::edge::Config) -> vestibule::edge::Config {
    edge.certificates.clear();
    edge
}

#[test]
fn a_password_is_not_repeated() {
    for sample in ["operation.yaml", "mail.yaml", "mail-words.yaml"] {
        let text = fs::read_to_string(root().join("tests/fixtures/config").join(sample)).unwrap();
        assert!(text.contains("hunter2"));
        let (_, problems) = config::parse(&text, NOW, Some(&Tidy));
        assert!(problems.iter().all(|p| !p.to_string().contains("hunter2")), "{sample}");
    }
}

#[test]
fn check_tells_in_words_what_users_meet() {
    let text = fs::read_to_string(root().join("gateway.yaml")).unwrap();
    let (config, _) = config::parse(&text, NOW, None);
    let expected = "\
campus at https://localhost:8443 (LMS at http://127.0.0.1:8081)
  asked     campus-lms
  browser   required: password, then TOTP or a recovery code; first enrolment at sign-in until 2027-12-31 (rule everybody)
  app       required: password, then TOTP or a recovery code; first enrolment at sign-in until 2027-12-31 (rule everybody)
  guests    may look around without an account, if the LMS lets them
";
    assert_eq!(config::explain(&config, NOW), expected);
}

#[test]
fn check_tells_every_rule_of_every_door_in_words() {
    let text = "
edge: { certificates: [ { chain: c.pem, key: k.pem } ] }
sites:
  - { name: campus, public_url: \"https://lms.example.org\", upstream: { url: \"http://127.0.0.1:8081\" } }
  - { name: school, public_url: \"https://school.example.org\", upstream: { url: \"http://127.0.0.1:8082\" }, app: { mfa: refuse } }
chain:
  instances:
    - { name: campus-lms, kind: lms, site: campus }
    - { name: school-lms, kind: lms, site: school }
tokens: { unregistered: refuse }
mfa:
  factors: [ { kind: totp, weight: 100 }, { kind: webauthn, weight: 60 }, { kind: recovery, weight: 40 } ]
  signals:
    - { name: net, kind: network, weight: 100, networks: [10.0.0.0/8] }
    - { name: known, kind: device, weight: 40 }
  rules:
    - { name: admins, groups: [admins], factors: [webauthn, recovery], signals: [known] }
    - { name: lab, sites: [campus], networks: [192.0.2.0/24], stage: report }
    - { name: school, sites: [school], stage: optional, signals: [] }
    - name: rest
      doors: [browser]
      signals: [net]
      grace: { until: 2027-06-30, days_after_import: 14, force_setup: true }
    - { name: powers, paths: [/admin/, /course/loginas.php], fresh_minutes: 15, signals: [known] }
";
    let (config, problems) = config::parse(text, NOW, Some(&Tidy));
    let errors: Vec<String> = problems.iter().filter(|p| p.is_error()).map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    let expected = "\
campus at https://lms.example.org (LMS at http://127.0.0.1:8081)
  asked     campus-lms
  browser   in admins: required: password, then a passkey (on a trusted device) or a passkey and a recovery code; first enrolment with a code of the help desk (rule admins)
            from 192.0.2.0/24: report: password alone; what `required` would have asked is recorded (rule lab)
            required: password, then TOTP or a passkey and a recovery code; nothing more from 10.0.0.0/8; first enrolment with a code of the help desk; until 14 days after their import, and 2027-06-30 at the latest those without a factor are let in, and are led to set one up (rule rest)
  app       in admins: required: password, then a passkey (on a trusted device) or a passkey and a recovery code; first enrolment with a code of the help desk (rule admins)
            from 192.0.2.0/24: report: password alone; what `required` would have asked is recorded (rule lab)
            others: required: password, then TOTP, a passkey (from 10.0.0.0/8), a recovery code (from 10.0.0.0/8), a passkey (on a trusted device) or a passkey and a recovery code; first enrolment with a code of the help desk (no rule matches)
  paths     /admin/, /course/loginas.php: TOTP or a passkey and a recovery code, not older than 15 minutes (rule powers)
  guests    may look around without an account, if the LMS lets them
school at https://school.example.org (LMS at http://127.0.0.1:8082)
  asked     school-lms
  browser   in admins: required: password, then a passkey (on a trusted device) or a passkey and a recovery code; first enrolment with a code of the help desk (rule admins)
            optional: password, then TOTP or a passkey and a recovery code, for those who have enrolled; the others password alone (rule school)
  app       in admins: refused where a factor is due (app.mfa: refuse; rule admins: required)
            refused where a factor is due (app.mfa: refuse; rule school: optional)
  paths     /admin/, /course/loginas.php: TOTP or a passkey and a recovery code, not older than 15 minutes (rule powers)
  guests    may look around without an account, if the LMS lets them
";
    let told = config::explain(&config, NOW);
    assert_eq!(told, expected, "{told}");
}

#[test]
fn header_sign_in_starts_once_everything_it_stands_on_is_there() {
    let text = fs::read_to_string(root().join("gateway.yaml")).unwrap();
    let by_header = text
        .replace("name: campus", "name: ready")
        .replace("site: campus", "site: ready")
        .replace("sign_in: form", "sign_in: header")
        .replace("exclusive: false", "exclusive: true")
        .replace("judge: form", "judge: form\n      users_before: 4711");
    let errors = |text: &str, outside: &dyn Outside| -> Vec<String> {
        let (_, problems) = config::parse(text, NOW, Some(outside));
        problems.iter().filter(|p| p.is_error()).map(|p| p.path.to_string()).collect()
    };
    let (config, _) = config::parse(&by_header, NOW, None);
    assert_eq!(config.sites[0].lms.users_before, Some(4711));
    assert!(config::explain(&config, NOW).contains("the gateway's own page"));
    assert!(errors(&by_header, &Tidy).is_empty(), "{:?}", errors(&by_header, &Tidy));
    for (gone, place) in [
        ("exclusive: true", "sites[0].upstream.exclusive"),
        ("users_before: 4711", "sites[0].lms.users_before"),
        ("name: ready", "sites[0].sign_in"),
    ] {
        let without = match gone {
            "name: ready" => by_header.replace("ready", "unready"),
            _ => by_header.replace(gone, ""),
        };
        assert_eq!(errors(&without, &Tidy), [place]);
    }
}

#[test]
fn whatever_line_is_lost_or_bent_the_answer_has_a_line_of_the_file() {
    let text = fs::read_to_string(root().join("gateway.yaml")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for n in 0..lines.len() {
        for bent in ["", "  x", "- ", "{", "key: [", "sites: 7", "\u{0}", "mfa: { rules: { name: x } }"] {
            let mut changed = lines.clone();
            changed[n] = bent;
            let (_, problems) = config::parse(&changed.join("\n"), NOW, Some(&Tidy));
            for problem in problems {
                let line = problem.line.unwrap_or_default();
                assert!((1..=lines.len() + 1).contains(&line), "line {} replaced by {bent:?}: {problem}", n + 1);
            }
        }
    }
}
