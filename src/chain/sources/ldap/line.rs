//! One connection to a directory: opened, upgraded to TLS, and guarded.
//!
//! The library that speaks LDAP is given one end of a socket pair. Between it and the directory stands [`relay`], which
//! hands on only whole messages that [`ber::check`] has walked through: what a directory sends is outside input like any
//! other. TLS is the gateway's own, with certificates and host names always verified.

use super::{
    ber::{self, PasswordPolicy},
    endpoint::{Endpoint, Security},
    entry::{self, Entry},
    state::Dialect,
};
use crate::{chain::Trace, types::Secret};
use bytes::BytesMut;
use futures_util::FutureExt;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchOptions, StdStream,
    controls::{Control, RawControl},
};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    task::JoinSet,
};
use tokio_rustls::TlsConnector;

/// Why a directory could not say. None of these is the user's fault.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{0}: no connection: {1}")]
    Connect(Endpoint, std::io::Error),
    #[error("{0}: TLS: {1}")]
    Tls(Endpoint, String),
    #[error("{0}: the connection broke: {1}")]
    Broken(Endpoint, String),
    #[error("{0}: no answer in time")]
    Slow(Endpoint),
    #[error("{at}: {step} was answered with result code {code}")]
    Answer { at: Endpoint, step: &'static str, code: u32 },
    #[error("{0}")]
    Other(String),
}

impl Fault {
    /// Whether another of the instance's servers may well do better.
    pub fn is_the_servers(&self) -> bool {
        // 51 busy, 52 unavailable.
        matches!(self, Fault::Connect(..) | Fault::Tls(..) | Fault::Broken(..) | Fault::Slow(_))
            || matches!(self, Fault::Answer { code: 51 | 52, .. })
    }
}

/// An open connection. It ends, with its tasks, when it is dropped.
pub struct Line {
    ldap: Ldap,
    at: Endpoint,
    ended: Arc<OnceLock<String>>,
    /// A search was left before its end, so that more of its answers are still to come.
    spent: bool,
    _tasks: JoinSet<()>,
}

/// How a bind was answered.
#[derive(Clone, Debug)]
pub struct BindAnswer {
    pub code: u32,
    pub text: String,
    pub policy: Option<PasswordPolicy>,
}

/// What to look for.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    pub base: &'a str,
    pub scope: Scope,
    pub filter: &'a str,
    pub attributes: &'a [String],
    /// No more entries than this are read, whatever the directory sends.
    pub limit: usize,
    pub seconds: i32,
    pub dialect: Dialect,
}

#[derive(Debug, Default)]
pub struct Hits {
    pub entries: Vec<Entry>,
    /// There were more than the limit.
    pub more: bool,
    /// Where else to look, says the directory.
    pub references: Vec<String>,
}

impl Line {
    pub async fn open(at: &Endpoint, tls: &Arc<ClientConfig>, trace: &Trace) -> Result<Self, Fault> {
        let connected = TcpStream::connect((at.host.as_str(), at.port)).await;
        let mut tcp = connected.map_err(|error| Fault::Connect(at.clone(), error))?;
        let _ = tcp.set_nodelay(true); // only a matter of speed
        trace.note("connect", || at.to_string());
        if at.security == Security::StartTls {
            start_tls(&mut tcp).await.map_err(|said| Fault::Tls(at.clone(), said))?;
        }
        if at.security == Security::Plain {
            return Self::over(tcp, at).await;
        }
        let name = ServerName::try_from(at.host.clone()).map_err(|error| Fault::Tls(at.clone(), error.to_string()))?;
        let secured = TlsConnector::from(tls.clone()).connect(name, tcp).await;
        let stream = secured.map_err(|error| Fault::Tls(at.clone(), error.to_string()))?;
        trace.note("tls", || {
            let version = stream.get_ref().1.protocol_version();
            format!("{}, certificate verified", version.map_or("TLS", |v| v.as_str().unwrap_or("TLS")))
        });
        Self::over(stream, at).await
    }

