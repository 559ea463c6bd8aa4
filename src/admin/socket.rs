//! The Unix socket: `POST /v1/execute` with a [`Command`] as JSON, for the gateway's own user and root.
//!
//! Two locks on one door: the file has mode 0600 from the moment it has its name, and the kernel is asked who is at
//! the other end of every connection. Only POST with a JSON body does anything (attack I5).

use super::{Admin, AdminError, Command, HelpError, Operator, Reply};
use crate::types::{Rng, RngExt};
use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// The one path there is.
pub const EXECUTE: &str = "/v1/execute";

/// A command is a few words; an import of the most accounts that one may have takes this.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Operators at one time; more than these wait.
const MOST_CONNECTIONS: usize = 16;
/// For one connection as a whole: a pass over a large directory takes minutes.
const PATIENCE: Duration = Duration::from_secs(900);

/// Why an act was not done, on the wire.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refusal {
    pub error: String,
}

/// A bound socket. The file goes when this does.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
    own_uid: u32,
}

impl AdminSocket {
    /// Takes `path`. A socket that nobody answers on is a dead gateway's and is replaced; anything else is not.
    pub async fn bind(path: &Path, rng: &dyn Rng) -> io::Result<Self> {
        refuse_if_taken(path).await?;
        let own_uid = UnixStream::pair()?.0.peer_cred()?.uid();
        // Bound where nobody else can reach it, narrowed, and only then given its name: no moment in which the
        // umask decides who may connect.
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let hidden = folder.join(format!(".{}", rng.hex(4)));
        fs::DirBuilder::new().mode(0o700).create(&hidden)?;
        let bound = bind_in(&hidden, path);
        let _ = fs::remove_dir_all(&hidden);
        Ok(Self { listener: bound?, path: path.to_owned(), own_uid })
    }

