//! Pingora's hooks: each hands over to the gate or the watch and does as they say. Bodies that must be read before
//! anything is decided are read here, within their bounds.

use super::{
    body,
    conn::Conn,
    gate::{Act, Forward, Gate, House, Reading, Refusal, Sends},
    hygiene::{BadRequest, drop_response_header},
    relay::rewrite_location,
    reply::{self, Reply},
    request::Incoming,
    rescue,
};
use crate::{
    keys,
    lms::Intent,
    sessions::cookie,
    types::{RequestId, RngExt},
};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorSource, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

/// 100, 102 and 103 before one answer. More is a peer that never comes to the point (attack C9).
const INTERIM_LIMIT: u32 = 16;

/// How often an open websocket's session is looked at; a local lookup.
const GUARD_EVERY: Duration = Duration::from_millis(500);

/// Pingora's application. A reload puts another gate in the place of this one.
#[derive(Clone)]
pub struct Gateways(pub Arc<ArcSwap<Gate>>);

/// The gate that one request found when it came: from its head to its end there is one configuration.
#[derive(Clone)]
pub struct Gateway(pub Arc<Gate>);

/// One request's state between hooks.
pub struct Ctx {
    gateway: Gateway,
    id: RequestId,
    since: std::time::Instant,
    site: Option<Arc<House>>,
    /// For metrics.
    intent: &'static str,
    incoming: Option<Incoming>,
    forward: Option<Box<Forward>>,
    /// Written instead of what the LMS answered.
    instead: Option<Reply>,
    /// Interim answers (1xx) of the LMS's so far.
    interim: u32,
    status: u16,
}

#[async_trait]
impl ProxyHttp for Gateways {
    type CTX = Ctx;

    /// Called once a request's head has been read.
    fn new_ctx(&self) -> Ctx {
        let gate = self.0.load_full();
        Ctx {
            id: RequestId::new(gate.desk.rng.hex(8)),
            gateway: Gateway(gate),
            since: std::time::Instant::now(),
            site: None,
            intent: "refused",
            incoming: None,
            forward: None,
            instead: None,
            interim: 0,
            status: 0,
        }
    }

