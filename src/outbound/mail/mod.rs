//! Mail to people: written at once, sealed into a queue in the database, delivered in the background.
//!
//! ```text
//!   flow ── Mailer::send ── Stationery (text + HTML) ── sealed ── MailQueue ── Postman ── Smtp ── the relay
//! ```
//!
//! [`Mailer::send`] ends when the letter is in the queue: a slow or dead server never delays a sign-in, and a person
//! never sees an error because of mail (fault X20). Several nodes share the queue; a lease decides which of them
//! delivers a letter. A relay that says no for good, and one that says nothing for a day, end in the log.
//!
//! What a letter may say is a closed list ([`Message`]); what people chose for themselves (names, devices) is cut to
//! one line before it goes in, escaped in HTML, and stands in no header (attacks F5, I4). Recipients are parsed, and
//! what does not parse gets no mail.
//!
//! # Adding a message
//!
//! A variant of [`Message`], its line in `Message::said`, its sentences in every file of `locales/`. The tests render
//! it and name what is missing.

mod config;
mod language;
mod letter;
mod mailer;
mod message;
mod postman;
mod queue;
mod smtp;
mod wire;

pub use config::{Config, Recipient, Sender, Server, Transport};
pub use letter::{Letter, LetterError, Stationery};
pub use mailer::{Mailer, Post, Sent, TestError};
pub use message::{Asker, CODE_LIVES, Message};
pub use postman::Postman;
pub use queue::{Claimed, Enqueued, MailQueue, Waiting};
pub use smtp::{Smtp, SmtpError};
