//! An LMS's web server reduced to its wire: it keeps every byte as it came, by connection, and answers what it was
//! told to. With [`Plan::Lms`] it only listens in on the way to the demonstration LMS.

use crate::world::World;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use vestibule::config::Config;

/// What it does with a request.
#[derive(Clone)]
pub enum Plan {
    /// Reads it whole and writes these bytes; the connection stays open.
    Answer(Vec<u8>),
    /// The same, and closes.
    Last(Vec<u8>),
    /// Writes these bytes as soon as the head is there; whatever follows is recorded and not answered.
    Early(Vec<u8>),
    /// Says nothing.
    Silent,
    /// Everything goes to the LMS and back.
    Lms(SocketAddr),
}

pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

#[derive(Default)]
struct Record {
    /// Per connection, in order of arrival.
    connections: Vec<Vec<u8>>,
    /// Heads of whole requests, with their connection.
    heads: Vec<(usize, String)>,
}

struct Shared {
    record: Mutex<Record>,
    plan: watch::Sender<Plan>,
}

pub struct Origin {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Origin {
    pub async fn start(plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared { record: Mutex::default(), plan: watch::channel(plan).0 });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, task }
    }

    /// Open connections end, so that nothing is answered by the old plan.
    pub fn plan(&self, plan: Plan) {
        self.shared.plan.send_replace(plan);
    }

    /// What arrived on each connection so far.
    pub fn bytes(&self) -> Vec<Vec<u8>> {
        self.shared.record.lock().unwrap().connections.clone()
    }

    /// Everything that arrived, as text.
    pub fn text(&self) -> String {
        self.bytes().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// The heads of the requests that arrived whole, with the number of their connection.
    pub fn heads(&self) -> Vec<(usize, String)> {
        self.shared.record.lock().unwrap().heads.clone()
    }

    /// How many bytes arrived; "silent" is when it stays.
    pub fn mark(&self) -> usize {
        self.shared.record.lock().unwrap().connections.iter().map(Vec::len).sum()
    }

    /// Polls until something holds.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..500 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} did not happen; arrived: {}", self.text());
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut serving = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let mut plans = shared.plan.subscribe();
        let plan = plans.borrow_and_update().clone();
        let shared = shared.clone();
        serving.spawn(async move {
            let number = {
                let mut record = shared.record.lock().unwrap();
                record.connections.push(Vec::new());
                record.connections.len() - 1
            };
            tokio::select! {
                // A request that comes after a change of plan is never answered by the old one.
                biased;
                _ = plans.changed() => {}
                _ = serve(stream, plan, &shared, number) => {}
            }
        });
    }
}

async fn serve(mut stream: TcpStream, plan: Plan, shared: &Shared, number: usize) -> std::io::Result<()> {
    if let Plan::Lms(address) = plan {
        return listen_in(stream, address, shared, number).await;
    }
    let (mut pending, mut buffer, mut answered) = (Vec::new(), vec![0; 64 * 1024], false);
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        shared.record.lock().unwrap().connections[number].extend_from_slice(&buffer[..n]);
        pending.extend_from_slice(&buffer[..n]);
        match &plan {
            Plan::Early(answer) if !answered && head_end(&pending).is_some() => {
                answered = true;
                stream.write_all(answer).await?;
            }
            Plan::Answer(answer) | Plan::Last(answer) => {
                while let Some(end) = request_end(&pending) {
                    let head = head_end(&pending).unwrap_or_default();
                    let head = String::from_utf8_lossy(&pending[..head]).into_owned();
                    shared.record.lock().unwrap().heads.push((number, head));
                    pending.drain(..end);
                    stream.write_all(answer).await?;
                    if matches!(plan, Plan::Last(_)) {
                        return stream.shutdown().await;
                    }
                }
            }
            Plan::Early(_) | Plan::Silent | Plan::Lms(_) => {}
        }
    }
}

async fn listen_in(mut near: TcpStream, lms: SocketAddr, shared: &Shared, number: usize) -> std::io::Result<()> {
    let mut far = TcpStream::connect(lms).await?;
    let ((mut near_read, mut near_write), (mut far_read, mut far_write)) = (near.split(), far.split());
    let there = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let n = near_read.read(&mut buffer).await?;
            if n == 0 {
                return far_write.shutdown().await;
            }
            shared.record.lock().unwrap().connections[number].extend_from_slice(&buffer[..n]);
            far_write.write_all(&buffer[..n]).await?;
        }
    };
    let back = async {
        tokio::io::copy(&mut far_read, &mut near_write).await?;
        near_write.shutdown().await
    };
    tokio::try_join!(there, back).map(|_| ())
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

/// Where the first request ends, by its length or its last chunk; trailers belong to it.
fn request_end(bytes: &[u8]) -> Option<usize> {
    let body = head_end(bytes)?;
    let head = String::from_utf8_lossy(&bytes[..body]).to_lowercase();
    let field = |name: &str| head.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
    if let Some(length) = field("content-length:") {
        let end = body + length.parse::<usize>().ok()?;
        return (bytes.len() >= end).then_some(end);
    }
    if field("transfer-encoding:").is_none() {
        return Some(body);
    }
    let mut at = body;
    loop {
        let line = bytes[at..].windows(2).position(|w| w == b"\r\n")? + at;
        let size = String::from_utf8_lossy(&bytes[at..line]).split(';').next()?.trim().to_owned();
        let size = usize::from_str_radix(&size, 16).ok()?;
        if size == 0 {
            return if bytes.get(line + 2..line + 4)? == b"\r\n" {
                Some(line + 4)
            } else {
                Some(line + 2 + head_end(&bytes[line + 2..])?)
            };
        }
        at = line + 2 + size + 2;
        if at > bytes.len() {
            return None;
        }
    }
}

/// The gateway in front of an origin, with nobody signed in. `/theme/…` is open and streams to it.
pub struct Bench {
    pub world: World,
    pub origin: Origin,
}

impl Bench {
    pub async fn start() -> Self {
        Self::with(Plan::Answer(OK.to_vec()), |_| {}).await
    }

    pub async fn with(plan: Plan, change: impl FnOnce(&mut Config)) -> Self {
        // What the gateway asks at its start is answered with nothing of use and is then over.
        let origin = Origin::start(Plan::Answer(OK.to_vec())).await;
        let url = format!("http://{}", origin.address);
        let world = World::with(|config| {
            config.sites[0].upstream.url = url.parse().expect("an origin");
            change(config);
        })
        .await;
        origin.until("the question at the start", |origin| origin.heads().len() == 1).await;
        origin.plan(plan);
        *origin.shared.record.lock().unwrap() = Record::default();
        Self { world, origin }
    }

    /// As `localhost` with or without its port.
    pub fn host(&self) -> &str {
        self.world.url.trim_start_matches("https://")
    }
}

/// The gateway in front of the demonstration LMS, with an origin that listens in.
pub async fn tapped() -> (World, Origin) {
    let origin = Origin::start(Plan::Silent).await;
    let url = format!("http://{}", origin.address);
    let world = World::with(|config| {
        let lms = config.sites[0].upstream.url.authority().parse().expect("an address");
        origin.plan(Plan::Lms(lms));
        config.sites[0].upstream.url = url.parse().expect("an origin");
    })
    .await;
    (world, origin)
}
