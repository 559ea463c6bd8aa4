//! The LMS itself as a source: its form at the browser's door, its token endpoint at the app's. The subject is the
//! LMS's numeric user id, never what was typed (design R6).

use super::Kind;
use crate::{
    chain::{Attempt, Credentials, PasswordSource, Proven, Verdict},
    lms::{Judgement, Lms},
    types::Subject,
};
use async_trait::async_trait;
use std::sync::Arc;

pub const KIND: Kind = Kind { name: "lms", internal: false, multiple: true, can_disable: true, removable: true };

/// Whether the browser's password is judged by the form, or by token.php without opening an LMS session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judge {
    Form,
    /// With the name of the service to ask for (attack J17: concurrent-login limits).
    Sessionless(String),
}

pub struct LmsSource {
    pub lms: Arc<dyn Lms>,
    pub judge: Judge,
}

impl LmsSource {
    fn is_guest(&self, typed: &str) -> bool {
        self.lms.canonical_username(typed) == "guest"
    }
}

#[async_trait]
impl PasswordSource for LmsSource {
    async fn judge(&self, attempt: &Attempt) -> Verdict {
        let client = attempt.client;
        let judged = match (&attempt.credentials, &self.judge) {
            (Credentials::Form(form), Judge::Form) => self.lms.sign_in_by_form(form, client).await,
            // The token endpoint knows no guests, and a guest's LMS session displaces nobody's.
            (Credentials::Form(form), Judge::Sessionless(_)) if self.is_guest(&form.username) => {
                self.lms.sign_in_by_form(form, client).await
            }
            (Credentials::Form(form), Judge::Sessionless(service)) => {
                self.lms.sign_in_by_token(&form.username, &form.password, service, client).await
            }
            (Credentials::Token { username, password, service }, _) => {
                self.lms.sign_in_by_token(username, password, service, client).await
            }
        };
        match judged {
            Ok(Judgement::Accepted { user, held }) => {
                Verdict::Ok(Box::new(Proven { subject: Subject::new(user.id.to_string()), user, held }))
            }
            // token.php's refusal is no page; the browser gets the LMS's own (see flow::sign_in).
            Ok(Judgement::Refused(answer)) => match (&attempt.credentials, &self.judge) {
                (Credentials::Form(_), Judge::Sessionless(_)) => Verdict::Declined(None),
                _ => Verdict::Declined(Some(answer)),
            },
            Err(error) => Verdict::Error(error.to_string()),
        }
    }
}
