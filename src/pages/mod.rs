//! The pages vestibule shows: asking for a code, setting up a device, and saying honestly what went wrong.
//!
//! Rendered on the server, complete without JavaScript, readable on a 320-pixel screen and by a screen reader. A
//! page is a pure function of language, [`Frame`] and [`View`]; it knows no HTTP framework, decides nothing and checks
//! nothing (house §7: never leave a check to the page). Every value is escaped by the template engine, no template
//! marks anything as safe, and there is no inline style or script, so the strictest content security policy holds.
//!
//! Templates, sentences and assets are compiled in; no request chooses a file.
//!
//! # Adding a page
//!
//! A variant of [`View`], a template, its line in [`TEMPLATES`] and in `page`, its sentences in every file of
//! `locales/`. The tests render it and name what is missing.

mod account;
mod assets;
mod language;
mod qr;
pub mod samples;
#[cfg(test)]
mod tests;
mod view;

pub use crate::language::Lang;
pub use assets::Asset;
pub use view::{
    Button, Choice, Doorway, EndedWhy, Frame, Help, Named, NotKept, Occasion, Problem, SentTo, SignInProblem, Typed,
    View, Why,
};

use crate::{
    language::{LocaleError, Texts},
    types::FactorKind,
};
use minijinja::{Environment, UndefinedBehavior, context, value::Value};
use view::{Asked, error_keys, occasion_key, why_key};

const TEMPLATES: &[(&str, &str)] = &[
    ("layout.html", include_str!("templates/layout.html")),
    ("problem.html", include_str!("templates/problem.html")),
    ("cancel.html", include_str!("templates/cancel.html")),
    ("code.html", include_str!("templates/code.html")),
    ("trust.html", include_str!("templates/trust.html")),
    ("credentials.html", include_str!("templates/credentials.html")),
    ("account.html", include_str!("templates/account.html")),
    ("account/factors.html", include_str!("templates/account/factors.html")),
    ("account/recovery.html", include_str!("templates/account/recovery.html")),
    ("account/devices.html", include_str!("templates/account/devices.html")),
    ("account/sessions.html", include_str!("templates/account/sessions.html")),
    ("account/apps.html", include_str!("templates/account/apps.html")),
    ("account/ways.html", include_str!("templates/account/ways.html")),
    ("permit.html", include_str!("templates/permit.html")),
    ("second-source.html", include_str!("templates/second-source.html")),
    ("kept-form.html", include_str!("templates/kept-form.html")),
    ("not-kept.html", include_str!("templates/not-kept.html")),
    ("join.html", include_str!("templates/join.html")),
    ("offer.html", include_str!("templates/offer.html")),
    ("away.html", include_str!("templates/away.html")),
    ("help.html", include_str!("templates/help.html")),
    ("not-at-hand.html", include_str!("templates/not-at-hand.html")),
    ("why.html", include_str!("templates/why.html")),
    ("own-password.html", include_str!("templates/own-password.html")),
    ("send.html", include_str!("templates/send.html")),
    ("address.html", include_str!("templates/address.html")),
    ("codes-low.html", include_str!("templates/codes-low.html")),
    ("mailed-link.html", include_str!("templates/mailed-link.html")),
    ("challenge.html", include_str!("templates/challenge.html")),
    ("help-desk.html", include_str!("templates/help-desk.html")),
    ("sign-in.html", include_str!("templates/sign-in.html")),
    ("lms-password.html", include_str!("templates/lms-password.html")),
    ("passkey.html", include_str!("templates/passkey.html")),
    ("passkey-challenge.html", include_str!("templates/passkey-challenge.html")),
    ("enrol-passkey.html", include_str!("templates/enrol-passkey.html")),
    ("enrol.html", include_str!("templates/enrol.html")),
    ("codes.html", include_str!("templates/codes.html")),
    ("message.html", include_str!("templates/message.html")),
];

