//! WHAT IS THE LMS TOLD? Identity headers, and a signed assertion that an upstream can verify instead of trusting
//! them (design §5).

mod assertion;
mod headers;

pub use assertion::{Assertions, Signer, jwks};
pub use headers::{Told, header_value, tell};
