//! Stories over real sockets: the real gateway, real stores, and a real browser where people are meant.

mod browser_door;
mod ledger_calls;
mod ledger_files;
mod pages;
mod people;
mod servers;
mod store;
mod token_door;
mod token_modes;
mod token_verify;
mod webdriver;
mod wire;
mod world;
