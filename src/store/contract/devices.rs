//! What trusted devices must do on every database.

use super::{HandClock, Samples, winners};
use crate::{
    mfa::factors::device::{MOST, TrustedDevice, Worth},
    store::Stores,
    types::{AccountId, DeviceId},
};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

pub async fn f9_a_device_is_moved_on_by_one_caller(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let account = samples.stored_account(stores).await.id;
    let device = samples.device(&account);
    stores.devices.trust(&device).await.unwrap();
    assert_eq!(stores.devices.device(&device.id).await.unwrap(), Some(device.clone()), "comes back as it was put");

    let (devices, id, now) = (stores.devices.clone(), device.id.clone(), samples.now.plus(SECOND));
    let won = winners(move |n| {
        let (devices, id) = (devices.clone(), id.clone());
        async move {
            let moved = devices.move_on(&id, 0, now, &format!("10.0.0.{n}")).await.unwrap();
            let device = devices.device(&id).await.unwrap().unwrap();
            let shown = crate::mfa::factors::device::Shown { device: id, counter: 0 };
            assert_eq!(device.worth(&shown, 0, now), Worth::JustBefore, "the others are not taken for thieves");
            moved
        }
    });
    assert_eq!(won.await, 1, "F9: of parallel tabs one moves the counter");
    let moved = stores.devices.device(&device.id).await.unwrap().unwrap();
    assert_eq!((moved.counter, moved.moved, moved.last_used), (1, now, now));
    assert!(!stores.devices.move_on(&device.id, 0, now, "").await.unwrap(), "an older secret moves nothing");
    assert!(!stores.devices.move_on(&device.id, 2, now, "").await.unwrap(), "nor one that was never given");
    assert!(stores.devices.move_on(&device.id, 1, device.expires.minus(SECOND), "").await.unwrap());
    assert!(!stores.devices.move_on(&device.id, 2, device.expires, "").await.unwrap(), "nor does one past its end");
    assert!(!stores.devices.move_on(&DeviceId::new("nobody"), 0, now, "").await.unwrap());
}

pub async fn devices_are_listed_capped_and_forgotten(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let account = samples.stored_account(stores).await.id;
    let other = samples.stored_account(stores).await.id;
    let store = &stores.devices;
    let foreign = samples.device(&other);
    store.trust(&foreign).await.unwrap();
    let ended = TrustedDevice { expires: samples.now.minus(SECOND), ..samples.device(&account) };
    store.trust(&ended).await.unwrap();
    let mut made = Vec::new();
    for n in 0..=MOST {
        let last_used = samples.now.plus(SECOND * u32::try_from(n).unwrap());
        let device = TrustedDevice { last_used, ..samples.device(&account) };
        store.trust(&device).await.unwrap();
        made.push(device.id);
    }
    let listed: Vec<DeviceId> = store.devices(&account).await.unwrap().into_iter().map(|device| device.id).collect();
    made.reverse();
    assert_eq!(
        listed,
        made[..MOST],
        "last used first; of too many the one unused for longest goes, and what has ended"
    );
    assert!(!store.forget(&other, &made[0]).await.unwrap(), "nobody else's");
    let (devices, id, of) = (store.clone(), made[0].clone(), account.clone());
    let won = winners(move |_| {
        let (devices, id, account) = (devices.clone(), id.clone(), of.clone());
        async move { devices.forget(&account, &id).await.unwrap() }
    });
    assert_eq!(won.await, 1, "F9: a theft is told once");
    assert_eq!(store.device(&made[0]).await.unwrap(), None);
    assert_eq!(store.forget_all(&account).await.unwrap(), MOST - 1);
    assert!(store.devices(&account).await.unwrap().is_empty());
    assert_eq!(store.devices(&other).await.unwrap(), [foreign]);
    assert_eq!(store.forget_all(&AccountId::new("nobody")).await.unwrap(), 0);
    let racing: AccountId = account;
    let devices = store.clone();
    winners(|_| {
        let (devices, device) = (devices.clone(), samples.device(&racing));
        async move { devices.trust(&device).await.is_ok() }
    })
    .await;
    assert_eq!(store.devices(&racing).await.unwrap().len(), MOST, "also of those that come at once");
}
