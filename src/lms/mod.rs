//! The other side: the LMS behind each site, which nobody may change.

mod site;

pub use site::{App, AppMfa, Authorization, Doors, Guest, HeaderNames, Judge, Lms, LmsKind, SignIn, Site, Upstream};
