//! What a page is told: the frame around it, and one variant of [`View`] per page.
//!
//! A view holds values only, no markup and no sentences; sentences are chosen by [`Problem`] and [`EndedWhy`] from
//! the few fixed ones in `locales/`. What people may read about a refusal is therefore decided here, once.

pub use crate::flow::{Choice, Doorway, EndedWhy, Named, Occasion, Problem, SentTo, Sheet};
pub use crate::mfa::policy::Why;
use crate::types::FactorKind;

/// What every page shows around its content.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The site's host as the user knows it.
    pub site: String,
    /// On pages that somebody may ring the help desk about.
    pub request_id: String,
    /// How the help desk is reached, where the operator says so.
    pub help: Help,
}

/// Shown as it stands; what is not there is left out.
#[derive(Clone, Debug, Default)]
pub struct Help {
    pub text: Option<String>,
    /// Another page or an address for mail; anything else is not shown.
    pub url: Option<String>,
    pub phone: Option<String>,
}

/// A page. `csrf` is the flow's token for the forms on it.
#[derive(Clone)]
pub enum View {
    /// A second factor is asked, and why. `factors` are those that may be used; the others are offered as links.
    Challenge {
        factors: Vec<FactorKind>,
        current: FactorKind,
        why: Vec<Why>,
        /// What the authenticator is asked, where a passkey may be used.
        passkey: Option<String>,
        /// Whether the browser can be trusted from then on.
        may_trust: bool,
        /// Of those whose code is sent.
        sent: Vec<SentTo>,
        error: Option<Problem>,
        csrf: String,
        account: Option<String>,
    },
    /// The help desk's one-time code is asked, before a first enrolment.
    HelpDesk { occasion: Occasion, why: Vec<Why>, error: Option<Problem>, csrf: String },
    /// An address or number is proven by a code that is sent there. `to` is masked where the source states it; with
    /// `open` its owner names it here.
    Address {
        kind: FactorKind,
        to: Option<String>,
        open: bool,
        live: bool,
        error: Option<Problem>,
        csrf: String,
        account: Option<String>,
    },
    /// A device is set up: the secret in base32, the same as `otpauth:` URI, what its owner calls it, and one
    /// confirming code of so many digits. `passkey_too`: a passkey may be set up instead.
    Enrol {
        secret: String,
        uri: String,
        digits: u8,
        occasion: Occasion,
        passkey_too: bool,
        label: String,
        error: Option<Problem>,
        csrf: String,
        account: Option<String>,
    },
    /// A passkey is set up: what the authenticator is asked. `totp`: an app may be set up instead. `further`: by
    /// somebody who is signed in.
    EnrolPasskey {
        options: String,
        totp: bool,
        further: bool,
        error: Option<Problem>,
        csrf: String,
        account: Option<String>,
    },
    /// The password by which they signed in, once more, before a first factor. `label` is its source's.
    OwnPassword { label: String, username: String, error: Option<Problem>, csrf: String },
    /// Few recovery codes are left.
    CodesLow { left: u32, csrf: String },
    /// What a mailed link leads to. `csrf`: it is good in this browser.
    MailedLink { when: String, address: String, browser: String, csrf: Option<String> },
    /// "This was not me" was said, and done.
    Disowned,
    /// A mailed link that is none, or too old.
    MailedLinkOld,
    /// The recovery codes, shown once.
    Codes { codes: Vec<String>, csrf: String },
    /// The gateway's own sign-in page (`sign_in: header`). `username` is what was typed before.
    /// `passkey`: one alone signs in here.
    SignIn {
        problem: Option<SignInProblem>,
        username: String,
        buttons: Vec<Button>,
        guest: bool,
        passkey: Option<Doorway>,
    },
    /// The LMS knows this name from before: its password is asked, once.
    LmsPassword { error: Option<Problem>, csrf: String, username: String },
    /// Somebody's own account. What may not be done is not offered. `onward`: where they were going when they were sent
    /// here, a path of this site.
    Account { sheet: Box<Sheet>, onward: Option<String>, csrf: String },
    /// Their own doing.
    SignedOut,
    /// A second factor is asked for one named action.
    Permit {
        factors: Vec<FactorKind>,
        current: FactorKind,
        passkey: Option<String>,
        sent: Vec<SentTo>,
        named: Named,
        /// Where this tab is going, as a query's value.
        to: Option<String>,
        error: Option<Problem>,
        csrf: String,
        account: Option<String>,
    },
    /// A form that waited for the second factor, or for a new sign-in: whether it goes on. Posted to `action`.
    Send { target: String, action: String, error: Option<Problem>, csrf: String, account: Option<String> },
    /// What was sent to `path` could not be kept. `to` is a page from which it can be sent again.
    NotKept { why: NotKept, path: String, to: Option<String> },
    /// Another source that is to be linked: its own sign-in, in one form for those with a password.
    SecondSource {
        passwords: Vec<Choice>,
        buttons: Vec<Choice>,
        typed: Typed,
        error: Option<Problem>,
        csrf: String,
        account: Option<String>,
    },
    /// Both sides of a link, and whether they are one. `name` is what the second source calls this person.
    Join { label: String, name: Option<String>, error: Option<Problem>, csrf: String, account: Option<String> },
    /// A newcomer's own verified address is that of an account here.
    Offer { label: String, address: String, may_create: bool, typed: Typed, error: Option<Problem>, csrf: String },
    /// The browser goes on to another source.
    Away { url: String, label: String },
    /// Nobody could say who this is: a source that might know does not answer.
    SignInUnavailable,
    /// The flow is over without a session.
    Ended { why: EndedWhy },
    /// Too many wrong answers; `minutes` until the next is looked at, rounded up.
    Locked { minutes: u32 },
    /// Something else went wrong; `status` is the HTTP status the page is sent with.
    Error { status: u16 },
}

