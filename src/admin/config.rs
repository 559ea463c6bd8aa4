//! `admin:` in gateway.yaml: who may look, and where administration is done.

use serde::Deserialize;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Plain HTTP for monitoring: `/healthz`, `/readyz`, `/metrics`. Nothing can be changed here. `null` for none.
    pub listen: Option<SocketAddr>,
    /// Where `vestibule account …` reaches a running gateway: a Unix socket, mode 0600, for this user and root.
    pub socket: PathBuf,
    /// Accounts that administer, by their names. Where any is named, one of them must be an active account of an
    /// enabled `local` instance, or a break-glass account must exist.
    pub administrators: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9180))),
            socket: PathBuf::from("data/admin.sock"),
            administrators: Vec::new(),
        }
    }
}
