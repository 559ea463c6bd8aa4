//! Trusted devices, for the help desk.

use super::{
    User,
    api::{Admin, AdminError, Operator, count, done},
    reply::{Reply, short, table},
};
use crate::{accounts::Account, audit::Event, mfa::factors::device::TrustedDevice, types::DeviceId};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceCommand {
    /// Those of an account that are trusted now
    List(User),
    /// Ask for a second factor there again: on one device, or on all of an account
    Revoke(DeviceTarget),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct DeviceTarget {
    /// User name, or the account's id
    pub user: String,
    /// Its id as `device list` shows it; without, all of the account
    #[serde(default)]
    pub id: Option<String>,
}

/// One trusted device, as lists show it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRow {
    pub id: String,
    pub site: String,
    pub door: String,
    pub device: String,
    pub address: String,
    pub trusted: String,
    pub last_used: String,
    pub expires: String,
}

impl DeviceRow {
    pub fn of(device: &TrustedDevice) -> Self {
        Self {
            id: device.id.to_string(),
            site: device.site.to_string(),
            door: device.door.to_string(),
            device: device.label.clone(),
            address: device.address.clone(),
            trusted: short(device.created),
            last_used: short(device.last_used),
            expires: short(device.expires),
        }
    }
}

impl Admin {
    pub(super) async fn device(&self, by: Operator, command: DeviceCommand) -> Result<Reply, AdminError> {
        match command {
            DeviceCommand::List(who) => {
                let devices = self.trusted(&self.find(&who.user).await?).await?;
                Ok(Reply::Devices(devices.iter().map(DeviceRow::of).collect()))
            }
            DeviceCommand::Revoke(target) => self.forget_devices(by, target).await,
        }
    }

    pub(super) async fn trusted(&self, account: &Account) -> Result<Vec<TrustedDevice>, AdminError> {
        let mut devices = self.devices.devices(&account.id).await?;
        devices.retain(|device| device.is_live(account.epoch, self.clock.now()));
        Ok(devices)
    }

    async fn forget_devices(&self, by: Operator, target: DeviceTarget) -> Result<Reply, AdminError> {
        let account = self.find(&target.user).await?;
        let named = match &target.id {
            Some(id) => vec![DeviceId::new(id.as_str())],
            None => self.devices.devices(&account.id).await?.into_iter().map(|device| device.id).collect(),
        };
        let mut gone = 0;
        for device in named {
            if self.devices.forget(&account.id, &device).await? {
                gone += 1;
                // What was opened on its strength ends with it.
                for session in self.sessions.of_account(&account.id).await? {
                    if session.rests_on(&device) {
                        self.sessions.remove(&session.key).await?;
                    }
                }
                self.note(by, Event::DeviceForgotten { account: account.id.clone(), device });
            }
        }
        match target.id {
            Some(id) if gone == 0 => Err(AdminError::NoDevice(id)),
            Some(_) | None => Ok(done(format!("trusted no more: {}", count(gone, "device")))),
        }
    }
}

pub(super) fn table_of(rows: &[DeviceRow]) -> String {
    let cells = |row: &DeviceRow| {
        let DeviceRow { id, site, door, device, address, last_used, expires, .. } = row;
        [id, site, door, device, address, last_used, expires].map(String::clone)
    };
    table(
        ["DEVICE", "SITE", "DOOR", "CALLED", "ADDRESS", "LAST USED", "TRUSTED UNTIL"],
        rows.iter().map(cells).collect(),
    )
}

/// For the tests of administration.
#[cfg(test)]
pub(super) mod memory {
    use super::*;
    use crate::{
        mfa::factors::device::DeviceStore,
        types::{AccountId, Timestamp, Unavailable},
    };
    use async_trait::async_trait;
    use std::sync::Mutex;

    #[derive(Default)]
    pub struct Devices(Mutex<Vec<TrustedDevice>>);

