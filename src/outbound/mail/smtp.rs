//! One relay, spoken to by SMTP (RFC 5321) over TLS.
//!
//! A connection is used for one batch and never kept: an answer that comes late would otherwise be taken for the answer
//! to the next letter. Every step has a deadline; after an error the connection is closed, whatever its state was.

use super::{Config, Letter, Server, Transport, wire::Wire};
use crate::{
    outbound::trust::{authorities, client_config},
    types::Secret,
};
use lettre::{
    Address,
    address::Envelope,
    transport::smtp::{
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters},
        extension::ClientId,
        response::Category,
    },
};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// What went wrong between us and the relay.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// The operator's to mend, before the first letter.
    #[error("{0}")]
    Settings(String),
    #[error("no connection to {server}: {cause}")]
    Connect { server: String, cause: String },
    /// The relay's last word about this letter.
    #[error("the mail server refuses the letter: {0}")]
    Refused(String),
    /// Not this letter, not now (4xx): a mailbox that is full, a relay that wants to be asked twice.
    #[error("the mail server did not take the letter yet: {0}")]
    Later(String),
    /// Nobody's letter now: it hung up, or says that it will (421).
    #[error("the mail server broke off: {0}")]
    Broken(String),
    #[error("the mail server did not answer within {0:?}")]
    Timeout(Duration),
}

/// How the relay is reached.
pub struct Smtp {
    server: Server,
    hello: ClientId,
    tls: Arc<ClientConfig>,
    starttls: TlsParameters,
    user: Option<(String, Secret<String>)>,
    deadline: Duration,
}

impl Smtp {
    /// `password` is what `config.password` refers to.
    pub fn new(config: &Config, password: Option<Secret<String>>) -> Result<Self, SmtpError> {
        let settings = |cause: String| SmtpError::Settings(format!("outbound.mail: {cause}"));
        let authorities = config.ca_file.as_deref().map(authorities).transpose().map_err(settings)?;
        let host = config.server.host.clone();
        let mut starttls = TlsParameters::builder(host);
        if let Some(authorities) = &authorities {
            starttls = starttls.certificate_store(CertificateStore::None);
            for authority in authorities {
                let authority = Certificate::from_der(authority.to_vec()).map_err(|e| settings(e.to_string()))?;
                starttls = starttls.add_root_certificate(authority);
            }
        }
        Ok(Self {
            server: config.server.clone(),
            hello: ClientId::default(),
            tls: Arc::new(client_config(authorities).map_err(settings)?),
            starttls: starttls.build().map_err(|error| settings(error.to_string()))?,
            user: config.user.clone().zip(password),
            deadline: Duration::from_secs(config.timeout_seconds),
        })
    }

    /// The longest that one letter takes.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Connects, protects and signs in. Each step that worked is told to `steps`.
    pub async fn connect(&self, steps: &mut Vec<String>) -> Result<Connection, SmtpError> {
        let connection = timeout(self.deadline, self.open(steps)).await;
        connection
            .map_err(|_| SmtpError::Timeout(self.deadline))?
            .map_err(|cause| SmtpError::Connect { server: self.server.to_string(), cause })
    }

    async fn open(&self, steps: &mut Vec<String>) -> Result<Connection, String> {
        let Server { transport, host, port } = &self.server;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| error.to_string())?;
        let peer = stream.peer_addr().map_err(|error| error.to_string())?;
        steps.push(format!("connected to {host} ({peer})"));
        let verified = |how: &str| format!("{how}: the certificate is {host}'s and its issuer is trusted");
        let hello = &self.hello;
        let mut smtp = match transport {
            Transport::Tls => {
                let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
                let tls = TlsConnector::from(self.tls.clone()).connect(name, stream).await;
                let tls = tls.map_err(|error| error.to_string())?;
                steps.push(verified("TLS"));
                AsyncSmtpConnection::connect_with_transport(Box::new(Wire::new(tls, peer)), hello)
                    .await
                    .map_err(told)?
            }
            Transport::StartTls => {
                let wire = Box::new(Wire::new(stream, peer));
                let mut smtp = AsyncSmtpConnection::connect_with_transport(wire, hello).await.map_err(told)?;
                // Never in the clear where the offer is missing: somebody in between may have taken it out.
                smtp.starttls(self.starttls.clone(), hello).await.map_err(told)?;
                steps.push(verified("STARTTLS"));
                smtp
            }
            Transport::Plain => {
                let wire = Box::new(Wire::new(stream, peer));
                AsyncSmtpConnection::connect_with_transport(wire, hello).await.map_err(told)?
            }
        };
        steps.push("the server greets back".to_owned());
        if let Some((user, password)) = &self.user {
            let credentials = Credentials::new(user.clone(), password.expose().clone());
            smtp.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(told)?;
            steps.push(format!("signed in as {user}"));
        }
        Ok(Connection { smtp, deadline: self.deadline })
    }
}

/// A relay that listens.
pub struct Connection {
    smtp: AsyncSmtpConnection,
    deadline: Duration,
}

impl Connection {
    /// Hands one letter over, and returns what the relay said when it took it. After an error the connection is of no
    /// more use.
    pub async fn send(&mut self, letter: &Letter) -> Result<String, SmtpError> {
        let address = |text: &str| text.parse::<Address>().map_err(|error| SmtpError::Refused(error.to_string()));
        let envelope = Envelope::new(Some(address(&letter.from)?), vec![address(&letter.to)?])
            .map_err(|error| SmtpError::Refused(error.to_string()))?;
        let sent = timeout(self.deadline, self.smtp.send(&envelope, letter.message.as_bytes())).await;
        match sent.map_err(|_| SmtpError::Timeout(self.deadline))? {
            Ok(response) => {
                Ok(format!("{} {}", response.code(), plain(&response.message().collect::<Vec<_>>().join(" "))))
            }
            Err(error) => Err(judge(error)),
        }
    }

    /// Says goodbye, for the relay's log; nothing depends on it.
    pub async fn quit(mut self) {
        let _ = timeout(Duration::from_secs(5), self.smtp.quit()).await;
    }
}

/// Is this about the letter, and for good? A demand to sign in (x3x: 530, 535) is about our settings, which somebody
/// will mend; 421 may come at any time and closes the connection (RFC 5321 §3.8).
fn judge(error: lettre::transport::smtp::Error) -> SmtpError {
    let (permanent, transient, ours) = (error.is_permanent(), error.is_transient(), error.is_client());
    let code = error.status();
    let about_us = code.is_some_and(|code| code.category == Category::Unspecified3);
    let closing = code.is_some_and(|code| code.to_string() == "421");
    let told = told(error);
    if ours || (permanent && !about_us) {
        SmtpError::Refused(told)
    } else if transient && !closing {
        SmtpError::Later(told)
    } else {
        SmtpError::Broken(told)
    }
}

fn told(error: lettre::transport::smtp::Error) -> String {
    plain(&error.to_string())
}

/// What a relay says goes into logs and onto terminals: one line of it, without control characters.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}
