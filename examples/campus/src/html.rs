//! The pages' frame: own, small HTML with the markers that a client of Moodle looks for.

use crate::accounts::GUEST;
use crate::php::{html, json};
use crate::reply::Reply;
use crate::site;
use crate::visit::Visit;
use serde_json::json;

/// A page, 200. Rendering one ends the "just logged in" state, as Moodle's footer does.
pub(crate) fn page(visit: &mut Visit, title: &str, content: &str) -> Reply {
    Reply::page(200, frame(visit, title, content))
}

/// A `moodle_exception` as HTML: status 404, whatever was wrong.
pub(crate) fn error(visit: &mut Visit, message: &str) -> Reply {
    let content = format!(
        "<div class=\"box errorbox\"><p class=\"errormessage\">{}</p></div>\
         <p><a class=\"btn\" href=\"{}/\">Continue</a></p>",
        html(message),
        html(&visit.site.www)
    );
    Reply::page(404, frame(visit, "Error", &content))
}

/// The same where no session is used (token files).
pub(crate) fn plain_error(message: &str) -> Reply {
    Reply::page(
        404,
        format!(
            "<!DOCTYPE html><html lang=\"en\"><head><title>Error</title></head><body>\
             <p class=\"errormessage\">{}</p></body></html>",
            html(message)
        ),
    )
}

/// What everybody but administrators gets while the site is in maintenance mode.
pub(crate) fn maintenance(visit: &mut Visit) -> Reply {
    let content = "<div class=\"alert\" role=\"status\">This site is being worked on. Please come back later.</div>";
    Reply::page(503, frame(visit, "Maintenance", content))
}

/// The whole document.
pub(crate) fn frame(visit: &mut Visit, title: &str, content: &str) -> String {
    let www = html(&visit.site.www.clone()).into_owned();
    let (user, sesskey) = {
        let session = visit.session();
        session.just_logged_in = false;
        (session.user, session.sesskey.clone())
    };
    let config = json(&json!({
        "wwwroot": visit.site.www, "sesskey": sesskey, "theme": "boost", "themerev": "1",
        "contextid": 1, "contextInstanceId": visit.context_instance, "language": "en",
    }));
    let menu = menu(visit, user, &sesskey);
    format!(
        "<!DOCTYPE html>\n<html dir=\"ltr\" lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>{title} | {site}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"shortcut icon\" href=\"{www}/theme/image.php/boost/theme/1/favicon\">\n\
         <link rel=\"stylesheet\" href=\"{www}/theme/styles.php/boost/1/all\">\n\
         <script>var M = {{}}; M.cfg = {config};</script>\n\
         <script src=\"{www}/lib/javascript.php/1/lib/javascript-static.js\" defer></script>\n\
         </head>\n<body id=\"page\">\n<header class=\"bar\"><a class=\"brand\" href=\"{www}/\">{site}</a>{menu}</header>\n\
         <main id=\"region-main\">\n<h1>{title}</h1>\n{content}\n</main>\n\
         <footer>A demonstration LMS: it answers as a Moodle was recorded to answer.</footer>\n</body>\n</html>\n",
        title = html(title),
        site = html(site::NAME),
    )
}

fn menu(visit: &Visit, user: Option<u64>, sesskey: &str) -> String {
    let www = html(&visit.site.www);
    let Some(account) = user.and_then(|user| visit.site.accounts.get(user)) else {
        return format!(
            "<nav class=\"usermenu\"><span class=\"login\"><a href=\"{www}/login/index.php\">Log in</a></span></nav>"
        );
    };
    if account.id == GUEST {
        return format!(
            "<nav class=\"usermenu\"><span class=\"login\">You are using guest access \
             (<a href=\"{www}/login/index.php\">Log in</a>)</span></nav>"
        );
    }
    format!(
        "<nav class=\"usermenu\" data-userid=\"{id}\"><a href=\"{www}/my/\">Dashboard</a> \
         <a href=\"{www}/course/view.php?id=2\">Lab course</a> \
         <a href=\"{www}/user/files.php\">Private files</a> \
         <a class=\"name\" href=\"{www}/user/profile.php?id={id}\">{name}</a> \
         <a href=\"{www}/login/logout.php?sesskey={sesskey}\">Log out</a></nav>",
        id = account.id,
        name = html(&account.full_name()),
    )
}

