//! Stories over real sockets: the real gateway, real stores, and a real browser where people are meant.

mod browser_door;
mod child;
mod edge;
mod origin;
mod pages;
mod people;
mod servers;
mod store;
mod webdriver;
mod world;