    async fn early_request_filter(&self, session: &mut Session, _ctx: &mut Ctx) -> Result<()> {
        if let Some(info) = Conn::info(session.digest()) {
            info.head_was_read();
        }
        session.set_read_timeout(Some(Duration::from_secs(60)));
        session.set_write_timeout(Some(Duration::from_secs(60)));
        // Interim answers are between the LMS and us; a client that expects one gets ours.
        session.set_ignore_info_resp(true);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        // A panic ends this request, not the connection's task and never the gateway (fault X26).
        let gateway = ctx.gateway.clone();
        let decided = AssertUnwindSafe(gateway.decide(session, ctx)).catch_unwind().await;
        let decided = decided.unwrap_or_else(|_| {
            tracing::error!(request_id = %ctx.id, "a request ended in a panic; this is a defect, please report it");
            gateway.0.metrics.panicked();
            Ok(Some(rescue::json(500, &ctx.id)))
        });
        match decided? {
            Some(answer) => {
                ctx.status = answer.status().as_u16();
                gateway.write(session, answer).await?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    async fn upstream_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let Some(forward) = &ctx.forward else { return Err(Error::new(ErrorType::InternalError)) };
        let (house, config) = (&forward.house, &ctx.gateway.0.config);
        let address = **house.peer.load();
        let sni = house.upstream_tls.clone().unwrap_or_default();
        let mut peer = HttpPeer::new(address, house.upstream_tls.is_some(), sni);
        let patience = Duration::from_secs(config.upstream_read_seconds);
        peer.options.connection_timeout = Some(Duration::from_secs(config.upstream_connect_seconds));
        peer.options.total_connection_timeout = Some(Duration::from_secs(config.upstream_connect_seconds));
        peer.options.read_timeout = Some(patience);
        peer.options.write_timeout = Some(patience);
        peer.options.idle_timeout = Some(Duration::from_secs(50));
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        let Some(forward) = &ctx.forward else { return Err(Error::new(ErrorType::InternalError)) };
        // Written anew: nothing of the client's head survives but framing, which pingora has judged, and the pair
        // that asks for a websocket, which pingora's policy has let through.
        let body = forward.sends == Sends::TheClientsBody;
        let was_read = !body && request.method == Method::POST;
        let framing = |name: &HeaderName| {
            (body && matches!(*name, header::CONTENT_LENGTH | header::TRANSFER_ENCODING))
                || (forward.websocket && matches!(*name, header::CONNECTION | header::UPGRADE))
        };
        let names: Vec<HeaderName> = request.headers.keys().filter(|name| !framing(name)).cloned().collect();
        names.iter().for_each(|name| drop(request.remove_header(name)));
        if was_read {
            request.set_method(Method::GET);
            // Without it pingora would announce chunks that never come, because the client did send a body.
            request.insert_header(header::CONTENT_LENGTH, "0")?;
        }
        for (name, value) in &forward.headers {
            if matches!(name.as_str(), "connection" | "upgrade") {
                continue;
            }
            let value = HeaderValue::from_bytes(value).map_err(|_| Error::new(ErrorType::InvalidHTTPHeader))?;
            request.append_header(name.clone(), value)?;
        }
        request.set_raw_path(forward.target.as_bytes())
    }

    async fn response_filter(&self, session: &mut Session, response: &mut ResponseHeader, ctx: &mut Ctx) -> Result<()> {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            // Unasked for, it would turn this connection into a tunnel past the gate (attack C6).
            let asked = ctx.forward.as_ref().is_some_and(|forward| forward.websocket) && session.is_upgrade_req();
            if !asked {
                return Err(Error::explain(ErrorType::HTTPStatus(502), "a switch of protocols nobody asked for"));
            }
        } else if response.status.is_informational() {
            return interim(response, ctx);
        }
        let watched = match (&ctx.forward, &ctx.incoming) {
            (Some(forward), Some(incoming)) => ctx.gateway.watch(forward, incoming, response).await,
            (None, _) | (_, None) => return Ok(()),
        };
        let set_cookies = match watched {
            Ok(lines) => lines,
            Err(answer) => {
                ctx.instead = Some(answer);
                return Err(Error::explain(ErrorType::HTTPStatus(502), "the answer was withheld"));
            }
        };
        let upgraded = session.was_upgraded() || response.status == StatusCode::SWITCHING_PROTOCOLS;
        if upgraded && let Some(incoming) = &ctx.incoming {
            self.guard(session, incoming);
        }
        let keep = |name: &HeaderName| upgraded && matches!(*name, header::CONNECTION | header::UPGRADE);
        let dropped: Vec<HeaderName> = response
            .headers
            .keys()
            .filter(|name| **name == header::SET_COOKIE || (drop_response_header(name.as_str()) && !keep(name)))
            .cloned()
            .collect();
        dropped.iter().for_each(|name| drop(response.remove_header(name)));
        for line in set_cookies {
            response.append_header(header::SET_COOKIE, line)?;
        }
        if let Some(forward) = &ctx.forward
            && response.headers.contains_key(header::LOCATION)
        {
            let mut headers = HeaderMap::new();
            headers.extend(response.headers.get(header::LOCATION).map(|l| (header::LOCATION, l.clone())));
            rewrite_location(&mut headers, &forward.house);
            if let Some(location) = headers.remove(header::LOCATION) {
                response.insert_header(header::LOCATION, location)?;
            }
        }
        ctx.gateway.add_hsts(|name, value| response.insert_header(name, value).map(|_| ()))?;
        ctx.status = response.status.as_u16();
        Ok(())
    }

    /// Trailers are dropped both ways (attack B6).
    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        _ctx: &mut Ctx,
    ) -> Result<Option<Bytes>> {
        trailers.clear();
        Ok(None)
    }

    /// On a websocket every message asks again whether the session still lives (attack D10).
    async fn request_body_filter(
        &self,
        session: &mut Session,
        _body: &mut Option<Bytes>,
        _end: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if session.was_upgraded()
            && let Some(incoming) = &ctx.incoming
            && !self.0.load_full().is_signed_in(incoming).await
        {
            return Err(Error::explain(ErrorType::ConnectionClosed, "the session of this websocket has ended"));
        }
        Ok(())
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Ctx) -> FailToProxy {
        let code = status_of(error);
        if code > 0 && session.response_written().is_none() {
            let answer = ctx.instead.take().unwrap_or_else(|| ctx.gateway.error_answer(ctx, code));
            ctx.status = answer.status().as_u16();
            session.set_keepalive(None);
            let _ = ctx.gateway.write(session, answer).await;
        }
        if *error.esource() == ErrorSource::Upstream
            && let Some(house) = &ctx.site
        {
            ctx.gateway.0.metrics.upstream_error(house.name().as_str(), "stream");
            tracing::warn!(request_id = %ctx.id, site = %house.name(), %error, "the LMS could not be reached");
        }
        FailToProxy { error_code: code, can_reuse_downstream: false }
    }

