//! The source `local` against a store in memory.

use super::*;
use crate::{
    audit::Target,
    chain::{
        Attempt, Credentials, Trace,
        local::{NewPassword, SPENT, memory::LocalMemory, new_subject},
    },
    telemetry::Metrics,
    types::{ClientAddr, Password, Secret, SystemClock, SystemRng, Timestamp},
};
use std::path::PathBuf;

const PASSWORD: &str = "seven-lamps-at-noon";

struct Hall {
    store: Arc<LocalMemory>,
    hashing: Arc<Hashing>,
    source: Local,
    log: PathBuf,
}

impl Hall {
    fn new(name: &str) -> Self {
        let log = std::env::temp_dir().join(format!("vestibule-local-{}-{name}.jsonl", std::process::id()));
        let config = crate::audit::Config { file: Target::File(log.clone()), database: false };
        let audit = Audit::new(&config, Arc::new(SystemClock), None, Arc::new(Metrics::new())).unwrap();
        let (store, hashing) = (Arc::new(LocalMemory::default()), Arc::new(Hashing::new(1)));
        let source = Local {
            name: SourceId::new("staff"),
            store: store.clone(),
            hashing: hashing.clone(),
            audit,
            rng: Arc::new(SystemRng),
        };
        Self { store, hashing, source, log }
    }

    fn put(&self, username: &str, hash: &str) -> LocalAccount {
        let account = LocalAccount {
            source: self.source.name.clone(),
            id: new_subject(&SystemRng),
            username: username.to_owned(),
            hash: Secret::new(hash.to_owned()),
            first_name: None,
            last_name: None,
            name: Some("Somebody".into()),
            email: None,
            created: Timestamp(7),
            password_changed: Timestamp(7),
            must_change: false,
            one_time: false,
        };
        self.store.rows().push(account.clone());
        account
    }

    async fn judge(&self, username: &str, password: &str) -> Verdict {
        let credentials = Credentials::Token {
            username: username.to_owned(),
            password: Password::new(password.to_owned()),
            service: "moodle_mobile_app".into(),
        };
        let client = ClientAddr::new([192, 0, 2, 7].into());
        let attempt = Attempt { credentials, client, trace: Trace::off() };
        self.source.judge(&Asked { username, attempt: &attempt }).await
    }

    async fn audited(&self) -> String {
        self.source.audit.flush().await;
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.log);
    }
}

fn argon2id(password: &str) -> String {
    new_hash(&Password::new(password.to_owned()), &SystemRng)
}

#[tokio::test]
async fn the_right_password_proves_the_person() {
    let hall = Hall::new("right");
    let account = hall.put("alice", &argon2id("caf\u{e9}-lamps-at-noon"));
    for typed in ["caf\u{e9}-lamps-at-noon", "cafe\u{301}-lamps-at-noon"] {
        let Verdict::Ok(proven) = hall.judge("alice", typed).await else { panic!("{typed}") };
        assert_eq!((&proven.person.subject, proven.person.username.as_deref()), (&account.id, Some("alice")));
        assert_eq!(proven.person.password_mark.as_deref(), Some("7"));
        assert!(proven.lms.is_none());
    }
    assert_eq!(hall.store.rows()[0].hash.expose(), account.hash.expose(), "a current hash stays as it is");
    hall.source.probe().await.unwrap();
    let Standing::Active(person) = hall.source.standing(&account.id).await.unwrap() else { panic!() };
    assert_eq!(person.name.as_deref(), Some("Somebody"));
    assert!(matches!(hall.source.standing(&Subject::new("nobody")).await, Ok(Standing::Unknown)));
    assert_eq!(hall.source.find("alice").await.unwrap().unwrap().subject, account.id);
}

#[tokio::test]
async fn e1_every_refusal_costs_one_hash_whoever_is_named() {
    let hall = Hall::new("e1");
    hall.put("alice", &argon2id(PASSWORD));
    hall.put("locked", "!");
    hall.put("spent", SPENT);
    hall.put("nonsense", "$argon2id$nonsense");
    hall.put("costly", "$2b$31$abcdefghijklmnopqrstu.Lb.yfKpIM/1qFJy4hk/.JCZ8CObXRJy");
    for (n, name) in ["alice", "nobody", "locked", "spent", "nonsense", "costly"].into_iter().enumerate() {
        let verdict = hall.judge(name, "another-lamp-at-noon").await;
        assert!(matches!(verdict, Verdict::Declined(None) | Verdict::Unknown), "{name}: {verdict:?}");
        assert_eq!(hall.hashing.begun(), n as u64 + 1, "{name}");
    }
    assert!(matches!(hall.judge("alice", "").await, Verdict::Declined(None)));
    assert!(matches!(hall.judge("nobody", "").await, Verdict::Declined(None)));
    assert_eq!(hall.hashing.begun(), 6, "an empty password costs nothing, whoever is named");
}

