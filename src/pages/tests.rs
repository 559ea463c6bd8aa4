//! Every page in every language, and what must hold of each: nothing unescaped, nothing inline, nothing missing.
//!
//! The pages are also written to `target/pages-preview/`, to be looked at in a browser.

use super::{
    Frame, Help, Lang, NotKept, Pages, Problem, SignInProblem, TEMPLATES, View, Why,
    language::tests::keys,
    samples::samples,
    view::{Asked, EndedWhy, STATUSES, error_keys, why_key},
};
use crate::types::{FactorKind, Timestamp};
use std::{collections::BTreeSet, fs, path::Path};

const HOSTILE: &str = "<script>alert('1')</script>\"'&--><img src=x onerror=alert(1)>";

fn frame(site: &str) -> Frame {
    let (text, phone) = (Some(site.to_owned()), Some("+49 30 1234".to_owned()));
    Frame { site: site.into(), request_id: "3f9a1c07b2d4e658".into(), help: Help { text, url: None, phone } }
}

/// The page on which `alice` sets up her first device.
fn enrol() -> View {
    let found = samples("alice").into_iter().find(|(name, _)| name == "enrol");
    found.map(|(_, view)| view).expect("there is such a page")
}

/// Renders everything strictly: an error is a failed test, not the fallback page.
fn every_page(text: &str) -> Vec<(String, Lang, View, String)> {
    let pages = Pages::new().unwrap();
    let mut rendered = Vec::new();
    for lang in Lang::ALL {
        for (name, view) in samples(text) {
            let html = pages.try_render(lang, &frame(text), &view).unwrap_or_else(|e| panic!("{name}: {e:#}"));
            rendered.push((name, lang, view, html));
        }
    }
    rendered
}

#[test]
fn every_page_renders_in_every_language() {
    for (name, lang, _, html) in every_page("alice@campus.example") {
        assert!(html.starts_with("<!doctype html>"), "{name}");
        assert!(html.contains(&format!("<html lang=\"{}\">", lang.as_str())), "{name}");
        assert_eq!(html.matches("<h1>").count(), 1, "{name} has one main heading");
        for once in ["<title>", "<main", "name=\"viewport\""] {
            assert_eq!(html.matches(once).count(), 1, "{name}: {once}");
        }
    }
}

#[test]
fn i4_nothing_from_outside_becomes_markup() {
    for (name, _, _, html) in every_page(HOSTILE) {
        assert!(!html.contains("<script>") && !html.contains("<img"), "{name}: {html}");
        assert!(!html.contains("'1'"), "{name}: quotes must be escaped");
        assert!(html.contains("&lt;script&gt;"), "{name} shows the value as text");
    }
}

/// The content security policy has no `unsafe-inline`: what it would block must not be there.
#[test]
fn no_page_has_inline_style_script_or_foreign_address() {
    for (name, _, _, html) in every_page("alice") {
        let lower = html.to_lowercase();
        for banned in [" style=", "<style", " onclick", " onload", "javascript:", "http:", "https:", "data:", "<base"] {
            assert!(!lower.contains(banned), "{name} has {banned}");
        }
        for script in lower.split("<script").skip(1) {
            let ours =
                |file: &str| script.starts_with(&format!(" src=\"&#x2f;vestibule&#x2f;assets&#x2f;{file}.js?v="));
            assert!(ours("print") || ours("passkey"), "{name}");
        }
    }
}

