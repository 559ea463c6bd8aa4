//! Which door of Moodle a path leads to: one table, first match wins, everything unknown is a protected page.
//!
//! The numbers are those of the list of entry points in `docs/`; the evidence is Moodle 4.2 (ae4efa96). The path is
//! relative to the LMS's base and already canonical ([`CanonicalPath`]); this module adds what only a PHP web server
//! does with a path:
//!
//! - everything after the first `*.php` segment is PATH_INFO and changes no rule (A4);
//! - `/x/` means `/x/index.php`;
//! - a name that some file system or server folds to a script of the table (other case, trailing dot or space,
//!   `::$DATA`, `~1`, Apache's MultiViews dropping `.php`) is refused instead of guessed at (A5).

use super::params::Params;
use crate::{
    lms::Intent,
    types::{BadRequest, CanonicalPath},
};
use std::borrow::Cow;

struct Route {
    /// `*` stands for anything within one segment, a trailing `**` for everything below.
    script: &'static str,
    rule: Rule,
}

enum Rule {
    Is(Intent),
    /// Door 11 hides in the query of the login page.
    LoginPage,
    /// Only the logo and theme areas are open.
    PluginFile,
}

const fn is(script: &'static str, intent: Intent) -> Route {
    Route { script, rule: Rule::Is(intent) }
}
const fn closed(script: &'static str, door: &'static str) -> Route {
    is(script, Intent::Closed(door))
}
const fn asset(script: &'static str) -> Route {
    is(script, Intent::Asset)
}
const fn open(script: &'static str) -> Route {
    is(script, Intent::OpenPage)
}

/// Scripts in lower case, as Moodle has them.
#[rustfmt::skip]
static ROUTES: &[Route] = &[
    // Ours: the browser's door (1, 11, 12, 13) and the app's (20, 25, 28, 31).
    Route { script: "login/index.php", rule: Rule::LoginPage },           // 1, 11, 16: credentials, CAS tickets, guest form
    is("login/logout.php", Intent::SignOut),
    is("login/forgot_password.php", Intent::Reset),                       // 12: ends in an authenticated session
    is("login/confirm.php", Intent::Confirm),                             // 13: the same
    is("login/token.php", Intent::AppSignIn),                             // 20: mints on any method
    is("webservice/rest/server.php", Intent::AppCall),                    // 25
    is("webservice/upload.php", Intent::AppUpload),                       // 28
    is("webservice/pluginfile.php", Intent::AppFile),                     // 28
    is("webservice/draftfile.php", Intent::AppFile),                      // 28
    is("tokenpluginfile.php", Intent::KeyFile),                           // 31: permanent key in the path
    is("lib/ajax/service.php", Intent::Ajax),                             // 22-24 ride inside: see `ajax`
    is("lib/ajax/service-nologin.php", Intent::AjaxOpen),                 // 22-24
    is("mod/lti/auth.php", Intent::LtiReturn),                            // 36b
    is("mod/lti/contentitem_return.php", Intent::LtiReturn),              // 36b

    // Closed: doors that open a session without the gate.
    closed("admin/tool/mobile/autologin.php", "autologin"),               // 2: key in the URL
    closed("auth/shibboleth/**", "shibboleth"),                           // 3, 4: believes headers
    closed("auth/oauth2/**", "oauth2"),                                   // 5, 6: external code, mailed link
    closed("admin/oauth2callback.php", "oauth2"),                         // 5
    closed("enrol/lti/login.php", "enrol_lti"),                           // 7: signed launch
    closed("enrol/lti/launch.php", "enrol_lti"),                          // 7
    closed("enrol/lti/launch_deeplink.php", "enrol_lti"),                 // 7
    closed("enrol/lti/register.php", "enrol_lti"),                        // 7: dynamic registration of a platform
    closed("enrol/lti/tool.php", "enrol_lti"),                            // 8: OAuth1 signature
    closed("enrol/lti/proxy.php", "enrol_lti"),                           // 8
    closed("enrol/lti/cartridge.php", "enrol_lti"),                       // 8: its description, for the platform
    closed("enrol/lti/ims-blti/**", "enrol_lti"),                         // 8
    closed("auth/lti/**", "auth_lti"),                                    // 7
    closed("auth/mnet/**", "mnet"),                                       // 9
    closed("mnet/xmlrpc/**", "mnet"),                                     // 9
    closed("auth/ldap/ntlmsso_*.php", "ntlmsso"),                         // 10: trusts the client's IP, which is ours
    closed("admin/index.php", "admin_index"),                             // 17: installs and upgrades
    closed("admin/upgradesettings.php", "admin_index"),                   // 17
    closed("install.php", "install"),                                     // 17

    // Closed: doors that mint, show or take a credential of Moodle's own.
    closed("admin/tool/mobile/launch.php", "launch"),                     // 21: hands out the app token
    closed("webservice/*/simpleserver.php", "simpleserver"),              // 27: any local password, no lockout
    closed("webservice/*/server.php", "webservice"),                      // 26: soap, xmlrpc, third-party protocols
    closed("user/managetoken.php", "managetoken"),                        // 29: shows the real tokens
    closed("user/emailupdate.php", "emailupdate"),                        // 38: no login; decides where mailed factors go
    closed("calendar/export_execute.php", "calendar_export"),             // 32: permanent token
    closed("rss/file.php", "rss"),                                        // 33: permanent token
    closed("grade/export/*/dump.php", "grade_export"),                    // 34: key in the URL
    closed("grade/import/*/fetch.php", "grade_import"),                   // 34
    closed("mod/lti/service.php", "lti_service"),                         // 36: server to server
    closed("mod/lti/services.php", "lti_service"),                        // 36
    closed("mod/lti/token.php", "lti_service"),                           // 36
    closed("mod/lti/certs.php", "lti_service"),                           // 36
    closed("mod/lti/openid-registration.php", "lti_service"),             // 36
    closed("mod/lti/openid-configuration.php", "lti_service"),            // 36
    closed("enrol/*/ipn.php", "payment"),                                 // 37: paypal and its kin
    closed("admin/cron.php", "cron"),                                     // 41
    closed("admin/process_email.php", "process_email"),                   // 42
    closed("admin/cli/**", "cli"),                                        // 42

    // Open: what an anonymous login page loads (section 14). None of these looks at a cookie.
    asset("theme/styles.php"),
    asset("theme/styles_debug.php"),
    asset("theme/yui_combo.php"),
    asset("theme/yui_image.php"),
    asset("theme/image.php"),
    asset("theme/font.php"),
    asset("theme/javascript.php"),
    asset("lib/javascript.php"),
    asset("lib/requirejs.php"),
    asset("lib/requirejs/*.js"),
    asset("lib/editor/tiny/loader.php"),
    asset("lib/editor/tiny/lang.php"),
    asset("favicon.ico"),
    asset("admin/tool/mobile/mobile.webmanifest.php"),
    Route { script: "pluginfile.php", rule: Rule::PluginFile },           // 40: public areas only

    // Open, on an anonymous session.
    open("login/signup.php"),
    open("login/unlock_account.php"),                                     // 14: mailed secret, only unlocks
    open("help.php"),
    open("help_ajax.php"),
    open("admin/tool/policy/*view*.php"),
    open("admin/tool/dataprivacy/summary.php"),                           // 39
    open("badges/badge.php"),                                             // 39: public hashes, no user context
    open("badges/badgeclass.php"),                                        // 39
    open("badges/assertion.php"),                                         // 39
    open("badges/*json.php"),                                             // 39
];

