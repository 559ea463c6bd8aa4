//! Every page in every language, and what must hold of each: nothing unescaped, nothing inline, nothing missing.
//!
//! The pages are also written to `target/pages-preview/`, to be looked at in a browser.

use super::{
    Button, Choice, Doorway, Frame, Lang, Named, NotKept, Pages, Problem, SentTo, SignInProblem, TEMPLATES, Typed,
    View, WayLine,
    language::tests::keys,
    view::{Asked, EndedWhy, STATUSES, error_keys},
};
use crate::types::FactorKind;
use std::{collections::BTreeSet, fs, path::Path};

const HOSTILE: &str = "<script>alert('1')</script>\"'&--><img src=x onerror=alert(1)>";

fn frame(site: &str) -> Frame {
    Frame { site: site.into(), request_id: "3f9a1c07b2d4e658".into() }
}

/// A code that is on its way, and one that is not.
fn sent(to: &str) -> Vec<SentTo> {
    let of = |factor| SentTo { factor, to: to.to_owned(), live: true };
    vec![of(FactorKind::Email), of(FactorKind::Sms)]
}

/// Every shape a page can take, named; `text` stands wherever a value comes from outside.
fn views(text: &str) -> Vec<(String, View)> {
    let (csrf, account) = (text.to_owned(), Some(text.to_owned()));
    let errors = || std::iter::once(None).chain(Problem::ALL.map(Some));
    let mut views = Vec::new();
    for error in errors() {
        let name = |page: &str| error.map_or(page.to_owned(), |e| format!("{page}-{e:?}").to_lowercase());
        for current in FactorKind::ALL {
            let (factors, csrf, account) = (FactorKind::ALL.to_vec(), csrf.clone(), account.clone());
            let passkey = Some(text.to_owned());
            views.push((
                name(current.as_str()),
                View::Challenge { factors, current, passkey, sent: sent(text), may_trust: true, error, csrf, account },
            ));
        }
        for (kind, which) in [(FactorKind::Email, "email"), (FactorKind::Sms, "sms")] {
            for (open, live) in [(true, true), (true, false), (false, true), (false, false)] {
                let (to, csrf, account) = (Some(text.to_owned()), csrf.clone(), account.clone());
                let view = View::Address { kind, to, open, live, error, csrf, account };
                views.push((name(&format!("address-{which}-{open}-{live}")), view));
            }
        }
        views.push((name("help-desk"), View::HelpDesk { error, csrf: csrf.clone() }));
        views.push((name("enrol"), enrol(text, error)));
        for (kind, totp, further) in [("first", true, false), ("only", false, false), ("further", false, true)] {
            let (options, csrf, account) = (text.to_owned(), csrf.clone(), account.clone());
            let view = View::EnrolPasskey { options, totp, further, error, csrf, account };
            views.push((name(&format!("enrol-passkey-{kind}")), view));
        }
        let (csrf, username) = (csrf.clone(), text.to_owned());
        views.push((name("lms-password"), View::LmsPassword { error, csrf: csrf.clone(), username }));
        for (action, named) in actions(text) {
            let (factors, current, csrf) = (FactorKind::ALL.to_vec(), FactorKind::Totp, csrf.clone());
            let (account, sent, to) = (account.clone(), sent(text), Some("%2Fadmin%2Fsearch%2Ephp".to_owned()));
            let view = View::Permit { factors, current, passkey: None, sent, named, to, error, csrf, account };
            views.push((name(&format!("permit-{action}")), view));
        }
        let choice = |source: &str| Choice { source: source.into(), label: text.to_owned() };
        let one = (vec![choice("staff")], Vec::new());
        for (which, (passwords, buttons)) in
            [("one", one), ("many", (vec![choice("staff"), choice("guests")], vec![choice("partner")]))]
        {
            let (csrf, account) = (csrf.clone(), account.clone());
            let view = View::SecondSource { passwords, buttons, typed: typed(text), error, csrf, account };
            views.push((name(&format!("second-source-{which}")), view));
        }
        let (label, csrf) = (text.to_owned(), csrf.clone());
        let join = View::Join {
            label: label.clone(),
            name: account.clone(),
            error,
            csrf: csrf.clone(),
            account: account.clone(),
        };
        views.push((name("join"), join));
        let action = "/x/save.php?id=2&vestibule-send".to_owned();
        let (target, csrf_of, who) = (text.to_owned(), csrf.clone(), account.clone());
        views.push((name("send"), View::Send { target, action, error, csrf: csrf_of, account: who }));
        views.push((
            name("offer"),
            View::Offer { label, address: text.to_owned(), may_create: true, typed: typed(text), error, csrf },
        ));
    }
    for left in [0, 1, 3] {
        views.push((format!("codes-low-{left}"), View::CodesLow { left, csrf: csrf.clone() }));
    }
    for (name, csrf) in [("mailed-link-here", Some(csrf.clone())), ("mailed-link-elsewhere", None)] {
        let (when, address, browser) = (text.to_owned(), text.to_owned(), text.to_owned());
        views.push((name.into(), View::MailedLink { when, address, browser, csrf }));
    }
    views.push(("disowned".into(), View::Disowned));
    views.push(("mailed-link-old".into(), View::MailedLinkOld));
    views.push(("sign-in-unavailable".into(), View::SignInUnavailable));
    for problem in std::iter::once(None).chain(SignInProblem::ALL.map(Some)) {
        let name = problem.map_or("sign-in".to_owned(), |p| format!("sign-in-{p:?}").to_lowercase());
        let buttons = vec![Button { source: "partner".into(), label: text.to_owned() }];
        views.push((
            name,
            View::SignIn { problem, username: text.into(), buttons, guest: true, passkey: doorway(text) },
        ));
    }
    for (name, has_factor) in [("account", true), ("account-no-factor", false)] {
        let (ways, csrf) = (vec![way(text, true), way(text, false)], csrf.clone());
        views.push((name.into(), View::Account { account: account.clone(), ways, more: true, has_factor, csrf }));
    }
    views.push(("away".into(), View::Away { url: text.to_owned(), label: text.to_owned() }));
    views.push(("codes".into(), View::Codes { codes: vec![text.into(); 10], csrf: csrf.clone() }));
    let factors = vec![FactorKind::Totp];
    let alone = View::Challenge {
        factors,
        current: FactorKind::Totp,
        passkey: None,
        sent: Vec::new(),
        may_trust: false,
        error: None,
        csrf: csrf.clone(),
        account: None,
    };
    views.push(("totp-alone".into(), alone));
    let (factors, current) = (vec![FactorKind::Webauthn], FactorKind::Webauthn);
    let spent = View::Challenge {
        factors,
        current,
        passkey: None,
        sent: Vec::new(),
        may_trust: false,
        error: None,
        csrf,
        account: None,
    };
    views.push(("webauthn-anew".into(), spent));
    views.extend(EndedWhy::ALL.map(|why| (format!("ended-{why:?}").to_lowercase(), View::Ended { why })));
    for why in NotKept::ALL {
        let (path, to) = (text.to_owned(), Some("/admin/user.php".to_owned()));
        views.push((format!("not-kept-{why:?}").to_lowercase(), View::NotKept { why, path, to }));
    }
    views.extend([0, 1, 30].map(|minutes| (format!("locked-{minutes}"), View::Locked { minutes })));
    views.extend(STATUSES.map(|status| (format!("error-{status}"), View::Error { status })));
    views
}

