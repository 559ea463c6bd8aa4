//! What waits: while the mail server is down, slow or says no, when there is too much of it, and on several nodes.

use super::{counted, eventually, header, linked, settings, through};
use crate::{
    operation::nodes::Nodes,
    people::Browser,
    servers::Smtp,
    wire::{PASSWORD, enrolled},
    world::World,
};
use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};
use vestibule::{language::Lang, types::Clock};

#[tokio::test(flavor = "multi_thread")]
async fn x20_a_letter_waits_for_a_dead_server_and_is_delivered_once_while_sign_ins_go_on() {
    let mut smtp = Smtp::starttls();
    smtp.kill();
    let mut world = World::with(through(&smtp)).await;
    let (device, _) = enrolled(&world, "student1").await;
    world.app.mailer.send("ann@example.org", Lang::En, linked("x")).await;
    eventually("the letter is put off", || counted(&world, "postponed") == 1).await;
    let begun = Instant::now();
    let mut browser = Browser::at(&world);
    browser.sign_in_with(&world, "student1", PASSWORD, &device).await;
    world.app.mailer.send("bob@example.org", Lang::En, linked("y")).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    // What waits survives a restart of the gateway, sealed.
    eventually("the second letter is put off", || counted(&world, "postponed") == 2).await;
    world = world.restart().await;
    for file in ["vestibule.db", "vestibule.db-wal"] {
        let bytes = fs::read(world.folder.0.join(file)).unwrap_or_default();
        assert!(!bytes.windows(15).any(|window| window == b"ann@example.org"), "{file}");
    }
    smtp.start();
    world.advance(Duration::from_secs(61));
    world.app.mailer.send("cat@example.org", Lang::En, linked("z")).await;
    eventually("all three arrive", || smtp.letters().len() >= 3).await;
    eventually("all three count as sent", || counted(&world, "sent") == 3).await;
    eventually("the queue is empty", || world.app.metrics.encode().contains("vestibule_mails_waiting 0\n")).await;
    world.app.stop().await;
    let to: BTreeSet<String> = smtp.letters().iter().map(|letter| letter["to"][0].to_string()).collect();
    assert_eq!((smtp.letters().len(), to.len()), (3, 3), "{to:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn x20_a_server_that_is_slow_or_says_421_is_asked_again_and_one_that_refuses_is_not() {
    let smtp = Smtp::starttls();
    let world = World::with(through(&smtp)).await;
    for (n, how) in ["slow", "421", "450"].into_iter().enumerate() {
        smtp.behave(how);
        let sent = Instant::now();
        world.app.mailer.send("ann@example.org", Lang::En, linked(how)).await;
        assert!(sent.elapsed() < Duration::from_secs(1), "{how}: {:?}", sent.elapsed());
        eventually(how, || counted(&world, "postponed") == n as u64 + 1).await;
    }
    smtp.behave("550");
    world.app.mailer.send("bob@example.org", Lang::En, linked("never")).await;
    eventually("a refusal is final", || counted(&world, "refused") == 1).await;
    smtp.behave("ok");
    world.advance(Duration::from_secs(61));
    world.app.mailer.send("cat@example.org", Lang::En, linked("last")).await;
    eventually("four letters arrive", || smtp.letters().len() >= 4).await;
    eventually("four count as sent", || counted(&world, "sent") == 4).await;
    assert!(smtp.letters().iter().all(|letter| letter["to"][0] != "bob@example.org"));

    // What nobody takes for a day is given up.
    smtp.behave("450");
    world.app.mailer.send("dan@example.org", Lang::En, linked("late")).await;
    eventually("it is put off", || counted(&world, "postponed") == 4).await;
    world.advance(Duration::from_secs(24 * 3600));
    eventually("it is given up", || counted(&world, "expired") == 1).await;
    world.app.stop().await;
    assert_eq!(smtp.letters().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn x20_a_full_queue_takes_no_more_and_nobody_notices_at_sign_in() {
    let smtp = Smtp::plain();
    let world = World::with(through(&smtp)).await;
    let url = format!("sqlite:{}", world.folder.0.join("vestibule.db").display());
    let database = sqlx::AnyPool::connect(&url).await.expect("the same database");
    // Not due before next year.
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
                INSERT INTO mail SELECT 'x' || i, $1, $1, 0, 0, '', 'x' FROM n";
    let due = world.clock.now().plus(Duration::from_secs(365 * 24 * 3600));
    sqlx::query(fill).bind(due.0).execute(&database).await.expect("filled");
    world.app.mailer.send("ann@example.org", Lang::En, linked("x")).await;
    assert_eq!((counted(&world, "full"), counted(&world, "queued")), (1, 0));
    enrolled(&world, "student1").await;
    sqlx::query("DELETE FROM mail WHERE id = 'x1'").execute(&database).await.expect("room for one");
    world.app.mailer.send("ann@example.org", Lang::En, linked("x")).await;
    eventually("a letter arrives", || smtp.letters().len() == 1).await;
    database.close().await;
    world.app.stop().await;
}

/// A key is added while letters wait: both nodes go on, also the one that does not have it yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_letter_under_a_key_this_node_does_not_have_yet_is_kept() {
    let smtp = Smtp::plain();
    let mut world = World::with(through(&smtp)).await;
    smtp.behave("450");
    world.app.mailer.send("ann@example.org", Lang::En, linked("x")).await;
    eventually("it is put off", || counted(&world, "postponed") == 1).await;
    smtp.behave("ok");
    let (keys, aside) = (world.config.keys.file.clone(), world.folder.0.join("aside"));
    world.app.stop().await;
    fs::rename(&keys, &aside).unwrap();
    crate::world::prepare(&world.config);
    world.clock.forward(Duration::from_secs(61));
    let https = tokio::net::TcpListener::bind(world.address).await.unwrap();
    world.app = crate::world::start(world.config.clone(), https, world.clock.clone()).await;
    eventually("it is put off again", || counted(&world, "postponed") == 1).await;
    assert!(smtp.letters().is_empty());
    fs::rename(&aside, &keys).unwrap();
    world.advance(Duration::from_secs(301));
    world = world.restart().await;
    eventually("it arrives", || smtp.letters().len() == 1).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_one_address_gets_so_many_letters_an_hour() {
    let smtp = Smtp::plain();
    let world = World::with(settings(&smtp.url(), "per_recipient_per_hour: 3".into())).await;
    for to in ["ann@example.org", "Ann@Example.org", "ann@EXAMPLE.org", "ann@example.org", "ann@example.org"] {
        world.app.mailer.send(to, Lang::En, linked("x")).await;
    }
    world.app.mailer.send("bob@example.org", Lang::En, linked("x")).await;
    assert_eq!((counted(&world, "queued"), counted(&world, "capped")), (4, 2));
    world.advance(Duration::from_secs(3601));
    world.app.mailer.send("ann@example.org", Lang::En, linked("x")).await;
    assert_eq!(counted(&world, "queued"), 5);
    eventually("five arrive", || smtp.letters().len() == 5).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_deliver_each_letter_once() {
    let smtp = Smtp::starttls();
    let nodes = Nodes::with(through(&smtp)).await;
    let (first, second) = (&nodes.first, &nodes.second);
    let letters = (0..40).map(|n| {
        let mailer = if n % 2 == 0 { &first.app.mailer } else { &second.app.mailer };
        async move { mailer.send(&format!("user{n}@example.org"), Lang::En, linked("x")).await }
    });
    futures_util::future::join_all(letters).await;
    eventually("all letters arrive", || smtp.letters().len() >= 40).await;
    let sent = || counted(first, "sent") + counted(second, "sent");
    eventually("both nodes are done", || sent() == 40).await;
    let ids: BTreeSet<String> = smtp.letters().iter().map(|letter| header(letter, "Message-ID").to_owned()).collect();
    assert_eq!((smtp.letters().len(), ids.len()), (40, 40));
    for world in [nodes.first, nodes.second] {
        world.app.stop().await;
    }
    assert_eq!(smtp.letters().len(), 40);
}
