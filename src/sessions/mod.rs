//! WHAT MAY LAST? The session record, how it is issued, and the cookies that carry it and the LMS's.

mod config;
pub mod cookie;
mod issue;
pub mod known;
mod session;

pub use config::Config;
pub use issue::{Issued, Visit, issue, issue_guest, step_up};
pub use session::{Identity, LmsHalf, Session, SessionStore, TrustedBy, Who};
