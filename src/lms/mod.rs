//! The LMS behind the hall: what a request to it *is*, and how it is spoken to in its own shape.
//!
//! An adapter answers two kinds of question. The pure ones are here already: which [`Intent`] a path has, how the LMS
//! would read the request's parameters, what its error bodies look like. The others (sign in, mint, ask who a session
//! is) are conversations and live beside them.
//!
//! The rule that carries everything else is R1: **a script the adapter doesn't know is [`Intent::Page`]**, a protected
//! page. An adapter can therefore be incomplete without being open; it must only be complete about the doors that need
//! no session, because behind those the LMS does its own thing.
//!
//! # Adding an LMS
//! 1. `lms/x/routes.rs`: a table from path to [`Intent`]. List the doors that create a session or a token
//!    ([`Intent::SignIn`], [`Intent::AppSignIn`], or [`Intent::Closed`] where nobody mediates them), the files a login
//!    page needs ([`Intent::Asset`]) and nothing else.
//! 2. `lms/x/params.rs`, if its platform reads parameters differently from PHP.
//! 3. Its errors, in its own shape, asserted against recorded bytes.
//! 4. Its sensitive places ([`PathGroup`]), for rules that ask for a fresh factor there.
//! 5. Its conversations behind the port [`Lms`], and its variant in `site::LmsKind`.

pub mod farewell;
pub mod groups;
pub mod moodle;
mod port;
mod sensitive;
pub mod site;

pub use port::{HeaderIdentity, Held, Judgement, Lms, LmsError, LmsUser, LoginForm};
pub use sensitive::PathGroup;
pub use site::{AppMfa, Authorization, Guest, HeaderNames, SignIn, Site};

/// What a request wants of the LMS. Whether it may have it is the gate's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// The browser's login page: GET shows the LMS's form, POST is ours.
    SignIn,
    SignOut,
    /// The app's login (`login/token.php`), whatever the method.
    AppSignIn,
    /// A web-service call with a token.
    AppCall,
    /// A file sent with a token.
    AppUpload,
    /// A file fetched with a token.
    AppFile,
    /// A file fetched with the account's permanent file key.
    KeyFile,
    /// Calls of the LMS's own pages, under its session.
    Ajax,
    /// The same calls without a session.
    AjaxOpen,
    /// Open: static things a login page needs; no cookie matters.
    Asset,
    /// Open, on the visitor's sealed anonymous LMS session.
    OpenPage,
    /// The forgotten-password door; it signs in at its end.
    Reset,
    /// The mailed confirmation of a new account; it signs in.
    Confirm,
    /// Where an external tool's cross-site POST comes back to (entry 36b).
    LtiReturn,
    /// Everything else: protected.
    Page,
    /// Refused with 403. The name of the door is for the audit.
    Closed(&'static str),
}

impl Intent {
    /// For metrics: a closed set of short names.
    pub fn name(self) -> &'static str {
        match self {
            Intent::SignIn => "sign_in",
            Intent::SignOut => "sign_out",
            Intent::AppSignIn => "app_sign_in",
            Intent::AppCall => "app_call",
            Intent::AppUpload => "app_upload",
            Intent::AppFile => "app_file",
            Intent::KeyFile => "key_file",
            Intent::Ajax => "ajax",
            Intent::AjaxOpen => "ajax_open",
            Intent::Asset => "asset",
            Intent::OpenPage => "open_page",
            Intent::Reset => "reset",
            Intent::Confirm => "confirm",
            Intent::LtiReturn => "lti_return",
            Intent::Page => "page",
            Intent::Closed(_) => "closed",
        }
    }
}