    #[async_trait]
    impl DeviceStore for Devices {
        async fn trust(&self, device: &TrustedDevice) -> Result<(), Unavailable> {
            self.0.lock().unwrap().push(device.clone());
            Ok(())
        }
        async fn devices(&self, account: &AccountId) -> Result<Vec<TrustedDevice>, Unavailable> {
            Ok(self.0.lock().unwrap().iter().filter(|device| device.account == *account).cloned().collect())
        }
        async fn forget(&self, account: &AccountId, id: &DeviceId) -> Result<bool, Unavailable> {
            let mut devices = self.0.lock().unwrap();
            let before = devices.len();
            devices.retain(|device| device.account != *account || device.id != *id);
            Ok(devices.len() < before)
        }
        async fn forget_all(&self, account: &AccountId) -> Result<usize, Unavailable> {
            let mut devices = self.0.lock().unwrap();
            let before = devices.len();
            devices.retain(|device| device.account != *account);
            Ok(before - devices.len())
        }
        async fn device(&self, _: &DeviceId) -> Result<Option<TrustedDevice>, Unavailable> {
            unreachable!("administration signs nobody in")
        }
        async fn move_on(&self, _: &DeviceId, _: i64, _: Timestamp, _: &str) -> Result<bool, Unavailable> {
            unreachable!("administration signs nobody in")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        admin::tests::{Desk, NOW, command},
        types::{AccountId, Door, SiteName},
    };
    use std::time::Duration;

    fn device(account: &AccountId, id: &str) -> TrustedDevice {
        TrustedDevice {
            id: DeviceId::new(id),
            account: account.clone(),
            site: SiteName::new("campus"),
            door: Door::Browser,
            epoch: 0,
            counter: 2,
            moved: NOW,
            created: NOW,
            expires: NOW.plus(Duration::from_secs(3600)),
            last_used: NOW,
            label: "Firefox on Linux".into(),
            address: "192.0.2.7".into(),
        }
    }

    #[tokio::test]
    async fn f9_the_help_desk_lists_and_revokes_devices_of_one_account() {
        let desk = Desk::new("devices");
        let (alice, bob) = (desk.somebody('a', "alice").await, desk.somebody('b', "bob").await);
        let say = async |line: &str| desk.admin.execute(Operator { uid: 0 }, command(line)).await;
        for (account, id) in [(&alice, "one"), (&alice, "two"), (&alice, "three"), (&bob, "four")] {
            desk.admin.devices.trust(&device(account, id)).await.unwrap();
        }
        let old = TrustedDevice { expires: NOW, ..device(&alice, "ended") };
        desk.admin.devices.trust(&old).await.unwrap();
        let Reply::Devices(rows) = say("device list alice").await.unwrap() else { panic!("a list") };
        assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
        let text = Reply::Devices(rows).to_string();
        assert!(text.contains("Firefox on Linux") && text.contains("192.0.2.7"), "{text}");
        assert!(matches!(say("device revoke bob one").await, Err(AdminError::NoDevice(_))), "not bob's");
        assert!(say("device revoke alice one").await.unwrap().to_string().contains("1 device"));
        assert!(say("device revoke alice").await.unwrap().to_string().contains("3 devices"));
        assert!(desk.admin.devices.devices(&alice).await.unwrap().is_empty());
        say("account disable bob").await.unwrap();
        assert!(desk.admin.devices.devices(&bob).await.unwrap().is_empty(), "with everything else of the account");
        let audited = desk.audited().await;
        assert_eq!(audited.iter().filter(|line| line.contains("device_forgotten")).count(), 4, "{audited:?}");
    }

    #[tokio::test]
    async fn e6_an_account_is_unlocked_and_that_is_recorded() {
        let desk = Desk::new("unlock");
        desk.somebody('a', "alice").await;
        let said = desk.admin.execute(Operator { uid: 0 }, command("account unlock alice")).await.unwrap().to_string();
        assert!(said.contains("nothing was locked"), "{said}");
        assert!(desk.audited().await.iter().any(|line| line.contains("account_unlocked") && line.contains("uid 0")));
    }
}
