//! The one error of every store: it cannot say. Whoever sees it fails closed (design R4).

use std::fmt::Display;

/// A store did not answer, answered nonsense, or refused. Never means "not found".
#[derive(Debug, thiserror::Error)]
#[error("the {store} store is unavailable: {cause}")]
pub struct Unavailable {
    /// `state` or `database`.
    pub store: &'static str,
    pub cause: String,
}

impl Unavailable {
    pub fn state(cause: impl Display) -> Self {
        Self { store: "state", cause: cause.to_string() }
    }
    pub fn database(cause: impl Display) -> Self {
        Self { store: "database", cause: cause.to_string() }
    }
}
