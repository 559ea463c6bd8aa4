//! WHAT MAY LAST? The session record, how it is issued, and the cookies that carry it and the LMS's.

mod session;

pub use session::{Identity, LmsHalf, Session, SessionStore, Who};