/// A way to sign in elsewhere: a redirect source by its name and what its button says.
#[derive(Clone, Debug)]
pub struct Button {
    pub source: String,
    pub label: String,
}

/// What somebody had filled in before, without the password.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    pub source: String,
    pub username: String,
    /// The factor that was just answered.
    pub factor: Option<FactorKind>,
    /// What a factor is to be called.
    pub label: String,
}

/// Why something that was sent is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    TooLarge,
    /// Files, or something that is no form.
    Files,
    /// As many forms wait as may.
    TooMany,
    /// It cannot be told that a person sent it from a page of this site.
    Unclear,
}

impl NotKept {
    pub(super) const ALL: [NotKept; 4] = [NotKept::TooLarge, NotKept::Files, NotKept::TooMany, NotKept::Unclear];

    pub(super) fn key(self) -> &'static str {
        match self {
            NotKept::TooLarge => "not-kept-large",
            NotKept::Files => "not-kept-files",
            NotKept::TooMany => "not-kept-many",
            NotKept::Unclear => "not-kept-unclear",
        }
    }
}

/// Why the sign-in page asks again. The outside never learns more (attack E2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInProblem {
    Refused,
    /// Some source does not answer; it may or may not be the one that knows this name.
    Unavailable,
    /// A redirect source did not say who this is, or the browser came back from somewhere it was not sent to.
    Elsewhere,
    /// A passkey was not accepted, for whatever reason.
    Passkey,
}

impl SignInProblem {
    pub(super) const ALL: [SignInProblem; 4] =
        [SignInProblem::Refused, SignInProblem::Unavailable, SignInProblem::Elsewhere, SignInProblem::Passkey];

    pub(super) fn key(self) -> &'static str {
        match self {
            SignInProblem::Refused => "problem-sign-in",
            SignInProblem::Unavailable => "problem-sign-in-unavailable",
            SignInProblem::Elsewhere => "problem-sign-in-elsewhere",
            SignInProblem::Passkey => "problem-sign-in-passkey",
        }
    }
}

