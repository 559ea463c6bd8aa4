//! The side doors: header sign-in, SOAP, feeds, LTI, cron. A gateway has to close most of them,
//! so here they stand as open as a real site may have them.

use crate::html;
use crate::mobile;
use crate::php;
use crate::reply::{HTML, Reply};
use crate::visit::{Admit, Visit};

/// `/auth/shibboleth/index.php`: whoever the header names, if that account is shibboleth's or there is none yet. A
/// session that is somebody's already stays that.
pub(crate) fn shibboleth(visit: &mut Visit) -> Reply {
    if visit.member().is_some() {
        return Reply::see_other(shibboleth_target(visit));
    }
    let Some(claims) = visit.claims() else {
        return html::error(visit, "No user attributes arrived from the identity provider.");
    };
    let Ok(user) = visit.site.accounts.by_claims(&claims) else {
        return html::error(visit, "You have no valid account on this site.");
    };
    let unfinished = visit.unfinished_profile(user);
    let wanted = shibboleth_target(visit);
    visit.sign_in(user);
    Reply::see_other(unfinished.unwrap_or(wanted))
}

/// What was wanted before, else `target` if that is a whole URL of this site, else the dashboard.
fn shibboleth_target(visit: &mut Visit) -> String {
    let wanted = visit.session().wants_url.take();
    let target = visit.request.param("target").map(str::to_owned);
    let target = target.filter(|target| mobile::local(&visit.site.www, target));
    wanted.or(target).unwrap_or_else(|| visit.www("/my/"))
}

/// `/auth/oauth2/login.php`: first out to the provider, then back with its code. This provider's
/// code is the username. From the source of 4.2, not recorded.
pub(crate) fn oauth2(visit: &mut Visit) -> Result<Reply, Reply> {
    visit.session();
    let wanted = visit.request.param("wantsurl").unwrap_or_default();
    let wanted = wanted.to_owned();
    let Some(code) = visit.request.param("oauth2code").map(php::username) else {
        visit.require_sesskey()?;
        let state = visit.www(&format!("/auth/oauth2/login.php?id=1&wantsurl={wanted}"));
        let state = percent_encoding::utf8_percent_encode(&state, percent_encoding::NON_ALPHANUMERIC);
        return Ok(Reply::see_other(format!("https://provider.example/authorize?response_type=code&state={state}")));
    };
    let account = visit.site.accounts.named(&code);
    let Some(user) = account.filter(|a| !a.suspended).map(|a| a.id) else {
        return Err(html::error(visit, "You have no valid account on this site."));
    };
    visit.sign_in(user);
    Ok(Reply::see_other(match mobile::local(&visit.site.www, &wanted) {
        true => wanted,
        false => visit.www("/my/"),
    }))
}

/// `/admin/oauth2callback.php?code=&state=`: back to where the dance began, with the code.
pub(crate) fn oauth2_callback(visit: &mut Visit) -> Reply {
    visit.session();
    let code = visit.request.param("code").unwrap_or_default().to_owned();
    let state = visit.request.param("state").unwrap_or_default().to_owned();
    if code.is_empty() || !mobile::local(&visit.site.www, &state) {
        return html::error(visit, "A required parameter was missing");
    }
    let glue = if state.contains('?') { '&' } else { '?' };
    let code = percent_encoding::utf8_percent_encode(&code, percent_encoding::NON_ALPHANUMERIC);
    Reply::see_other(format!("{state}{glue}oauth2code={code}"))
}

/// `/webservice/soap/*`: failed in the laboratory, whatever was sent.
pub(crate) fn soap() -> Reply {
    Reply::new(500, HTML, "")
}

/// What the web server says of a script that does not exist.
pub(crate) fn missing() -> Reply {
    Reply::new(404, "text/html; charset=UTF-8", "File not found.")
}

/// `/calendar/export_execute.php?userid=|username=&authtoken=`.
pub(crate) fn calendar(visit: &mut Visit) -> Reply {
    let id = visit.request.param("userid").and_then(|id| id.parse().ok());
    let name = visit.request.param("username").unwrap_or_default();
    let token = visit.request.param("authtoken").unwrap_or_default();
    let accounts = &visit.site.accounts;
    let account = match id {
        Some(id) => accounts.get(id),
        None => accounts.named(name),
    };
    match account.filter(|account| account.keys.calendar == token) {
        Some(account) => {
            visit.acting = Some(account.id);
            Reply::calendar(concat!(
                "BEGIN:VCALENDAR\r\nMETHOD:PUBLISH\r\n",
                "PRODID:-//Moodle Pty Ltd//NONSGML Moodle Version 2023042400//EN\r\n",
                "VERSION:2.0\r\nEND:VCALENDAR\r\n"
            ))
        }
        None => Reply::new(200, HTML, "Invalid authentication"),
    }
}

/// `/rss/file.php/CTX/TOKEN/COMPONENT/…`.
pub(crate) fn rss(visit: &mut Visit) -> Reply {
    let token = visit.request.info.split('/').nth(2).unwrap_or_default();
    let owner = visit.site.accounts.all().find(|a| a.keys.rss == token);
    match owner.map(|account| account.id) {
        Some(user) => {
            visit.acting = Some(user);
            Reply::new(
                200,
                "application/xml; charset=utf-8",
                "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Lab course</title></channel></rss>",
            )
        }
        None => html::plain_error("Incorrect key"),
    }
}

/// `/grade/export/*/dump.php?id=&key=`.
pub(crate) fn grades(visit: &mut Visit) -> Reply {
    let key = visit.request.param("key").unwrap_or_default();
    let owner = visit.site.accounts.all().find(|a| a.keys.grades == key);
    match owner.map(|account| account.id) {
        Some(user) => {
            visit.acting = Some(user);
            Reply::new(200, "text/csv; charset=utf-8", "First name,Last name,Course total\r\n")
                .with("Content-Disposition", "attachment; filename=\"LAB1 Grades.csv\"")
        }
        None => html::plain_error("Incorrect key"),
    }
}

/// `/mod/lti/auth.php`: a browser that comes from elsewhere without its cookies is asked to post
/// once more from here, and its session cookie is left alone.
pub(crate) fn lti_auth(visit: &mut Visit) -> Result<Reply, Reply> {
    if visit.member().is_none() && visit.request.post.get("repost").is_none() {
        let reply = html::page(
            visit,
            "One moment",
            "<form method=\"post\" id=\"repost\"><input type=\"hidden\" name=\"repost\" value=\"1\">\
             <button class=\"btn\" type=\"submit\">Continue</button></form>\
             <script>document.getElementById('repost').submit();</script>",
        );
        visit.drop_cookies();
        return Ok(reply);
    }
    visit.require_login(Admit::Members)?;
    Ok(html::page(visit, "External tool", "<div class=\"card\"><p>The tool would open here.</p></div>"))
}

/// `/admin/cron.php`: a refusal, 200.
pub(crate) fn cron() -> Reply {
    Reply::page(200, "<!DOCTYPE html><title>Cron</title><p>Cron runs from the command line only.</p>".into())
}

/// `/install.php` of an installed site.
pub(crate) fn install() -> Reply {
    Reply::new(302, HTML, "").with("Location", "index.php")
}