#[test]
fn every_form_posts_to_its_route_with_the_flow_s_token() {
    for (name, _, view, html) in every_page("T0KEN") {
        let route = match view {
            View::Challenge { .. } => Some("challenge"),
            View::HelpDesk { .. } => Some("help-desk"),
            View::Enrol { .. } | View::EnrolPasskey { .. } => Some("enrol"),
            View::Codes { .. } => Some("recovery-codes"),
            View::CodesLow { .. } => Some("codes-low"),
            View::Address { .. } => Some("address"),
            // Back to the link itself, which is proof enough for "this was not me".
            View::MailedLink { .. } => continue,
            View::Disowned | View::MailedLinkOld => None,
            View::LmsPassword { .. } => Some("lms-password"),
            View::OwnPassword { .. } => Some("own-password"),
            View::Account { .. } => Some("account"),
            View::Permit { .. } => Some("permit"),
            View::SecondSource { .. } => Some("second-source"),
            View::Join { .. } => Some("join"),
            // To where the form was going; and away from it.
            View::Send { .. } => Some("cancel"),
            View::NotKept { .. } => None,
            View::Offer { .. } => Some("offer"),
            View::Away { .. } => None,
            // Nobody is anybody yet: its forms are guarded by where they come from.
            View::SignIn { .. } => continue,
            View::SignInUnavailable | View::SignedOut => None,
            View::Ended { .. } | View::Locked { .. } | View::Error { .. } => None,
        };
        let forms = html.matches("<form").count();
        assert_eq!(html.matches("<input type=\"hidden\" name=\"csrf\" value=\"T0KEN\">").count(), forms, "{name}");
        assert_eq!(html.matches("method=\"post\"").count(), forms, "{name}: GET never changes state");
        match route {
            Some(route) => {
                let plain = format!("action=\"/vestibule/{route}\"");
                let with_factor = format!("action=\"/vestibule/{route}?factor=");
                assert!(html.contains(&plain) || html.contains(&with_factor), "{name}");
            }
            None => assert_eq!(forms, 0, "{name}"),
        }
    }
}

#[test]
fn every_field_has_its_label_and_an_error_is_tied_to_it() {
    for (name, _, view, html) in every_page("alice") {
        let error = match view {
            // Nothing is typed: see below.
            View::Challenge { current: FactorKind::Webauthn, .. } => continue,
            View::Challenge { error, .. }
            | View::Permit { error, .. }
            | View::HelpDesk { error, .. }
            | View::Enrol { error, .. } => error,
            _ => continue,
        };
        assert_eq!(html.matches("<label for=\"code\">").count(), 1, "{name}");
        assert_eq!(html.matches("id=\"code\" name=\"code\"").count(), 1, "{name}");
        let (_, field) = html.split_once("id=\"code\"").unwrap();
        let (field, _) = field.split_once('>').unwrap();
        assert_eq!(field.contains("aria-invalid=\"true\""), error.is_some(), "{name}");
        assert_eq!(field.contains("aria-describedby=\"problem"), error.is_some(), "{name}");
        assert_eq!(html.contains("id=\"problem\" role=\"alert\""), error.is_some(), "{name}");
        assert!(error.is_none() || field.contains(" autofocus"), "{name}: the field to mend has the focus");
        for id in ["hint", "problem", "code", "qr-title", "key-label"] {
            assert!(html.matches(&format!("id=\"{id}\"")).count() <= 1, "{name}: two #{id}");
        }
    }
}

#[test]
fn a_passkey_s_page_says_what_to_do_without_a_script_and_keeps_its_options_in_an_attribute() {
    let mut seen = 0;
    for (name, _, view, html) in every_page("{\"challenge\":\"a&b\"}") {
        let (options, error) = match &view {
            View::Challenge { current: FactorKind::Webauthn, passkey, error, .. } => (passkey.as_ref(), *error),
            View::EnrolPasskey { options, error, .. } => (Some(options), *error),
            _ => continue,
        };
        seen += 1;
        assert_eq!(html.contains("id=\"problem\" role=\"alert\""), error.is_some(), "{name}");
        assert!(html.contains("passkey.js"), "{name}");
        assert_eq!(html.contains("<noscript>"), options.is_some(), "{name}");
        assert_eq!(html.contains("data-passkey-button hidden"), options.is_some(), "{name}");
        let escaped = "data-options=\"{&quot;challenge&quot;:&quot;a&amp;b&quot;}\"";
        assert_eq!(html.contains(escaped), options.is_some(), "{name}");
    }
    assert!(seen > 20);
}