    /// Answers until `stop` says true, each time with the configuration in force; then ends what is being answered.
    pub async fn serve(self, admin: Arc<ArcSwap<Admin>>, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut running = JoinSet::new();
        loop {
            while running.try_join_next().is_some() {}
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                accepted = self.accept(&places) => accepted,
            };
            match accepted {
                Ok((stream, place)) => {
                    let (admin, own_uid) = (admin.load_full(), self.own_uid);
                    running.spawn(async move {
                        connection(stream, admin, own_uid).await;
                        drop(place);
                    });
                }
                // Out of file descriptors, mostly: let others end before the next try.
                Err(error) => {
                    tracing::warn!(%error, "the administration socket could not accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        let _ = tokio::time::timeout(Duration::from_secs(5), running.join_all()).await;
    }

    async fn accept(&self, places: &Arc<Semaphore>) -> io::Result<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
        let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
        Ok((self.listener.accept().await?.0, place))
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn bind_in(hidden: &Path, path: &Path) -> io::Result<UnixListener> {
    let first = hidden.join("s");
    let listener = UnixListener::bind(&first)?;
    fs::set_permissions(&first, fs::Permissions::from_mode(0o600))?;
    fs::rename(&first, path)?;
    Ok(listener)
}

async fn refuse_if_taken(path: &Path) -> io::Result<()> {
    let taken = |what: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, format!("{} {what}", path.display())));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(there) if !there.file_type().is_socket() => taken("is there and is not a socket"),
        Ok(_) if UnixStream::connect(path).await.is_ok() => taken("belongs to a gateway that runs"),
        Ok(_) => Ok(()),
    }
}

async fn connection(stream: UnixStream, admin: Arc<Admin>, own_uid: u32) {
    let Ok(peer) = stream.peer_cred() else { return };
    let allowed = may(peer.uid(), own_uid);
    if !allowed {
        tracing::warn!(uid = peer.uid(), "another user tried the administration socket");
    }
    let operator = Operator { uid: peer.uid() };
    let service = service_fn(move |request| {
        let admin = admin.clone();
        async move { Ok::<_, std::convert::Infallible>(answer(request, &admin, operator, allowed).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10))
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let _ = tokio::time::timeout(PATIENCE, served).await;
}

/// Mode 0600 keeps others out already; this also holds where somebody has widened the file.
fn may(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

async fn answer(request: Request<Incoming>, admin: &Admin, by: Operator, allowed: bool) -> Response<Full<Bytes>> {
    if !allowed {
        return refuse(StatusCode::FORBIDDEN, "only the gateway's own user and root administer");
    }
    if request.uri().path() != EXECUTE {
        return refuse(StatusCode::NOT_FOUND, "there is only /v1/execute here");
    }
    if request.method() != Method::POST {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "acts of administration are POSTed");
    }
    let json = request.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json");
    if !json {
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the command is application/json");
    }
    let Ok(body) = Limited::new(request.into_body(), MOST_BYTES).collect().await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the command did not arrive, or is too long");
    };
    match serde_json::from_slice::<Command>(&body.to_bytes()) {
        Err(error) => refuse(StatusCode::BAD_REQUEST, &format!("not a command: {error}")),
        Ok(command) => match admin.execute(by, command).await {
            Ok(reply) => respond(StatusCode::OK, &reply),
            Err(error) => refuse(status(&error), &error.to_string()),
        },
    }
}

fn status(error: &AdminError) -> StatusCode {
    match error {
        AdminError::Store(_) | AdminError::Half { .. } => StatusCode::SERVICE_UNAVAILABLE,
        AdminError::Keyring(_) => StatusCode::INTERNAL_SERVER_ERROR,
        AdminError::Reload(_) => StatusCode::UNPROCESSABLE_ENTITY,
        AdminError::NotRunning => StatusCode::SERVICE_UNAVAILABLE,
        AdminError::Mail(_) => StatusCode::BAD_GATEWAY,
        AdminError::Method(error) => error.status(),
        AdminError::Help(HelpError::NoFactor(_) | HelpError::NoExemption { .. }) => StatusCode::NOT_FOUND,
        AdminError::Help(_) => StatusCode::BAD_REQUEST,
        AdminError::NoAccount(_)
        | AdminError::NoSession(_)
        | AdminError::NoToken(_)
        | AdminError::NoDevice(_)
        | AdminError::NoSite { .. }
        | AdminError::NoSource { .. }
        | AdminError::NoRule { .. }
        | AdminError::NotLocal { .. }
        | AdminError::NoLocal { .. } => StatusCode::NOT_FOUND,
        AdminError::Ambiguous { .. }
        | AdminError::AmbiguousSession(_)
        | AdminError::Refused(_)
        | AdminError::LocalExists { .. }
        | AdminError::ImportRace => StatusCode::CONFLICT,
        AdminError::ShortKey
        | AdminError::NoTarget
        | AdminError::BadName(_)
        | AdminError::NoPassword
        | AdminError::BadAccount(_)
        | AdminError::Import(_) => StatusCode::BAD_REQUEST,
    }
}

fn refuse(status: StatusCode, error: &str) -> Response<Full<Bytes>> {
    respond(status, &Refusal { error: error.to_owned() })
}

fn respond(status: StatusCode, body: &impl Serialize) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// What came of asking a running gateway.
#[derive(Debug)]
pub enum Asked {
    Reply(Reply),
    Refused(String),
    /// Nobody answers on that socket: no gateway runs.
    Nobody,
}

/// Asks the gateway behind `path`.
pub async fn ask(path: &Path, command: &Command) -> io::Result<Asked> {
    use io::ErrorKind::{ConnectionRefused, NotFound};
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => return Ok(Asked::Nobody),
        Err(error) => return Err(error),
    };
    let (status, body) =
        tokio::time::timeout(PATIENCE, exchange(stream, command)).await.map_err(io::Error::other)??;
    if status == StatusCode::OK {
        return Ok(Asked::Reply(serde_json::from_slice(&body)?));
    }
    let told = serde_json::from_slice::<Refusal>(&body).map(|refusal| refusal.error);
    Ok(Asked::Refused(told.unwrap_or_else(|_| format!("the gateway answered {status}"))))
}

async fn exchange(stream: UnixStream, command: &Command) -> io::Result<(StatusCode, Bytes)> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = Request::post(EXECUTE)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(serde_json::to_vec(command)?)))
        .map_err(io::Error::other)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(io::Error::other)?;
        Ok((status, body.to_bytes()))
    };
    // The connection only moves while somebody polls it; it ends with the answer.
    tokio::pin!(answer);
    tokio::select! {
        done = &mut answer => done,
        ended = connection => { ended.map_err(io::Error::other)?; answer.await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i5_only_the_own_user_and_root_may() {
        assert!(may(1000, 1000) && may(0, 1000));
        assert!(!may(1001, 1000) && !may(1000, 0));
    }
}
