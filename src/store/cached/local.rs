//! One bounded map of what this node remembers, and the rule that keeps a stale read out of it.
//!
//! A fill reads the store and then remembers what it read. If an invalidation arrives in between, what was read may
//! be what the invalidation was about. Every invalidation therefore raises `generation`; a fill takes the number
//! before it reads ([`Local::ticket`]) and its entry stays only if the number is the same afterwards. At worst an
//! entry is fetched once more.
//!
//! No lock here is ever held across an await.

use dashmap::DashMap;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Instant,
};

/// Sessions of a large site, with room: about 100 MB at worst (design R10).
pub const CAPACITY: usize = 200_000;

pub struct Entry<V> {
    pub value: Arc<V>,
    /// When the store last said so.
    pub confirmed: Instant,
}

pub struct Local<V> {
    map: DashMap<String, Entry<V>>,
    generation: AtomicU64,
    /// Keys in the order in which they were remembered; may name some that were forgotten since.
    order: Mutex<VecDeque<String>>,
    capacity: usize,
}

/// The state of the world before a read.
#[derive(Clone, Copy)]
pub struct Ticket(u64);

impl<V> Local<V> {
    pub fn new(capacity: usize) -> Self {
        Self { map: DashMap::new(), generation: AtomicU64::new(0), order: Mutex::new(VecDeque::new()), capacity }
    }

    pub fn get(&self, key: &str) -> Option<(Arc<V>, Instant)> {
        self.map.get(key).map(|entry| (entry.value.clone(), entry.confirmed))
    }

    pub fn ticket(&self) -> Ticket {
        Ticket(self.generation.load(SeqCst))
    }

    /// Remembers what was read since `ticket`, unless an invalidation came in between.
    pub fn fill(&self, ticket: Ticket, key: &str, value: Arc<V>, confirmed: Instant) {
        if self.generation.load(SeqCst) != ticket.0 {
            return;
        }
        if self.map.insert(key.to_owned(), Entry { value, confirmed }).is_none() {
            self.remembered(key);
        }
        // An invalidation raises the number first and removes second: one that missed the entry is seen here.
        if self.generation.load(SeqCst) != ticket.0 {
            self.map.remove(key);
        }
    }

    /// Remembers what was *written* since `ticket`, and voids every read that began before the write.
    pub fn written(&self, ticket: Ticket, key: &str, value: Arc<V>, confirmed: Instant) {
        match self.generation.compare_exchange(ticket.0, ticket.0 + 1, SeqCst, SeqCst) {
            Ok(_) => self.fill(Ticket(ticket.0 + 1), key, value, confirmed),
            // Another node may have written the same key after us: which value stands is the store's to say.
            Err(_) => self.forget(key),
        }
    }

    /// Drops what a read did not find in the store. Not an invalidation: whoever sends made-up keys must not be able
    /// to spoil everybody's fills.
    pub fn drop_absent(&self, key: &str) {
        self.map.remove(key);
    }

    pub fn forget(&self, key: &str) {
        self.generation.fetch_add(1, SeqCst);
        self.map.remove(key);
    }

    /// Forgets by content. Walks the whole map: for what happens rarely (an account switched off, a token revoked).
    pub fn forget_where(&self, unwanted: impl Fn(&V) -> bool) {
        self.generation.fetch_add(1, SeqCst);
        self.map.retain(|_, entry| !unwanted(&entry.value));
    }

    pub fn flush(&self) {
        self.generation.fetch_add(1, SeqCst);
        self.map.clear();
    }

    /// Changes a remembered value in place. Neither remembers nor confirms anything.
    pub fn update(&self, key: &str, change: impl FnOnce(&V) -> Option<V>) {
        if let Some(mut entry) = self.map.get_mut(key)
            && let Some(next) = change(&entry.value)
        {
            entry.value = Arc::new(next);
        }
    }

    fn remembered(&self, key: &str) {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.push_back(key.to_owned());
        while self.map.len() > self.capacity || order.len() > self.capacity.saturating_mul(2) {
            let Some(oldest) = order.pop_front() else { return };
            self.map.remove(&oldest);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.map.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(local: &Local<u32>, key: &str, value: u32) {
        local.fill(local.ticket(), key, Arc::new(value), Instant::now());
    }

    #[test]
    fn a_read_that_an_invalidation_overtook_is_not_remembered() {
        let local = Local::new(10);
        let ticket = local.ticket();
        local.forget("a");
        local.fill(ticket, "a", Arc::new(1), Instant::now());
        assert!(local.get("a").is_none());
    }

    #[test]
    fn a_read_from_before_a_write_does_not_replace_it() {
        let local = Local::new(10);
        let (read, write) = (local.ticket(), local.ticket());
        local.written(write, "a", Arc::new(2), Instant::now());
        local.fill(read, "a", Arc::new(1), Instant::now());
        assert_eq!(*local.get("a").unwrap().0, 2);
    }

    #[test]
    fn it_stays_within_its_bound_and_the_oldest_goes() {
        let local = Local::new(3);
        for (n, key) in ["a", "b", "c", "d"].into_iter().enumerate() {
            put(&local, key, n as u32);
        }
        assert_eq!(local.len(), 3);
        assert!(local.get("a").is_none() && local.get("d").is_some());
    }

    #[test]
    fn the_order_is_bounded_too() {
        let local = Local::new(3);
        for n in 0..100 {
            put(&local, &n.to_string(), n);
            local.forget(&n.to_string());
        }
        assert!(local.order.lock().unwrap().len() <= 6);
    }
}