/// Why the pages cannot be used. Always ours: everything they are made of is compiled in.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    #[error("template {name}: {cause}")]
    Template { name: &'static str, cause: minijinja::Error },
    #[error(transparent)]
    Locale(#[from] LocaleError),
}

/// The compiled templates and the sentences of every language.
pub struct Pages {
    templates: Environment<'static>,
    /// The templates' `t` function, one per entry of [`Lang::ALL`].
    sentences: Vec<(Lang, Value)>,
}

impl Pages {
    pub fn new() -> Result<Self, PagesError> {
        let mut templates = Environment::new();
        // A misspelt variable is an error in the tests, not a hole in a page.
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in TEMPLATES {
            templates.add_template(name, source).map_err(|cause| PagesError::Template { name, cause })?;
        }
        let sentences = Lang::ALL
            .into_iter()
            .map(|lang| Ok((lang, Texts::load(lang, language::source(lang))?.function())))
            .collect::<Result<_, PagesError>>()?;
        Ok(Self { templates, sentences })
    }

    /// The best language for an `Accept-Language` header.
    pub fn language(&self, accept_language: Option<&str>) -> Lang {
        Lang::negotiate(accept_language)
    }

    /// The whole page, as `text/html; charset=utf-8`.
    pub fn render(&self, lang: Lang, frame: &Frame, view: &View) -> String {
        self.try_render(lang, frame, view).unwrap_or_else(|error| {
            tracing::error!(request_id = %frame.request_id, %error, "a page could not be rendered");
            // Constant, because whatever failed above could fail again.
            "<!doctype html><html lang=\"en\"><title>Error</title><h1>Something went wrong</h1>\
             <p>Please try again. If it happens again, tell your help desk."
                .to_owned()
        })
    }

    /// The recovery codes as the text file that the page links to, as `text/plain; charset=utf-8`.
    pub fn codes_text(&self, lang: Lang, frame: &Frame, codes: &[String]) -> String {
        let source = "{{ t('codes-file', site=site) }}\r\n\r\n\
                      {% for code in codes %}{{ code }}\r\n{% endfor %}\r\n{{ t('codes-once') }}";
        let context = context! { codes => codes.to_vec(), ..self.frame(lang, frame) };
        // Named `.txt`, so that nothing is escaped for HTML. Without sentences the codes are still worth having.
        self.templates.render_named_str("codes.txt", source, context).unwrap_or_else(|_| codes.join("\r\n")) + "\r\n"
    }

    /// A file of ours by its exact name.
    pub fn asset(&self, name: &str) -> Option<&'static Asset> {
        assets::find(name)
    }

    fn try_render(&self, lang: Lang, frame: &Frame, view: &View) -> Result<String, minijinja::Error> {
        let (template, values) = page(view);
        self.templates.get_template(template)?.render(context! { ..values, ..self.frame(lang, frame) })
    }

    fn frame(&self, lang: Lang, frame: &Frame) -> Value {
        let t = self.sentences.iter().find(|(of, _)| *of == lang).map(|(_, t)| t.clone());
        context! {
            t => t,
            lang => lang.as_str(),
            site => frame.site.as_str(),
            request_id => frame.request_id.as_str(),
            minutes => 0,
            help => help(&frame.help),
            onward => Value::from(()),
            styles => assets::href(assets::STYLES),
            print => assets::href(assets::PRINT),
            passkey => assets::href(assets::PASSKEY),
            icon => assets::href(assets::ICON),
        }
    }
}

