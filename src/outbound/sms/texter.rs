//! The port, and the one sender there is.

use super::{Config, Texts};
use crate::{
    language::Lang,
    outbound::{
        OutboundError, Upstream,
        trust::{authorities, client_config},
    },
    types::{Rng, RngExt, Secret},
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use std::{sync::Arc, time::Duration};

/// Of an answer that is only read for its status.
const MOST_READ: usize = 64 * 1024;

/// Why a message is not on its way. Nothing of the message or the number is repeated.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The operator's to mend, before the first message.
    #[error("outbound.sms: {0}")]
    Settings(String),
    #[error("the message service does not answer: {0}")]
    Down(String),
    #[error("the message service did not answer within {0:?}")]
    Timeout(Duration),
    #[error("the message service refused the message with status {0}")]
    Refused(u16),
}

/// Somebody who takes a short text to a number.
#[async_trait]
pub trait Send: std::marker::Send + Sync {
    /// `to` in international form. It is over within the sender's own deadline.
    async fn send(&self, to: &str, text: &Secret<String>) -> Result<(), TextError>;
}

/// What the rest of the program has of it: a sender and its words, or nobody.
#[derive(Clone)]
pub struct Texter {
    sender: Option<(Arc<dyn Send>, Texts)>,
}

impl Texter {
    pub fn new(sender: Option<(Arc<dyn Send>, Texts)>) -> Self {
        Self { sender }
    }

    pub fn is_on(&self) -> bool {
        self.sender.is_some()
    }

    /// Sends a code. False: it is not on its way; the operator reads in the log why.
    pub async fn send_code(&self, to: &str, lang: Lang, code: &Secret<String>, site: &str) -> bool {
        let Some((sender, texts)) = &self.sender else { return false };
        let text = Secret::new(texts.of(lang).fill(code.expose(), site));
        match sender.send(to, &text).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "a code was not sent as a text message");
                false
            }
        }
    }
}

/// The sender that asks a web service.
pub struct Webhooks {
    service: Upstream,
    target: String,
    authorization: HeaderValue,
    rng: Arc<dyn Rng>,
}

impl Webhooks {
    /// `secret` is what `config.secret` refers to.
    pub fn new(config: &Config, secret: &Secret<String>, rng: Arc<dyn Rng>) -> Result<Self, TextError> {
        let authorities = config.ca_file.as_deref().map(authorities).transpose().map_err(TextError::Settings)?;
        let tls = client_config(authorities).map_err(TextError::Settings)?;
        let (origin, deadline) = (&config.url.origin, Duration::from_secs(config.timeout_seconds));
        let service = Upstream::trusting(tls, &origin.to_string(), &origin.authority(), deadline);
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", secret.expose()))
            .map_err(|_| TextError::Settings("the secret holds characters that no header can".to_owned()))?;
        authorization.set_sensitive(true);
        let service = service.map_err(|error| TextError::Settings(error.to_string()))?;
        Ok(Self { service, target: config.url.target.clone(), authorization, rng })
    }
}

#[async_trait]
impl Send for Webhooks {
    async fn send(&self, to: &str, text: &Secret<String>) -> Result<(), TextError> {
        let body = serde_json::json!({ "id": self.rng.hex(16), "to": to, "text": text.expose() }).to_string();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        let answer = self.service.fetch(Method::POST, &self.target, headers, Bytes::from(body), MOST_READ).await;
        match answer {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(TextError::Refused(answer.status.as_u16())),
            Err(OutboundError::Timeout(after)) => Err(TextError::Timeout(after)),
            Err(OutboundError::Connect(cause) | OutboundError::Broken(cause)) => Err(TextError::Down(cause)),
            Err(error @ (OutboundError::TooLarge(_) | OutboundError::Request(_))) => {
                Err(TextError::Down(error.to_string()))
            }
        }
    }
}
