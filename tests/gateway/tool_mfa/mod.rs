//! What Moodle's tool_mfa leaves to the gateway: tables shaped as Moodle makes them, in each kind of database that it
//! runs on.

mod reading;
mod story;

use crate::databases::Db;
use base64::{Engine, engine::general_purpose::STANDARD};

/// Sixteen characters of base32, as factor_totp cuts them.
pub const SECRET: &str = "GEZDGNBVGY3TQOJQ";

/// The tables, by Moodle's install.xml as its generators for each database write them.
pub async fn tables(db: &Db, prefix: &str) {
    let (key, time, text, flag) = match db {
        Db::Postgres(_) => ("BIGSERIAL PRIMARY KEY", "BIGINT", "TEXT", "SMALLINT"),
        Db::MariaDb(_) => ("BIGINT(10) PRIMARY KEY AUTO_INCREMENT", "BIGINT(10)", "LONGTEXT", "TINYINT(1)"),
        Db::Sqlite(_) => ("INTEGER PRIMARY KEY", "INTEGER", "TEXT", "INTEGER"),
    };
    db.sql(&format!(
        "CREATE TABLE {prefix}user (id {key}, auth VARCHAR(20) NOT NULL DEFAULT 'manual', deleted {flag} NOT NULL \
         DEFAULT 0, suspended {flag} NOT NULL DEFAULT 0, username VARCHAR(100) NOT NULL, email VARCHAR(100) NOT NULL \
         DEFAULT '', lastlogin {time} NOT NULL DEFAULT 0);
         CREATE TABLE {prefix}tool_mfa (id {key}, userid {time} NOT NULL, factor VARCHAR(100) NOT NULL, secret {text}, \
         label {text}, timecreated {time}, createdfromip {text}, timemodified {time}, lastverified {time}, revoked \
         {flag} NOT NULL DEFAULT 0, lockcounter INT NOT NULL DEFAULT 0);
         CREATE TABLE {prefix}config_plugins (id {key}, plugin VARCHAR(100) NOT NULL, name VARCHAR(100) NOT NULL, \
         value {text} NOT NULL);"
    ))
    .await;
}

/// A user of Moodle's, as (id, name, deleted, suspended).
pub async fn user(db: &Db, prefix: &str, (id, name, deleted, suspended): (u64, &str, u8, u8)) {
    db.sql(&format!(
        "INSERT INTO {prefix}user (id, username, deleted, suspended) VALUES ({id}, '{name}', {deleted}, {suspended})"
    ))
    .await;
}

/// A row of `tool_mfa`.
pub struct Row<'a> {
    pub user: u64,
    pub factor: &'a str,
    pub secret: Option<&'a str>,
    pub label: &'a str,
    pub verified: i64,
    pub revoked: u8,
}

impl<'a> Row<'a> {
    pub fn of(user: u64, factor: &'a str, secret: Option<&'a str>) -> Self {
        Self { user, factor, secret, label: "my phone", verified: 0, revoked: 0 }
    }
}

pub async fn row(db: &Db, prefix: &str, row: &Row<'_>) {
    let secret = row.secret.map_or("NULL".to_owned(), |secret| {
        let quoted = secret.replace('\'', "''");
        // MariaDB reads a backslash in a literal as an escape.
        format!("'{}'", if matches!(db, Db::MariaDb(_)) { quoted.replace('\\', "\\\\") } else { quoted })
    });
    let Row { user, factor, label, verified, revoked, .. } = row;
    db.sql(&format!(
        "INSERT INTO {prefix}tool_mfa (userid, factor, secret, label, timecreated, createdfromip, timemodified, \
         lastverified, revoked) VALUES ({user}, '{factor}', {secret}, '{label}', 1700000000, '192.0.2.1', 1700000000, \
         {verified}, {revoked})"
    ))
    .await;
}

pub async fn setting(db: &Db, prefix: &str, (plugin, name, value): (&str, &str, &str)) {
    let query =
        format!("INSERT INTO {prefix}config_plugins (plugin, name, value) VALUES ('{plugin}', '{name}', '{value}')");
    db.sql(&query).await;
}

/// What factor_webauthn stores for an ES256 key with this SubjectPublicKeyInfo.
pub fn registration(host: &str, credential_id: &[u8], spki: &[u8]) -> String {
    let body = STANDARD.encode(spki);
    let lines: Vec<&str> = (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"));
    let json = serde_json::json!({
        "rpId": host, "attestationFormat": "none", "credentialId": STANDARD.encode(credential_id),
        "credentialPublicKey": pem, "certificateChain": null, "certificateIssuer": "", "certificateSubject": "",
        "signatureCounter": null, "AAGUID": STANDARD.encode([0; 16]), "rootValid": null, "userPresent": true,
        "userVerified": true,
    });
    // PHP escapes slashes; a reader of JSON sees no difference.
    json.to_string().replace('/', "\\/")
}
