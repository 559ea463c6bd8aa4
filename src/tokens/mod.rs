//! App tokens: surrogates of ours in the field, the LMS's own tokens sealed in the ledger (design §2 "App tokens").

mod ledger;

pub use ledger::{Device, LedgerStore, TokenRecord, Unproven};
