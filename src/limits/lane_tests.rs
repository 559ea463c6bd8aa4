//! Lanes: what strangers do locks nobody out who is known, and a known browser is worth no more guesses than a stranger.

use super::{Config, Count, Counters, Lane, Leave, Limit, Locked, Throttle};
use crate::types::{AccountId, ClientAddr, KnownMark, SiteName, Unavailable};
use async_trait::async_trait;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// Windows that never end: enough for counting rules. The real ones pass the contract suite.
#[derive(Default)]
pub struct Plain(Mutex<HashMap<String, i64>>);

#[async_trait]
impl Counters for Plain {
    async fn add(&self, name: &str, by: i64, window: Duration) -> Result<Count, Unavailable> {
        let mut map = self.0.lock().unwrap();
        let value = map.entry(name.to_owned()).or_default();
        *value = (*value + by).max(0);
        Ok(Count { value: *value, resets_in: window })
    }
    async fn look(&self, name: &str) -> Result<Count, Unavailable> {
        let value = self.0.lock().unwrap().get(name).copied().unwrap_or(0);
        Ok(Count { value, resets_in: Duration::from_secs(60) })
    }
    async fn clear(&self, name: &str) -> Result<(), Unavailable> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}

fn throttle() -> Throttle {
    Throttle::new(Arc::new(Plain::default()), Config::default())
}

fn lane(mark: &str) -> Lane {
    Lane::Known(KnownMark::new(mark))
}

fn campus() -> SiteName {
    SiteName::new("campus")
}

/// Tries so many wrong passwords, each from another address if `address` is none; how many were looked at.
async fn guess(throttle: &Throttle, times: u8, address: Option<u8>, lane: &Lane) -> usize {
    let mut looked_at = 0;
    for n in 0..times {
        let client = ClientAddr::new([192, 0, 2, address.unwrap_or(n)].into());
        if let Leave::Given(slot) = throttle.password(&campus(), "alice", client, lane).await.unwrap() {
            looked_at += 1;
            throttle.password_wrong(slot).await.unwrap();
        }
    }
    looked_at
}

/// The same with codes, five in each flow.
async fn guess_codes(throttle: &Throttle, times: usize, flows: &str, lane: &Lane) -> usize {
    let mut looked_at = 0;
    for n in 0..times {
        let flow = format!("{flows}{}", n / 5);
        if let Leave::Given(slot) = throttle.factor(&AccountId::new("a"), "totp", &flow, lane).await.unwrap() {
            looked_at += 1;
            throttle.factor_wrong(slot).await.unwrap();
        }
    }
    looked_at
}

#[tokio::test]
async fn e6_whoever_fills_an_account_s_counter_locks_nobody_out_who_is_known() {
    let throttle = throttle();
    let mine = lane("mine");
    assert_eq!(guess(&throttle, 200, None, &Lane::Common).await, 10);
    assert_eq!(guess(&throttle, 1, Some(7), &Lane::Common).await, 0);
    assert_eq!(guess(&throttle, 30, None, &mine).await, 10, "whose lane has the same figure");
    assert_eq!(guess(&throttle, 1, None, &mine).await, 0);
    assert_eq!(guess(&throttle, 1, None, &lane("another")).await, 1, "of each browser its own");
}

#[tokio::test]
async fn e6_a_full_address_stops_no_known_browser_behind_it() {
    let throttle = throttle();
    for n in 0..120 {
        let client = ClientAddr::new([192, 0, 2, 9].into());
        if let Leave::Given(slot) = throttle.password(&campus(), &format!("u{n}"), client, &Lane::Common).await.unwrap()
        {
            throttle.password_wrong(slot).await.unwrap();
        }
    }
    assert_eq!(guess(&throttle, 1, Some(9), &Lane::Common).await, 0);
    assert_eq!(guess(&throttle, 1, Some(9), &lane("mine")).await, 1);
}

#[tokio::test]
async fn f2_a_factor_that_strangers_locked_is_open_in_its_owner_s_lane() {
    let throttle = throttle();
    let mine = lane("mine");
    assert_eq!(guess_codes(&throttle, 1000, "x", &Lane::Common).await, 10);
    assert_eq!(guess_codes(&throttle, 1000, "y", &mine).await, 10, "whose lane has the same figure");
    assert_eq!(guess_codes(&throttle, 5, "z", &mine).await, 0);
}

#[tokio::test]
async fn e6_what_is_locked_is_told_and_unlocked_in_every_lane() {
    let throttle = throttle();
    let (account, mine) = (AccountId::new("a"), lane("mine"));
    let names = [(campus(), "alice".to_owned()), (SiteName::new("other"), "alice".to_owned())];
    let factors = ["totp", "recovery"];
    let locked = async || throttle.locked(&account, &names, &factors).await.unwrap();
    assert!(locked().await.is_empty());
    for lane in [&Lane::Common, &mine] {
        guess(&throttle, 20, None, lane).await;
        guess_codes(&throttle, 20, if lane.is_known() { "k" } else { "c" }, lane).await;
    }
    let told = locked().await;
    let is = |told: &Locked, limit, of: &str, known| {
        told.limit == limit && told.of == of && told.known_only == known && !told.rest.is_zero()
    };
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(is(&told[0], Limit::PasswordsPerAccount, "alice", false) && told[0].site == Some(campus()));
    assert!(is(&told[1], Limit::PasswordsPerAccount, "alice", true));
    assert!(is(&told[2], Limit::FactorsBeforeLock, "totp", false) && told[2].site.is_none());
    assert!(is(&told[3], Limit::FactorsBeforeLock, "totp", true));

    throttle.unlock(&account, &names, &factors).await.unwrap();
    assert!(locked().await.is_empty());
    for lane in [&Lane::Common, &mine] {
        assert_eq!(guess(&throttle, 20, None, lane).await, 10, "{lane:?}: and counting begins anew");
        assert_eq!(guess_codes(&throttle, 20, if lane.is_known() { "l" } else { "d" }, lane).await, 10, "{lane:?}");
    }
}

#[tokio::test]
async fn f2_a_day_s_wrong_codes_are_told_and_forgotten() {
    let throttle =
        Throttle::new(Arc::new(Plain::default()), Config { wrong_factors_before_lock: 1000, ..Config::default() });
    let account = AccountId::new("a");
    assert_eq!(guess_codes(&throttle, 100, "x", &Lane::Common).await, 30);
    let told = throttle.locked(&account, &[], &["totp"]).await.unwrap();
    assert_eq!(told.iter().map(|locked| locked.limit).collect::<Vec<_>>(), [Limit::FactorsPerDay]);
    throttle.unlock(&account, &[], &["totp"]).await.unwrap();
    assert_eq!(guess_codes(&throttle, 1, "y", &Lane::Common).await, 1);
}