/// A view's template and what it is given.
fn page(view: &View) -> (&'static str, Value) {
    match view {
        View::Challenge { factors, current, why, passkey, sent, may_trust, error, csrf, account } => {
            let options = passkey.as_deref();
            let others: Vec<&str> = factors.iter().filter(|f| *f != current).map(|f| f.as_str()).collect();
            let problem = error.map(|problem| problem.key(Asked::Factor(*current)));
            let account = account.as_deref();
            let factor = current.as_str();
            let minutes = error.map_or(0, Problem::minutes);
            let (csrf, reasons) = (csrf.as_str(), reasons(why));
            let values = context! { factor, others, reasons, options, problem, minutes, may_trust, csrf, account };
            ("challenge.html", context! { ..values, ..sending(*current, sent) })
        }
        View::HelpDesk { occasion, why, error, csrf } => {
            let problem = error.map(|problem| problem.key(Asked::HelpDesk));
            let (signed_in, occasion, reasons) = (*occasion != Occasion::SignIn, occasion_key(*occasion), reasons(why));
            ("help-desk.html", context! { problem, signed_in, occasion, reasons, csrf => csrf.as_str() })
        }
        View::OwnPassword { label, username, error, csrf } => {
            let problem = error.map(|problem| problem.key(Asked::SignIn));
            let (label, username, csrf) = (label.as_str(), username.as_str(), csrf.as_str());
            ("own-password.html", context! { label, username, problem, csrf })
        }
        View::Enrol { secret, uri, digits, occasion, passkey_too, label, error, csrf, account } => {
            let problem = error.map(|problem| problem.key(Asked::Enrol));
            let qr = qr::draw(uri).map(|qr| context! { side => qr.side, path => qr.path });
            // The address becomes a link: nothing but an enrolment may hide behind it.
            let uri = Some(uri.as_str()).filter(|uri| uri.starts_with("otpauth://totp/"));
            let (csrf, account) = (csrf.as_str(), account.as_deref());
            let minutes = error.map_or(0, Problem::minutes);
            let (signed_in, occasion) = (*occasion != Occasion::SignIn, occasion_key(*occasion));
            let (groups, label) = (in_fours(secret), label.as_str());
            let typed = context! { label, digits, problem, minutes };
            ("enrol.html", context! { groups, uri, qr, csrf, account, signed_in, occasion, passkey_too, ..typed })
        }
        View::EnrolPasskey { options, totp, further, error, csrf, account } => {
            let problem = error.map(|problem| problem.key(Asked::Factor(FactorKind::Webauthn)));
            let minutes = error.map_or(0, Problem::minutes);
            let (options, csrf, account) = (options.as_str(), csrf.as_str(), account.as_deref());
            ("enrol-passkey.html", context! { options, totp, further, problem, minutes, csrf, account })
        }
        View::Codes { codes, csrf } => ("codes.html", context! { codes => codes.clone(), csrf => csrf.as_str() }),
        View::Address { kind, to, open, live, error, csrf, account } => {
            let problem = error.map(|problem| problem.key(Asked::Factor(*kind)));
            let (factor, to, csrf, account) = (kind.as_str(), to.as_deref(), csrf.as_str(), account.as_deref());
            ("address.html", context! { factor, to, open, live, problem, csrf, account })
        }
        View::CodesLow { left, csrf } => ("codes-low.html", context! { left, csrf => csrf.as_str() }),
        View::MailedLink { when, address, browser, csrf } => {
            let (when, address, browser) = (when.as_str(), address.as_str(), browser.as_str());
            ("mailed-link.html", context! { when, address, browser, csrf => csrf.as_deref() })
        }
        View::Disowned => message("disowned", "disowned-text", After::Start),
        View::MailedLinkOld => message("mailed-old", "mailed-old-text", After::SignIn),
        View::SignIn { problem, username, buttons, guest, passkey } => {
            let buttons: Vec<Value> = buttons
                .iter()
                .map(|button| context! { source => button.source.as_str(), label => button.label.as_str() })
                .collect();
            let problem = problem.map(SignInProblem::key);
            let options = passkey.as_ref().map(|door| door.options.as_str());
            let ticket = passkey.as_ref().map(|door| door.ticket.as_str());
            ("sign-in.html", context! { problem, username => username.as_str(), buttons, guest, options, ticket })
        }
        View::LmsPassword { error, csrf, username } => {
            let problem = error.map(|problem| problem.key(Asked::LmsPassword));
            let (csrf, username) = (csrf.as_str(), username.as_str());
            ("lms-password.html", context! { problem, csrf, username })
        }
        View::Account { sheet, onward, csrf } => ("account.html", account::values(sheet, onward.as_deref(), csrf)),
        View::SignedOut => message("signed-out", "signed-out-text", After::SignIn),
        View::Permit { factors, current, passkey, sent, named, to, error, csrf, account } => {
            let options = passkey.as_deref();
            let others: Vec<&str> = factors.iter().filter(|f| *f != current).map(|f| f.as_str()).collect();
            let problem = error.map(|problem| problem.key(Asked::Factor(*current)));
            let (what, source) = match named {
                Named::Link => ("permit-link", ""),
                Named::Unlink(source) => ("permit-unlink", source.as_str()),
                Named::MakePrimary(source) => ("permit-primary", source.as_str()),
                Named::AddFactor(kind) => (add_key(*kind), ""),
                Named::RemoveFactor(label) => ("permit-remove", label.as_str()),
                Named::RenameFactor(label) => ("permit-rename", label.as_str()),
                Named::NewRecoveryCodes => ("permit-codes", ""),
                Named::ConfirmAddress(label) => ("permit-confirm-address", label.as_str()),
                Named::Open { path, form: true, .. } => ("permit-send", path.as_str()),
                Named::Open { place, path, form: false } => (open_key(*place), path.as_str()),
                Named::Adopt(source) => ("permit-adopt", source.as_str()),
            };
            let (csrf, account, factor) = (csrf.as_str(), account.as_deref(), current.as_str());
            let signed_in = !matches!(named, Named::Adopt(_));
            let minutes = error.map_or(0, Problem::minutes);
            let onward = to.as_deref();
            let values = context! {
                factor, others, options, problem, minutes, what, source, onward, csrf, account, signed_in,
            };
            ("permit.html", context! { ..values, ..sending(*current, sent) })
        }
        View::Send { target, action, error, csrf, account } => {
            let problem = error.map(|problem| problem.key(Asked::Nothing));
            // It becomes a form's address: nothing but this very site may hide behind it.
            let action = Some(action.as_str()).filter(|a| a.starts_with('/') && !a.starts_with("//")).unwrap_or("/");
            let (target, csrf, account) = (target.as_str(), csrf.as_str(), account.as_deref());
            ("kept-form.html", context! { target, action, problem, csrf, account })
        }
        View::NotKept { why, path, to } => {
            let to = to.as_deref().filter(|to| to.starts_with('/') && !to.starts_with("//"));
            ("not-kept.html", context! { why => why.key(), path => path.as_str(), to })
        }
        View::SecondSource { passwords, buttons, typed, error, csrf, account } => {
            let problem = error.map(|problem| problem.key(Asked::SignIn));
            let lines = |choices: &[Choice]| -> Vec<Value> {
                let line = |of: &Choice| context! { source => of.source.as_str(), label => of.label.as_str() };
                choices.iter().map(line).collect()
            };
            let (passwords, buttons) = (lines(passwords), lines(buttons));
            let (csrf, account) = (csrf.as_str(), account.as_deref());
            let (chosen, username) = (typed.source.as_str(), typed.username.as_str());
            ("second-source.html", context! { passwords, buttons, chosen, username, problem, csrf, account })
        }
        View::Join { label, name, error, csrf, account } => {
            let problem = error.map(|problem| problem.key(Asked::Nothing));
            let (csrf, account) = (csrf.as_str(), account.as_deref());
            ("join.html", context! { label => label.as_str(), name => name.as_deref(), problem, csrf, account })
        }
        View::Offer { label, address, may_create, typed, error, csrf } => {
            let problem = error.map(|problem| problem.key(Asked::SignIn));
            let (label, address, csrf) = (label.as_str(), address.as_str(), csrf.as_str());
            let username = typed.username.as_str();
            ("offer.html", context! { label, address, may_create, username, problem, csrf })
        }
        View::Away { url, label } => {
            // It becomes a link: nothing but another site may hide behind it.
            let url = Some(url.as_str()).filter(|url| url.starts_with("https://") || url.starts_with("http://"));
            ("away.html", context! { url, label => label.as_str() })
        }
        View::SignInUnavailable => message("sign-in-unavailable", "sign-in-unavailable-text", After::SignIn),
        View::Ended { why } => {
            let after = match why {
                EndedWhy::AlreadyFinished => After::Continue,
                EndedWhy::LinkTaken | EndedWhy::FactorTaken | EndedWhy::FactorsFull | EndedWhy::NothingToAsk => {
                    After::Account
                }
                EndedWhy::Expired
                | EndedWhy::TooManyAttempts
                | EndedWhy::Cancelled
                | EndedWhy::Refused
                | EndedWhy::NoFactor => After::SignIn,
            };
            message(why.keys().heading, why.keys().text, after)
        }
        View::Locked { minutes } => {
            let (template, values) = message("locked", "locked-text", After::SignIn);
            (template, context! { minutes => (*minutes).max(1), ..values })
        }
        View::Error { status } => {
            let after = if matches!(status, 502..=504) { After::Retry } else { After::Start };
            message(error_keys(*status).heading, error_keys(*status).text, after)
        }
    }
}

