//! The end of a session, and of flows nobody finished.

use super::{Caller, Desk, FlowError, Hall};
use crate::{audit::Event, sessions::Session};
use std::collections::HashMap;

/// Ends our session after the LMS has ended its own.
pub async fn sign_out(desk: &Desk, hall: &Hall, caller: &Caller, session: &Session) -> Result<(), FlowError> {
    desk.sessions.remove(&session.key).await?;
    desk.record(hall, caller, Event::SignedOut { account: session.account().cloned() });
    Ok(())
}

/// Flows past their end: their LMS sessions are logged out. Returns how many there were.
pub async fn reap(desk: &Desk, halls: &HashMap<String, std::sync::Arc<Hall>>) -> Result<usize, FlowError> {
    let expired = desk.flows.reap(desk.now(), 100).await?;
    let count = expired.len();
    for flow in expired {
        if let Some(hall) = halls.get(flow.site.as_str()) {
            hall.give_back(flow.held);
        }
    }
    Ok(count)
}