    /// Our own log line has what matters; pingora's would hold the request line, and tokens travel there.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, _error: &Error) -> bool {
        true
    }

    fn request_summary(&self, _session: &Session, ctx: &Ctx) -> String {
        format!("request {}", ctx.id)
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        if let Some(info) = Conn::info(session.digest()) {
            info.request_is_over();
        }
        let site = ctx.site.as_ref().map_or("-", |house| house.name().as_str());
        ctx.gateway.0.metrics.request(site, ctx.intent, ctx.status);
        // The path alone: queries carry tokens and passwords (attack H2).
        let path = ctx.incoming.as_ref().map_or("-", |incoming| loggable(incoming));
        tracing::info!(
            request_id = %ctx.id,
            site,
            client = ctx.incoming.as_ref().map(|i| i.client.to_string()),
            method = %session.req_header().method,
            path,
            status = ctx.status,
            ms = ctx.since.elapsed().as_millis() as u64,
            error = error.map(|e| e.etype().as_str()),
            "request"
        );
    }
}

impl Gateways {
    /// A websocket ends within half a second of its session, also where the LMS does all the talking. It may stay open
    /// for days, so it is judged by the configuration in force and not by the one it came under: a rule that was
    /// tightened counts for it as for any page. The task ends with the connection, of which it holds nothing.
    fn guard(&self, session: &Session, incoming: &Incoming) {
        let Some(key) = incoming.cookie(cookie::SESSION).map(keys::session_key) else { return };
        let Some(conn) = Conn::info(session.digest()).as_ref().map(Arc::downgrade) else { return };
        let (gates, host, client) = (self.0.clone(), incoming.host.name.clone(), incoming.client);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(GUARD_EVERY);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(conn) = conn.upgrade() else { return };
                let gate = gates.load_full();
                let lives = match gate.houses.get(&host) {
                    Some(house) => matches!(gate.live(house, &key, client).await, Ok(Some(_))),
                    None => false,
                };
                if !lives {
                    return conn.cut();
                }
            }
        });
    }
}

