//! The LMS itself as a source: its form at the browser's door, its token endpoint at the app's. The subject is the
//! LMS's numeric user id, never what was typed (design R6).

use super::{BuildError, Kind, Needs, Settings, Source};
use crate::{
    chain::{Asked, Credentials, LmsProof, PasswordSource, Person, Proven, Verdict},
    lms::{Judgement, Lms, LmsError, LmsUser},
    types::{ClientAddr, SiteName, Subject},
};
use async_trait::async_trait;
use serde::Deserialize;
use std::sync::Arc;

pub const KIND: Kind = Kind {
    name: "lms",
    internal: false,
    multiple: true,
    can_disable: true,
    removable: true,
    settings: super::read::<LmsSettings>,
};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LmsSettings {
    /// The site whose LMS is asked, and for whose visitors.
    site: SiteName,
}

impl Settings for LmsSettings {
    fn site(&self) -> Option<&SiteName> {
        Some(&self.site)
    }
    fn build(&self, needs: &Needs<'_>) -> Result<Source, BuildError> {
        let (lms, judge) = (needs.lms)(&self.site)
            .ok_or_else(|| BuildError::new("site", format!("there is no site {}", self.site)))?;
        let alone = (needs.alone)(&self.site);
        Ok(Source { password: Some(Arc::new(LmsSource { lms, judge, alone })), ..Source::default() })
    }
}

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
    /// Nobody else is asked here: whose name it is then needs no asking.
    pub alone: bool,
}

impl LmsSource {
    /// The name behind an e-mail address or another spelling, without which nobody could tell whether it is somebody's
    /// already (attack J7): the form says the id alone.
    async fn named(&self, user: LmsUser, credentials: &Credentials, client: ClientAddr) -> LmsUser {
        let Credentials::Form(form) = credentials else { return user };
        if self.alone || user.username.is_some() || user.id == self.lms.guest() {
            return user;
        }
        match self.lms.owner_by_password(form, client).await {
            Ok(Some(owner)) if owner.id == user.id => owner,
            Ok(_) | Err(_) => user,
        }
    }

    fn is_guest(&self, typed: &str) -> bool {
        self.lms.canonical_username(typed) == "guest"
    }
}

fn person(user: &LmsUser) -> Person {
    let subject = Subject::new(user.id.to_string());
    Person { username: user.username.clone(), name: user.name.clone(), ..Person::of(subject) }
}

#[async_trait]
impl PasswordSource for LmsSource {
    async fn judge(&self, asked: &Asked<'_>) -> Verdict {
        let client = asked.attempt.client;
        let credentials = &asked.attempt.credentials;
        let judged = match (credentials, &self.judge) {
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
                let user = self.named(user, credentials, client).await;
                Verdict::Ok(Box::new(Proven { person: person(&user), lms: Some(LmsProof { user, held }) }))
            }
            // token.php's refusal is no page; the browser gets the LMS's own (see flow::sign_in).
            Ok(Judgement::Refused(answer)) => match (credentials, &self.judge) {
                (Credentials::Form(_), Judge::Sessionless(_)) => Verdict::Declined(None),
                _ => Verdict::Declined(Some(answer)),
            },
            Ok(Judgement::Barred(answer)) => match credentials {
                Credentials::Form(_) => Verdict::Denied("barred by the LMS", None),
                Credentials::Token { .. } => Verdict::Denied("barred by the LMS", Some(answer)),
            },
            Err(error @ LmsError::Outbound(_)) => Verdict::Error(error.to_string()),
            Err(error) => Verdict::Unclear(error.to_string()),
        }
    }

    async fn probe(&self) -> Result<(), String> {
        self.lms.self_check().await.map(|_| ()).map_err(|error| error.to_string())
    }

    fn reads_names_itself(&self) -> bool {
        true
    }
}
