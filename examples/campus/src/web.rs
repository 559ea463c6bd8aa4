//! The pages behind the sign-in: dashboard, course, profile, tokens, login-as.

use crate::html;
use crate::mobile;
use crate::php;
use crate::reply::Reply;
use crate::visit::{Admit, Visit};

/// `/index.php`: open unless the site forces login.
pub(crate) fn home(visit: &mut Visit) -> Result<Reply, Reply> {
    if visit.site.settings.force_login || visit.site.settings.maintenance {
        visit.require_login(Admit::Guests)?;
    }
    visit.session();
    let www = php::html(&visit.site.www.clone()).into_owned();
    let content = format!(
        "<div class=\"card\"><h2>Available courses</h2><p><a href=\"{www}/course/view.php?id=2\">Lab course</a></p></div>"
    );
    Ok(html::page(visit, "Front page", &content))
}

/// `/my/`.
pub(crate) fn dashboard(visit: &mut Visit) -> Result<Reply, Reply> {
    let user = visit.require_login(Admit::Guests)?;
    visit.context_instance = user;
    let name = visit.site.accounts.get(user).map(|a| a.first_name.clone());
    let www = php::html(&visit.site.www.clone()).into_owned();
    let content = format!(
        "<p>Welcome, {name}.</p><div class=\"card\"><h2>Your courses</h2><p><a href=\"{www}/course/view.php?id=2\">Lab course</a></p></div>\
         <div class=\"card\"><h2>Yours</h2><p><a href=\"{www}/user/files.php\">Private files</a>, \
         <a href=\"{www}/user/profile.php?id={user}\">profile</a>, <a href=\"{www}/login/change_password.php\">password</a>, \
         <a href=\"{www}/user/managetoken.php\">security keys</a></p></div>",
        name = php::html(&name.unwrap_or_default()),
    );
    Ok(html::page(visit, "Dashboard", &content))
}

/// `/course/view.php`.
pub(crate) fn course(visit: &mut Visit) -> Result<Reply, Reply> {
    visit.require_login(Admit::Guests)?;
    if visit.request.param("id") != Some("2") {
        return Err(html::error(visit, "Can't find data record in database."));
    }
    visit.context_instance = 2;
    let www = php::html(&visit.site.www.clone()).into_owned();
    let content = format!(
        "<div class=\"card\"><h2>General</h2><ul><li><a href=\"{www}/mod/resource/view.php?id=1\">Handout</a></li>\
         <li><a href=\"{www}/mod/page/view.php?id=2\">A page</a></li></ul></div>"
    );
    let frame = html::frame(visit, "Lab course", &content);
    Ok(Reply::course_page(frame))
}

/// `/mod/resource/view.php`: the file itself, by redirect.
pub(crate) fn resource(visit: &mut Visit) -> Result<Reply, Reply> {
    visit.require_login(Admit::Guests)?;
    Ok(Reply::see_other(visit.www("/pluginfile.php/19/mod_resource/content/0/handout.txt")))
}

/// `/user/profile.php`: also mints the key of the QR code.
pub(crate) fn profile(visit: &mut Visit) -> Result<Reply, Reply> {
    let user = visit.require_login(Admit::Members)?;
    visit.context_instance = user;
    let Some(account) = visit.site.accounts.get(user).cloned() else {
        return Err(html::error(visit, "Unknown user"));
    };
    let www = php::html(&visit.site.www.clone()).into_owned();
    let asked = visit.request.param("id").and_then(|id| id.parse().ok());
    let own = asked.is_none_or(|asked: u64| asked == user);
    let qr = match own.then(|| mobile::make_qr_key(visit.site, user)).flatten() {
        Some(key) => format!(
            "<div class=\"card\"><h2>Mobile app</h2><p>For the QR code: <a class=\"qrlogin\" href=\"moodlemobile://{www}?qrlogin={key}&amp;userid={user}\">open in the app</a></p></div>"
        ),
        None => String::new(),
    };
    let shown = match own {
        true => account,
        false => match asked.and_then(|id| visit.site.accounts.get(id)).cloned() {
            Some(other) => other,
            None => return Err(html::error(visit, "Unknown user")),
        },
    };
    let content = format!(
        "<div class=\"card\"><h2>User details</h2><p>{}</p><p>{}</p></div>{qr}",
        php::html(&shown.full_name()),
        php::html(&shown.email)
    );
    Ok(html::page(visit, "Profile", &content))
}

/// `/user/managetoken.php`: shows the LMS's own tokens in the clear.
pub(crate) fn manage_tokens(visit: &mut Visit) -> Result<Reply, Reply> {
    let user = visit.require_login(Admit::Members)?;
    let rows: String = visit
        .site
        .tokens
        .iter()
        .filter(|token| token.user == user)
        .map(|token| format!("<tr><td>{}</td><td>{}</td></tr>", token.value, php::html(&token.service)))
        .collect();
    let rss = visit.site.accounts.get(user).map(|a| a.keys.rss.clone());
    let content = format!(
        "<div class=\"card\"><table class=\"generaltable\"><tr><th>Token</th><th>Service</th></tr>{rows}\
         <tr><td>{}</td><td>RSS</td></tr></table></div>",
        rss.unwrap_or_default()
    );
    Ok(html::page(visit, "Security keys", &content))
}

