//! What may stand between a gateway and a directory: a relay that stops, drips or breaks off at a chosen message, and
//! a server that answers each message with given bytes.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What becomes of a connection.
#[derive(Clone, Debug)]
pub enum Way {
    Pass,
    /// So many messages of the server come through, then none, and nothing is closed.
    HangAfter(usize),
    /// So many messages of the server come through, then the connection is reset.
    ResetAfter(usize),
    /// The server's bytes come one a second.
    Drip,
    /// No server: each message is answered with the next of these, and the connection then stays open in silence.
    Answer(Vec<Vec<u8>>),
}

pub struct Between {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Between {
    /// In front of the server on that port of 127.0.0.1. Messages are counted on unencrypted connections only.
    pub async fn start(port: u16, way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        let counted = connections.clone();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Relaxed);
                let way = way.clone();
                open.spawn(async move {
                    let _ = serve(client, port, way).await; // how a connection ends is the test's business
                });
            }
        });
        Self { address, connections, _tasks: tasks }
    }

    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }
    pub fn tls_url(&self) -> String {
        format!("ldaps://{}", self.address)
    }
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

async fn serve(mut client: TcpStream, port: u16, way: Way) -> std::io::Result<()> {
    if let Way::Answer(answers) = way {
        for answer in answers {
            message(&mut client).await?;
            client.write_all(&answer).await?;
        }
        return std::future::pending().await;
    }
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut from_server, mut to_server) = server.split();
    let (mut from_client, mut to_client) = client.split();
    let up = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
    let down = async {
        match way {
            Way::Pass | Way::Answer(_) => tokio::io::copy(&mut from_server, &mut to_client).await.map(drop),
            Way::HangAfter(count) => {
                for _ in 0..count {
                    let passed = message(&mut from_server).await?;
                    to_client.write_all(&passed).await?;
                }
                std::future::pending().await
            }
            Way::ResetAfter(count) => {
                for _ in 0..count {
                    let passed = message(&mut from_server).await?;
                    to_client.write_all(&passed).await?;
                }
                // The next answer never comes through: the question has been asked by then.
                message(&mut from_server).await.map(drop)
            }
            Way::Drip => loop {
                let byte = from_server.read_u8().await?;
                to_client.write_all(&[byte]).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            },
        }
    };
    let resets = matches!(way, Way::ResetAfter(_));
    tokio::select! { done = up => done?, done = down => done? }
    if resets {
        client.set_zero_linger()?;
    }
    Ok(())
}

/// One LDAP message: a BER sequence with its length.
async fn message(from: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![from.read_u8().await?, from.read_u8().await?];
    let mut length = usize::from(bytes[1]);
    if length >= 0x80 {
        let mut long = vec![0; length & 0x7f];
        from.read_exact(&mut long).await?;
        length = long.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        bytes.extend(long);
    }
    let start = bytes.len();
    bytes.resize(start + length, 0);
    from.read_exact(&mut bytes[start..]).await?;
    Ok(bytes)
}