#[tokio::test]
async fn e13_a_full_pool_is_an_error_and_no_refusal() {
    let hall = Hall::new("e13");
    hall.put("alice", &argon2id(PASSWORD));
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let held = hall.hashing.run(move || gate.recv());
    let mut held = std::pin::pin!(held);
    assert!(futures_util::poll!(&mut held).is_pending());
    let mut waiting: Vec<_> = Vec::new();
    loop {
        let mut next = Box::pin(hall.hashing.run(|| ()));
        match futures_util::poll!(&mut next) {
            std::task::Poll::Pending => waiting.push(next),
            std::task::Poll::Ready(refused) => break assert!(refused.is_err()),
        }
    }
    for name in ["alice", "nobody"] {
        let Verdict::Unclear(reason) = hall.judge(name, PASSWORD).await else { panic!("{name}") };
        assert_eq!(reason, "the hashing pool is full");
    }
    open.send(()).unwrap();
    drop(waiting);
    held.await.unwrap().unwrap();
    assert!(matches!(hall.judge("alice", PASSWORD).await, Verdict::Ok(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_one_time_password_opens_once_in_parallel_and_raises_the_alarm() {
    let hall = Hall::new("glass");
    let account = hall.put("rescue", "!");
    let new =
        NewPassword { hash: Secret::new(argon2id(PASSWORD)), at: Timestamp(9), must_change: false, one_time: true };
    hall.store.set_password(&hall.source.name, &account.id, &new).await.unwrap();
    assert!(matches!(hall.judge("rescue", "another-lamp-at-noon").await, Verdict::Declined(None)));
    assert!(!hall.audited().await.contains("break_glass_used"), "a wrong password uses nothing up");
    let verdicts = futures_util::future::join_all((0..8).map(|_| hall.judge("rescue", PASSWORD))).await;
    let won: Vec<_> = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Ok(_))).collect();
    assert_eq!(won.len(), 1, "{verdicts:?}");
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Ok(_) | Verdict::Declined(None))));
    assert!(matches!(hall.judge("rescue", PASSWORD).await, Verdict::Declined(None)));
    let audit = hall.audited().await;
    assert_eq!(audit.matches("break_glass_used").count(), 1, "{audit}");
    assert!(audit.contains("rescue") && audit.contains("192.0.2.7") && !audit.contains(PASSWORD), "{audit}");
    let Standing::Active(person) = hall.source.standing(&account.id).await.unwrap() else { panic!() };
    assert_eq!(person.password_mark.as_deref(), Some("9"), "the session that it opened is not ended by its use");
}

#[tokio::test]
async fn an_imported_hash_becomes_argon2id_at_its_owners_sign_in() {
    let hall = Hall::new("rehash");
    hall.put("alice", "900150983cd24fb0d6963f7d28e17f72");
    assert!(matches!(hall.judge("alice", "abd").await, Verdict::Declined(None)));
    assert!(!hall.store.rows()[0].hash.expose().starts_with("$argon2id$"), "not by a wrong password");
    assert!(matches!(hall.judge("alice", "abc").await, Verdict::Ok(_)));
    let row = hall.store.rows()[0].clone();
    assert!(StoredHash::parse(row.hash.expose()).unwrap().is_current());
    assert_eq!(row.password_changed, Timestamp(7), "it is the same password");
    assert!(matches!(hall.judge("alice", "abc").await, Verdict::Ok(_)));
}

#[tokio::test]
async fn a_password_that_must_be_changed_opens_nothing_and_tells_only_who_knows_it() {
    let hall = Hall::new("must");
    hall.put("alice", &argon2id(PASSWORD));
    hall.store.rows()[0].must_change = true;
    assert!(matches!(hall.judge("alice", PASSWORD).await, Verdict::Denied("password_must_change", None)));
    assert!(matches!(hall.judge("alice", "another-lamp-at-noon").await, Verdict::Declined(None)));
}

#[test]
fn it_has_no_keys_of_its_own() {
    assert!((KIND.settings)(serde_yaml::from_str("{}").unwrap()).is_ok());
    let unknown = (KIND.settings)(serde_yaml::from_str("{ min_length: 4 }").unwrap()).unwrap_err();
    assert!(unknown.message.contains("unknown field"), "{unknown:?}");
}
