//! The app's door: token.php, the verify address, and everything under a surrogate.

pub mod ledger_calls;
mod devices;
mod ledger_files;
mod token_door;
mod token_modes;
pub mod token_verify;
