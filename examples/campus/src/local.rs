//! `/local/campus/*`: a plugin of the double's own, for what no recorded page can show.

use crate::html;
use crate::php;
use crate::reply::{Content, Reply};
use crate::visit::{Admit, Visit};

/// The scripts of the plugin; none of them is a `.php` file. `None` = no such page.
pub(crate) fn page(visit: &mut Visit) -> Option<Result<Reply, Reply>> {
    Some(match visit.request.script.as_str() {
        "/local/campus/echo" => Ok(echo(visit)),
        "/local/campus/big" => Ok(big(visit)),
        "/local/campus/ws" => Ok(web_socket(visit)),
        "/local/campus/rotate" => rotate(visit),
        "/local/campus/mask" => Ok(mask(visit)),
        _ => return None,
    })
}

/// The request as received: first line, headers, length of the body.
fn echo(visit: &Visit) -> Reply {
    let request = visit.request;
    let mut text = format!("{} {} {:?}\n", request.method, request.target, request.version);
    for (name, value) in &request.headers {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    text.push_str(&format!("\nbody-length: {}\n", request.body_len));
    Reply::new(200, "text/plain; charset=utf-8", text).with("Cache-Control", "no-store")
}

/// `?bytes=N`: byte `i` is `i % 251`.
fn big(visit: &Visit) -> Reply {
    let bytes = visit.request.param("bytes");
    let bytes = bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    let mut reply = Reply::new(200, "application/octet-stream", "");
    reply.body = Content::Pattern(bytes);
    reply
}

/// RFC 6455 §4.2: the handshake; the frames are the server's business.
fn web_socket(visit: &Visit) -> Reply {
    let request = visit.request;
    let key = request.header("sec-websocket-key");
    let upgrade = request.header("upgrade").eq_ignore_ascii_case("websocket");
    if !upgrade || key.is_empty() || request.header("sec-websocket-version") != "13" {
        return Reply::new(426, "text/plain; charset=utf-8", "A websocket is served here.\n")
            .with("Sec-WebSocket-Version", "13")
            .with("Upgrade", "websocket");
    }
    Reply {
        status: 101,
        headers: vec![
            ("Upgrade", "websocket".into()),
            ("Connection", "Upgrade".into()),
            ("Sec-WebSocket-Accept", crate::websocket::accept(key)),
        ],
        body: Content::WebSocket,
    }
}

/// `?to=ID`: a page that turns this session into another user's (attack on R9).
fn rotate(visit: &mut Visit) -> Result<Reply, Reply> {
    visit.require_login(Admit::Members)?;
    let to = visit.request.param("to").and_then(|id| id.parse().ok());
    let known = to.filter(|&id: &u64| visit.site.accounts.get(id).is_some());
    let Some(user) = known else {
        return Err(html::error(visit, "Unknown user"));
    };
    visit.sign_in(user);
    Ok(html::page(visit, "Rotated", "<p>This session is somebody else's now.</p>"))
}

/// `?user=NAME`: an answer that claims to be made for somebody.
fn mask(visit: &Visit) -> Reply {
    let user = visit.request.param("user").unwrap_or_default();
    let name: String = user.chars().filter(|c| !c.is_control()).collect();
    let body = format!("<!DOCTYPE html><title>Mask</title><p>{}</p>", php::html(&name));
    Reply::page(200, body).with("X-MOODLEUSER", name)
}