impl Gateway {
    /// An answer of ours, or `None` where the request goes on through pingora.
    async fn decide(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Option<Reply>> {
        let gate = &self.0;
        let read = Incoming::read(session, ctx.id.clone(), gate.config.max_head_bytes, &gate.config.trusted_proxies);
        let incoming = match read {
            Ok(incoming) => incoming,
            Err(bad) => return Ok(Some(self.bad(session, &ctx.id, bad))),
        };
        let house = match gate.house(&incoming) {
            Ok(house) => house,
            Err(bad) => return Ok(Some(self.bad(session, &ctx.id, bad))),
        };
        ctx.site = Some(house.clone());
        let wants = match Gate::wants(&incoming) {
            Ok(wants) => wants,
            Err(bad) => return Ok(Some(self.bad(session, &ctx.id, bad))),
        };
        ctx.intent = wants.map_or("own", Intent::name);
        let act = gate.admit(&house, &incoming, wants).await;
        let act = match act {
            Ok(Act::ReadBody(reading, limit)) => match body::read(session, &incoming, limit).await? {
                Ok((body, _room)) => gate.read(&house, &incoming, reading, &body).await,
                Err(status) => Ok(Act::Reply(self.unread(&incoming, reading, status))),
            },
            Ok(Act::Upload) => self.upload(session, &house, &incoming).await.map(Act::Reply),
            act => act,
        };
        let answer = match act {
            Ok(Act::Reply(answer)) => Some(answer),
            Ok(Act::Forward(forward)) => {
                // `Expect` is not sent on, so nobody else would ask the client for its body (attack C8).
                body::continue_if_expected(session, &incoming).await?;
                ctx.forward = Some(forward);
                None
            }
            // Both have been carried out above; neither leads to itself.
            Ok(Act::ReadBody(..) | Act::Upload) => Some(gate.refuse(&incoming, 500)),
            Err(Refusal::Bad(bad)) => Some(self.bad(session, &ctx.id, bad)),
            Err(Refusal::Store(error)) => {
                tracing::warn!(request_id = %ctx.id, %error, "a request could not be decided and was refused");
                gate.metrics.store_error(error.store);
                Some(rescue::with_retry(gate.refuse(&incoming, 503), 503))
            }
        };
        ctx.incoming = Some(incoming);
        Ok(answer)
    }

    /// A malformed request: the connection ends with the answer, because nobody knows where the next one begins.
    fn bad(&self, session: &mut Session, id: &RequestId, bad: BadRequest) -> Reply {
        tracing::debug!(request_id = %id, status = bad.status, reason = bad.reason, "a request was refused");
        session.set_keepalive(None);
        rescue::json(bad.status, id)
    }

    /// A body that was not read to its end.
    fn unread(&self, incoming: &Incoming, reading: Reading, status: u16) -> Reply {
        let answer = match reading {
            Reading::AppSignIn | Reading::Verify => return super::app::unread(status),
            Reading::AppCall | Reading::AppFile | Reading::AppUploadForm => {
                let mut answer = rescue::json(status, &incoming.id);
                reply::set(answer.headers_mut(), header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
                answer
            }
            Reading::Own
            | Reading::SignIn
            | Reading::ChangePassword
            | Reading::Ajax
            | Reading::AjaxOpen
            | Reading::Send
            | Reading::LtiReturn => self.0.refuse(incoming, status),
            Reading::Keep => self.0.unkept(incoming, status),
        };
        rescue::with_retry(answer, status)
    }

    fn error_answer(&self, ctx: &Ctx, code: u16) -> Reply {
        let answer = match &ctx.incoming {
            Some(incoming) => self.0.refuse(incoming, code),
            None => rescue::json(code, &ctx.id),
        };
        rescue::with_retry(answer, code)
    }

    fn add_hsts(&self, mut set: impl FnMut(HeaderName, String) -> Result<()>) -> Result<()> {
        match self.0.config.hsts_seconds {
            0 => Ok(()),
            age => set(header::STRICT_TRANSPORT_SECURITY, format!("max-age={age}")),
        }
    }

    async fn write(&self, session: &mut Session, answer: Reply) -> Result<()> {
        let (parts, body) = answer.into_parts();
        let mut response = ResponseHeader::build(parts.status, Some(parts.headers.len() + 3))?;
        for (name, value) in &parts.headers {
            if *name != header::CONTENT_LENGTH && *name != header::TRANSFER_ENCODING {
                response.append_header(name.clone(), value.clone())?;
            }
        }
        self.add_hsts(|name, value| response.insert_header(name, value).map(|_| ()))?;
        let bodiless = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if !bodiless {
            response.insert_header(header::CONTENT_LENGTH, body.len().to_string())?;
        }
        // What was not read of a request would be taken for the next one (attack C4).
        if !session.as_downstream_mut().is_body_done() {
            session.set_keepalive(None);
        }
        let empty = bodiless || body.is_empty() || session.req_header().method == Method::HEAD;
        session.write_response_header(Box::new(response), empty).await?;
        if !empty {
            session.write_response_body(Some(body), true).await?;
        } else if session.as_downstream().is_http2() {
            // There an end is a frame of its own; pingora sends none after a header that `fail_to_proxy` wrote.
            session.as_downstream_mut().finish_body().await?;
        }
        body::linger(session).await;
        Ok(())
    }
}

/// An interim answer says nothing that the watch has not seen: no cookie, no name (design R2, R9).
fn interim(response: &mut ResponseHeader, ctx: &mut Ctx) -> Result<()> {
    ctx.interim += 1;
    if ctx.interim > INTERIM_LIMIT {
        return Err(Error::explain(ErrorType::HTTPStatus(502), "interim answers without end"));
    }
    let names: Vec<HeaderName> = response.headers.keys().cloned().collect();
    names.iter().for_each(|name| drop(response.remove_header(name)));
    Ok(())
}

/// A status for an error, as pingora's own map has it, but that an LMS's silence is 504.
fn status_of(error: &Error) -> u16 {
    match (error.etype(), error.esource()) {
        (ErrorType::HTTPStatus(code), _) => *code,
        (ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout, ErrorSource::Upstream) => 504,
        (_, ErrorSource::Upstream) => 502,
        (ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed, ErrorSource::Downstream) => 0,
        (_, ErrorSource::Downstream) => 400,
        (_, ErrorSource::Internal | ErrorSource::Unset) => 500,
    }
}

/// A path without what may be secret in it: file keys stand in paths.
fn loggable(incoming: &Incoming) -> &str {
    let path = &incoming.target.path;
    match path.script() {
        Some(script) => path.decoded().get(..=script.len()).unwrap_or("/"),
        None => path.decoded(),
    }
}
