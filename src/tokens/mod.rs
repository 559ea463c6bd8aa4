//! App tokens: surrogates of ours in the field, the LMS's own tokens sealed in the ledger (design §2 "App tokens").

mod config;
mod ledger;

pub use config::{Config, Unregistered};
pub use ledger::{Device, LedgerStore, TokenRecord, Unproven};