impl Problem {
    pub(super) const ALL: [Problem; 12] = [
        Problem::CodeTooSoon,
        Problem::CodesUsedUp,
        Problem::CodeNotSent,
        Problem::NoAddress,
        Problem::ClockFast(2),
        Problem::ClockSlow(1),
        Problem::WrongCode,
        Problem::AlreadyUsed,
        Problem::Incomplete,
        Problem::WrongPassword,
        Problem::Unavailable,
        Problem::FormExpired,
    ];

    /// The sentence's key, which depends on what was asked: what helps is a different thing each time.
    pub(super) fn key(self, asked: Asked) -> &'static str {
        match (self, asked) {
            (Problem::CodeTooSoon, _) => "problem-code-too-soon",
            (Problem::CodesUsedUp, _) => "problem-codes-used-up",
            (Problem::CodeNotSent, _) => "problem-code-not-sent",
            (Problem::NoAddress, Asked::Factor(FactorKind::Sms)) => "problem-no-number",
            (Problem::NoAddress, _) => "problem-no-address",
            (Problem::ClockFast(_), _) => "problem-clock-fast",
            (Problem::ClockSlow(_), _) => "problem-clock-slow",
            (Problem::WrongCode, Asked::Factor(FactorKind::Totp)) => "problem-wrong-totp",
            (Problem::WrongCode, Asked::Factor(FactorKind::Recovery)) => "problem-wrong-recovery",
            (Problem::WrongCode | Problem::AlreadyUsed, Asked::Factor(FactorKind::Webauthn)) => {
                "problem-wrong-webauthn"
            }
            (Problem::WrongCode | Problem::AlreadyUsed, Asked::Factor(FactorKind::Email | FactorKind::Sms)) => {
                "problem-wrong-sent"
            }
            (Problem::Incomplete, Asked::Factor(FactorKind::Webauthn)) => "problem-wrong-webauthn",
            (Problem::Incomplete, Asked::Factor(FactorKind::Email | FactorKind::Sms)) => "problem-incomplete-sent",
            // A help-desk code that was used is gone like one that expired; the two are not told apart.
            (Problem::WrongCode | Problem::AlreadyUsed, Asked::HelpDesk) => "problem-wrong-help-desk",
            (Problem::WrongCode, Asked::Enrol) => "problem-wrong-enrol",
            (Problem::AlreadyUsed, Asked::Factor(FactorKind::Totp) | Asked::Enrol) => "problem-used-totp",
            (Problem::AlreadyUsed, Asked::Factor(FactorKind::Recovery)) => "problem-used-recovery",
            (Problem::Incomplete, Asked::Factor(FactorKind::Totp) | Asked::Enrol) => "problem-incomplete-totp",
            (Problem::Incomplete, Asked::Factor(FactorKind::Recovery)) => "problem-incomplete-recovery",
            (Problem::Incomplete, Asked::HelpDesk) => "problem-incomplete-help-desk",
            (Problem::Incomplete, Asked::LmsPassword | Asked::SignIn | Asked::Nothing) => {
                "problem-incomplete-lms-password"
            }
            (Problem::WrongPassword | Problem::WrongCode | Problem::AlreadyUsed, Asked::SignIn | Asked::Nothing) => {
                "problem-sign-in"
            }
            (Problem::Unavailable, _) => "problem-sign-in-unavailable",
            (Problem::FormExpired, Asked::SignIn | Asked::Nothing) => "problem-form-expired-again",
            (Problem::WrongPassword, _) | (Problem::WrongCode | Problem::AlreadyUsed, Asked::LmsPassword) => {
                "problem-wrong-lms-password"
            }
            (Problem::FormExpired, _) => "problem-form-expired",
        }
    }
}

