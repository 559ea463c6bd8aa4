//! The administrator's settings, as far as they change what is seen on the wire.

use std::time::Duration;

/// The settings of auth_shibboleth, with the names of headers (`X-Remote-User`) for what Moodle calls
/// `HTTP_X_REMOTE_USER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shibboleth {
    /// `user_attribute`.
    pub user: String,
    /// `field_map_firstname`, `field_map_lastname`, `field_map_email`.
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    /// `field_updatelocal_*`: `true` = `onlogin`, where a header that is missing blanks its field; `false` = `oncreate`.
    pub update_on_login: bool,
}

impl Shibboleth {
    /// As on the recorded site: `X-Remote-User`, `X-Remote-Firstname` and so on.
    pub fn recorded() -> Shibboleth {
        Shibboleth { user: "X-Remote-User".into(), ..Shibboleth::named("X-Remote") }
    }

    /// The user in `header`, the other fields in `header-Firstname`, `header-Lastname`, `header-Email`.
    pub fn named(header: &str) -> Shibboleth {
        let field = |name: &str| format!("{header}-{name}");
        Shibboleth {
            user: header.to_owned(),
            first_name: field("Firstname"),
            last_name: field("Lastname"),
            email: field("Email"),
            update_on_login: false,
        }
    }
}

/// Defaults are those of the site that was recorded, with most of the doors open that a gateway must
/// close: a test of a closed door needs an LMS that would have opened it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `headerloguser`: 0 off, 1 user id, 2 full name, 3 username.
    pub header_log_user: u8,
    /// Whom every page names in `X-MOODLEUSER`, anonymous ones too: an LMS that signs in by what nobody else sees.
    pub names_everybody: Option<String>,
    /// `typeoflogin` of the mobile plugin: 1 app, 2 browser, 3 embedded browser.
    pub type_of_login: u8,
    /// `false` models an LMS that keeps its session id across sign-in (attack J14).
    pub rotate_at_sign_in: bool,
    /// The ldap plugin's warning that a password will expire: a sign-in that ends in a page, not a redirect.
    pub expiry_page: bool,
    /// `authloginviaemail`.
    pub auth_login_via_email: bool,
    /// `limitconcurrentlogins`; 0 = no limit.
    pub limit_concurrent_logins: u32,
    /// `sessiontimeout`.
    pub session_timeout_secs: u64,
    /// `maintenance_enabled`.
    pub maintenance: bool,
    /// `lockoutthreshold`; 0 = off.
    pub lockout_threshold: u32,
    /// `false` = `core_session_time_remaining` is unknown, as before Moodle 3.7.
    pub time_remaining: bool,
    /// `enablewebservices`.
    pub enable_web_services: bool,
    /// Short names of the enabled external services.
    pub services: Vec<String>,
    /// `tokenduration`; 0 = every token issued is expired at once.
    pub token_duration_secs: u64,
    /// The `webservice` auth plugin: opens simpleserver.php to any local password.
    pub webservice_auth: bool,
    /// The `shibboleth` auth plugin, which believes headers on the login doors; `None` = not enabled.
    pub shibboleth: Option<Shibboleth>,
    /// The `oauth2` auth plugin, with a provider whose code is the username (from the source,
    /// not recorded).
    pub oauth2: bool,
    /// `registerauth`: "" or "email".
    pub register_auth: String,
    /// `guestloginbutton`.
    pub guest_login: bool,
    /// `forcelogin`: the front page asks for a session too.
    pub force_login: bool,
    /// A site policy that accounts must have agreed to.
    pub site_policy: bool,
    /// `alternateloginurl`; also switches the logintoken check off.
    pub alternate_login_url: Option<String>,
    /// `forcedurlscheme` of the mobile plugin.
    pub forced_url_scheme: Option<String>,
    /// Seconds between two autologin keys of one user.
    pub autologin_lockout_secs: u64,
    /// `sslproxy`.
    pub ssl_proxy: bool,
    /// `true` = `reverseproxy` is off: the Host header's name must be that of the public URL.
    pub check_host: bool,
    /// `cookiehttponly`.
    pub cookie_http_only: bool,
    /// Delay before each answer.
    pub slow: Option<Duration>,
    /// How many requests the log keeps; the oldest go.
    pub keep_requests: usize,
    /// One line per request on standard output.
    pub access_log: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            header_log_user: 0,
            names_everybody: None,
            type_of_login: 1,
            rotate_at_sign_in: true,
            expiry_page: false,
            auth_login_via_email: false,
            limit_concurrent_logins: 0,
            session_timeout_secs: 28_800,
            maintenance: false,
            lockout_threshold: 0,
            time_remaining: true,
            enable_web_services: true,
            services: vec!["moodle_mobile_app".into()],
            token_duration_secs: 12 * 7 * 86_400,
            webservice_auth: true,
            shibboleth: None,
            oauth2: true,
            register_auth: String::new(),
            guest_login: true,
            force_login: false,
            site_policy: false,
            alternate_login_url: None,
            forced_url_scheme: Some("moodlemobile".into()),
            autologin_lockout_secs: 360,
            ssl_proxy: true,
            check_host: false,
            cookie_http_only: false,
            slow: None,
            keep_requests: 20_000,
            access_log: false,
        }
    }
}
