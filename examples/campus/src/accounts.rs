//! Who has an account, and when a password is right.

use crate::settings::Settings;
use crate::{php, random};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

pub(crate) const GUEST: u64 = 1;
pub(crate) const ADMIN: u64 = 2;

/// One row of the user table.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: u64,
    pub username: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    /// `None` = "not cached": no local password.
    pub password: Option<String>,
    /// `manual`, `email` or `shibboleth`.
    pub auth: String,
    pub suspended: bool,
    pub confirmed: bool,
    /// A password change is forced.
    pub must_change: bool,
    pub policy_agreed: bool,
    /// Wrong passwords since the last right one.
    pub failures: u32,
    /// What the mailed unlock link carries.
    pub unlock_secret: String,
    /// A mailed key and the address it would set.
    pub pending_email: Option<(String, String)>,
    /// The long-lived secrets that stand in URLs.
    pub keys: Keys,
}

/// Secrets of one account that authenticate a request by themselves.
#[derive(Debug, Clone)]
pub struct Keys {
    /// `userprivateaccesskey`: opens tokenpluginfile.php.
    pub files: String,
    /// Opens rss/file.php.
    pub rss: String,
    /// Opens grade/export/*/dump.php.
    pub grades: String,
    /// Opens calendar/export_execute.php.
    pub calendar: String,
}

impl Account {
    fn new(id: u64, username: &str, password: Option<&str>) -> Account {
        let mut first_name = username.to_owned();
        if let Some(first) = first_name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Account {
            id,
            username: username.to_owned(),
            first_name,
            last_name: "Lab".into(),
            email: format!("{username}@example.test"),
            password: password.map(str::to_owned),
            auth: "manual".into(),
            suspended: false,
            confirmed: true,
            must_change: false,
            policy_agreed: false,
            failures: 0,
            unlock_secret: random::alphanumeric(15),
            pending_email: None,
            keys: Keys {
                files: random::hex(32),
                rss: random::hex(32),
                grades: random::hex(32),
                calendar: random::hex(40),
            },
        }
    }

    /// `user_not_fully_set_up`: such a user is sent to the profile form and nowhere else.
    pub(crate) fn unfinished(&self) -> bool {
        self.id != GUEST && [&self.first_name, &self.last_name, &self.email].iter().any(|field| field.is_empty())
    }

    /// `update_user_record`: what auth_shibboleth read, the empty ones too.
    fn take(&mut self, claims: &Claims) {
        self.first_name.clone_from(&claims.first_name);
        self.last_name.clone_from(&claims.last_name);
        self.email.clone_from(&claims.email);
    }

    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }

    /// What `headerloguser` calls this account.
    pub(crate) fn logged_as(&self, mode: u8) -> Option<String> {
        match mode {
            1 => Some(self.id.to_string()),
            2 => Some(self.full_name()),
            3 => Some(self.username.clone()),
            _ => None,
        }
    }
}

/// What the trusted headers of one request say. An attribute without a header is empty.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    /// As sent, `strtolower` applied (ASCII only since PHP 8).
    pub name: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    /// `field_updatelocal_*` is `onlogin`.
    pub update_on_login: bool,
}

/// What MySQL's `utf8mb4_unicode_ci` finds equal: case, accents and wide forms do not count, nor do spaces at the end.
/// A Moodle on it therefore finds `student1` when asked for `studént1`.
fn collated(name: &str) -> String {
    name.trim_end_matches(' ').nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// All accounts.
pub(crate) struct Accounts(Vec<Account>);

/// Why nobody signs in. The outside sees one text for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl Accounts {
    /// The accounts of the recorded site.
    pub(crate) fn recorded() -> Accounts {
        let student = Some("Stud.1234");
        let mut accounts = vec![
            Account::new(GUEST, "guest", Some("guest")),
            Account::new(ADMIN, "admin", Some("Admin.1234")),
            Account::new(3, "student1", student),
            Account::new(4, "student2", student),
            Account::new(5, "student3", student),
            Account::new(6, "teacher1", student),
            Account::new(7, "suspended1", student),
            Account::new(8, "mustchange1", student),
            Account::new(9, "locked1", student),
            Account::new(10, "shibuser1", None),
        ];
        accounts[0].first_name = "Guest user".into();
        accounts[0].last_name = String::new();
        accounts[1].last_name = "User".into();
        accounts[6].suspended = true;
        accounts[7].must_change = true;
        accounts[9].auth = "shibboleth".into();
        Accounts(accounts)
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Account> {
        self.0.iter().find(|account| account.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Account> {
        self.0.iter_mut().find(|account| account.id == id)
    }

    /// As the database finds it.
    pub(crate) fn named(&self, username: &str) -> Option<&Account> {
        let wanted = collated(username);
        self.0.iter().find(|account| collated(&account.username) == wanted)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Account> {
        self.0.iter()
    }

    /// `authenticate_user_login`: by password, or by the trusted header for accounts whose auth
    /// plugin is shibboleth.
    pub(crate) fn authenticate(
        &mut self,
        typed: &str,
        password: &str,
        trusted: Option<&Claims>,
        settings: &Settings,
    ) -> Result<u64, Refused> {
        let name = php::username(typed);
        let wanted = collated(&name);
        let known = self.0.iter_mut().find(|account| {
            collated(&account.username) == wanted
                || (settings.auth_login_via_email && account.email.eq_ignore_ascii_case(&name))
        });
        let claims = trusted.filter(|claims| claims.name == name);
        let Some(account) = known else {
            return claims.map(|claims| self.create_shibboleth(claims)).ok_or(Refused);
        };
        let locked = settings.lockout_threshold;
        if account.suspended || (locked > 0 && account.failures >= locked) {
            return Err(Refused);
        }
        let right = match account.auth.as_str() {
            "shibboleth" => claims.is_some(),
            _ => account.password.as_deref() == Some(password),
        };
        if !right {
            account.failures += 1;
            return Err(Refused);
        }
        account.failures = 0;
        if let Some(claims) = claims.filter(|_| account.auth == "shibboleth") {
            account.password = None; // "not cached": the local hash is gone at first use
            if claims.update_on_login {
                account.take(claims);
            }
        }
        Ok(account.id)
    }

    /// The door of auth_shibboleth itself, where the header alone is asked and nothing was typed.
    pub(crate) fn by_claims(&mut self, claims: &Claims) -> Result<u64, Refused> {
        let wanted = collated(&claims.name);
        let Some(account) = self.0.iter_mut().find(|account| collated(&account.username) == wanted) else {
            return Ok(self.create_shibboleth(claims));
        };
        if account.auth != "shibboleth" || account.suspended {
            return Err(Refused);
        }
        account.password = None;
        if claims.update_on_login {
            account.take(claims);
        }
        Ok(account.id)
    }

    /// auth_shibboleth creates whoever it does not know, from the headers.
    fn create_shibboleth(&mut self, claims: &Claims) -> u64 {
        let id = self.0.iter().map(|a| a.id).max().unwrap_or(0) + 1;
        let mut account = Account::new(id, claims.name.trim(), None);
        account.auth = "shibboleth".into();
        account.take(claims);
        self.0.push(account);
        id
    }

    /// For replays of what was recorded before an account existed.
    #[cfg(test)]
    pub(crate) fn forget(&mut self, id: u64) {
        self.0.retain(|account| account.id != id);
    }
}
