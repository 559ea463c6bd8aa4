//! Noticing one password tried at many names (attack E5), which no counter by name or address sees.
//!
//! Kept in memory and per node: keyed digests in a count-min sketch whose cells are small bitmaps of names, so that
//! neither a password nor a name can be read out of it, and its size does not depend on the attack. Two generations
//! of half a window each; what is older is forgotten.

use crate::types::{Rng, RngExt, Secret, Timestamp};
use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::{Mutex, PoisonError},
    time::Duration,
};

const ROWS: usize = 4;
const COLUMNS: usize = 4096;
/// Names that one wrong password may be tried at: a class that was given the same initial password and mistypes it
/// the same way is smaller.
const NAMES: f64 = 30.0;
const HALF_A_WINDOW: Duration = Duration::from_secs(15 * 60);

/// What is known of a password that was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spray {
    No,
    /// It has just become one: somebody should be told.
    Noticed,
    /// It was one before.
    Known,
}

type Sketch = Vec<[u64; COLUMNS]>;

pub struct Sprays {
    /// A key of this process alone: what is digested with it means nothing elsewhere.
    key: Secret<[u8; 32]>,
    state: Mutex<State>,
}

struct State {
    begun: Timestamp,
    now: Sketch,
    before: Sketch,
}

impl Sprays {
    pub fn new(rng: &dyn Rng) -> Self {
        let state = State { begun: Timestamp(0), now: empty(), before: empty() };
        Self { key: Secret::new(rng.array()), state: Mutex::new(state) }
    }

    /// Whether this password is being tried at many names.
    pub fn is_known(&self, password: &str, now: Timestamp) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn(now);
        state.names(&self.columns(password)) >= NAMES
    }

    /// Notes that it was wrong for this name.
    pub fn wrong(&self, password: &str, name: &str, now: Timestamp) -> Spray {
        let columns = self.columns(password);
        let bit = 1u64 << (self.digest(&("name", password, name)) % 64);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn(now);
        let before = state.names(&columns) >= NAMES;
        for (row, column) in state.now.iter_mut().zip(columns) {
            row[column] |= bit;
        }
        match (before, state.names(&columns) >= NAMES) {
            (true, _) => Spray::Known,
            (false, true) => Spray::Noticed,
            (false, false) => Spray::No,
        }
    }

    fn columns(&self, password: &str) -> [usize; ROWS] {
        std::array::from_fn(|row| (self.digest(&(row, password)) % COLUMNS as u64) as usize)
    }

    /// SipHash under the process's key, spread over its 64 bits.
    fn digest(&self, value: &impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.key.expose().hash(&mut hasher);
        value.hash(&mut hasher);
        hasher.finish()
    }
}

impl State {
    fn turn(&mut self, now: Timestamp) {
        let age = now.since(self.begun);
        if age < HALF_A_WINDOW {
            return;
        }
        let earlier = std::mem::replace(&mut self.now, empty());
        self.before = if age < 2 * HALF_A_WINDOW { earlier } else { empty() };
        self.begun = now;
    }

    /// About how many names: linear counting over 64 bits, in the row that others have touched least.
    fn names(&self, columns: &[usize; ROWS]) -> f64 {
        let counted = columns.iter().enumerate().map(|(row, column)| {
            let names = self.now[row][*column] | self.before[row][*column];
            -64.0 * (f64::from(names.count_zeros().max(1)) / 64.0).ln()
        });
        counted.fold(f64::INFINITY, f64::min)
    }
}

fn empty() -> Sketch {
    vec![[0; COLUMNS]; ROWS]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn e5_one_password_at_many_names_is_noticed_once() {
        let sprays = Sprays::new(&SystemRng);
        let said: Vec<Spray> = (0..200).map(|n| sprays.wrong("Winter2026", &format!("user{n}"), NOW)).collect();
        assert_eq!(said.iter().filter(|s| **s == Spray::Noticed).count(), 1);
        assert!(said[..10].iter().all(|s| *s == Spray::No) && said[100..].iter().all(|s| *s == Spray::Known));
        assert!(sprays.is_known("Winter2026", NOW) && !sprays.is_known("Winter2027", NOW));
        let later = NOW.plus(4 * HALF_A_WINDOW);
        assert!(!sprays.is_known("Winter2026", later), "and forgotten");
    }

    #[test]
    fn one_name_with_a_stale_password_is_no_spray_however_often_it_comes() {
        let sprays = Sprays::new(&SystemRng);
        assert!((0..5_000).all(|_| sprays.wrong("old", "phone", NOW) == Spray::No));
    }

    #[test]
    fn a_busy_school_s_many_wrong_passwords_make_no_spray() {
        let sprays = Sprays::new(&SystemRng);
        let said = (0..5_000).map(|n| sprays.wrong(&format!("pw{n}"), &format!("user{}", n % 900), NOW));
        assert_eq!(said.filter(|s| *s != Spray::No).count(), 0);
    }
}
