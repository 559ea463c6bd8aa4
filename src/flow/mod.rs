//! The stories: sign-in at either door, enrolment, linking, sign-out. A flow is a sign-in that is not finished yet.
//!
//! Both doors ask the same questions in the same order (design §2): the chain, the account, the policy. They differ
//! in how credentials came in and how the answer goes out, and in nothing else. What is told here is told by value;
//! pages and edge put it into HTTP.

mod account;
mod answer;
mod app_sign_in;
mod begin;
mod desk;
mod elsewhere;
mod endings;
mod enrol;
mod factors;
mod leavers;
mod link;
mod lms_half;
mod offer;
mod permit;
mod pins;
mod prove;
mod set_up;
mod sheet;
mod sign_in;
mod sign_out;
mod standpoint;
pub mod step;
mod told;

pub use account::{Wish, begin_action};
pub use answer::{Answered, Asked, answer, ask, cancel};
pub use app_sign_in::{AppAnswer, AppTokens, app_sign_in, verify};
pub use desk::{Caller, Desk, FlowError, Hall, Settings};
pub use elsewhere::{Arrived, Away, arrive, depart};
pub use endings::{Ending, end};
pub use enrol::{confirm_device, confirm_help_desk, keep_codes};
pub use leavers::{Leavers, Welcome, ask as ask_standing, vouching};
pub use link::{Choice, SecondSource, join, second_source};
pub use offer::{adopt, create_beside};
pub use permit::permit;
pub use pins::{owners, selection};
pub use prove::prove_lms_password;
pub use set_up::own_password;
pub use sheet::{AppLine, OwnFactor, SessionLine, SetUp, Sheet, TrustedLine, Way, sheet};
pub use sign_in::{Refused, SignIn, SignedIn, sign_in};
pub use sign_out::{reap, sign_out};
pub use told::{EndedWhy, Named, Occasion, Problem};