impl Problem {
    /// What its sentence counts.
    pub(super) fn minutes(self) -> u16 {
        match self {
            Problem::ClockFast(minutes) | Problem::ClockSlow(minutes) => minutes,
            _ => 0,
        }
    }
}

/// Which code a form asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Factor(FactorKind),
    HelpDesk,
    Enrol,
    LmsPassword,
    /// A name and a password, of a source that is not named in the problem.
    SignIn,
    /// A click.
    Nothing,
}

/// A reason's sentence.
pub(super) fn why_key(why: Why) -> &'static str {
    match why {
        Why::Network => "why-network",
        Why::Device => "why-device",
        Why::GraceEnded(_) => "why-grace",
        Why::Again => "why-again",
    }
}

/// As the templates tell them apart.
pub(super) fn occasion_key(occasion: Occasion) -> &'static str {
    match occasion {
        Occasion::SignIn => "sign-in",
        Occasion::SetUp => "set-up",
        Occasion::Further => "further",
    }
}

impl EndedWhy {
    pub(super) const ALL: [EndedWhy; 10] = [
        EndedWhy::NothingToAsk,
        EndedWhy::FactorTaken,
        EndedWhy::FactorsFull,
        EndedWhy::Expired,
        EndedWhy::TooManyAttempts,
        EndedWhy::Cancelled,
        EndedWhy::AlreadyFinished,
        EndedWhy::Refused,
        EndedWhy::LinkTaken,
        EndedWhy::NoFactor,
    ];

    pub(super) fn keys(self) -> Sentences {
        match self {
            EndedWhy::Expired => Sentences { heading: "ended-expired", text: "ended-expired-text" },
            EndedWhy::TooManyAttempts => Sentences { heading: "ended-attempts", text: "ended-attempts-text" },
            EndedWhy::FactorTaken => Sentences { heading: "ended-factor-taken", text: "ended-factor-taken-text" },
            EndedWhy::FactorsFull => Sentences { heading: "ended-factors-full", text: "ended-factors-full-text" },
            EndedWhy::Refused => Sentences { heading: "ended-refused", text: "ended-refused-text" },
            EndedWhy::LinkTaken => Sentences { heading: "ended-taken", text: "ended-taken-text" },
            EndedWhy::NothingToAsk => Sentences { heading: "ended-nothing-to-ask", text: "ended-nothing-to-ask-text" },
            EndedWhy::NoFactor => Sentences { heading: "ended-no-factor", text: "ended-no-factor-text" },
            EndedWhy::Cancelled => Sentences { heading: "ended-cancelled", text: "ended-cancelled-text" },
            EndedWhy::AlreadyFinished => Sentences { heading: "ended-finished", text: "ended-finished-text" },
        }
    }
}

/// Keys of a heading and of the sentence below it.
#[derive(Clone, Copy)]
pub(super) struct Sentences {
    pub heading: &'static str,
    pub text: &'static str,
}

/// The statuses that have words of their own.
pub(super) const STATUSES: [u16; 10] = [400, 403, 404, 413, 421, 431, 500, 502, 503, 504];

/// The words for an error page. A status without words of its own reads as our fault, which it then is.
pub(super) fn error_keys(status: u16) -> Sentences {
    match status {
        400 => Sentences { heading: "error-400", text: "error-400-text" },
        403 => Sentences { heading: "error-403", text: "error-403-text" },
        404 => Sentences { heading: "error-404", text: "error-404-text" },
        413 => Sentences { heading: "error-413", text: "error-413-text" },
        421 => Sentences { heading: "error-421", text: "error-421-text" },
        431 => Sentences { heading: "error-431", text: "error-431-text" },
        502 => Sentences { heading: "error-502", text: "error-502-text" },
        503 => Sentences { heading: "error-503", text: "error-503-text" },
        504 => Sentences { heading: "error-504", text: "error-504-text" },
        _ => Sentences { heading: "error-500", text: "error-500-text" },
    }
}
