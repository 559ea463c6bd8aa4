//! The accept loops: HTTPS into pingora, plain HTTP into a redirect, and how both end.

use super::{
    Config,
    conn::{Conn, HeadLimits},
    gate::Gate,
    proxy::Gateways,
};
use arc_swap::ArcSwap;
use http::{Response, StatusCode, header};
use http_body_util::Empty;
use hyper_util::rt::{TokioIo, TokioTimer};
use pingora_core::{
    apps::{HttpServerOptions, ServerApp},
    protocols::http::v2::server::default_h2_options,
    server::configuration::ServerConf,
};
use pingora_proxy::HttpProxy;
use rustls::ServerConfig;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Serves HTTPS until `stop` turns true, then drains.
pub async fn serve_https(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    gateways: Gateways,
    config: Config,
    stop: watch::Receiver<bool>,
) {
    let proxy = Arc::new(http_proxy(gateways, &config));
    let acceptor = TlsAcceptor::from(tls);
    let places = Arc::new(Semaphore::new(config.max_connections));
    let limits = HeadLimits {
        time: Duration::from_secs(config.head_timeout_seconds),
        bytes: config.max_head_bytes.saturating_mul(4),
    };
    let mut connections = JoinSet::new();
    let mut stopping = stop.clone();
    loop {
        // A place first, so that the next client waits in the kernel's queue and not in ours (design R10).
        let Ok(place) = places.clone().acquire_owned().await else { break };
        tokio::select! {
            accepted = listener.accept() => {
                let Some((tcp, peer)) = accepted_or_pause(accepted).await else { continue };
                let (acceptor, proxy, stop) = (acceptor.clone(), proxy.clone(), stop.clone());
                connections.spawn(async move {
                    let _place = place;
                    let handshake = tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(tcp)).await;
                    let Ok(Ok(stream)) = handshake else { return };
                    if let Ok(conn) = Conn::new(stream, peer, limits) {
                        proxy.process_new(Box::new(conn), &stop).await;
                    }
                });
                while connections.try_join_next().is_some() {}
            }
            _ = stopping.changed() => break,
        }
    }
    drop(listener);
    proxy.cleanup().await;
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(Duration::from_secs(config.drain_seconds), drained).await.is_err() {
        tracing::warn!("some requests were still running at the end of edge.drain_seconds and were cut off");
    }
}

fn http_proxy(gateways: Gateways, config: &Config) -> HttpProxy<Gateways> {
    // One retry, and only of what pingora knows to be safe: a request that met a connection just closing.
    let conf = ServerConf { threads: 1, upstream_keepalive_pool_size: 256, max_retries: 1, ..ServerConf::default() };
    let mut proxy = HttpProxy::new(gateways, Arc::new(conf));
    proxy.handle_init_modules();
    let mut h2 = default_h2_options();
    h2.max_header_list_size(u32::try_from(config.max_head_bytes).unwrap_or(u32::MAX));
    h2.max_concurrent_streams(128);
    proxy.h2_options = Some(h2);
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(Duration::from_secs(75));
    options.keepalive_request_limit = Some(10_000);
    proxy.server_options = Some(options);
    proxy
}

/// Out of file descriptors (fault X22): the listener pauses instead of spinning.
async fn accepted_or_pause(accepted: std::io::Result<(TcpStream, SocketAddr)>) -> Option<(TcpStream, SocketAddr)> {
    match accepted {
        Ok((tcp, peer)) => {
            let _ = tcp.set_nodelay(true);
            Some((tcp, peer))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// Plain HTTP: a redirect to the same place over https on a host that is ours, and 400 for anything else.
pub async fn serve_http(listener: TcpListener, gates: Arc<ArcSwap<Gate>>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Some((tcp, _)) = accepted_or_pause(accepted).await else { continue };
                if connections.len() >= 1000 {
                    continue;
                }
                let gates = gates.clone();
                connections.spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        let response = redirect(&request, &gates.load());
                        async move { Ok::<_, std::convert::Infallible>(response) }
                    });
                    let serve = hyper::server::conn::http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(Duration::from_secs(5))
                        .keep_alive(false)
                        .serve_connection(TokioIo::new(tcp), service);
                    let _ = tokio::time::timeout(Duration::from_secs(10), serve).await;
                });
                while connections.try_join_next().is_some() {}
            }
            _ = stop.changed() => break,
        }
    }
}

fn redirect<B>(request: &http::Request<B>, gate: &Gate) -> Response<Empty<bytes::Bytes>> {
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok());
    let name = host.and_then(|h| super::hygiene::canonical_host(h).ok()).map(|h| h.name);
    let ours = name.and_then(|name| gate.houses.get(&name));
    let target = request.uri().path_and_query().map_or("/", |t| t.as_str());
    let mut response = Response::new(Empty::new());
    let location = ours.filter(|_| target.starts_with('/')).map(|house| format!("https://{}{target}", house.authority));
    match location.and_then(|l| http::HeaderValue::from_str(&l).ok()) {
        Some(location) => {
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().insert(header::LOCATION, location);
        }
        None => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response
}
