//! Stories over real sockets: the real gateway, real stores, and a real browser where people are meant.

mod pages;
mod servers;
mod store;
mod webdriver;
