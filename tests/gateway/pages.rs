//! What a real browser makes of our pages: under their content security policy, on a small phone, without JavaScript.

use crate::webdriver::{Chromium, Device, Scripts};
use http_body_util::Full;
use hyper::{Request, Response, body::Bytes, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::JoinHandle};
use vestibule::pages::{Frame, Help, Lang, Pages, View, samples::samples};

/// The policy that our pages are sent with.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

#[tokio::test(flavor = "multi_thread")]
async fn chromium_opens_a_page() {
    let site = Site::start(|path| match path {
        "/" => {
            Some("<!doctype html><title>Hall</title><h1>Two doors</h1><input id=a><a id=go href=/next>on</a>".into())
        }
        "/next" => Some("<!doctype html><title>Next</title><p id=late>later".into()),
        _ => None,
    });
    let site = site.await;
    let browser = Chromium::start().await;
    browser.goto(&site.url("/")).await;
    assert_eq!(browser.title().await, "Hall");
    assert_eq!(browser.text("h1").await, "Two doors");
    browser.type_into("#a", "abc").await;
    assert_eq!(browser.eval("return document.querySelector('#a').value").await, "abc");
    assert!(!browser.exists("#late").await);
    browser.click("#go").await;
    browser.wait_for("#late", Duration::from_secs(10)).await;
    assert_eq!(browser.url().await, site.url("/next"));
    assert!(browser.source().await.contains("later"));
    assert!(browser.cookies().await.iter().any(|cookie| cookie["name"] == "seen"));
    let picture = browser.screenshot("webdriver").await;
    assert!(std::fs::read(picture).unwrap().starts_with(b"\x89PNG"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_small_phone_and_breaks_no_policy() {
    let site = Site::start(page_at).await;
    let browser = Chromium::with(Device::Phone, Scripts::On).await;
    for lang in Lang::ALL {
        for name in PAGES {
            browser.goto(&site.url(&format!("/{}/{name}", lang.as_str()))).await;
            assert_eq!(browser.eval("return innerWidth").await, 320, "the phone is emulated");
            let wide = browser.eval("return document.documentElement.scrollWidth").await;
            assert_eq!(wide, 320, "{name} in {lang:?} scrolls sideways");
            let styled = browser.eval("return getComputedStyle(document.querySelector('.card')).borderTopWidth").await;
            assert_eq!(styled, "1px", "{name}: the style sheet was not used");
            assert_eq!(browser.console().await, Vec::<String>::new(), "{name} in {lang:?}");
            browser.screenshot(&format!("pages-{name}-{}-320", lang.as_str())).await;
        }
    }
    // The script ran, under the policy.
    browser.goto(&site.url("/en/codes")).await;
    assert_eq!(browser.text("[data-print]").await, "Print");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_javascript_a_code_can_be_typed_and_sent() {
    let site = Site::start(page_at).await;
    let browser = Chromium::with(Device::Desktop, Scripts::Off).await;
    browser.goto(&site.url("/en/codes")).await;
    assert_eq!(browser.text("[data-print]").await, "", "a button that could do nothing is not shown");
    browser.goto(&site.url("/en/totp-wrongcode")).await;
    let focused = browser.eval("return document.activeElement.id").await;
    assert_eq!(focused, "code", "the field to mend has the focus");
    browser.type_into("#code", "123 456\u{e007}").await;
    browser.wait_for("#sent", Duration::from_secs(10)).await;
    assert_eq!(browser.url().await, site.url("/vestibule/challenge?factor=totp"));
}

const PAGES: [&str; 14] = [
    "totp",
    "recovery",
    "totp-wrongcode",
    "help-desk",
    "enrol",
    "enrol-further",
    "codes",
    "account",
    "account-low",
    "account-due",
    "own-password",
    "permit-remove",
    "signed-out",
    "error-502",
];

/// `/LANG/NAME`, and an end point for the challenge's form.
pub fn page_at(path: &str) -> Option<String> {
    if path == "/vestibule/challenge" {
        return Some("<!doctype html><title>Sent</title><p id=sent>sent".into());
    }
    let (lang, name) = path.strip_prefix('/')?.split_once('/')?;
    let lang = Lang::ALL.into_iter().find(|of| of.as_str() == lang)?;
    // A long name, as names are: it must wrap, not push the card apart.
    let long = format!("{}@students.campus.example", "long-account-name-".repeat(4));
    let (_, mut view) = samples(&long).into_iter().find(|(of, _)| of == name)?;
    if let View::Codes { codes, .. } = &mut view {
        *codes = vec!["abcde-fghjk".into(); 10];
    }
    let help = Help {
        text: Some("Room 1.23, Monday to Friday from 9 to 16".into()),
        url: Some("mailto:help@campus.example".into()),
        phone: Some("+49 30 1234-56".into()),
    };
    let frame = Frame { site: "lernplattform.campus.example".into(), request_id: "3f9a1c07b2d4e658".into(), help };
    Some(Pages::new().ok()?.render(lang, &frame, &view))
}

/// A throwaway web server on loopback; ends with its value.
pub struct Site {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Site {
    pub async fn start(page: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let page = Arc::new(page);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let page = page.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = respond(request.uri().path(), &*page);
                    async move { Ok::<_, Infallible>(answer) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn respond(path: &str, page: &dyn Fn(&str) -> Option<String>) -> Response<Full<Bytes>> {
    let asset = path.strip_prefix("/vestibule/assets/").and_then(|name| Pages::new().ok()?.asset(name));
    let (status, kind, body) = match (asset, page(path)) {
        (Some(asset), _) => (200, asset.content_type, Bytes::from_static(asset.body)),
        (None, Some(html)) => (200, "text/html; charset=utf-8", Bytes::from(html)),
        (None, None) => (404, "text/plain", Bytes::new()),
    };
    let answer = Response::builder().status(status).header("content-type", kind).header("set-cookie", "seen=1");
    answer.header("content-security-policy", POLICY).body(Full::new(body)).expect("a well-formed answer")
}
