//! What a story tells whoever is waiting: the few things that may be known outside.

use crate::types::FactorKind;

/// What was wrong with an answer, as far as its sender needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Not the code that was asked for.
    WrongCode,
    /// It was right and has been used before.
    AlreadyUsed,
    /// Nothing was typed, or it cannot be a code at all; it did not count as an attempt.
    Incomplete,
    /// Not the LMS's password.
    WrongPassword,
    /// A source that would know does not answer.
    Unavailable,
    /// Right at another time: the device's clock is so many minutes fast.
    ClockFast(u16),
    ClockSlow(u16),
    /// The form's token was not this flow's: an old tab, or the page was open too long.
    FormExpired,
    /// A code went out a moment ago.
    CodeTooSoon,
    /// As many codes as may be sent were sent.
    CodesUsedUp,
    /// No code is on its way: mail or messages cannot be sent now.
    CodeNotSent,
    /// What was typed is no address, or no number.
    NoAddress,
}

/// What a factor is set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The sign-in that is going on demands one.
    SignIn,
    /// Its owner wants a first one.
    SetUp,
    /// One more.
    Further,
}

/// Why a flow is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedWhy {
    Expired,
    TooManyAttempts,
    /// By the user.
    Cancelled,
    /// What the LMS gave belongs to somebody else.
    Refused,
    /// What was to be linked is another account's.
    LinkTaken,
    /// The place asks for a second step that this account does not have.
    NothingToAsk,
    /// The account has no second step, without which nothing is linked.
    NoFactor,
    /// Somebody's already: this key or address.
    FactorTaken,
    /// The account has as many factors as one may have.
    FactorsFull,
    /// In another tab, or the form was sent twice: there is a session already.
    AlreadyFinished,
}

/// An action by what its page calls it; what it is done to, by what people read of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    Link,
    Unlink(String),
    MakePrimary(String),
    AddFactor(FactorKind),
    /// By what its owner calls it.
    RemoveFactor(String),
    RenameFactor(String),
    NewRecoveryCodes,
    ConfirmAddress(String),
    /// To open a path, in the place that the LMS's adapter calls so; or to send the form that was sent there.
    Open {
        place: Option<&'static str>,
        path: String,
        form: bool,
    },
    /// To sign in by this source as the account that was just proven.
    Adopt(String),
}
