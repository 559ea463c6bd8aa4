//! The other side: the LMS behind each site, which nobody may change.

pub mod moodle;
mod port;
pub mod site;

pub use port::{Held, Judgement, Lms, LmsError, LmsUser, LoginForm};
pub use site::{AppMfa, Guest, HeaderNames, Site};