#[test]
fn each_factor_gets_the_keyboard_it_needs() {
    let pages = Pages::new().unwrap();
    let challenge = |current| {
        let view = View::Challenge {
            factors: FactorKind::ALL.to_vec(),
            current,
            why: Vec::new(),
            passkey: None,
            may_trust: false,
            sent: Vec::new(),
            error: None,
            csrf: "x".into(),
            account: None,
        };
        pages.render(Lang::En, &frame("campus.example"), &view)
    };
    let totp = challenge(FactorKind::Totp);
    assert!(totp.contains("inputmode=\"numeric\" autocomplete=\"one-time-code\""));
    assert!(totp.contains("href=\"/vestibule/challenge?factor=recovery\""));
    assert!(!totp.contains("href=\"/vestibule/challenge?factor=totp"), "the present factor is not offered again");
    let recovery = challenge(FactorKind::Recovery);
    assert!(recovery.contains("inputmode=\"text\"") && recovery.contains("autocapitalize=\"none\""));
    assert!(recovery.contains("spellcheck=\"false\"") && recovery.contains("name=\"factor\" value=\"recovery\""));
    assert!(recovery.contains("href=\"/vestibule/challenge?factor=totp\""));
}

#[test]
fn the_enrolment_page_has_picture_link_and_key() {
    let html = Pages::new().unwrap().render(Lang::En, &frame("campus.example"), &enrol());
    assert!(html.contains("<svg class=\"qr\" role=\"img\" aria-labelledby=\"qr-title\""));
    assert!(html.contains("<title id=\"qr-title\">QR code"));
    assert!(html.contains("<code>GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ</code>"));
    assert!(html.contains("href=\"otpauth:&#x2f;&#x2f;totp&#x2f;"));
}

#[test]
fn only_an_enrolment_address_becomes_a_link() {
    let mut view = enrol();
    if let View::Enrol { uri, .. } = &mut view {
        *uri = "javascript:alert(1)".into();
    }
    assert!(!Pages::new().unwrap().render(Lang::En, &frame("x"), &view).contains("href=\"javascript"));
}

#[test]
fn a_page_without_a_form_names_the_request_and_a_way_on() {
    for (name, _, view, html) in every_page("alice") {
        if matches!(view, View::Ended { .. } | View::Locked { .. } | View::Error { .. }) {
            assert!(html.contains("<code>3f9a1c07b2d4e658</code>"), "{name}");
            assert!(html.contains("class=\"button primary\" href=\""), "{name}");
        }
    }
}

#[test]
fn an_unknown_status_reads_as_our_fault() {
    let pages = Pages::new().unwrap();
    let of = |status| pages.render(Lang::En, &frame("x"), &View::Error { status });
    assert_eq!(of(418), of(500));
}

#[test]
fn plurals_are_plurals() {
    let pages = Pages::new().unwrap();
    let of = |lang, minutes| pages.render(lang, &frame("x"), &View::Locked { minutes });
    assert!(of(Lang::En, 1).contains("for another minute."));
    assert!(of(Lang::En, 0).contains("for another minute."), "zero minutes is not yet over");
    assert!(of(Lang::De, 30).contains("noch 30 Minuten lang"));
}

#[test]
fn the_codes_file_is_plain_text() {
    let codes = vec!["abcde-fghjk".to_owned(), "mnpqr-stuvw".to_owned()];
    let text = Pages::new().unwrap().codes_text(Lang::En, &frame("a&b.example"), &codes);
    assert_eq!(
        text,
        "Recovery codes for a&b.example\r\n\r\nabcde-fghjk\r\nmnpqr-stuvw\r\n\r\nEach code works once.\r\n"
    );
}

/// Keys that templates name outright, as `t("key"…`.
fn named_in_templates() -> BTreeSet<String> {
    let quoted = |source: &'static str| {
        source.split("t(\"").skip(1).filter_map(|rest| rest.split_once('"')).map(|(key, _)| key.to_owned())
    };
    // A key that ends in a hyphen is completed with the factor's name; those are listed below.
    TEMPLATES.iter().flat_map(|(_, source)| quoted(source)).filter(|key| !key.ends_with('-')).collect()
}

