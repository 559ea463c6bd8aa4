//! Every shape a page can take, made up: for the tests that look at all of them, and for a look in a browser.

use super::{
    Button, Choice, Doorway, EndedWhy, Named, NotKept, Occasion, Problem, SentTo, SignInProblem, Typed, View, Why,
    view::{STATUSES, Sheet},
};
use crate::{
    flow::{AppLine, OwnFactor, SessionLine, SetUp, TrustedLine, Way},
    mfa::enrolment::EnrolmentProof,
    types::{DeviceId, EnrolmentId, FactorKind, Timestamp, TokenId},
};

/// 2026-11-22 00:00 UTC.
const NOW: Timestamp = Timestamp(1_795_305_600_000);

/// Named; `text` stands wherever a value comes from outside.
pub fn samples(text: &str) -> Vec<(String, View)> {
    let mut views = Vec::new();
    for error in std::iter::once(None).chain(Problem::ALL.map(Some)) {
        let name = |page: &str| error.map_or(page.to_owned(), |e| format!("{page}-{e:?}").to_lowercase());
        views.extend(with_an_answer(text, error).into_iter().map(|(page, view)| (name(&page), view)));
    }
    for problem in std::iter::once(None).chain(SignInProblem::ALL.map(Some)) {
        let name = problem.map_or("sign-in".to_owned(), |p| format!("sign-in-{p:?}").to_lowercase());
        let buttons = vec![Button { source: "partner".into(), label: text.to_owned() }];
        views.push((
            name,
            View::SignIn { problem, username: text.into(), buttons, guest: true, passkey: doorway(text) },
        ));
    }
    views.push(("sign-in-unavailable".into(), View::SignInUnavailable));
    views.extend(accounts(text));
    views.push(("signed-out".into(), View::SignedOut));
    views.push(("away".into(), View::Away { url: text.to_owned(), label: text.to_owned() }));
    views.push(("codes".into(), View::Codes { codes: vec![text.into(); 10], csrf: text.into() }));
    views.extend(mailed(text));
    views.push(("totp-alone".into(), alone(text, FactorKind::Totp)));
    // Its question was used up.
    views.push(("webauthn-anew".into(), alone(text, FactorKind::Webauthn)));
    views.extend(EndedWhy::ALL.map(|why| (format!("ended-{why:?}").to_lowercase(), View::Ended { why })));
    for why in NotKept::ALL {
        let (path, to) = (text.to_owned(), Some("/admin/user.php".to_owned()));
        views.push((format!("not-kept-{why:?}").to_lowercase(), View::NotKept { why, path, to }));
    }
    views.extend([0, 1, 30].map(|minutes| (format!("locked-{minutes}"), View::Locked { minutes })));
    views.extend(STATUSES.map(|status| (format!("error-{status}"), View::Error { status })));
    views
}

/// The one factor there is, without anything beside it.
fn alone(text: &str, current: FactorKind) -> View {
    View::Challenge {
        factors: vec![current],
        current,
        why: Vec::new(),
        passkey: None,
        may_trust: false,
        sent: Vec::new(),
        error: None,
        csrf: text.into(),
        account: None,
    }
}

/// What letters lead to, and what is said of codes on the way in.
fn mailed(text: &str) -> Vec<(String, View)> {
    let csrf = || text.to_owned();
    let mut views = vec![("disowned".to_owned(), View::Disowned), ("mailed-link-old".to_owned(), View::MailedLinkOld)];
    for left in [0, 1, 3] {
        views.push((format!("codes-low-{left}"), View::CodesLow { left, csrf: csrf() }));
    }
    for (name, csrf) in [("mailed-link-here", Some(csrf())), ("mailed-link-elsewhere", None)] {
        let (when, address, browser) = (text.to_owned(), text.to_owned(), text.to_owned());
        views.push((name.into(), View::MailedLink { when, address, browser, csrf }));
    }
    views
}

