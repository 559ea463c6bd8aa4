//! Log-outs at the LMS that nobody waits for: bounded, and drained when the gateway stops.
//!
//! A session that cannot be logged out now ends by the LMS's own time-out; it is in nobody's hands either way.

use super::Lms;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// At one time. A log-out is two requests; an LMS that is slow must not be asked for thousands of them.
const AT_ONCE: u32 = 32;
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE as usize);

/// Ends the session of these cookies in the background.
pub fn later(lms: Arc<dyn Lms>, cookies: Vec<(String, String)>) {
    if cookies.is_empty() {
        return;
    }
    let Ok(place) = PLACES.try_acquire() else {
        tracing::warn!("too many LMS sessions are being logged out; one more ends by the LMS's own time-out");
        return;
    };
    tokio::spawn(async move {
        let _place = place;
        if let Err(error) = lms.log_out(&cookies).await {
            tracing::warn!(%error, "an LMS session could not be logged out; it ends by the LMS's own time-out");
        }
    });
}

/// Waits until those under way have ended, but not for long.
pub async fn drain() {
    let _ = tokio::time::timeout(Duration::from_secs(5), PLACES.acquire_many(AT_ONCE)).await;
}
