//! The hashing pool: slow password work on few threads, so that a storm of sign-ins cannot starve the proxy
//! (attack E13).
//!
//! At most `workers` hashes are computed at once, by default on half of the cores; further ones wait in a bounded
//! queue, and what does not fit is told [`Busy`] at once. An answer of 503 with `Retry-After` is made of that
//! elsewhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use tokio::{sync::Semaphore, task};

/// Waiting places per worker. A hash of the recommended cost takes about 0.2 s, an instance has 3 s for its whole
/// operation by default: who comes 17th would be computed for nobody.
const PLACES_PER_WORKER: usize = 16;

/// The pool has neither a free worker nor a waiting place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hashing pool is full")]
pub struct Busy;

pub struct Hashing {
    /// One permit per worker and waiting place.
    places: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    begun: AtomicU64,
}

impl Default for Hashing {
    /// Half of the cores, at least one: the other half stays with the proxy.
    fn default() -> Self {
        Self::new(thread::available_parallelism().map_or(1, |cores| cores.get() / 2))
    }
}

impl Hashing {
    pub fn new(workers: usize) -> Self {
        let workers = workers.max(1);
        Self {
            places: Arc::new(Semaphore::new(workers * (1 + PLACES_PER_WORKER))),
            workers: Arc::new(Semaphore::new(workers)),
            begun: AtomicU64::new(0),
        }
    }

    /// Does `work` on a blocking thread as soon as a worker is free. A caller who goes away while waiting gives the
    /// place up; work that has begun is finished and holds its worker until then, since it cannot be interrupted.
    ///
    /// A panic in `work` goes on in the caller.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Busy)?;
        let worker = self.workers.clone().acquire_owned().await.map_err(|_| Busy)?;
        self.begun.fetch_add(1, Ordering::Relaxed);
        let done = task::spawn_blocking(move || {
            let _held = (place, worker);
            work()
        });
        match done.await {
            Ok(result) => Ok(result),
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => Err(Busy),
            },
        }
    }

    /// Pieces of work begun since the start.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::{
        sync::{
            Condvar, Mutex,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        task::Poll,
    };

    /// A door that work waits at until the test opens it.
    #[derive(Default)]
    struct Gate(Mutex<bool>, Condvar);

    impl Gate {
        fn open(&self) {
            *self.0.lock().unwrap() = true;
            self.1.notify_all();
        }
        fn pass(&self) {
            drop(self.1.wait_while(self.0.lock().unwrap(), |open| !*open).unwrap());
        }
    }

    #[tokio::test]
    async fn e13_of_200_submissions_the_workers_run_the_queue_waits_and_the_rest_is_busy() {
        const WORKERS: usize = 3;
        let pool = Arc::new(Hashing::new(WORKERS));
        let (gate, running, most) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)), Arc::default());
        let submit = || {
            let (gate, running, most): (_, _, Arc<AtomicUsize>) = (gate.clone(), running.clone(), Arc::clone(&most));
            Box::pin(pool.run(move || {
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                gate.pass();
                running.fetch_sub(1, SeqCst);
            }))
        };
        let (mut waiting, mut busy) = (Vec::new(), 0);
        for _ in 0..200 {
            let mut submission = submit();
            match futures_util::poll!(&mut submission) {
                Poll::Pending => waiting.push(submission),
                Poll::Ready(answer) => {
                    assert_eq!(answer, Err(Busy), "the gate is shut");
                    busy += 1;
                }
            }
        }
        let places = WORKERS * (1 + PLACES_PER_WORKER);
        assert_eq!((waiting.len(), busy), (places, 200 - places));
        while running.load(SeqCst) < WORKERS {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.begun(), WORKERS as u64);
        gate.open();
        assert!(join_all(waiting).await.iter().all(Result::is_ok));
        assert_eq!(most.load(SeqCst), WORKERS);
        assert_eq!(pool.begun(), places as u64, "what is refused costs nothing");
        assert_eq!(pool.run(|| 7).await, Ok(7), "afterwards there is room again");
    }

    #[tokio::test]
    async fn who_goes_away_while_waiting_gives_the_place_up() {
        let (pool, gate) = (Arc::new(Hashing::new(1)), Arc::new(Gate::default()));
        let held = tokio::spawn({
            let (pool, gate) = (pool.clone(), gate.clone());
            async move { pool.run(move || gate.pass()).await }
        });
        while pool.begun() == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..10 * PLACES_PER_WORKER {
            let waiting = pool.run(|| ());
            assert!(futures_util::poll!(std::pin::pin!(waiting)).is_pending());
        }
        gate.open();
        assert_eq!(held.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_panic_is_its_callers_and_frees_the_worker() {
        let pool = Arc::new(Hashing::new(1));
        let other = pool.clone();
        let failed = tokio::spawn(async move { other.run(|| panic!("of the work")).await });
        assert!(failed.await.unwrap_err().is_panic());
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }
}
