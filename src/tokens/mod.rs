//! App tokens: surrogates of ours in the field, the LMS's own tokens sealed in the ledger (design §2 "App tokens").

mod config;
mod ledger;
mod mint;
mod open;

pub use crate::mfa::policy::Unproven;
pub use config::{Config, Unregistered};
pub use ledger::{Device, Holder, LedgerStore, TokenRecord};
pub use mint::{LmsTokens, Means, Minted, mint};
pub use open::{file_key, find, find_by_file_key, lms_token, swap_file_key};
