//! Whose grace ends soon is written to, once for each notice, and nobody else.

use super::*;
use crate::{
    chain::school::{SQL_PASSWORD, Table, header_door, trust},
    people::Browser,
};
use vestibule::{
    mfa::Grace,
    types::{Clock, Timestamp},
};

const DAY: Duration = Duration::from_secs(86_400);

fn to(smtp: &Smtp) -> Vec<String> {
    let letters = smtp.letters();
    letters
        .iter()
        .filter(|l| header(l, "Subject").contains("second step soon"))
        .map(|l| header(l, "To").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_whoever_has_set_up_nothing_is_reminded_once_for_each_notice() {
    let smtp = Smtp::plain();
    let table = Table::of(&[("p1", "amal", "amal@example.org"), ("p2", "bela", "bela@example.org")]).await;
    let mut world = World::with(|config| {
        through(&smtp)(config);
        header_door(config);
        config.chain.instances.insert(0, table.instance("school", ""));
    })
    .await;
    trust(&world);
    let ends: Timestamp = world.clock.now().plus(16 * DAY);
    let (mut with, mut without) = (Browser::at(&world), Browser::at(&world));
    with.enrol(&world, "amal", SQL_PASSWORD).await;
    let grace = Grace { until: Some(ends.to_string().parse().expect("a time")), ..Grace::default() };
    world.config.mfa.rules[0].grace = Some(grace);
    let world = world.restart().await;
    without.sign_in("bela", SQL_PASSWORD).await;
    let queued = counted(&world, "queued");
    // Sixteen days before: nobody yet. Then thirteen, six, two, and half a day.
    for (by, letters) in [(3 * DAY, 1), (7 * DAY, 2), (4 * DAY, 3), (36 * DAY / 24, 4)] {
        world.advance(by);
        eventually("the notice", || counted(&world, "queued") == queued + letters).await;
        world.advance(DAY / 24);
    }
    eventually("the letters", || to(&smtp).len() == 4).await;
    assert!(to(&smtp).iter().all(|address| address.contains("bela@example.org")), "{:?}", to(&smtp));
}