/// The pages of addresses and passkeys that are being proven.
fn proving(text: &str, error: Option<Problem>) -> Vec<(String, View)> {
    let (csrf, account) = (|| text.to_owned(), || Some(text.to_owned()));
    let mut views = Vec::new();
    for kind in [FactorKind::Email, FactorKind::Sms] {
        for (open, live) in [(true, true), (true, false), (false, true), (false, false)] {
            let view = View::Address { kind, to: account(), open, live, error, csrf: csrf(), account: account() };
            views.push((format!("address-{kind}-{open}-{live}"), view));
        }
    }
    for (which, totp, further) in [("first", true, false), ("only", false, false), ("further", false, true)] {
        let options = text.to_owned();
        let view = View::EnrolPasskey { options, totp, further, error, csrf: csrf(), account: account() };
        views.push((format!("enrol-passkey-{which}"), view));
    }
    views
}

/// A code that is on its way.
fn sent(to: &str) -> Vec<SentTo> {
    let of = |factor| SentTo { factor, to: to.to_owned(), live: true };
    vec![of(FactorKind::Email), of(FactorKind::Sms)]
}

fn doorway(text: &str) -> Option<Doorway> {
    Some(Doorway { options: text.into(), ticket: text.into() })
}

/// The pages that ask something, with what was wrong before.
fn with_an_answer(text: &str, error: Option<Problem>) -> Vec<(String, View)> {
    let (csrf, account) = (|| text.to_owned(), || Some(text.to_owned()));
    let mut views = Vec::new();
    for current in FactorKind::ALL {
        let (factors, why) = (FactorKind::ALL.to_vec(), vec![Why::Network, Why::Device]);
        let (passkey, sent) = (Some(text.to_owned()), sent(text));
        let (csrf, account) = (csrf(), account());
        let view = View::Challenge { factors, current, why, passkey, sent, may_trust: true, error, csrf, account };
        views.push((current.to_string(), view));
    }
    views.extend(proving(text, error));
    for (page, occasion) in [("help-desk", Occasion::SignIn), ("help-desk-set-up", Occasion::SetUp)] {
        let why = vec![Why::GraceEnded(NOW), Why::Again];
        views.push((page.into(), View::HelpDesk { occasion, why, error, csrf: csrf() }));
    }
    for (page, occasion, digits) in
        [("enrol", Occasion::SignIn, 6), ("enrol-set-up", Occasion::SetUp, 6), ("enrol-further", Occasion::Further, 8)]
    {
        views.push((page.into(), enrol(text, occasion, digits, error)));
    }
    views.push(("lms-password".into(), View::LmsPassword { error, csrf: csrf(), username: text.into() }));
    let own = View::OwnPassword { label: text.into(), username: text.into(), error, csrf: csrf() };
    views.push(("own-password".into(), own));
    for (action, named) in actions(text) {
        let (factors, current) = (FactorKind::ALL.to_vec(), FactorKind::Totp);
        let (passkey, sent, to) = (None, sent(text), Some("%2Fadmin%2Fsearch%2Ephp".to_owned()));
        let view = View::Permit { factors, current, passkey, sent, named, to, error, csrf: csrf(), account: account() };
        views.push((format!("permit-{action}"), view));
    }
    let choice = |source: &str| Choice { source: source.into(), label: text.to_owned() };
    let one = (vec![choice("staff")], Vec::new());
    for (which, (passwords, buttons)) in
        [("one", one), ("many", (vec![choice("staff"), choice("guests")], vec![choice("partner")]))]
    {
        let view =
            View::SecondSource { passwords, buttons, typed: typed(text), error, csrf: csrf(), account: account() };
        views.push((format!("second-source-{which}"), view));
    }
    let join = View::Join { label: text.into(), name: account(), error, csrf: csrf(), account: account() };
    views.push(("join".into(), join));
    let action = "/x/save.php?id=2&vestibule-send".to_owned();
    let kept = View::Send { target: text.into(), action, error, csrf: csrf(), account: account() };
    views.push(("send".into(), kept));
    let (label, address) = (text.to_owned(), text.to_owned());
    let offer = View::Offer { label, address, may_create: true, typed: typed(text), error, csrf: csrf() };
    views.push(("offer".into(), offer));
    views
}

fn typed(text: &str) -> Typed {
    Typed { source: text.into(), username: text.into(), label: text.into(), factor: None }
}

