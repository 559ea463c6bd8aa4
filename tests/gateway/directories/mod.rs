//! Directories to ask: a real slapd, a real Samba domain controller, and what stands in the way to them.

pub mod authority;
pub mod between;
pub mod samba;
pub mod slapd;

pub use authority::{Authority, Certificate};
pub use between::{Between, Way};
pub use samba::Samba;
pub use slapd::Slapd;