/// What a request for this path wants. `query` is as it came, without the `?`.
pub fn classify(path: &CanonicalPath, query: Option<&str>) -> Result<Intent, BadRequest> {
    if let Some(script) = path.script() {
        if !is_lawful(script) {
            return Err(BadRequest::new("script name that some servers fold to another"));
        }
        return of_script(script, path.path_info(), query);
    }
    match path.decoded() {
        "/" => Ok(Intent::Page),
        // The web server would answer 301 to /login/.
        "/login" => login_page(query),
        directory if directory.ends_with('/') => of_script(&format!("{}index.php", &directory[1..]), "", query),
        file => of_file(&file[1..]),
    }
}

fn of_script(script: &str, path_info: &str, query: Option<&str>) -> Result<Intent, BadRequest> {
    match lookup(script).map(|route| &route.rule) {
        Some(Rule::Is(intent)) => Ok(*intent),
        Some(Rule::LoginPage) => login_page(query),
        Some(Rule::PluginFile) => Ok(plugin_file(path_info, query)),
        None => protected_unless_alias(script),
    }
}

/// A path without a script: a static file, or a directory whose slash is missing.
fn of_file(file: &str) -> Result<Intent, BadRequest> {
    match lookup(file) {
        Some(Route { rule: Rule::Is(intent), .. }) => Ok(*intent),
        _ if file.strip_prefix("lib/editor/tiny/").is_some_and(|rest| rest.contains('.')) => Ok(Intent::Asset),
        _ => protected_unless_alias(file),
    }
}

fn protected_unless_alias(path: &str) -> Result<Intent, BadRequest> {
    if is_alias(path) { Err(BadRequest::new("alias of a script")) } else { Ok(Intent::Page) }
}

