//! A whole school: the gateway with a chain of several sources in front of the demonstration LMS, by form or header.

use crate::{servers::Scratch, world::World};
use sqlx::{Connection, Executor, SqliteConnection};
use vestibule::{chain, config::Config, lms::SignIn, types::SiteName};

/// Whose password is [`SQL_PASSWORD`] in every table here.
pub const SQL_PASSWORD: &str = super::sql::PASSWORD;

/// A table of users in SQLite: (id, login, e-mail).
pub struct Table(Scratch);

impl Table {
    pub async fn of(people: &[(&str, &str, &str)]) -> Self {
        let table = Self(Scratch::new("table"));
        table
            .run("CREATE TABLE people (id TEXT PRIMARY KEY, login TEXT, hash TEXT, mail TEXT, first TEXT, last TEXT, off INTEGER DEFAULT 0, stated TEXT, teams TEXT)")
            .await;
        for person in people {
            table.add(*person).await;
        }
        table
    }

    pub async fn add(&self, (id, login, mail): (&str, &str, &str)) {
        let hash = super::sql::BCRYPT;
        let last = login.to_uppercase();
        self.run(&format!(
            "INSERT INTO people (id, login, hash, mail, first, last) VALUES ('{id}', '{login}', '{hash}', '{mail}', 'First', '{last}')"
        ))
        .await;
    }

    /// The tests' own text.
    pub async fn run(&self, statement: &str) {
        let path = self.0.path().join("people.db");
        let mut connection = SqliteConnection::connect(&format!("sqlite:{}?mode=rwc", path.display())).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.unwrap();
        connection.close().await.unwrap();
    }

    /// An instance of the chain that asks this table.
    pub fn instance(&self, name: &str, more: &str) -> chain::config::Instance {
        self.asked(name, "", more)
    }

    /// The same of one that says who is in which group.
    pub fn instance_with_groups(&self, name: &str) -> chain::config::Instance {
        self.asked(name, ", teams AS groups", "")
    }

    fn asked(&self, name: &str, also: &str, more: &str) -> chain::config::Instance {
        let path = self.0.path().join("people.db");
        let columns = "id AS subject, coalesce(stated, login) AS username, hash AS password_hash, mail AS email, \
                       first AS first_name, last AS last_name, off AS disabled";
        let yaml = format!(
            "name: {name}\nkind: sql\ndatabase: \"sqlite:{}\"\n\
             query: SELECT {columns}{also} FROM people WHERE login = :username\n\
             by_subject: SELECT {columns}{also} FROM people WHERE id = :subject\n{more}",
            path.display()
        );
        serde_yaml::from_str(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"))
    }
}

/// Switches header sign-in on at both ends, in the configuration's hands.
pub fn by_header(config: &mut Config) {
    let site = &mut config.sites[0];
    site.sign_in = SignIn::Header;
    header_door(config);
}

/// The LMS's trusted header for users of other sources, whichever page asks for the password.
pub fn header_door(config: &mut Config) {
    let site = &mut config.sites[0];
    site.upstream.exclusive = true;
    // The demonstration LMS's own accounts.
    site.lms.users_before = Some(10);
}

/// Makes the header's name, and the LMS trust it.
pub fn trust(world: &World) -> String {
    let ring = vestibule::admin::read_keyring(&world.config.keys.file).expect("a keyring");
    let header = ring.trusted_header(&SiteName::new("campus")).expect("a header name").user().expose().clone();
    world.campus.trust_header(Some(&header));
    header
}
