//! What every request goes through before anybody asks who sent it (R7, R8; attacks A, B, C).
//!
//! The idea: there is **one reading** of a request. Whatever two layers could read differently (the gateway, the LMS's
//! web server, FastCGI, PHP) is refused, and what is sent on is written anew from what was read. Nothing here knows a
//! session or a user, and nothing here touches a socket.
//!
//! In the order in which a request meets them: [`head`] scans the raw HTTP/1 head, [`host`] and [`target`] say which
//! site and what is asked for, [`headers`] leaves out what a client may not say, [`cookies`] reads the Cookie field.
//! [`return_to`] judges where somebody may be sent afterwards.

pub mod cookies;
pub mod head;
pub mod headers;
pub mod host;
pub mod return_to;
pub mod target;

pub use crate::types::{BadRequest, CanonicalPath};
pub use cookies::{Cookies, parse_cookies};
pub use head::{count_fields, scan_head};
pub use headers::{Fate, HeaderRules, drop_response_header, scrub};
pub use host::{Host, canonical_host};
pub use return_to::{local_target, same_origin_path};
pub use target::{Target, canonical_query};
