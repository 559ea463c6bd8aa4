//! The stories: sign-in at either door, enrolment, sign-out. A flow is a sign-in that is not finished yet.

pub mod step;
