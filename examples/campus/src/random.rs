//! Ids and keys of the shapes Moodle gives them. New on every run.

use std::io::Read;

const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &[u8] = b"0123456789abcdef";

/// `MoodleSession`: 26 characters.
pub(crate) fn session_id() -> String {
    pick(LOWER, 26)
}

/// Moodle's `random_string`: login tokens (32), sesskeys (10), private tokens (64).
pub(crate) fn alphanumeric(length: usize) -> String {
    pick(ALPHANUMERIC, length)
}

/// Tokens and keys (32), calendar tokens (40).
pub(crate) fn hex(length: usize) -> String {
    pick(HEX, length)
}

/// A draft area's item id.
pub(crate) fn item_id() -> u64 {
    let b = bytes(4);
    u64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]]) % 900_000_000) + 1
}

fn pick(alphabet: &[u8], length: usize) -> String {
    bytes(length).into_iter().map(|b| char::from(alphabet[usize::from(b) % alphabet.len()])).collect()
}

fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .expect("the kernel's random source can be read");
    bytes
}
