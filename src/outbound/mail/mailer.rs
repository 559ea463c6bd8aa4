//! What the rest of the program has of mail: a handle that takes a letter and comes back at once.

use super::{
    Enqueued, Letter, LetterError, MailQueue, Message, Postman, Smtp, SmtpError, Stationery, Waiting, letter::recipient,
};
use crate::{
    keys::{OpenError, Sealed, SharedKeyring},
    language::Lang,
    limits::Counters,
    telemetry::Metrics,
    types::{Clock, Rng, RngExt, Unavailable},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// What letters are sealed for; with a letter's id behind it, the place it belongs to.
const SEAL: &str = "mail";

/// Letters that wait at one time. A relay that is down for a day must not fill the database, and nobody reads ten
/// thousand late notices; beyond it the newest are refused, because the oldest tell of what happened first.
const MOST_WAITING: u32 = 10_000;
const HOUR: Duration = Duration::from_secs(3600);
/// For `vestibule mail test` as a whole: the socket it is asked by waits for a minute.
const TEST_WITHIN: Duration = Duration::from_secs(50);

/// Everything mail is made with.
pub struct Post {
    pub queue: Arc<dyn MailQueue>,
    pub counters: Arc<dyn Counters>,
    pub ring: SharedKeyring,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
    pub metrics: Arc<Metrics>,
    pub stationery: Stationery,
    pub smtp: Smtp,
    /// `outbound.mail.per_recipient_per_hour`.
    pub per_hour: u32,
    /// `outbound.mail.help_desk`.
    pub help_desk: Option<String>,
    /// Told when a letter came into the queue here.
    pub wake: Notify,
}

/// A handle on the post, or on its absence.
#[derive(Clone)]
pub struct Mailer {
    post: Option<Arc<Post>>,
    /// Whether its absence has been told.
    told: Arc<AtomicBool>,
}

/// What became of a letter, as far as can be known at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It waits for the relay.
    Queued,
    /// It will never go: there is no relay, the address is none or has had its letters, or the queue is full.
    No,
}

/// Why a test letter did not get away. Told to the operator as it stands.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    #[error("outbound.mail is not set in gateway.yaml: nobody is mailed")]
    Off,
    #[error(transparent)]
    Letter(#[from] LetterError),
    #[error("{}{cause}", steps(.done))]
    Smtp { done: Vec<String>, cause: SmtpError },
}

fn steps(done: &[String]) -> String {
    done.iter().map(|step| format!("{step}\n")).collect()
}

/// Why a letter did not come into the queue.
#[derive(Debug, thiserror::Error)]
enum Unsent {
    #[error("this address got {0} within an hour")]
    Capped(u32),
    #[error("{MOST_WAITING} letters wait already")]
    Full,
    #[error(transparent)]
    Letter(#[from] LetterError),
    #[error(transparent)]
    Store(#[from] Unavailable),
}

impl Unsent {
    fn outcome(&self) -> &'static str {
        match self {
            Self::Capped(_) => "capped",
            Self::Full => "full",
            Self::Letter(_) => "unwritten",
            Self::Store(_) => "store",
        }
    }
}

impl Mailer {
    pub fn new(post: Option<Arc<Post>>) -> Self {
        Self { post, told: Arc::new(AtomicBool::new(false)) }
    }

    /// Is there a relay to hand letters to?
    pub fn is_on(&self) -> bool {
        self.post.is_some()
    }

    /// Who delivers what is in the queue; one per gateway.
    pub fn postman(&self) -> Option<Postman> {
        self.post.clone().map(Postman::new)
    }

    /// Puts a letter into the queue. Never an error: what a person is doing does not depend on mail, and the operator
    /// reads in the log what was not sent. Who is waiting for the letter looks at what became of it.
    pub async fn send(&self, to: &str, lang: Lang, message: Message) -> Sent {
        let Some(post) = &self.post else {
            if !self.told.swap(true, Relaxed) {
                tracing::warn!(
                    message = message.name(),
                    "nobody is mailed, because outbound.mail is not set; this is said once"
                );
            }
            return Sent::No;
        };
        match post.enqueue(to, lang, &message).await {
            Ok(()) => {
                post.metrics.mail("queued");
                post.wake.notify_one();
                Sent::Queued
            }
            Err(error) => {
                post.metrics.mail(error.outcome());
                tracing::error!(message = message.name(), %error, "a letter was not queued and will not be sent");
                Sent::No
            }
        }
    }

    /// Tells the help desk, where it has an address.
    pub async fn tell_help_desk(&self, lang: Lang, message: Message) {
        if let Some(address) = self.post.as_ref().and_then(|post| post.help_desk.clone()) {
            self.send(&address, lang, message).await;
        }
    }

    /// Sends one letter now, past the queue, and tells each step.
    pub async fn test(&self, to: &str) -> Result<Vec<String>, TestError> {
        let post = self.post.as_ref().ok_or(TestError::Off)?;
        let letter = post.stationery.write(to, Lang::En, &Message::Test, post.clock.now(), &*post.rng)?;
        let mut done = Vec::new();
        let sent = tokio::time::timeout(TEST_WITHIN, deliver(&post.smtp, &letter, &mut done)).await;
        match sent.unwrap_or(Err(SmtpError::Timeout(TEST_WITHIN))) {
            Ok(()) => Ok(done),
            Err(cause) => Err(TestError::Smtp { done, cause }),
        }
    }
}

async fn deliver(smtp: &Smtp, letter: &Letter, done: &mut Vec<String>) -> Result<(), SmtpError> {
    let mut connection = smtp.connect(done).await?;
    let answer = connection.send(letter).await?;
    done.push(format!("the server took the letter for {}: {answer}", letter.to));
    connection.quit().await;
    Ok(())
}

impl Post {
    async fn enqueue(&self, to: &str, lang: Lang, message: &Message) -> Result<(), Unsent> {
        let address = recipient(to)?;
        // The domain in any case is the same mailbox, the local part usually is; a digest, because names of counters
        // are stored as they are.
        let of = self.ring.load().digest("mail-recipient", address.to_string().to_lowercase().as_bytes());
        let count = self.counters.add(&format!("mail:{of}"), 1, HOUR).await?;
        if count.value > i64::from(self.per_hour) {
            return Err(Unsent::Capped(self.per_hour));
        }
        let now = self.clock.now();
        let letter = self.stationery.write(to, lang, message, now, &*self.rng)?;
        let id = self.rng.hex(16);
        let sealed = self.seal(&id, &letter);
        match self.queue.enqueue(&Waiting { id, created: now, sealed }, MOST_WAITING).await? {
            Enqueued::Yes => Ok(()),
            Enqueued::Full => Err(Unsent::Full),
        }
    }

    fn seal(&self, id: &str, letter: &Letter) -> Sealed<Letter> {
        let plain = serde_json::to_vec(letter).unwrap_or_default();
        Sealed::from_text(self.ring.load().seal(&*self.rng, SEAL, &format!("{SEAL}:{id}"), &plain))
    }

    pub(super) fn open(&self, id: &str, sealed: &Sealed<Letter>) -> Result<Letter, OpenError> {
        let plain = self.ring.load().open(SEAL, &format!("{SEAL}:{id}"), sealed.as_text())?;
        serde_json::from_slice(plain.expose()).map_err(|_| OpenError::Form)
    }
}
