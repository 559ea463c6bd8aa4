//! X5: a process killed at any moment forgets nothing that it had answered for.

use crate::servers::Scratch;
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use vestibule::{
    keys::Keyring,
    mfa::enrolment::Claim,
    store::{
        Config, Stores,
        contract::{HandClock, Samples},
        open,
    },
    types::{AccountId, RngExt, SystemRng, Timestamp},
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

async fn stores_in(directory: &Path) -> Stores {
    let ring = Keyring::parse(&std::fs::read_to_string(directory.join("keys")).unwrap()).unwrap();
    let config = Config {
        directory: directory.into(),
        database: format!("sqlite:{}", directory.join("vestibule.db").display()),
        ..Config::default()
    };
    let ring = Arc::new(arc_swap::ArcSwap::from_pointee(ring));
    open(&config, ring, Arc::new(HandClock::at(NOW)), Arc::new(SystemRng)).await.unwrap()
}

/// What the killed child does: count and claim, and say so only after it was committed.
#[tokio::test]
#[ignore = "the child of x5_kill_9_keeps_what_was_committed"]
async fn x5_child() {
    let Ok(directory) = std::env::var("VESTIBULE_X5") else { return };
    let stores = stores_in(Path::new(&directory)).await;
    let samples = Samples { now: NOW };
    let account = samples.stored_account(&stores).await;
    let codes: Vec<_> = (0..500).map(|_| SystemRng.opaque()).collect();
    stores.enrolments.enrol_first(&samples.totp(&account.id), &codes, 0).await.unwrap();
    let mut line = std::io::stdout().lock();
    for code in codes {
        let count = stores.counters.add("failures", 1, Duration::from_secs(86_400)).await.unwrap().value;
        assert_eq!(stores.enrolments.claim_recovery(&account.id, &code, NOW).await.unwrap(), Claim::Won);
        writeln!(line, "did {count} {} {code}", account.id).unwrap();
    }
}

#[tokio::test]
async fn x5_kill_9_keeps_what_was_committed() {
    kill(20).await;
}

#[tokio::test]
#[ignore = "minutes; tests/faults/kill.sh runs it"]
async fn x5_two_hundred_kills() {
    kill(200).await;
}

async fn kill(rounds: i64) {
    let directory = Scratch::new("x5");
    let ring = Keyring::generate(&SystemRng, Timestamp(0));
    std::fs::write(directory.path().join("keys"), ring.to_text().expose()).unwrap();
    let (mut counted, mut claimed) = (0, Vec::new());
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::kill::x5_child", "--ignored", "--nocapture", "--test-threads", "1"])
            .env("VESTIBULE_X5", directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 1 + usize::from(SystemRng.array::<1>()[0]) / 4;
        for line in lines.map_while(Result::ok) {
            // The test harness writes on the same line before the first one.
            let Some((_, done)) = line.split_once("did ") else { continue };
            let words: Vec<_> = done.split(' ').collect();
            counted = words[0].parse::<i64>().unwrap();
            claimed.push((words[1].to_owned(), words[2].to_owned()));
            left -= 1;
            if left == 0 {
                break;
            }
        }
        assert_eq!(left, 0, "round {round}: the child came so far");
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
    }
    let stores = stores_in(directory.path()).await;
    let value = stores.counters.value("failures").await.unwrap();
    assert!(value >= counted && counted >= rounds.min(20), "committed {counted}, found {value}");
    for (account, code) in claimed {
        let account = AccountId::new(account);
        assert_eq!(stores.enrolments.claim_recovery(&account, &code, Timestamp(1)).await.unwrap(), Claim::Used);
    }
    for file in ["state.db", "vestibule.db"] {
        let url = format!("sqlite:{}", directory.path().join(file).display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let check: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
        assert_eq!(check, "ok", "{file}");
    }
}
