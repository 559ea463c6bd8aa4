//! Stories over real sockets: the real gateway, real stores, and a real browser where people are meant.

mod accessibility;
mod ajax;
mod app;
mod browser;
mod browser_door;
mod chain;
mod child;
mod directories;
mod doors;
mod edge;
mod mail;
mod mariadb;
mod operation;
mod origin;
mod pages;
mod people;
mod servers;
mod store;
mod webdriver;
mod wire;
mod trusted_header;
mod world;
