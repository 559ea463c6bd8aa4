//! The worker that writes to those whose grace ends soon and who have set up nothing: 14, 7, 3 and 1 days before.

use crate::{
    accounts::{Account, State},
    edge::gate::{Gate, House},
    flow::Desk,
    language::Lang,
    mfa::policy::Case,
    outbound::mail::Message,
    types::{ClientAddr, Door, Timestamp, Unavailable},
};
use arc_swap::ArcSwap;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

/// How long before the end somebody is written to, in days.
const DAYS: [u64; 4] = [1, 3, 7, 14];
/// Everybody is looked at so often, by one node of all.
const ROUND: Duration = Duration::from_secs(3600);
/// Accounts that are fetched at a time.
const PAGE: u32 = 500;
/// Longer than the longest notice, so that no letter is written twice.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// Runs until it is aborted. The clock is looked at every second, so that one put forward is noticed at once.
pub(super) async fn remind(gates: Arc<ArcSwap<Gate>>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last: Option<u64> = None;
    loop {
        ticks.tick().await;
        let gate = gates.load_full();
        let hour = hour(gate.desk.clock.now());
        if last == Some(hour) {
            continue;
        }
        match round(&gate, hour).await {
            Ok(()) => last = Some(hour),
            Err(error) => tracing::debug!(%error, "whose grace ends soon could not be looked for; it is tried again"),
        }
    }
}

fn hour(now: Timestamp) -> u64 {
    u64::try_from(now.secs()).unwrap_or(0) / ROUND.as_secs()
}

async fn round(gate: &Gate, hour: u64) -> Result<(), Unavailable> {
    let desk = &gate.desk;
    let lenient = desk.settings.mfa.rules.iter().any(|rule| rule.grace.is_some());
    if !lenient || !desk.mailer.is_on() || !desk.throttle.first(&format!("grace/round/{hour}"), 2 * ROUND).await? {
        return Ok(());
    }
    let mut after = None;
    loop {
        let page = desk.accounts.list(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
        for account in page.iter().filter(|account| account.state == State::Active && account.email.is_some()) {
            one(gate, account).await?;
        }
    }
}

async fn one(gate: &Gate, account: &Account) -> Result<(), Unavailable> {
    let desk = &gate.desk;
    let (Some(address), Some((host, ends))) = (&account.email, ends(gate, account).await?) else { return Ok(()) };
    let Some(days) = due(ends, desk.clock.now()) else { return Ok(()) };
    // Claimed before it is written: a letter too few is better than one an hour.
    let claim = format!("grace/{}/{}/{days}", account.id, ends.secs());
    if desk.throttle.first(&claim, REMEMBERED).await? {
        // Nobody is here whose browser would say which language they read.
        desk.mailer.send(address, Lang::default(), Message::GraceEnds { site: host, until: ends }).await;
    }
    Ok(())
}

/// Where and when the first grace of somebody ends who has set up nothing.
async fn ends(gate: &Gate, account: &Account) -> Result<Option<(String, Timestamp)>, Unavailable> {
    let desk = &gate.desk;
    if !desk.enrolments.enrolments(&account.id).await?.all.is_empty() {
        return Ok(None);
    }
    let known = desk.known.known(&account.id).await?;
    let methods = desk.accounts.methods(&account.id).await?;
    let mut first: Option<(String, Timestamp)> = None;
    for house in gate.houses.values() {
        let Some(method) = methods.iter().find(|method| house.hall.sources.contains(&method.source)) else { continue };
        let case = case(desk, house, &method.source, &known);
        let Some(ends) = desk.policy.grace(&Default::default(), &case) else { continue };
        if first.as_ref().is_none_or(|(_, earlier)| ends < *earlier) {
            first = Some((house.hall.site.public_url.host().to_owned(), ends));
        }
    }
    Ok(first)
}

/// Of somebody who is nowhere: a rule for a network is not about them.
fn case<'a>(
    desk: &Desk,
    house: &'a House,
    source: &'a crate::types::SourceId,
    known: &'a crate::mfa::known::Known,
) -> Case<'a> {
    Case {
        site: house.name(),
        door: Door::Browser,
        path: None,
        client: ClientAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        source,
        known,
        device: false,
        no_setup: true,
        now: desk.clock.now(),
    }
}

/// Which of the notices is due: the shortest that has begun.
fn due(ends: Timestamp, now: Timestamp) -> Option<u64> {
    let left = ends.since(now);
    (now < ends).then(|| DAYS.into_iter().find(|days| left <= Duration::from_secs(days * 86_400)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_due_fourteen_seven_three_and_one_days_before_the_end() {
        let hours = |hours: i64| Timestamp(hours * 3_600_000);
        let due_before = |left: i64| due(hours(1000), hours(1000 - left));
        for (left, days) in [
            (24 * 15, None),
            (24 * 14, Some(14)),
            (24 * 8, Some(14)),
            (24 * 7, Some(7)),
            (24 * 3 + 1, Some(7)),
            (24 * 3, Some(3)),
            (24, Some(1)),
            (1, Some(1)),
            (0, None),
            (-5, None),
        ] {
            assert_eq!(due_before(left), days, "{left} hours");
        }
    }
}
