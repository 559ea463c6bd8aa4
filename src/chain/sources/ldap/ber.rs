//! As much of BER (X.690, as RFC 4511 §5.1 restricts it) as is read here and not by the library: whether a message is
//! safe to hand on, the answer to StartTLS, and the password-policy control.
//!
//! The library's parser calls itself for every level of nesting and reads any length. A peer that could send it a
//! message of a hundred thousand levels would end the process, not the connection; so it gets none that
//! [`check`] has not walked through.

/// The most one message may hold. An entry's chosen attributes are some kilobytes; a person in ten thousand groups has
/// about one megabyte of `memberOf`.
pub const MESSAGE_LIMIT: usize = 2 * 1024 * 1024;

/// A search result entry is seven levels deep, a control within a message four.
const DEPTH_LIMIT: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    #[error("what came is no LDAP message")]
    Malformed,
    #[error("a message of {0} bytes is larger than is accepted")]
    TooLarge(usize),
    #[error("a message is nested more deeply than any in LDAP")]
    TooDeep,
}

/// Tag, content, and what follows.
pub fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (header, length) = head(bytes).ok()??;
    let end = header.checked_add(length)?;
    Some((bytes[0], bytes.get(header..end)?, bytes.get(end..)?))
}

/// The sizes of an element's head and content; `None` while too few bytes are here to say.
fn head(bytes: &[u8]) -> Result<Option<(usize, usize)>, BadMessage> {
    let (Some(&tag), Some(&first)) = (bytes.first(), bytes.get(1)) else { return Ok(None) };
    // Tag numbers above 30 have a longer form, which LDAP never needs.
    if tag & 0x1f == 0x1f {
        return Err(BadMessage::Malformed);
    }
    if first < 0x80 {
        return Ok(Some((2, usize::from(first))));
    }
    // 0x80 is the indefinite form, which LDAP forbids; five bytes of length are over every limit.
    let bytes_of_length = usize::from(first & 0x7f);
    if bytes_of_length == 0 || bytes_of_length > 4 {
        return Err(BadMessage::Malformed);
    }
    let Some(length) = bytes.get(2..2 + bytes_of_length) else { return Ok(None) };
    Ok(Some((2 + bytes_of_length, length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))))
}

/// How long the message is that begins here, head included; `None` while too few bytes are here to say.
pub fn message_length(bytes: &[u8]) -> Result<Option<usize>, BadMessage> {
    if bytes.first().is_some_and(|tag| *tag != 0x30) {
        return Err(BadMessage::Malformed);
    }
    let Some((header, length)) = head(bytes)? else { return Ok(None) };
    let whole = header.saturating_add(length);
    if whole > MESSAGE_LIMIT { Err(BadMessage::TooLarge(whole)) } else { Ok(Some(whole)) }
}

/// Walks through a whole message without recursion: every element ends where its parent does or before.
pub fn check(message: &[u8]) -> Result<(), BadMessage> {
    let mut ends = vec![message.len()];
    let mut at = 0;
    while let Some(end) = ends.last().copied() {
        if at == end {
            ends.pop();
            continue;
        }
        let (header, length) = head(&message[at..end])?.ok_or(BadMessage::Malformed)?;
        let inner = at + header;
        let close = inner.checked_add(length).filter(|close| *close <= end).ok_or(BadMessage::Malformed)?;
        let constructed = message[at] & 0x20 != 0;
        at = inner;
        if !constructed {
            at = close;
        } else if ends.len() == DEPTH_LIMIT {
            return Err(BadMessage::TooDeep);
        } else {
            ends.push(close);
        }
    }
    Ok(())
}

/// The StartTLS request (RFC 4511 §4.14.1) as message 1.
pub const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// The result code of the answer to [`START_TLS`].
pub fn start_tls_result(message: &[u8]) -> Option<u8> {
    let (0x30, message, []) = element(message)? else { return None };
    let (0x02, [1], rest) = element(message)? else { return None };
    let (0x78, response, _) = element(rest)? else { return None };
    let (0x0a, [code], _) = element(response)? else { return None };
    Some(*code)
}