/// The sign-in page. `message` is shown in the place where clients look for a failure.
pub(crate) fn login_page(visit: &mut Visit, message: Option<&str>) -> Reply {
    let token = crate::login::login_token(visit);
    let www = html(&visit.site.www.clone()).into_owned();
    let prefilled = visit.request.query.get("username");
    let username = match prefilled {
        Some(crate::php::Value::Text(text)) => html(text).into_owned(),
        _ => String::new(),
    };
    let failure = message.map_or(String::new(), |text| {
        let text = html(text);
        format!(
            "<a href=\"#\" id=\"loginerrormessage\" class=\"sr-only\">{text}</a>\n\
             <div class=\"alert alert-danger\" role=\"alert\">{text}</div>\n"
        )
    });
    let notice = match visit.site.settings.maintenance {
        true => {
            "<div class=\"alert\" role=\"status\">The site is in maintenance mode; only administrators can work.</div>\n"
        }
        false => "",
    };
    let guest = match visit.site.settings.guest_login {
        true => format!(
            "<form action=\"{www}/login/index.php\" method=\"post\" id=\"guestlogin\">\
             <input type=\"hidden\" name=\"logintoken\" value=\"{token}\">\
             <input type=\"hidden\" name=\"username\" value=\"guest\">\
             <input type=\"hidden\" name=\"password\" value=\"guest\">\
             <button class=\"btn quiet\" type=\"submit\" id=\"loginguestbtn\">Look around as a guest</button></form>"
        ),
        false => String::new(),
    };
    let provider = match visit.site.settings.shibboleth.is_some() {
        true => format!(
            "<p><a class=\"login-identityprovider-btn\" href=\"{www}/auth/shibboleth/index.php\">Shibboleth</a></p>"
        ),
        false => String::new(),
    };
    let content = format!(
        "<div class=\"card\">{notice}{failure}<form class=\"login-form\" action=\"{www}/login/index.php\" method=\"post\" id=\"login\">\n\
         <input type=\"hidden\" name=\"logintoken\" value=\"{token}\">\n\
         <label for=\"username\">Username</label>\n\
         <input type=\"text\" name=\"username\" id=\"username\" value=\"{username}\" autocomplete=\"username\" required>\n\
         <label for=\"password\">Password</label>\n\
         <input type=\"password\" name=\"password\" id=\"password\" value=\"\" autocomplete=\"current-password\" required>\n\
         <button class=\"btn\" type=\"submit\" id=\"loginbtn\">Log in</button>\n</form>\n\
         <p><a href=\"{www}/login/forgot_password.php\">Lost password?</a></p>\n{provider}{guest}</div>"
    );
    page(visit, "Log in", &content)
}

/// The style sheet, served by `/theme/styles.php/…`.
pub(crate) const STYLE: &str = "\
:root{--ink:#1d2733;--soft:#5b6875;--line:#d7dee5;--paper:#fff;--back:#f4f6f8;--mark:#0f5fa6}\
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:16px/1.55 system-ui,sans-serif}\
.bar{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:center;justify-content:space-between;padding:.8rem 1.2rem;background:var(--paper);border-bottom:1px solid var(--line)}\
.brand{font-weight:700;color:var(--ink);text-decoration:none}.usermenu{display:flex;flex-wrap:wrap;gap:.3rem 1rem}\
a{color:var(--mark)}main{max-width:46rem;margin:1.5rem auto;padding:0 1.2rem}h1{font-size:1.6rem;margin:.5rem 0 1rem}\
.card{background:var(--paper);border:1px solid var(--line);border-radius:.6rem;padding:1.2rem;margin:0 0 1rem}\
label{display:block;margin:.7rem 0 .2rem;font-weight:600}\
input[type=text],input[type=password],input[type=file]{width:100%;padding:.6rem;border:1px solid #a9b5c0;border-radius:.4rem;font:inherit;background:#fff}\
.btn{display:inline-block;margin:.9rem 0 0;padding:.6rem 1.2rem;border:1px solid var(--mark);border-radius:.4rem;background:var(--mark);color:#fff;font:inherit;text-decoration:none;cursor:pointer}\
.btn.quiet{background:transparent;color:var(--mark)}:focus-visible{outline:3px solid #f0a202;outline-offset:2px}\
.alert{padding:.7rem 1rem;border-radius:.4rem;background:#e8f0f8;margin:0 0 .8rem}.alert-danger{background:#fbe9e7;color:#7c1d12}\
.sr-only{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}\
footer{max-width:46rem;margin:2rem auto;padding:0 1.2rem;color:var(--soft);font-size:.85rem}\
@media(max-width:30rem){.btn{width:100%;text-align:center}}\
";
