//! Real sockets, real servers, the real stores.

mod servers;
mod store;
