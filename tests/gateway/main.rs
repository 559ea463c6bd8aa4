//! Stories over real sockets, with a real browser where people are meant.

mod pages;
mod webdriver;
