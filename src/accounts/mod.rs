//! WHICH ACCOUNT? An account, its linked methods, and its bindings to LMS users.
//!
//! A *method* is (instance, subject) → account, and equality is only that pair: equal names in two instances are
//! never the same account without a link (design §2 "Accounts"). A *binding* is (site, LMS user id) ↔ account,
//! unique in both directions.

mod account;
mod bind;
mod link;
mod lms_groups;
mod resolve;
mod standing;
mod store;

pub use account::{ADDRESS_SETTLES, Account, Binding, BoundBy, LinkedBy, Method, State};
pub use bind::{Bound, EXISTED, How, bind, is_plain, name_for_lms};
pub use link::{Linked, link, linkable};
pub use lms_groups::{LastReading, LmsGroupStore, Reading};
pub use resolve::{Pending, Question, Resolution, Resolved, resolve, resume};
pub use standing::{Change, SILENCE, change, is_due, is_silent};
pub use store::{AccountStore, Created, Entry, Learned, Mail, Verified, Vouched};
