//! Recording without waiting: callers leave a line in a bounded queue, one task carries it to the sinks.

use super::{AuditStore, Config, Event, Record, sink::Sink};
use crate::{
    telemetry::Metrics,
    types::{AccountId, ClientAddr, Clock, RequestId, SiteName, Timestamp},
};
use dashmap::DashMap;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};

/// Under which circumstances something happened.
#[derive(Clone, Debug, Default)]
pub struct Context {
    pub site: Option<SiteName>,
    pub client: Option<ClientAddr>,
    pub request: Option<RequestId>,
    /// Who did it, where that is not the account itself.
    pub by: Option<String>,
}

/// Lines that may wait: some seconds of a sign-in storm. More than that and the disk is not keeping up at all.
const QUEUE: usize = 4096;
/// Lines that are written at once.
const BATCH: usize = 256;

/// The audit log's near end. Cheap to clone; recording never waits and never fails the caller.
#[derive(Clone)]
pub struct Audit {
    clock: Arc<dyn Clock>,
    queue: mpsc::Sender<Message>,
    metrics: Arc<Metrics>,
    failing: Arc<AtomicBool>,
    /// Minutes in which something was last noted sparsely.
    seen: Arc<DashMap<String, i64>>,
}

/// Circumstances that are remembered at once; beyond that some are noted twice.
const SEEN: usize = 10_000;

enum Message {
    Line(Line),
    /// Answered when everything before it has been written.
    Flush(oneshot::Sender<()>),
}

struct Line {
    at: Timestamp,
    account: Option<AccountId>,
    text: String,
}

impl Audit {
    /// Opens the sinks and starts the task that writes; needs a tokio runtime. `store` is left alone where the
    /// configuration says `database: false`.
    pub fn new(
        config: &Config,
        clock: Arc<dyn Clock>,
        store: Option<Arc<dyn AuditStore>>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let sink = Sink::open(&config.file)?;
        let (queue, lines) = mpsc::channel(QUEUE);
        let failing = Arc::new(AtomicBool::new(false));
        let store = store.filter(|_| config.database);
        let writer = Writer { sink: Some(sink), store, metrics: metrics.clone(), failing: failing.clone() };
        tokio::spawn(writer.run(lines));
        Ok(Self { clock, queue, metrics, failing, seen: Arc::default() })
    }

    /// Notes it. Where the queue is full the event is lost and counted (`vestibule_audit_lost`).
    pub fn record(&self, context: Context, event: Event) {
        let at = self.clock.now();
        let account = event.account().cloned();
        let Context { site, client, request, by } = context;
        let record = Record { at: at.to_string(), site, client, request, by, event };
        let line = match serde_json::to_string(&record) {
            Ok(text) => Line { at, account, text },
            Err(error) => return tracing::error!(%error, "an audit event could not be written as JSON"),
        };
        // Lost events raise the alarm, but refuse nobody: strangers could fill the queue.
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.metrics.audit_lost("full", 1);
        }
    }

    /// Notes it at most once a minute for the same circumstances and `about`: what strangers can cause at will must
    /// not fill the log.
    pub fn record_sparsely(&self, context: Context, about: &str, event: Event) {
        let minute = self.clock.now().secs() / 60;
        let address = context.client.map(|client| client.bucket()).unwrap_or_default();
        if self.seen.len() > SEEN {
            self.seen.clear();
        }
        if self.seen.insert(format!("{address} {about}"), minute) != Some(minute) {
            self.record(context, event);
        }
    }

    /// Does the file take what is written? Sign-ins that must be audited are refused where it does not (design §8).
    pub fn is_writing(&self) -> bool {
        !self.failing.load(Ordering::Relaxed)
    }

    /// Waits until everything recorded so far is written.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).await.is_ok() {
            // An error means that the writer ended, and with it everything it held.
            let _ = wait.await;
        }
    }
}

struct Writer {
    /// `None` only while a blocking thread holds it.
    sink: Option<Sink>,
    store: Option<Arc<dyn AuditStore>>,
    metrics: Arc<Metrics>,
    failing: Arc<AtomicBool>,
}

