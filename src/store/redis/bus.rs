//! Notices between nodes, and the lease that says how far they were heard (design §7).
//!
//! Every 250 ms each node publishes a numbered heartbeat and remembers when. When its own heartbeat comes back on its
//! subscription, everything that anybody published *before it was sent* has come too, because Redis delivers a
//! channel in one order. The lease is counted from that moment of sending, which is stricter than counting from the
//! arrival: a gateway that was itself suspended cannot take a stale, buffered heartbeat for a fresh one.
//!
//! Missed notices mean forgetting everything: on each new subscription, and when the marker that travels in the
//! heartbeat changes, which is how a `FLUSHALL` or an empty replica shows (attack X4).

use super::{link::Link, scripts::Scripts};
use crate::{
    store::kv::Listener,
    types::{Rng, RngExt, Unavailable},
};
use ::redis::Client;
use futures_util::StreamExt;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

const BEAT: Duration = Duration::from_millis(250);
/// A subscription that stays silent so long is dead, whatever TCP says (a one-way partition, X28).
const SILENCE: Duration = Duration::from_secs(2);
const SUBSCRIBE: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(100);
/// Heartbeats under way.
const SENT: usize = 32;

const MARKER: &str = "vestibule:marker";

pub(super) struct Bus {
    link: Arc<Link>,
    client: Client,
    scripts: Arc<Scripts>,
    channel: String,
    node: String,
    rng: Arc<dyn Rng>,
    epoch: Instant,
    /// Milliseconds after `epoch` of the latest own heartbeat that came back, plus one; 0 = none did.
    heard: AtomicU64,
    sent: Mutex<VecDeque<(u64, Instant)>>,
    marker: Mutex<Option<String>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Bus {
    pub fn new(link: Arc<Link>, client: Client, scripts: Arc<Scripts>, rng: Arc<dyn Rng>) -> Self {
        // Channels do not know databases; two installations on one server keep apart by this.
        let channel = format!("vestibule:notices:{}", client.get_connection_info().redis_settings().db());
        Self {
            link,
            client,
            scripts,
            channel,
            node: rng.hex(8),
            rng,
            epoch: Instant::now(),
            heard: AtomicU64::new(0),
            sent: Mutex::default(),
            marker: Mutex::default(),
            tasks: Mutex::default(),
        }
    }

    pub fn start(self: &Arc<Self>, listener: &Arc<dyn Listener>) {
        let listener = Arc::downgrade(listener);
        let tasks = [
            // Weak, so that the store's owner ends these and not the other way round.
            tokio::spawn(beat(Arc::downgrade(self))),
            tokio::spawn(subscribe(Arc::downgrade(self), listener)),
        ];
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend(tasks);
    }

    pub fn heard(&self) -> Option<Instant> {
        match self.heard.load(SeqCst) {
            0 => None,
            millis => Some(self.epoch + Duration::from_millis(millis - 1)),
        }
    }

    pub async fn publish(&self, message: &str) -> Result<(), Unavailable> {
        let mut connection = self.link.connection();
        self.link
            .ask(async { ::redis::cmd("PUBLISH").arg(&self.channel).arg(message).query_async(&mut connection).await })
            .await
    }

    pub fn stop(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }

    async fn send_beat(&self, number: u64) {
        {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.push_back((number, Instant::now()));
            if sent.len() > SENT {
                sent.pop_front();
            }
        }
        let mut invocation = self.scripts.heartbeat.key(MARKER);
        let marker = self.rng.hex(8);
        invocation.arg(0).arg(&self.channel).arg(format!("beat {} {number}", self.node)).arg(marker);
        let mut connection = self.link.connection();
        // The link itself says in the log when Redis goes and comes.
        let answer: Result<i64, _> = self.link.probe(invocation.invoke_async(&mut connection)).await;
        if let Err(error) = answer {
            tracing::debug!(%error, "a heartbeat was not taken");
        }
    }

    fn receive(&self, text: &str, listener: &dyn Listener) {
        let Some(beat) = text.strip_prefix("beat ") else { return listener.message(text) };
        let mut words = beat.split(' ');
        let (Some(node), Some(number), Some(marker)) = (words.next(), words.next(), words.next()) else { return };
        if self.is_new(marker) {
            listener.flush();
        }
        if node == self.node
            && let Ok(number) = number.parse()
            && let Some(sent) = self.sent_at(number)
        {
            let millis = u64::try_from(sent.duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX - 1);
            self.heard.fetch_max(millis + 1, SeqCst);
        }
    }

    fn is_new(&self, marker: &str) -> bool {
        let mut known = self.marker.lock().unwrap_or_else(PoisonError::into_inner);
        let new = known.as_deref().is_some_and(|known| known != marker);
        if known.as_deref() != Some(marker) {
            *known = Some(marker.chars().take(64).collect());
        }
        new
    }

    fn sent_at(&self, number: u64) -> Option<Instant> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().find(|(sent, _)| *sent == number).map(|(_, at)| *at)
    }
}

async fn beat(bus: Weak<Bus>) {
    let mut tick = interval(BEAT);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        tick.tick().await;
        let Some(bus) = bus.upgrade() else { return };
        bus.send_beat(number).await;
    }
}

async fn subscribe(bus: Weak<Bus>, listener: Weak<dyn Listener>) {
    loop {
        let Some((client, channel)) = bus.upgrade().map(|bus| (bus.client.clone(), bus.channel.clone())) else {
            return;
        };
        let subscription = timeout(SUBSCRIBE, async {
            let mut pubsub = client.get_async_pubsub().await?;
            pubsub.subscribe(&channel).await?;
            Ok::<_, ::redis::RedisError>(pubsub.into_on_message())
        });
        match subscription.await {
            Ok(Ok(mut messages)) => {
                match listener.upgrade() {
                    Some(listener) => listener.flush(), // whatever was said before this moment, we did not hear
                    None => return,
                }
                while let Ok(Some(message)) = timeout(SILENCE, messages.next()).await {
                    let (Some(bus), Some(listener)) = (bus.upgrade(), listener.upgrade()) else { return };
                    if let Ok(text) = message.get_payload::<String>() {
                        bus.receive(&text, &*listener);
                    }
                }
                tracing::warn!("the subscription to invalidations was lost");
            }
            Ok(Err(error)) => tracing::debug!(%error, "invalidations cannot be subscribed to"),
            Err(_) => tracing::debug!("subscribing to invalidations took longer than 1 s"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}
