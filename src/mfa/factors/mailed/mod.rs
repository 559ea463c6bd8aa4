//! Codes that are sent to somebody, by mail or as a text message (NIST SP 800-63B §5.1.3, out-of-band).
//!
//! A [`code`] is six digits, good for ten minutes, once, in the one flow that asked for it, and of a flow only the
//! newest: a resend voids the one before. No store holds a code, only a keyed digest of it, sealed with its flow. The
//! [`link`] in a letter names flow and letter under a seal; it passes that flow in the browser that holds the flow's
//! cookie, and anywhere else it can only say "this was not me". Where letters go is the enrolment's own
//! [`destination`], frozen when it was made (attack J10).
//!
//! How often codes may be sent and guessed at is `limits`; who sends them is `outbound`.

pub mod code;
pub mod destination;
pub mod link;

pub use code::{Live, Outcome, Purpose};
pub use destination::{Destination, Number};
pub use link::Link;