/// `/user/policy.php`.
pub(crate) fn policy(visit: &mut Visit) -> Result<Reply, Reply> {
    let Some(user) = visit.member() else {
        return Err(Reply::see_other(visit.www("/login/index.php")));
    };
    if visit.request.post.get("agree").is_some() {
        visit.require_sesskey()?;
        if let Some(account) = visit.site.accounts.get_mut(user) {
            account.policy_agreed = true;
        }
        return Ok(Reply::see_other(visit.www("/my/")));
    }
    let sesskey = visit.session().sesskey.clone();
    let content = format!(
        "<div class=\"card\"><p>Please agree to the rules of this site.</p><form method=\"post\">\
         <input type=\"hidden\" name=\"sesskey\" value=\"{sesskey}\"><input type=\"hidden\" name=\"agree\" value=\"1\">\
         <button class=\"btn\" type=\"submit\">Agree</button></form></div>"
    );
    Ok(html::page(visit, "Site policy", &content))
}

/// `/course/loginas.php`: an administrator becomes a user, in the same session.
pub(crate) fn login_as(visit: &mut Visit) -> Result<Reply, Reply> {
    let admin = visit.require_login(Admit::Members)?;
    visit.require_sesskey()?;
    let wanted = visit.request.param("user").and_then(|id| id.parse().ok());
    let known = wanted.filter(|&id: &u64| visit.site.accounts.get(id).is_some());
    let Some(user) = known.filter(|_| visit.site.is_admin(admin)) else {
        return Err(html::error(visit, "Sorry, but you do not currently have permissions to do that."));
    };
    let session = visit.session();
    session.user = Some(user);
    session.real_user = Some(admin);
    Ok(Reply::see_other(visit.www("/course/view.php?id=2")))
}

/// `/admin/index.php` and its neighbours.
pub(crate) fn administration(visit: &mut Visit) -> Result<Reply, Reply> {
    let user = visit.require_login(Admit::Members)?;
    if !visit.site.is_admin(user) {
        return Err(html::error(visit, "Access denied"));
    }
    let sesskey = visit.session().sesskey.clone();
    let www = php::html(&visit.site.www.clone()).into_owned();
    let rows: String = visit
        .site
        .accounts
        .all()
        .map(|account| {
            format!(
                "<tr><td>{}</td><td>{}</td><td><a href=\"{www}/course/loginas.php?id=1&amp;user={}&amp;sesskey={sesskey}\">log in as</a></td></tr>",
                php::html(&account.username),
                php::html(&account.email),
                account.id
            )
        })
        .collect();
    let content = format!("<div class=\"card\"><table>{rows}</table></div>");
    Ok(html::page(visit, "Site administration", &content))
}

/// Policies and the privacy summary: pages for everybody.
pub(crate) fn open_page(visit: &mut Visit) -> Reply {
    let content = "<div class=\"card\"><p>For everybody to read.</p></div>";
    html::page(visit, "About this site", content)
}

/// A script the double knows nothing about: a protected page.
pub(crate) fn other(visit: &mut Visit) -> Result<Reply, Reply> {
    visit.require_login(Admit::Guests)?;
    let content = format!("<div class=\"card\"><p>{}</p></div>", php::html(&visit.request.script));
    Ok(html::page(visit, "A page", &content))
}

/// Theme files, scripts, icons: open to all, no session. `None` = not one of them.
pub(crate) fn fixed(script: &str) -> Option<Reply> {
    const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><rect width=\"16\" height=\"16\" rx=\"3\" fill=\"#0f5fa6\"/></svg>";
    const CSS: &str = "text/css; charset=utf-8";
    const JS: &str = "application/javascript; charset=utf-8";
    Some(match script {
        "/theme/styles.php" | "/theme/styles_debug.php" => Reply::fixed(CSS, html::STYLE),
        "/theme/yui_combo.php" | "/theme/javascript.php" => Reply::fixed(JS, ""),
        "/lib/javascript.php" | "/lib/requirejs.php" => Reply::fixed(JS, "\"use strict\";\n"),
        "/theme/image.php" | "/theme/yui_image.php" => Reply::fixed("image/svg+xml", ICON),
        "/theme/font.php" => Reply::fixed("font/woff2", ""),
        "/admin/tool/mobile/mobile.webmanifest.php" => Reply::fixed("application/json; charset=utf-8", "{}"),
        "/favicon.ico" => Reply::fixed("image/svg+xml", ICON),
        "/help.php" | "/help_ajax.php" => Reply::fixed("text/html; charset=utf-8", "<p>Help.</p>"),
        path if path.starts_with("/lib/requirejs/") && path.ends_with(".js") => Reply::fixed(JS, ""),
        path if path.starts_with("/theme/") && path.ends_with(".css") => Reply::fixed(CSS, ""),
        _ => return None,
    })
}

/// `/pluginfile.php/1/core_admin/logo/…` and theme images.
pub(crate) fn open_file(info: &str) -> bool {
    let parts: Vec<&str> = info.split('/').collect();
    matches!(parts.as_slice(), ["", "1", "core_admin", "logo" | "logocompact" | "favicon", ..])
        || matches!(parts.as_slice(), ["", "1", theme, ..] if theme.starts_with("theme_"))
}
