//! The side of whoever types the command: reads Moodle's database, sorts what it holds, and sends it in batches.

use super::{
    super::{Command, Reply},
    command::{Device, ImportCommand, ImportToolMfa, Person, SecretBytes, What},
    sheet::{Tally, ToolMfaSheet},
};
use crate::{
    lms::moodle::tool_mfa::{Reader, Record, Settings, Stored},
    outbound::database::{Gravity, Location, Read},
    types::Timestamp,
};
use std::{collections::BTreeMap, time::Duration};

/// A page of rows; a database that takes longer is asked at a better time.
const DEADLINE: Duration = Duration::from_secs(60);
/// People and devices of one batch: with the largest keys there are, it passes the socket, which takes 8 MiB.
const BATCH: usize = 1_000;

/// Reads, sends each batch with `send`, and joins what was answered.
pub(in super::super) async fn gather(
    import: ImportToolMfa,
    secret: &Read<'_>,
    now: Timestamp,
    mut send: impl AsyncFnMut(Command) -> Result<Reply, String>,
) -> Result<Reply, String> {
    let reader = open(&import, secret)?;
    let settings = reader.settings().await.map_err(|error| error.to_string())?;
    let records = reader.records().await.map_err(|error| error.to_string())?;
    let mut tally = Tally::default();
    let people = sort(&records, &mut tally);
    let mut sheet = ToolMfaSheet { factors: tally.rows(), ..ToolMfaSheet::default() };
    let mut sent = 0;
    for people in batches(people) {
        let count = people.len();
        let batch = ImportToolMfa { people, ..import.clone() };
        match send(Command::Import(ImportCommand::ToolMfa(batch))).await {
            Ok(Reply::ToolMfa(answer)) => sheet.join(*answer),
            Ok(_) => return Err("the gateway that runs is of another version".to_owned()),
            Err(error) if sent == 0 || import.dry_run => return Err(error),
            Err(error) => {
                return Err(format!(
                    "{error}\n{sent} people were done before that; it can be run again, and goes on there"
                ));
            }
        }
        sent += count;
    }
    sheet.mfa = Some(settings.yaml());
    sheet.notes = notes(&settings, &records, now);
    Ok(Reply::ToolMfa(Box::new(sheet)))
}

fn open(import: &ImportToolMfa, secret: &Read<'_>) -> Result<Reader, String> {
    let location = Location {
        database: &import.dsn,
        password: import.password.as_deref(),
        tls: import.tls,
        ca_file: import.ca_file.as_deref(),
    };
    // The same rules as for gateway.yaml. An argument can be read by everybody on this machine.
    if let Some(fault) = location.faults().into_iter().find(|fault| fault.gravity == Gravity::Error) {
        let key = if fault.key == "database" { "dsn" } else { fault.key };
        let what = fault.what.replace("the configuration", "an argument, where everybody on this machine can read it");
        return Err(format!("--{key}: {what}; {}", fault.fix.replace("`password: ", "`--password ")));
    }
    let address = location.address(secret).map_err(|error| match error.key {
        "database" => format!("--dsn: {}", error.said),
        key => format!("--{key}: {}", error.said),
    })?;
    Reader::new(address, &import.prefix, DEADLINE).map_err(|error| format!("--prefix: {error}"))
}

/// What can be carried over, by person; the rest is counted with its reason.
fn sort(records: &[Record], tally: &mut Tally) -> Vec<Person> {
    let mut people: BTreeMap<u64, Person> = BTreeMap::new();
    for record in records {
        let what = match record.sort() {
            Ok(Stored::Totp(secret)) => Some(What::Totp(SecretBytes::new(secret))),
            Ok(Stored::Webauthn(registration)) => Some(What::Webauthn(registration)),
            Err(left) => {
                tally.count(&record.factor, left.why());
                if !left.was_asked() {
                    continue;
                }
                None
            }
        };
        let person = people.entry(record.user.0).or_insert_with(|| Person {
            lms_user: record.user.0,
            lms_username: record.username.clone(),
            devices: Vec::new(),
        });
        person.devices.extend(what.map(|what| Device {
            row: record.id,
            label: record.label.clone(),
            created: record.created,
            verified: record.verified,
            what,
        }));
    }
    people.into_values().collect()
}