impl Writer {
    /// Ends when the last `Audit` is gone and the queue is empty.
    async fn run(mut self, mut queue: mpsc::Receiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            let (mut lines, mut waiting) = (Vec::new(), Vec::new());
            for message in batch.drain(..) {
                match message {
                    Message::Line(line) => lines.push(line),
                    Message::Flush(done) => waiting.push(done),
                }
            }
            if !lines.is_empty() {
                self.append_to_file(&lines).await;
                self.copy_to_store(&lines).await;
            }
            for done in waiting {
                let _ = done.send(());
            }
        }
    }

    async fn append_to_file(&mut self, lines: &[Line]) {
        let Some(mut sink) = self.sink.take() else { return };
        let text: String = lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect();
        let written = tokio::task::spawn_blocking(move || {
            let result = sink.write(&text);
            (sink, result)
        });
        let result = match written.await {
            Ok((sink, result)) => {
                self.sink = Some(sink);
                result
            }
            Err(join) => Err(io::Error::other(join)),
        };
        match result {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the audit log is written again");
                }
            }
            Err(error) => {
                self.metrics.audit_lost("file", lines.len() as u64);
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the audit log cannot be written; free the disk or correct the path");
                }
            }
        }
    }

    async fn copy_to_store(&self, lines: &[Line]) {
        let Some(store) = &self.store else { return };
        for (n, line) in lines.iter().enumerate() {
            if let Err(error) = store.append(line.at, line.account.as_ref(), &line.text).await {
                // The file has them all; asking a database that is down for each of them would only hold it up.
                tracing::warn!(%error, lines = lines.len() - n, "audit events did not reach the database");
                return self.metrics.audit_lost("database", (lines.len() - n) as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Line, Target},
        *,
    };
    use crate::types::{SystemClock, Unavailable};
    use async_trait::async_trait;
    use std::{
        path::{Path, PathBuf},
        sync::Mutex,
    };

    #[derive(Default)]
    struct Table(Mutex<Vec<(Option<String>, String)>>);

    #[async_trait]
    impl AuditStore for Table {
        async fn append(&self, _: Timestamp, account: Option<&AccountId>, line: &str) -> Result<(), Unavailable> {
            self.0.lock().unwrap().push((account.map(ToString::to_string), line.to_owned()));
            Ok(())
        }
        async fn recent(&self, _: Option<&AccountId>, _: u32) -> Result<Vec<String>, Unavailable> {
            Ok(Vec::new())
        }
        async fn page(&self, _: Option<i64>, _: u32) -> Result<Vec<Line>, Unavailable> {
            Ok(Vec::new())
        }
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("vestibule-audit-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        path
    }

    fn audit(file: &Path, store: Option<Arc<dyn AuditStore>>) -> Audit {
        let config = Config { file: Target::File(file.to_owned()), database: true };
        Audit::new(&config, Arc::new(SystemClock), store, Arc::new(Metrics::new())).unwrap()
    }

    fn reset(account: &str) -> Event {
        Event::FactorsReset { account: AccountId::new(account) }
    }

    #[tokio::test]
    async fn an_event_is_one_json_line_in_the_file_and_a_copy_in_the_database() {
        let folder = folder("line");
        let table = Arc::new(Table::default());
        let audit = audit(&folder.join("audit.jsonl"), Some(table.clone()));
        audit.record(Context { site: Some(SiteName::new("campus")), ..Context::default() }, reset("a1"));
        audit.flush().await;
        let text = std::fs::read_to_string(folder.join("audit.jsonl")).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(
            (&line["event"], &line["account"], &line["site"]),
            (&"factors_reset".into(), &"a1".into(), &"campus".into())
        );
        assert_eq!(*table.0.lock().unwrap(), [(Some("a1".to_owned()), text.trim_end().to_owned())]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_rotated_file_is_opened_anew() {
        let folder = folder("rotate");
        let file = folder.join("audit.jsonl");
        let audit = audit(&file, None);
        audit.record(Context::default(), reset("before"));
        audit.flush().await;
        std::fs::rename(&file, folder.join("audit.jsonl.1")).unwrap();
        audit.record(Context::default(), reset("after"));
        audit.flush().await;
        assert!(std::fs::read_to_string(folder.join("audit.jsonl.1")).unwrap().contains("before"));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("after") && !text.contains("before"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_noticed_and_so_is_its_return() {
        let folder = folder("gone");
        let file = folder.join("audit.jsonl");
        let audit = audit(&file, None);
        // A directory in the file's place: the rotation check finds it and cannot open it for appending.
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        audit.record(Context::default(), reset("lost"));
        audit.flush().await;
        assert!(!audit.is_writing());
        assert!(audit.metrics.encode().contains("vestibule_audit_lost_total{reason=\"file\"} 1"));
        std::fs::remove_dir(&file).unwrap();
        audit.record(Context::default(), reset("kept"));
        audit.flush().await;
        assert!(audit.is_writing());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn more_events_than_the_queue_holds_are_counted_and_nobody_waits() {
        let folder = folder("full");
        let audit = audit(&folder.join("audit.jsonl"), None);
        // On one thread the writer does not run before this function awaits.
        for _ in 0..QUEUE + 7 {
            audit.record(Context::default(), reset("a"));
        }
        assert!(audit.metrics.encode().contains("vestibule_audit_lost_total{reason=\"full\"} 7"));
        audit.flush().await;
        assert_eq!(std::fs::read_to_string(folder.join("audit.jsonl")).unwrap().lines().count(), QUEUE);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
