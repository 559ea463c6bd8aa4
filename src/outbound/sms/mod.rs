//! Text messages, and whatever else reaches a person by a number: one HTTP request to a service that the operator names.
//!
//! ```text
//!   POST url                                        any 2xx: it is on its way
//!   Authorization: Bearer SECRET
//!   {"id": "…", "to": "+491701234567", "text": "…"}  anything else, or nothing in time: it is not
//! ```
//!
//! Every provider's own interface is a few lines of script behind that address. `id` is another for each message, so
//! that the script can drop a repeated one. A message is sent while its reader waits, because a code that comes late is
//! no code; the deadline is short, and the page says what became of it.

mod config;
mod texter;

pub use config::{Config, Template, Texts, Webhook};
pub use texter::{Send, TextError, Texter, Webhooks};