/// Door 11. auth_cas reads its ticket on a plain GET of the login page, before anything else is asked. `authCAS=NOCAS`
/// only asks for the local form. What cannot be read as PHP reads it is refused.
fn login_page(query: Option<&str>) -> Result<Intent, BadRequest> {
    let Some(query) = query else { return Ok(Intent::SignIn) };
    let unreadable = |_| BadRequest::new("query of the login page can be read in two ways");
    let query = Params::parse_query(query.as_bytes()).map_err(unreadable)?;
    if ["ticket", "SAMLart", "pgtIou", "pgtId"].iter().any(|name| query.contains(name)) {
        return Ok(Intent::Closed("cas"));
    }
    match query.get("authCAS").map_err(unreadable)? {
        None | Some(b"NOCAS") => Ok(Intent::SignIn),
        Some(_) => Ok(Intent::Closed("cas")),
    }
}

/// Logo and login background (section 14). `?file=` would override PATH_INFO (get_file_argument), so it is never open.
fn plugin_file(path_info: &str, query: Option<&str>) -> Intent {
    let mut parts = path_info.splitn(5, '/').skip(1);
    let open = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("1"), Some("core_admin"), Some("logo" | "logocompact" | "favicon"), Some(_)) => true,
        (Some("1"), Some(component), Some(_), Some(_)) => component.starts_with("theme_"),
        _ => false,
    };
    let names_a_file = || match query.map(|q| Params::parse_query(q.as_bytes())) {
        None => false,
        Some(Ok(query)) => query.contains("file"),
        Some(Err(_)) => true,
    };
    if open && !names_a_file() { Intent::Asset } else { Intent::Page }
}

fn lookup(script: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| matches(route.script, script))
}

fn matches(pattern: &str, script: &str) -> bool {
    if let Some(directory) = pattern.strip_suffix("**") {
        return script.starts_with(directory) && script.len() > directory.len();
    }
    match pattern.split_once('*') {
        None => pattern == script,
        Some((before, after)) => script.strip_prefix(before).is_some_and(|rest| {
            // The star stays within its segment.
            let segment = rest.find('/').unwrap_or(rest.len());
            (0..=segment).any(|end| rest.is_char_boundary(end) && matches(after, &rest[end..]))
        }),
    }
}

/// Letters, digits, `_`, `-`, and dots inside; ending in `.php`. Every script of Moodle's is named so; `token.php.`,
/// `token.php::$DATA`, `TOKEN~1.PHP` and `to\u{212a}en.php` (a Kelvin sign) are not.
fn is_lawful(script: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./".contains(&b);
    script.bytes().all(plain)
        && script.split('/').all(|segment| !segment.ends_with('.'))
        && script.get(script.len().saturating_sub(4)..).is_some_and(|end| end.eq_ignore_ascii_case(".php"))
}

/// Would some server take this unknown path to a script of the table after all? Two foldings are known: file systems
/// that ignore case, trailing dots and spaces or a stream's name (`LOGIN./`, `login::$DATA`), and Apache's MultiViews,
/// which finds `login/token.php` for `/login/token` and `/login/token/x.php`. Assets and open pages are no prize.
fn is_alias(path: &str) -> bool {
    let folded = fold(path);
    let is_prize = |route: &&Route| !matches!(route.rule, Rule::Is(Intent::Asset | Intent::OpenPage));
    let without_suffix = |route: &Route| {
        let Some(stem) = route.script.strip_suffix(".php") else { return false };
        !DIRECTORIES_TOO.contains(&stem) && matches(stem, leading_segments(&folded, stem))
    };
    if ROUTES.iter().filter(is_prize).any(without_suffix) {
        return true;
    }
    folded != path && (lookup(&folded).is_some() || lookup(&format!("{folded}/index.php")).is_some())
}

/// Stems of scripts beside which Moodle has a directory of that name; MultiViews leaves those alone.
const DIRECTORIES_TOO: [&str; 2] = ["mod/lti/service", "install"];

/// As many leading segments of `path` as `stem` has.
fn leading_segments<'a>(path: &'a str, stem: &str) -> &'a str {
    let n = stem.bytes().filter(|b| *b == b'/').count();
    path.match_indices('/').nth(n).map_or(path, |(at, _)| &path[..at])
}

fn fold(path: &str) -> Cow<'_, str> {
    let odd = |s: &str| s.ends_with(['.', ' ']) || s.contains(':') || s.bytes().any(|b| b.is_ascii_uppercase());
    if !path.split('/').any(odd) {
        return Cow::Borrowed(path);
    }
    let segment = |s: &str| s.split(':').next().unwrap_or(s).trim_end_matches(['.', ' ']).to_ascii_lowercase();
    Cow::Owned(path.split('/').map(segment).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
