//! The TCP listener for monitoring: is it alive, is it ready, and its figures. Nothing can be changed here.
//!
//! GET and HEAD on three paths, bodies unread, everything else 404 (attack I5).

use crate::telemetry::{Metrics, Readiness};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, header, header::HeaderValue, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// Monitoring systems and load balancers; a crowd has nothing to do here.
const MOST_CONNECTIONS: usize = 64;
/// For one connection as a whole, kept alive or not.
const PATIENCE: Duration = Duration::from_secs(300);

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What monitoring may see.
pub struct Monitor {
    pub metrics: Arc<Metrics>,
    pub readiness: Arc<Readiness>,
}

/// Answers until `stop` says true.
pub async fn serve(listener: TcpListener, monitor: Arc<Monitor>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    // Dropped at the end, and with it every connection: nobody waits for a scraper's idle keep-alive.
    let mut running = JoinSet::new();
    loop {
        while running.try_join_next().is_some() {}
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        match (accepted, places.clone().try_acquire_owned()) {
            (Ok((stream, _)), Ok(place)) => {
                let monitor = monitor.clone();
                running.spawn(async move {
                    connection(stream, monitor).await;
                    drop(place);
                });
            }
            (Ok((stream, _)), Err(_)) => drop(stream),
            (Err(error), _) => {
                tracing::warn!(%error, "the monitoring listener could not accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, monitor: Arc<Monitor>) {
    let service = service_fn(move |request| {
        let monitor = monitor.clone();
        async move { Ok::<_, Infallible>(answer(&request, &monitor).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10))
        .serve_connection(TokioIo::new(stream), service);
    let _ = tokio::time::timeout(PATIENCE, served).await;
}

async fn answer<B>(request: &Request<B>, monitor: &Monitor) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return respond(StatusCode::NOT_FOUND, TEXT, "not found\n".to_owned());
    }
    match request.uri().path() {
        "/healthz" => respond(StatusCode::OK, TEXT, "alive\n".to_owned()),
        "/readyz" => ready(monitor).await,
        "/metrics" => respond(StatusCode::OK, OPENMETRICS, monitor.metrics.encode()),
        _ => respond(StatusCode::NOT_FOUND, TEXT, "not found\n".to_owned()),
    }
}

async fn ready(monitor: &Monitor) -> Response<Full<Bytes>> {
    let reasons = monitor.readiness.reasons().await;
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "ready": reasons.is_empty(), "reasons": reasons });
    respond(status, JSON, format!("{body}\n"))
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn ask(monitor: &Monitor, method: Method, path: &str) -> (u16, String) {
        let response = answer(&Request::builder().method(method).uri(path).body(()).unwrap(), monitor).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn i5_there_are_three_paths_and_nothing_changes_anything() {
        let monitor = Monitor { metrics: Arc::default(), readiness: Arc::default() };
        assert_eq!(ask(&monitor, Method::GET, "/healthz").await, (200, "alive\n".into()));
        assert_eq!(ask(&monitor, Method::HEAD, "/readyz").await.0, 200);
        assert!(ask(&monitor, Method::GET, "/metrics").await.1.contains("vestibule_build_info"));
        for (method, path) in [
            (Method::POST, "/healthz"),
            (Method::POST, "/v1/execute"),
            (Method::GET, "/v1/execute"),
            (Method::DELETE, "/metrics"),
            (Method::GET, "/"),
        ] {
            assert_eq!(ask(&monitor, method.clone(), path).await.0, 404, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn a_node_that_is_not_ready_says_why() {
        let monitor = Monitor { metrics: Arc::default(), readiness: Arc::default() };
        monitor.readiness.drain();
        let (status, body) = ask(&monitor, Method::GET, "/readyz").await;
        assert_eq!(status, 503);
        assert_eq!(body, "{\"ready\":false,\"reasons\":[{\"part\":\"gateway\",\"cause\":\"told to stop\"}]}\n");
        assert_eq!(ask(&monitor, Method::GET, "/healthz").await.0, 200);
    }
}
