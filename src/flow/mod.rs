//! The stories: sign-in at either door, enrolment, linking, sign-out. A flow is a sign-in that is not finished yet.
//!
//! Both doors ask the same questions in the same order (design §2): the chain, the account, the policy. They differ
//! in how credentials came in and how the answer goes out, and in nothing else. What is told here is told by value;
//! pages and edge put it into HTTP.

mod account;
mod address;
mod answer;
mod app_sign_in;
mod begin;
mod desk;
mod elsewhere;
mod endings;
mod enrol;
mod factors;
mod groups;
mod known;
mod leavers;
mod link;
mod lms_half;
mod mailed_link;
mod offer;
mod passkey;
mod passwordless;
mod permit;
mod pins;
mod prove;
mod sent;
mod set_up;
mod sheet;
mod sign_in;
mod sign_out;
mod standpoint;
pub mod step;
mod step_up;
mod told;
mod trusted;

pub use account::{Wish, begin_action};
pub use address::{name_address, prove_address};
pub use answer::{Answered, Asked, answer, ask, cancel};
pub use app_sign_in::{AppAnswer, AppTokens, app_sign_in, verify, verify_device};
pub use desk::{Caller, Desk, FlowError, Hall, Settings};
pub use elsewhere::{Arrived, Away, arrive, depart};
pub use endings::{Ending, end};
pub use enrol::{confirm_device, confirm_help_desk, keep_codes};
pub use groups::GroupReader;
pub use leavers::{Leavers, Welcome, ask as ask_standing, vouching};
pub use link::{Choice, SecondSource, join, second_source};
pub use mailed_link::{Seen, disown, look, pass};
pub use offer::{adopt, create_beside};
pub use passkey::{ask_passkey, choose_enrolment, confirm_passkey};
pub use passwordless::{Doorway, doorway, sign_in_by_passkey};
pub use permit::permit;
pub use pins::{owners, selection};
pub use prove::prove_lms_password;
pub use sent::{SentTo, send_code};
pub use set_up::own_password;
pub use sheet::{AppLine, OwnFactor, SessionLine, SetUp, Sheet, TrustedLine, Way, sheet};
pub use sign_in::{Refused, SignIn, SignedIn, sign_in};
pub use sign_out::{reap, sign_out};
pub use step_up::{Begun, Stepped, begin_step_up, claim_form, expired_here, has_answer_for, keep_form};
pub use told::{EndedWhy, Named, Occasion, Problem};
pub use trusted::{Recognised, forget_device, forget_devices, recognise, trust, trusted_devices};
