//! Which script answers which path, and what the web server itself answers.

use crate::ajax::{self, Door};
use crate::reply::{JSON, Reply};
use crate::site::Site;
use crate::visit::{Request, Visit};
use crate::{doors, files, local, login, mobile, passwords, php, rest, token, web};
use serde_json::json;

/// Folders that the web server completes with a slash.
const FOLDERS: &[&str] = &[
    "/login",
    "/my",
    "/user",
    "/course",
    "/admin",
    "/lib",
    "/mod",
    "/theme",
    "/calendar",
    "/webservice",
    "/auth",
    "/grade",
    "/rss",
    "/enrol",
    "/local",
];

/// Answers a request.
pub(crate) fn answer(site: &mut Site, request: &Request) -> Reply {
    if let Some(reply) = web_server(site, request) {
        return reply;
    }
    if let Some(reply) = wrong_access(site, request) {
        return reply;
    }
    let mut visit = Visit::new(site, request);
    let reply = script(&mut visit).unwrap_or_else(|refusal| refusal);
    visit.finish(reply)
}

/// What needs no PHP: static files, the slash after a folder.
fn web_server(site: &Site, request: &Request) -> Option<Reply> {
    if request.method == "TRACE" {
        return Some(Reply::new(405, "text/html", "<h1>405 Not Allowed</h1>\n"));
    }
    if let Some(reply) = web::fixed(&request.script) {
        return Some(reply);
    }
    if FOLDERS.contains(&request.script.as_str()) {
        return Some(own_redirect(site, request));
    }
    let php = request.script.ends_with(".php");
    let plugin = request.script.starts_with("/local/campus/");
    (!php && !plugin).then(doors::missing)
}

/// The one Location that is not on the public URL: the web server's own scheme and port, with
/// the host that the client named.
fn own_redirect(site: &Site, request: &Request) -> Reply {
    let host = request.header("host");
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let query = request.target.split_once('?');
    let query = query.map_or(String::new(), |(_, query)| format!("?{query}"));
    let location = format!("http://{name}:{}{}/{query}", site.addr.port(), request.script);
    Reply::new(301, "text/html", "<p>Moved</p>\n").with("Location", location)
}

/// `sslproxy` and `reverseproxy` set wrongly: pages go to the public URL, apps get JSON.
fn wrong_access(site: &Site, request: &Request) -> Option<Reply> {
    let host = request.header("host").split(':').next().unwrap_or_default();
    let public = site.www.split("://").nth(1).unwrap_or_default();
    let public = public.split([':', '/']).next().unwrap_or_default();
    let (text, code) = if site.https() && !site.settings.ssl_proxy {
        ("For security reasons only https connections are allowed, sorry.", "sslonlyaccess")
    } else if site.settings.check_host && !host.eq_ignore_ascii_case(public) {
        ("Invalid url or port.", "requirecorrectaccess")
    } else {
        return None;
    };
    Some(match request.script.as_str() {
        "/login/token.php" | "/webservice/rest/server.php" => {
            let error = json!({"error": text, "stacktrace": null, "debuginfo": null, "errorcode": code});
            Reply::new(200, JSON, php::json(&error))
        }
        _ => Reply::new(303, "text/html; charset=UTF-8", "").with("Location", site.www.clone()),
    })
}

fn script(visit: &mut Visit) -> Result<Reply, Reply> {
    if let Some(reply) = local::page(visit) {
        return reply;
    }
    let request = visit.request;
    match request.script.as_str() {
        "/index.php" => web::home(visit),
        "/login/index.php" => Ok(login::index(visit)),
        "/login/logout.php" => Ok(login::logout(visit)),
        "/login/token.php" => Ok(token::token(visit)),
        "/login/change_password.php" => passwords::change(visit),
        "/login/forgot_password.php" => passwords::forgot(visit),
        "/login/confirm.php" => Ok(passwords::confirm(visit)),
        "/login/signup.php" => Ok(passwords::signup(visit)),
        "/login/unlock_account.php" => Ok(passwords::unlock(visit)),
        "/user/emailupdate.php" => Ok(passwords::email_update(visit)),
        "/my/index.php" => web::dashboard(visit),
        "/course/view.php" => web::course(visit),
        "/course/loginas.php" => web::login_as(visit),
        "/mod/resource/view.php" => web::resource(visit),
        "/mod/lti/auth.php" => doors::lti_auth(visit),
        "/user/profile.php" => web::profile(visit),
        "/user/managetoken.php" => web::manage_tokens(visit),
        "/user/policy.php" => web::policy(visit),
        "/user/files.php" => files::private_files(visit),
        "/admin/index.php" | "/admin/search.php" | "/admin/user.php" => web::administration(visit),
        "/admin/cron.php" => Ok(doors::cron()),
        "/install.php" => Ok(doors::install()),
        "/pluginfile.php" | "/draftfile.php" => files::by_session(visit),
        "/tokenpluginfile.php" => Ok(files::by_key(visit)),
        "/webservice/pluginfile.php" | "/webservice/draftfile.php" => files::by_token(visit),
        "/webservice/upload.php" => files::upload(visit),
        "/webservice/rest/server.php" => Ok(rest::server(visit)),
        "/webservice/rest/simpleserver.php" => Ok(rest::simple_server(visit)),
        "/webservice/soap/server.php" | "/webservice/soap/simpleserver.php" => Ok(doors::soap()),
        "/webservice/xmlrpc/server.php" => Ok(doors::missing()),
        "/lib/ajax/service.php" => Ok(ajax::service(visit, Door::Session)),
        "/lib/ajax/service-nologin.php" => Ok(ajax::service(visit, Door::NoLogin)),
        "/admin/tool/mobile/launch.php" => mobile::launch(visit),
        "/admin/tool/mobile/autologin.php" => Ok(mobile::autologin(visit)),
        "/auth/shibboleth/index.php" => Ok(doors::shibboleth(visit)),
        "/auth/oauth2/login.php" if visit.site.settings.oauth2 => doors::oauth2(visit),
        "/admin/oauth2callback.php" if visit.site.settings.oauth2 => Ok(doors::oauth2_callback(visit)),
        "/admin/tool/policy/view.php" | "/admin/tool/dataprivacy/summary.php" => Ok(web::open_page(visit)),
        "/calendar/export_execute.php" => Ok(doors::calendar(visit)),
        "/rss/file.php" => Ok(doors::rss(visit)),
        dump if dump.starts_with("/grade/export/") && dump.ends_with("/dump.php") => Ok(doors::grades(visit)),
        _ => web::other(visit),
    }
}