/// Keys that are chosen in Rust or put together in a template.
fn chosen() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for factor in FactorKind::ALL {
        let shapes =
            [("challenge-", ""), ("challenge-", "-label"), ("challenge-", "-hint"), ("use-", ""), ("kind-", "")];
        for (before, after) in shapes.into_iter().chain([("add-", "")]) {
            keys.insert(format!("{before}{factor}{after}"));
        }
    }
    let asked = FactorKind::ALL.map(Asked::Factor).into_iter().chain([
        Asked::HelpDesk,
        Asked::Enrol,
        Asked::LmsPassword,
        Asked::SignIn,
        Asked::Nothing,
    ]);
    keys.extend(SignInProblem::ALL.map(|problem| problem.key().to_owned()));
    keys.extend(asked.flat_map(|asked| Problem::ALL.map(|problem| problem.key(asked).to_owned())));
    let sentences = STATUSES.map(error_keys).into_iter().chain(EndedWhy::ALL.map(EndedWhy::keys));
    keys.extend(sentences.flat_map(|s| [s.heading.to_owned(), s.text.to_owned()]));
    keys.extend(
        [Why::Network, Why::Device, Why::GraceEnded(Timestamp(0)), Why::Again].map(|why| why_key(why).to_owned()),
    );
    for factor in ["email", "sms"] {
        keys.extend([format!("address-{factor}"), format!("address-{factor}-label")]);
    }
    let sent = ["code-send", "code-send-to", "disowned", "disowned-text", "mailed-old", "mailed-old-text"];
    keys.extend(sent.map(str::to_owned));
    let rest = [
        "locked",
        "locked-text",
        "codes-file",
        "sign-in-unavailable",
        "sign-in-unavailable-text",
        "signed-out",
        "signed-out-text",
    ];
    let next = ["next-sign-in", "next-continue", "next-account", "next-retry", "next-start"];
    let actions = [
        "permit-link",
        "permit-unlink",
        "permit-primary",
        "permit-adopt",
        "permit-add-totp",
        "permit-add-webauthn",
        "permit-add-email",
        "permit-add-sms",
        "permit-remove",
        "permit-rename",
        "permit-codes",
        "permit-confirm-address",
        "permit-open",
        "permit-open-administration",
        "permit-open-email-address",
        "permit-open-grade-export",
        "permit-open-login-as",
        "permit-open-roles",
        "permit-open-tokens",
        "permit-send",
    ];
    keys.extend(NotKept::ALL.map(|why| why.key().to_owned()));
    keys.extend(actions.map(str::to_owned));
    keys.extend(rest.into_iter().chain(next).map(str::to_owned));
    keys
}

#[test]
fn templates_and_locales_have_exactly_the_same_keys() {
    let used: BTreeSet<String> = named_in_templates().union(&chosen()).cloned().collect();
    for lang in Lang::ALL {
        let have = keys(lang);
        assert_eq!(used.difference(&have).collect::<Vec<_>>(), Vec::<&String>::new(), "{lang:?} lacks these");
        assert_eq!(have.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "{lang:?}: nobody says these");
    }
}

#[test]
fn no_template_switches_escaping_off() {
    for (name, source) in TEMPLATES {
        assert!(name.ends_with(".html"), "{name}: escaping goes by the name's end");
        assert!(!source.contains("safe") && !source.contains("autoescape"), "{name}");
    }
}

#[test]
fn previews_are_written_for_the_eye() {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(target).join("pages-preview");
    let assets = folder.join("vestibule/assets");
    fs::create_dir_all(&assets).unwrap();
    let pages = Pages::new().unwrap();
    for name in ["vestibule.css", "print.js", "vestibule.svg"] {
        fs::write(assets.join(name), pages.asset(name).unwrap().body).unwrap();
    }
    for (name, lang, mut view, _) in every_page("alice@campus.example") {
        if let View::Codes { codes, .. } = &mut view {
            *codes = crate::mfa::factors::recovery::generate(&crate::types::SystemRng).to_vec();
        }
        let html = pages.render(lang, &frame("campus.example"), &view);
        fs::write(folder.join(format!("{name}.{}.html", lang.as_str())), html).unwrap();
    }
}
