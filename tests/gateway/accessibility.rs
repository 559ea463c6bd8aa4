//! axe-core, in a real browser, over every page of ours: in each language, on the smallest phone and at a desk, there
//! also in the dark. What it finds is a failed test; what it looked at is listed, and written to `target/axe.md`.
//!
//! axe-core comes from the npm registry, pinned by version and digest; it lies in `target/axe/` and is no part of the
//! repository.

use crate::{
    pages::{Site, page_at},
    webdriver::{Chromium, Device, Scripts},
};
use serde_json::{Value, json};
use std::{fmt::Write as _, fs, io::Write as _, path::Path, process::Command};
use vestibule::pages::{Lang, samples::samples};

const VERSION: &str = "4.14.1";
const SHA256: &str = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745";

/// Looks at the page as it stands and returns what is wrong with it: the rule, and where.
const LOOK: &str = r#"
return axe.run(document, { resultTypes: ["violations"] }).then(found => found.violations.map(violation =>
    violation.id + ": " + violation.help + " at " + violation.nodes.map(node => node.target.join(" ")).join(", ")));
"#;

/// A page that is not as it should be.
const WRONG: &str = "/wrong";
const WRONG_PAGE: &str = "<!doctype html><title>Wrong</title><main><h1>Wrong</h1><img src=x></main>";

/// What a wrong answer changes is the same on every page that asks: one kind of it stands for the others.
fn worth_a_look(name: &str) -> bool {
    let others =
        ["clockfast(2)", "clockslow(1)", "alreadyused", "incomplete", "wrongpassword", "unavailable", "formexpired"];
    name.starts_with("sign-in") || !others.iter().any(|other| name.ends_with(&format!("-{other}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_core_finds_nothing_on_any_page() {
    let axe = axe_core();
    let site = Site::start(|path| if path == WRONG { Some(WRONG_PAGE.to_owned()) } else { page_at(path) }).await;
    let names: Vec<String> =
        samples("alice").into_iter().map(|(name, _)| name).filter(|name| worth_a_look(name)).collect();
    let (phone, desktop, dark) = tokio::join!(
        look(&site, &axe, &names, Device::Phone, "light"),
        look(&site, &axe, &names, Device::Desktop, "light"),
        look(&site, &axe, &names, Device::Desktop, "dark"),
    );
    let columns = [("320 px", phone), ("1280 px", desktop), ("1280 px, dark", dark)];
    let report = report(&names, &columns);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's tmp lies in its target folder");
    fs::write(target.join("axe.md"), &report).expect("the list can be written");
    // Past the harness, which would keep it to itself.
    std::io::stdout().write_all(report.as_bytes()).expect("standard output");
    let found: Vec<&String> = columns.iter().flat_map(|(_, found)| found.iter().flatten()).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Per language and name, in this order: what was found.
async fn look(site: &Site, axe: &str, names: &[String], device: Device, scheme: &str) -> Vec<Vec<String>> {
    let browser = Chromium::with(device, Scripts::On).await;
    let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
    browser.devtools("Emulation.setEmulatedMedia", media).await;
    browser.goto(&site.url(WRONG)).await;
    let found = browser.eval(&format!("{axe};\n{LOOK}")).await.to_string();
    assert!(found.contains("image-alt") && found.contains("html-has-lang"), "what is wrong is found: {found}");
    let mut all = Vec::new();
    for lang in Lang::ALL {
        for name in names {
            let place = format!("/{}/{name}", lang.as_str());
            browser.goto(&site.url(&place)).await;
            // What is folded away is looked at as well.
            browser.eval("document.querySelectorAll('details').forEach(part => part.open = true)").await;
            let found = browser.eval(&format!("{axe};\n{LOOK}")).await;
            let found = found.as_array().unwrap_or_else(|| panic!("axe-core ran at {place}: {found}"));
            let text = |line: &Value| format!("{place}: {}", line.as_str().unwrap_or_default());
            all.push(found.iter().map(text).collect());
        }
    }
    all
}

fn report(names: &[String], columns: &[(&str, Vec<Vec<String>>)]) -> String {
    let mut text = format!("# axe-core {VERSION}: violations, page by page\n\n| page |");
    for (column, _) in columns {
        let _ = write!(text, " {column} |");
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(columns.len()));
    let pages = Lang::ALL.into_iter().flat_map(|lang| names.iter().map(move |name| (lang, name)));
    for (n, (lang, name)) in pages.enumerate() {
        let _ = write!(text, "| {name} ({}) |", lang.as_str());
        for (_, found) in columns {
            let _ = write!(text, " {} |", found[n].len());
        }
        let _ = writeln!(text);
    }
    text
}

/// The library's source, fetched once.
fn axe_core() -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's tmp lies in its target folder");
    let archive = target.join("axe").join(format!("axe-core-{VERSION}.tgz"));
    if !archive.exists() {
        fetch(&archive);
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, &fs::read(&archive).expect("the archive"));
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, SHA256, "{} is not axe-core {VERSION}: remove it, and it is fetched again", archive.display());
    let unpacked = Command::new("tar").arg("-xzOf").arg(&archive).arg("package/axe.min.js").output().expect("tar");
    assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    String::from_utf8(unpacked.stdout).expect("JavaScript is text")
}

fn fetch(archive: &Path) {
    let folder = archive.parent().expect("a folder");
    fs::create_dir_all(folder).expect("the folder can be made");
    let package = format!("axe-core@{VERSION}");
    let packed = Command::new("npm").args(["pack", "--silent", &package]).current_dir(folder).output();
    let packed = packed.expect("npm (package npm)");
    assert!(packed.status.success(), "npm pack {package}: {}", String::from_utf8_lossy(&packed.stderr));
}
