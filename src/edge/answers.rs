//! What becomes of an LMS answer that streams, once the watch has judged it (design R9).

use super::{
    gate::{Errand, Forward, House},
    proxy::Gateway,
    reply::{self, Reply},
    request::Incoming,
    rescue,
    watch::{Ruling, Standing, rule},
};
use crate::{
    audit::Event,
    flow,
    lms::moodle::{CookieClass, cookie_class},
    outbound,
    sessions::cookie,
    types::Door,
};
use http::{HeaderName, Method};
use pingora_http::ResponseHeader;

impl Gateway {
    /// Judges an answer that streams: the cookies to set, or what is written instead of it.
    pub(super) async fn watch(
        &self,
        forward: &Forward,
        incoming: &Incoming,
        response: &ResponseHeader,
    ) -> Result<Vec<String>, Reply> {
        let (gate, house) = (&self.0, &forward.house);
        // Before the ruling, which would withhold such an answer and not learn what it has changed.
        if forward.errand == Errand::OpensNoSession {
            self.opened_elsewhere(forward, incoming, response).await?;
        }
        let rng = gate.desk.rng.as_ref();
        let ruling = rule(&forward.standing, response.status, &response.headers, house.name(), rng);
        match (ruling, &forward.standing) {
            (Ruling::Pass { set_cookies }, _) => Ok([forward.cookies.clone(), set_cookies].concat()),
            (Ruling::HalfOver { stray }, Standing::Session { session, .. }) => {
                if forward.errand == Errand::SignOut {
                    // The new cookie is the anonymous one that Moodle's logout always sets.
                    let ended = flow::sign_out(&gate.desk, &house.hall, &gate.caller(incoming), session).await;
                    return Err(match ended {
                        Ok(()) => signed_out(house, incoming),
                        Err(error) => gate.story_failed(incoming, &error),
                    });
                }
                match gate.half_is_over(house, session, stray).await {
                    Ok(()) => Err(gate.to_sign_in(house, incoming)),
                    Err(_) => Err(rescue::with_retry(gate.refuse(incoming, 503), 503)),
                }
            }
            (Ruling::Withhold { named, stray }, standing) => {
                let expected = match standing {
                    Standing::Session { half, .. } => Some(half.user),
                    Standing::Token { user, .. } => Some(*user),
                    Standing::Bare | Standing::Visitor { .. } => None,
                };
                house.hall.log_out_later(stray);
                let reason = "answer names another user";
                gate.record(house, incoming, Event::IdentityWithheld { expected, named: Some(named), reason });
                match standing {
                    Standing::Session { session, .. } => {
                        let _ = gate.half_is_over(house, session, Vec::new()).await;
                        Err(gate.to_sign_in(house, incoming))
                    }
                    Standing::Bare | Standing::Visitor { .. } | Standing::Token { .. } => {
                        Err(gate.refuse(incoming, 502))
                    }
                }
            }
            (Ruling::HalfOver { .. }, Standing::Bare | Standing::Visitor { .. } | Standing::Token { .. }) => {
                Err(gate.refuse(incoming, 502))
            }
        }
    }

    /// Doors 12 and 13: whatever session the LMS opens there is logged out, and its visitor sent to sign in.
    async fn opened_elsewhere(
        &self,
        forward: &Forward,
        incoming: &Incoming,
        response: &ResponseHeader,
    ) -> Result<(), Reply> {
        let (gate, house) = (&self.0, &forward.house);
        let sets = outbound::set_cookies(&response.headers);
        let sessions: Vec<_> =
            sets.into_iter().filter(|(name, _)| cookie_class(name) == CookieClass::Session).collect();
        let posted = incoming.method == Method::POST;
        let confirming = incoming.target.path.script() == Some("login/confirm.php");
        if sessions.is_empty() || !(posted || confirming) {
            return Ok(());
        }
        match house.hall.lms.who(&sessions).await {
            Ok(Some(user)) if user != house.hall.lms.guest() => {
                // Either page was reached by a mailed link, and a mailed code would prove the same mailbox again.
                // Fails closed: without the mark, the password alone and the mailbox would be two proofs.
                if let Err(error) = gate.proven_by_mail(house, user).await {
                    house.hall.log_out_later(sessions);
                    tracing::error!(request_id = %incoming.id, %error, "it could not be noted that a password came by mail");
                    gate.metrics.store_error(error.store);
                    return Err(rescue::with_retry(gate.refuse(incoming, 503), 503));
                }
                // A reset changes the password: everything issued before it dies (design §2 "Leavers").
                if posted && let Err(error) = gate.password_was_reset(house, incoming, user).await {
                    tracing::error!(request_id = %incoming.id, %error, "sessions older than a password reset could not be ended");
                }
            }
            Ok(Some(_)) => {}
            // "Nobody's" is also what a Moodle before 3.7 says of everybody's: it is logged out all the same. A form
            // that is shown again is a visitor's own; only a redirect follows a reset.
            Ok(None) if posted && response.status.is_redirection() => {
                unmarked(house, incoming, "the LMS says nobody's")
            }
            Ok(None) => {}
            Err(error) if posted => unmarked(house, incoming, &error.to_string()),
            Err(error) => {
                tracing::warn!(request_id = %incoming.id, %error, "nobody could say whose session a confirmation opened")
            }
        }
        house.hall.log_out_later(sessions);
        // A guest's, or one that the LMS had forgotten: its LMS half is over.
        if let Standing::Session { session, .. } = &forward.standing
            && gate.half_is_over(house, session, Vec::new()).await.is_err()
        {
            return Err(rescue::with_retry(gate.refuse(incoming, 503), 503));
        }
        let mut answer = reply::see_other(forward.house.sign_in_path());
        reply::clear_cookies(&mut answer, incoming.cookie_pairs().map(|(name, _)| name), &[cookie::SESSION]);
        gate.metrics.sign_in(Door::Browser, "reset");
        Err(answer)
    }
}

/// A password may have come by mail, and nobody can say whose.
fn unmarked(house: &House, incoming: &Incoming, why: &str) {
    tracing::error!(
        site = %house.name(), request_id = %incoming.id, why,
        "nobody could say whose session a password reset opened: its older sessions go on, and a mailed code counts \
         beside a password that came by mail. Moodle 3.7 or later says whose it is; where it cannot, offer no e-mail \
         factor at this site, or switch the reset off in the LMS"
    );
}

fn signed_out(house: &House, incoming: &Incoming) -> Reply {
    let mut answer = reply::see_other(house.sign_in_path());
    reply::clear_cookies(&mut answer, incoming.cookie_pairs().map(|(name, _)| name), &[]);
    reply::set(answer.headers_mut(), HeaderName::from_static("clear-site-data"), "\"cache\"");
    answer
}
