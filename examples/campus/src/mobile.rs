//! The mobile plugin's browser doors: launch.php, autologin.php, QR keys.

use crate::accounts::GUEST;
use crate::html;
use crate::php;
use crate::random;
use crate::reply::{HTML, NO_STORE, Reply};
use crate::site::{OnceKey, Site};
use crate::visit::{Admit, Visit};
use base64::Engine;
use md5::{Digest, Md5};
use std::time::{Duration, Instant};

const AUTOLOGIN_LIFE: Duration = Duration::from_secs(60);
const QR_LIFE: Duration = Duration::from_secs(600);

/// `/admin/tool/mobile/launch.php`: a browser session becomes an app token in a custom URL.
pub(crate) fn launch(visit: &mut Visit) -> Result<Reply, Reply> {
    let parameter = |name: &str| visit.request.param(name).map(str::to_owned);
    let (service, passport) = (parameter("service"), parameter("passport"));
    let scheme = parameter("urlscheme").unwrap_or_else(|| "moodlemobile".into());
    let confirmed = parameter("confirmed").is_some_and(|value| value != "0");
    let fresh = visit.session().just_logged_in && visit.member().is_some();
    if visit.site.settings.type_of_login == 1 && !fresh {
        return Err(html::error(visit, "Plugin not enabled or configured."));
    }
    let (Some(service), Some(passport)) = (service, passport) else {
        return Err(html::error(visit, "A required parameter was missing"));
    };
    let scheme = match visit.site.settings.forced_url_scheme.clone() {
        Some(forced) => forced,
        None if well_formed(&scheme) => scheme,
        None => return Err(html::error(visit, "Invalid URL scheme")),
    };
    let user = visit.require_login(Admit::Members)?;
    let known = visit.site.settings.services.contains(&service);
    if !known || !visit.site.settings.enable_web_services {
        return Err(html::error(visit, "Web service is not available."));
    }
    let (token, new) = visit.site.issue_token(user, &service);
    let mut parts = vec![signature(&visit.site.www, &passport), token.value.clone()];
    if visit.site.shows_private_token(user) && (fresh || new) {
        parts.push(token.private);
    }
    let packed = base64::engine::general_purpose::STANDARD.encode(parts.join(":::"));
    Ok(hand_over(visit, &format!("{scheme}://token={packed}"), confirmed))
}

/// iOS does not follow a redirect to another scheme: there the user clicks.
fn hand_over(visit: &mut Visit, location: &str, confirmed: bool) -> Reply {
    let agent = visit.request.header("user-agent");
    let ios = agent.contains("iPhone") || agent.contains("iPad") || agent.contains("iPod");
    if ios || confirmed {
        let content = format!(
            "<div class=\"card\"><p><a class=\"btn\" id=\"launchapp\" href=\"{}\">Open the app</a></p>\
             <script>document.getElementById('launchapp').click();</script></div>",
            php::html(location)
        );
        return html::page(visit, "Open the app", &content);
    }
    Reply::new(302, HTML, "").with("Cache-Control", NO_STORE).with("Location", location)
}

fn well_formed(scheme: &str) -> bool {
    let mut letters = scheme.chars();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "-+.".contains(c))
}

fn signature(www: &str, passport: &str) -> String {
    Md5::digest(format!("{www}{passport}")).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `/admin/tool/mobile/autologin.php?userid=&key=&urltogo=`.
pub(crate) fn autologin(visit: &mut Visit) -> Reply {
    let user = visit.request.param("userid").and_then(|id| id.parse().ok());
    let key = visit.request.param("key").unwrap_or_default().to_owned();
    let wanted = visit.request.param("urltogo").unwrap_or_default();
    let target = match local(&visit.site.www, wanted) {
        true => wanted.to_owned(),
        false => visit.site.www.clone(),
    };
    if user.is_some() && visit.member() == user {
        return Reply::see_other(target);
    }
    visit.session();
    let keys = &mut visit.site.autologin_keys;
    keys.retain(|key| key.made.elapsed() < AUTOLOGIN_LIFE);
    let Some(at) = keys.iter().position(|known| known.value == key && Some(known.user) == user) else {
        return html::error(visit, "Incorrect key");
    };
    let user = keys.remove(at).user;
    visit.sign_in(user);
    Reply::see_other(target)
}

/// Whether a return target stays on this site.
pub(crate) fn local(www: &str, url: &str) -> bool {
    url.strip_prefix(www).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

/// A key for the QR code, made by viewing one's profile. The older one is void.
pub(crate) fn make_qr_key(site: &mut Site, user: u64) -> Option<String> {
    if user == GUEST || site.is_admin(user) || !site.https() {
        return None;
    }
    let value = random::hex(32);
    site.qr_keys.retain(|key| key.user != user);
    site.qr_keys.push(OnceKey { value: value.clone(), user, made: Instant::now() });
    Some(value)
}

/// Uses a QR key up.
pub(crate) fn take_qr_key(site: &mut Site, value: &str, user: u64) -> bool {
    site.qr_keys.retain(|key| key.made.elapsed() < QR_LIFE);
    let found = site.qr_keys.iter().position(|key| key.value == value && key.user == user);
    found.map(|at| site.qr_keys.remove(at)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_recorded_one() {
        // from launch-loggedin-typeoflogin2
        assert_eq!(signature("https://lms.test:8443", "12345.678"), "dd7c68b521e31b37dfc801854f3406f5");
    }
}
