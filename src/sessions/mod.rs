//! WHAT MAY LAST? The session record, how it is issued, and the cookies that carry it and the LMS's.

mod config;
mod session;

pub use config::Config;
pub use session::{Identity, LmsHalf, Session, SessionStore, Who};