fn actions(text: &str) -> Vec<(String, Named)> {
    let text = text.to_owned();
    let open = |place: Option<&'static str>, form| Named::Open { place, path: text.clone(), form };
    let places = ["administration", "email-address", "grade-export", "login-as", "roles", "tokens"]
        .map(|place| (format!("open-{place}"), open(Some(place), false)));
    let mut actions = vec![
        ("open".to_owned(), open(None, false)),
        ("send".to_owned(), open(Some("roles"), true)),
        ("link".to_owned(), Named::Link),
        ("unlink".to_owned(), Named::Unlink(text.clone())),
        ("primary".to_owned(), Named::MakePrimary(text.clone())),
        ("remove".to_owned(), Named::RemoveFactor(text.clone())),
        ("rename".to_owned(), Named::RenameFactor(text.clone())),
        ("codes".to_owned(), Named::NewRecoveryCodes),
        ("confirm-address".to_owned(), Named::ConfirmAddress(text.clone())),
        ("adopt".to_owned(), Named::Adopt(text)),
    ];
    actions.extend(places);
    actions.extend(FactorKind::ALL.map(|kind| (format!("add-{kind}"), Named::AddFactor(kind))));
    actions
}

fn enrol(text: &str, occasion: Occasion, digits: u8, error: Option<Problem>) -> View {
    let key = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_owned();
    let uri = format!("otpauth://totp/campus.example:{text}?secret={key}&issuer=campus.example");
    let secret = if text.contains('<') { text.into() } else { key };
    let (label, csrf, account) = (text.to_owned(), text.to_owned(), Some(text.to_owned()));
    let passkey_too = occasion != Occasion::Further;
    View::Enrol { secret, uri, digits, occasion, passkey_too, label, error, csrf, account }
}

/// An account with everything, and those with little.
fn accounts(text: &str) -> Vec<(String, View)> {
    let view = |name: &str, sheet, onward: Option<&str>| {
        let (csrf, onward) = (text.to_owned(), onward.map(str::to_owned));
        (name.to_owned(), View::Account { sheet: Box::new(sheet), onward, csrf })
    };
    let nothing = Sheet { factors: Vec::new(), addable: Vec::new(), recovery_left: None, ..sheet(text) };
    let nothing = Sheet { has_factor: false, devices: Vec::new(), apps: Vec::new(), ..nothing };
    let due = Sheet { set_up: Some(SetUp { proof: EnrolmentProof::ByHelpDesk, due: Some(NOW) }), ..nothing.clone() };
    let low = Sheet { recovery_left: Some(1), ..sheet(text) };
    vec![
        view("account", sheet(text), None),
        view("account-low", low, None),
        view("account-no-factor", nothing, None),
        view("account-due", due, Some("/course/view.php?id=2")),
    ]
}

fn sheet(text: &str) -> Sheet {
    let factor = |(n, kind): (usize, FactorKind)| OwnFactor {
        id: EnrolmentId::new(format!("{n:032x}")),
        kind,
        label: text.into(),
        added: NOW,
        last_used: (n > 0).then_some(NOW),
        suspended: n > 2,
    };
    let session = |current| SessionLine {
        handle: text.into(),
        label: if current { text.into() } else { String::new() },
        address: "192.0.2.7".into(),
        last_used: NOW,
        current,
    };
    let device = |label: &str| TrustedLine {
        id: DeviceId::new(text),
        label: label.into(),
        address: "2001:db8::7".into(),
        last_used: NOW,
        expires: NOW,
    };
    let app = |label: &str| AppLine {
        id: TokenId::new("0123456789abcdef"),
        label: label.into(),
        address: "192.0.2.8".into(),
        service: text.into(),
        issued: NOW,
        last_used: NOW,
    };
    let kinds = [FactorKind::Totp, FactorKind::Webauthn, FactorKind::Email, FactorKind::Sms];
    Sheet {
        name: Some(text.into()),
        ways: vec![way(text, true), way(text, false)],
        more: true,
        has_factor: true,
        factors: kinds.into_iter().enumerate().map(factor).collect(),
        addable: kinds.to_vec(),
        recovery_left: Some(7),
        set_up: None,
        devices: vec![device(text), device("")],
        sessions: vec![session(true), session(false)],
        apps: vec![app(text), app("")],
    }
}

fn way(text: &str, primary: bool) -> Way {
    Way {
        handle: text.into(),
        label: text.into(),
        name: Some(text.into()),
        linked: NOW,
        primary,
        current: primary,
        may_unlink: !primary,
        may_make_primary: !primary,
    }
}
