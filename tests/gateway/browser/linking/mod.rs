//! Several ways to sign in to one account (design §2 "Accounts", issue §4): linked by its owner, offered to a newcomer
//! whose address is known, by password and by way of a partner; and who is refused (attacks G1, G2, G4, G5, J5, D7).

mod account;
pub mod cast;
mod offers;
mod partner;
mod story;

use super::*;
use cast::*;

const ACCOUNT: &str = "/vestibule/account";