/// What the password-policy control of a bind's answer says (draft-behera-ldap-password-policy-10 §6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// 0 expired, 1 locked, 2 must change; the others are about changing a password.
    pub error: Option<u8>,
    /// Sign-ins left with an expired password.
    pub grace: Option<u32>,
}

pub const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";

pub fn password_policy(value: &[u8]) -> Option<PasswordPolicy> {
    let (0x30, mut rest, _) = element(value)? else { return None };
    let mut said = PasswordPolicy::default();
    while !rest.is_empty() {
        let (tag, content, next) = element(rest)?;
        match tag {
            0xa0 => {
                let (0x80 | 0x81, number, []) = element(content)? else { return None };
                if content[0] == 0x81 {
                    said.grace = Some(number.iter().take(4).fold(0, |sum, byte| (sum << 8) | u32::from(*byte)));
                }
            }
            0x81 => said.error = content.first().copied(),
            _ => {}
        }
        rest = next;
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_many_levels_is_refused_before_anything_recurses() {
        // Each level holds the next: written from the inside out.
        let mut message = vec![0x05, 0x00];
        for _ in 0..1000 {
            let length = message.len();
            let mut outer = vec![0x30, 0x83, (length >> 16) as u8, (length >> 8) as u8, length as u8];
            outer.extend(message);
            message = outer;
        }
        assert_eq!(message_length(&message), Ok(Some(message.len())));
        assert_eq!(check(&message), Err(BadMessage::TooDeep));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(check(b"\x30\x03\x04\x05a"), Err(BadMessage::Malformed), "a child longer than its parent");
        assert_eq!(check(b"\x30\x80\x00\x00"), Err(BadMessage::Malformed), "the indefinite form");
        assert_eq!(message_length(b"\x30\x84\x7f\xff\xff\xff"), Err(BadMessage::TooLarge(0x7fff_ffff + 6)));
        assert_eq!(message_length(b"\x30\x85\x01\x00\x00\x00\x00"), Err(BadMessage::Malformed));
        assert_eq!(message_length(b"HTTP/1.1 400"), Err(BadMessage::Malformed));
        assert_eq!(message_length(b"\x30\x82\x01"), Ok(None), "not yet");
        assert_eq!(check(START_TLS), Ok(()));
    }

    #[test]
    fn any_bytes_are_walked_through_without_a_panic() {
        let mut seed = 7_u32;
        for length in 0..2000_usize {
            let bytes: Vec<u8> = (0..length % 40)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                })
                .collect();
            let _ = (check(&bytes), message_length(&bytes), password_policy(&bytes), start_tls_result(&bytes));
        }
    }

    #[test]
    fn the_answer_to_start_tls_is_read() {
        let agreed = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";
        assert_eq!(start_tls_result(agreed), Some(0));
        let refused = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00";
        assert_eq!(start_tls_result(refused), Some(2));
        assert_eq!(start_tls_result(&agreed[..10]), None);
        assert_eq!(start_tls_result(b"\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\x00\x04\x00\x04\x00"), None, "another's");
    }

    #[test]
    fn the_password_policy_control_is_read() {
        assert_eq!(password_policy(b"\x30\x00"), Some(PasswordPolicy::default()));
        assert_eq!(password_policy(b"\x30\x03\x81\x01\x02"), Some(PasswordPolicy { error: Some(2), grace: None }));
        let grace = b"\x30\x05\xa0\x03\x81\x01\x04";
        assert_eq!(password_policy(grace), Some(PasswordPolicy { error: None, grace: Some(4) }));
        let soon = b"\x30\x06\xa0\x04\x80\x02\x0e\x10";
        assert_eq!(password_policy(soon), Some(PasswordPolicy::default()));
        assert_eq!(password_policy(b"\x04\x00"), None);
    }
}