    async fn over<S: AsyncRead + AsyncWrite + Send + 'static>(stream: S, at: &Endpoint) -> Result<Self, Fault> {
        let broken = |error: String| Fault::Broken(at.clone(), error);
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(|error| broken(error.to_string()))?;
        let ours = ours.set_nonblocking(true).and_then(|()| UnixStream::from_std(ours));
        let ours = ours.map_err(|error| broken(error.to_string()))?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs));
        let opened = LdapConnAsync::with_settings(settings, "ldapi:///").await;
        let (connection, ldap) = opened.map_err(|error| broken(error.to_string()))?;
        let ended = Arc::new(OnceLock::new());
        let mut tasks = JoinSet::new();
        let why = ended.clone();
        tasks.spawn(async move { relay(stream, ours, &why).await });
        tasks.spawn(async move {
            let _ = connection.drive().await; // the relay's reason is the better one
        });
        Ok(Self { ldap, at: at.clone(), ended, spent: false, _tasks: tasks })
    }

    pub fn at(&self) -> &Endpoint {
        &self.at
    }

    /// Whether another search may go over it.
    pub fn is_usable(&self) -> bool {
        !self.spent && self.ended.get().is_none()
    }

    /// A simple bind. An empty password would be an *unauthenticated* bind, which directories answer with success
    /// (RFC 4513 §5.1.2), and an empty name an anonymous one: neither leaves this function.
    pub async fn bind(&mut self, name: &str, password: &Secret<String>) -> Result<BindAnswer, Fault> {
        if name.is_empty() || password.expose().is_empty() {
            return Err(Fault::Other("a bind without a name or a password proves nothing and is not sent".into()));
        }
        let control = RawControl { ctype: ber::PASSWORD_POLICY.to_owned(), crit: false, val: None };
        let (ended, at) = (self.ended.clone(), self.at.clone());
        let asked = self.ldap.with_controls(vec![control]).simple_bind(name, password.expose());
        let answer = guarded(asked, &ended, &at).await?;
        let policy = answer.ctrls.iter().find_map(|Control(_, control)| {
            let value = control.val.as_deref().filter(|_| control.ctype == ber::PASSWORD_POLICY)?;
            ber::password_policy(value)
        });
        Ok(BindAnswer { code: answer.rc, text: answer.text, policy })
    }

    pub async fn search(&mut self, query: &Query<'_>) -> Result<Hits, Fault> {
        let (ended, at) = (self.ended.clone(), self.at.clone());
        // One more than the limit, so that "more" is known; the directory may stop there.
        let most = query.limit + 1;
        let options = SearchOptions::new().sizelimit(i32::try_from(most).unwrap_or(i32::MAX)).timelimit(query.seconds);
        if query.dialect == Dialect::ActiveDirectory {
            // LDAP_SERVER_DOMAIN_SCOPE (MS-ADTS §3.1.1.3.4.1.4): no references to its partitions with every answer.
            let control = RawControl { ctype: "1.2.840.113556.1.4.1339".to_owned(), crit: false, val: None };
            self.ldap.with_controls(vec![control]);
        }
        self.spent = true; // until its end is seen
        let asked = self.ldap.with_search_options(options).streaming_search(
            query.base,
            query.scope,
            query.filter,
            query.attributes.to_vec(),
        );
        let mut stream = guarded(asked, &ended, &at).await?;
        let (mut hits, mut left_early) = (Hits::default(), false);
        while let Some(item) = guarded(stream.next(), &ended, &at).await? {
            if item.is_ref() {
                hits.references
                    .extend(entry::references(item.0).into_iter().take(most - hits.references.len().min(most)));
            } else if !item.is_intermediate() {
                let entry =
                    Entry::read(item.0).ok_or_else(|| Fault::Broken(at.clone(), "an entry is malformed".into()))?;
                hits.entries.push(entry);
            }
            // The directory was told to stop at `most`. One that goes on is not listened to, and its line is not kept.
            if hits.entries.len() > most {
                left_early = true;
                break;
            }
        }
        if hits.entries.len() > query.limit {
            hits.more = true;
            hits.entries.truncate(query.limit);
        }
        if left_early {
            return Ok(hits);
        }
        self.spent = false;
        let result = stream.finish().await;
        match result.rc {
            0 => {}
            4 => hits.more = true,
            10 => hits.references.extend(result.refs.into_iter().take(most)),
            code => return Err(Fault::Answer { at, step: "the search", code }),
        }
        Ok(hits)
    }
}

/// The library's own parsing of results panics on what it does not expect; that must end this connection only.
async fn guarded<T>(
    asked: impl Future<Output = ldap3::result::Result<T>>,
    ended: &OnceLock<String>,
    at: &Endpoint,
) -> Result<T, Fault> {
    match AssertUnwindSafe(asked).catch_unwind().await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Fault::Broken(at.clone(), ended.get().cloned().unwrap_or_else(|| error.to_string()))),
        Err(_) => Err(Fault::Broken(at.clone(), "an answer is malformed".into())),
    }
}

/// Asks for the upgrade. What came after the answer and before the handshake was said by whoever stands on the way;
/// with it, the connection is given up.
async fn start_tls(tcp: &mut TcpStream) -> Result<(), String> {
    tcp.write_all(ber::START_TLS).await.map_err(|error| error.to_string())?;
    let mut buffer = BytesMut::new();
    let message = read_message(tcp, &mut buffer).await?.ok_or("closed instead of an answer to StartTLS")?;
    match ber::start_tls_result(&message) {
        _ if !buffer.is_empty() => Err("something was said between StartTLS and the handshake".into()),
        Some(0) => Ok(()),
        Some(code) => Err(format!("StartTLS was answered with result code {code}")),
        None => Err("the answer to StartTLS is malformed".into()),
    }
}

/// Between the directory and the library, until one of them ends. `why` is said before the sockets close, because that
/// is what the waiting side notices.
async fn relay(stream: impl AsyncRead + AsyncWrite, library: UnixStream, why: &OnceLock<String>) {
    let (mut from_peer, mut to_peer) = tokio::io::split(stream);
    let (mut from_library, mut to_library) = library.into_split();
    let down = async {
        let mut buffer = BytesMut::new();
        loop {
            let message = match read_message(&mut from_peer, &mut buffer).await {
                Ok(Some(message)) => message,
                Ok(None) => return "the directory closed it".to_owned(),
                Err(said) => return said,
            };
            if let Err(error) = to_library.write_all(&message).await {
                return error.to_string();
            }
        }
    };
    let up = async {
        match tokio::io::copy(&mut from_library, &mut to_peer).await {
            Ok(_) => "it was no longer needed".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    let said = tokio::select! { said = down => said, said = up => said };
    let _ = why.set(said); // nobody else sets it
}

/// The next whole and checked message; `None` at an orderly end.
async fn read_message(from: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Result<Option<BytesMut>, String> {
    loop {
        if let Some(length) = ber::message_length(buffer).map_err(|bad| bad.to_string())?
            && buffer.len() >= length
        {
            let message = buffer.split_to(length);
            ber::check(&message).map_err(|bad| bad.to_string())?;
            return Ok(Some(message));
        }
        match from.read_buf(buffer).await {
            Ok(0) if buffer.is_empty() => return Ok(None),
            Ok(0) => return Err("closed in the middle of a message".into()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}