fn typed(text: &str) -> Typed {
    Typed { source: text.into(), username: text.into(), factor: None }
}

fn doorway(text: &str) -> Option<Doorway> {
    Some(Doorway { options: text.into(), ticket: text.into() })
}

fn actions(text: &str) -> Vec<(&'static str, Named)> {
    let text = text.to_owned();
    let open = |place: Option<&'static str>, form| Named::Open { place, path: text.clone(), form };
    vec![
        ("open", open(None, false)),
        ("open-administration", open(Some("administration"), false)),
        ("open-email", open(Some("email-address"), false)),
        ("open-grades", open(Some("grade-export"), false)),
        ("open-login-as", open(Some("login-as"), false)),
        ("open-roles", open(Some("roles"), false)),
        ("open-tokens", open(Some("tokens"), false)),
        ("send", open(Some("roles"), true)),
        ("link", Named::Link),
        ("unlink", Named::Unlink(text.clone())),
        ("primary", Named::MakePrimary(text.clone())),
        ("adopt", Named::Adopt(text)),
    ]
}

fn way(text: &str, primary: bool) -> WayLine {
    WayLine {
        handle: text.into(),
        label: text.into(),
        name: Some(text.into()),
        linked: "2026-11-21".into(),
        primary,
        current: primary,
        may_unlink: !primary,
        may_make_primary: !primary,
    }
}

fn enrol(text: &str, error: Option<Problem>) -> View {
    let uri =
        format!("otpauth://totp/campus.example:{text}?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=campus.example");
    let secret = if text == HOSTILE { text.into() } else { "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned() };
    View::Enrol { secret, uri, passkey_too: true, error, csrf: text.into(), account: Some(text.into()) }
}

/// Renders everything strictly: an error is a failed test, not the fallback page.
fn every_page(text: &str) -> Vec<(String, Lang, View, String)> {
    let pages = Pages::new().unwrap();
    let mut rendered = Vec::new();
    for lang in Lang::ALL {
        for (name, view) in views(text) {
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
            View::SignInUnavailable => None,
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
        assert_eq!(html.contains("passkey.js"), true, "{name}");
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
    let html = Pages::new().unwrap().render(Lang::En, &frame("campus.example"), &enrol("alice", None));
    assert!(html.contains("<svg class=\"qr\" role=\"img\" aria-labelledby=\"qr-title\""));
    assert!(html.contains("<title id=\"qr-title\">QR code"));
    assert!(html.contains("<code>GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ</code>"));
    assert!(html.contains("href=\"otpauth:&#x2f;&#x2f;totp&#x2f;"));
}

#[test]
fn only_an_enrolment_address_becomes_a_link() {
    let View::Enrol { secret, error, csrf, account, .. } = enrol("alice", None) else { unreachable!() };
    let view = View::Enrol { secret, uri: "javascript:alert(1)".into(), passkey_too: false, error, csrf, account };
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
        for (before, after) in [("challenge-", ""), ("challenge-", "-label"), ("challenge-", "-hint"), ("use-", "")] {
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
    for factor in ["email", "sms"] {
        keys.extend([format!("address-{factor}"), format!("address-{factor}-label")]);
    }
    let sent = ["code-send", "code-send-to", "disowned", "disowned-text", "mailed-old", "mailed-old-text"];
    keys.extend(sent.map(str::to_owned));
    let rest = ["locked", "locked-text", "codes-file", "sign-in-unavailable", "sign-in-unavailable-text"];
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
