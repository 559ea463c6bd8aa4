//! Stories over real sockets: the real gateway, real stores, and a real browser where people are meant.

mod browser;
mod browser_door;
mod edge;
mod origin;
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