fn add_key(kind: FactorKind) -> &'static str {
    match kind {
        FactorKind::Totp => "permit-add-totp",
        FactorKind::Webauthn => "permit-add-webauthn",
        FactorKind::Email => "permit-add-email",
        FactorKind::Sms => "permit-add-sms",
        FactorKind::Recovery => "permit-codes",
    }
}

/// What the page of a factor says whose code is sent; of others, that it is not.
fn sending(current: FactorKind, sent: &[SentTo]) -> Value {
    let sends = matches!(current, FactorKind::Email | FactorKind::Sms);
    let of = sent.iter().find(|sent| sent.factor == current);
    context! { sends, live => of.is_some_and(|of| of.live), to => of.map(|of| of.to.as_str()) }
}

/// A place has words of its own; what has none is named by its path.
fn open_key(place: Option<&'static str>) -> &'static str {
    match place {
        Some("administration") => "permit-open-administration",
        Some("email-address") => "permit-open-email-address",
        Some("grade-export") => "permit-open-grade-export",
        Some("login-as") => "permit-open-login-as",
        Some("roles") => "permit-open-roles",
        Some("tokens") => "permit-open-tokens",
        Some(_) | None => "permit-open",
    }
}

/// Each reason's sentence, with the day that it is about.
fn reasons(why: &[Why]) -> Vec<Value> {
    let nothing = || context! { day => 0, month => 0, year => "" };
    let reason = |why: &Why| {
        let date = match why {
            Why::GraceEnded(ends) => account::last_day(*ends),
            Why::Network | Why::Device | Why::Again => None,
        };
        context! { key => why_key(*why), date => date.unwrap_or_else(nothing) }
    };
    why.iter().map(reason).collect()
}

/// Links lead where their text says, and only where a browser or a phone has something to open.
fn help(help: &Help) -> Value {
    let scheme = |url: &str| ["https://", "http://", "mailto:"].into_iter().find(|scheme| url.starts_with(scheme));
    let url = help.url.as_deref().and_then(|url| {
        let shown = url.strip_prefix(scheme(url)?)?.trim_end_matches('/');
        Some(context! { href => url, shown })
    });
    let phone = help.phone.as_deref().map(|phone| {
        let href: String = phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        context! { href, shown => phone }
    });
    context! { text => help.text.as_deref(), url, phone }
}

/// What a page without a form offers next.
enum After {
    SignIn,
    Continue,
    Account,
    Retry,
    Start,
}

fn message(heading: &'static str, text: &'static str, after: After) -> (&'static str, Value) {
    // "/" is a protected page: without a session it leads to sign-in. An empty address is the present page by GET.
    let (href, label) = match after {
        After::SignIn => ("/", "next-sign-in"),
        After::Continue => ("/", "next-continue"),
        // Who is not signed in comes there after signing in.
        After::Account => ("/vestibule/account", "next-account"),
        After::Retry => ("", "next-retry"),
        After::Start => ("/", "next-start"),
    };
    ("message.html", context! { heading_key => heading, text_key => text, href, label, minutes => 0 })
}

/// `ABCDEFGH` as `ABCD`, `EFGH`: eight short words are easier to type off a screen than one of 32 letters.
fn in_fours(secret: &str) -> Vec<String> {
    secret.chars().collect::<Vec<_>>().chunks(4).map(|four| four.iter().collect()).collect()
}