/// One at least, so that an empty table is an answer too.
fn batches(people: Vec<Person>) -> Vec<Vec<Person>> {
    let (mut all, mut batch, mut size) = (Vec::new(), Vec::new(), 0);
    for person in people {
        let weight = 1 + person.devices.len();
        if size + weight > BATCH && !batch.is_empty() {
            all.push(std::mem::take(&mut batch));
            size = 0;
        }
        size += weight;
        batch.push(person);
    }
    all.push(batch);
    all
}

fn notes(settings: &Settings, records: &[Record], now: Timestamp) -> Vec<String> {
    let mut notes = settings.notes();
    if let Some(grace) = settings.grace(records, now) {
        notes.push(format!(
            "{} people are still in Moodle's grace period, the last until {day}. `grace: {{ until: {day} }}` in a rule \
             gives everybody under it until then; whoever brings a factor is asked for it all the same",
            grace.people,
            day = grace.day()
        ));
    }
    notes.push(
        "imported devices come without recovery codes: people make some on their account page, once they have signed in"
            .to_owned(),
    );
    notes.push(
        "when this has been done and tried, switch tool_mfa off in Moodle: otherwise people are asked twice".to_owned(),
    );
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lms::moodle::tool_mfa::User,
        mfa,
        types::{LmsUserId, Secret},
    };

    fn record(user: u64, factor: &str) -> Record {
        Record {
            id: user,
            user: LmsUserId(user),
            username: format!("user{user}"),
            state: User::Active,
            factor: factor.into(),
            secret: Secret::new("GEZDGNBVGY3TQOJQ".into()),
            label: "phone".into(),
            created: 1,
            verified: 0,
            revoked: false,
        }
    }

    #[test]
    fn whoever_was_asked_is_told_of_even_without_a_device() {
        let mut tally = Tally::default();
        let records = [record(1, "totp"), record(2, "email"), record(3, "grace"), record(1, "grace")];
        let people = sort(&records, &mut tally);
        let counts: Vec<(u64, usize)> = people.iter().map(|p| (p.lms_user, p.devices.len())).collect();
        assert_eq!(counts, [(1, 1), (2, 0)]);
        let rows: Vec<(String, u64)> = tally.rows().into_iter().map(|row| (row.factor, row.count)).collect();
        assert_eq!(rows, [("email".to_owned(), 1), ("grace".to_owned(), 2)]);
    }

    #[test]
    fn batches_are_bounded_and_lose_nobody() {
        let records: Vec<Record> = (0..2_500).map(|user| record(user, "totp")).collect();
        let all = batches(sort(&records, &mut Tally::default()));
        assert!(all.iter().all(|batch| (1..=500).contains(&batch.len())));
        assert_eq!(all.iter().map(Vec::len).sum::<usize>(), 2_500);
        assert_eq!(batches(Vec::new()), [Vec::new()]);
    }

    /// Copied into gateway.yaml it must be understood as it stands.
    #[test]
    fn the_weights_are_told_in_gateway_yamls_own_words() {
        let mut settings = Settings::default();
        let all = ["totp", "webauthn", "email", "sms", "token", "admin", "nosetup", "iprange", "auth", "cohort"];
        for factor in all.iter().chain(&["role", "capability"]) {
            settings.note(&format!("factor_{factor}"), "enabled", "1");
            settings.note(&format!("factor_{factor}"), "weight", "50");
        }
        let yaml: serde_yaml::Value = serde_yaml::from_str(&settings.yaml()).unwrap();
        let config: mfa::Config = serde_yaml::from_value(yaml["mfa"].clone()).unwrap();
        assert_eq!((config.factors.len(), config.signals.len()), (5, 3), "{}", settings.yaml());
        assert!(config.factors.iter().all(|factor| factor.weight == 50));
        assert!(settings.yaml().contains("# - { name: cohort, kind: group, weight: 50, none_of: [] }"));
    }

    #[test]
    fn a_password_stands_in_no_argument() {
        let of = |dsn: &str| ImportToolMfa {
            dsn: dsn.to_owned(),
            password: None,
            tls: None,
            ca_file: None,
            prefix: "mdl_".into(),
            site: None,
            dry_run: true,
            enrol_by_rule: false,
            people: Vec::new(),
        };
        let secret = |text: &str| Ok(Secret::new(text.to_owned()));
        let error = open(&of("postgres://moodle:hunter2@db/moodle"), &secret).err().unwrap();
        assert!(error.starts_with("--dsn: a password stands in an argument") && !error.contains("hunter2"), "{error}");
        let error = open(&of("oracle://db/moodle"), &secret).err().unwrap();
        assert!(error.starts_with("--dsn: "), "{error}");
    }
}
