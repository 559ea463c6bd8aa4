//! The composition root. A placeholder until the parts are put together.

use crate::{admin::Admin, config::Config};

/// Why the gateway did not start, or ended.
#[derive(Debug, thiserror::Error)]
#[error("this build cannot do that yet")]
pub struct AppError;

/// Runs until a signal.
pub async fn serve(_config: Config) -> Result<(), AppError> {
    Err(AppError)
}

/// The stores, opened without a running gateway.
pub async fn administration(_config: &Config) -> Result<Admin, AppError> {
    Err(AppError)
}
