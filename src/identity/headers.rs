//! The identity headers of a signed-in request. Every client copy has been removed before (design R7); an empty
//! value is left out, not sent empty.

use crate::{
    lms::HeaderNames,
    types::{AccountId, Amr, SourceId, Timestamp},
};

/// What is known of the user whose request goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub account: AccountId,
    /// Only a name that a source or the LMS has stated.
    pub user: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub groups: Vec<String>,
    pub source: Option<SourceId>,
    pub amr: Amr,
    pub auth_time: Timestamp,
    pub factor_time: Option<Timestamp>,
}

/// (name, value) of each header, in the names this site gave them.
pub fn tell(told: &Told, names: &HeaderNames) -> Vec<(String, String)> {
    let groups: Vec<String> = told.groups.iter().map(|group| header_value(group).replace(',', "%2C")).collect();
    [
        (&names.user, told.user.as_deref().map(header_value)),
        (&names.account, Some(told.account.to_string())),
        (&names.name, told.name.as_deref().map(header_value)),
        (&names.email, told.email.as_deref().map(header_value)),
        (&names.groups, Some(groups.join(","))),
        (&names.source, told.source.as_ref().map(|s| header_value(s.as_str()))),
        (&names.amr, Some(told.amr.to_string())),
        (&names.auth_time, Some(told.auth_time.secs().to_string())),
        (&names.factor_time, told.factor_time.map(|at| at.secs().to_string())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.clone(), value.filter(|v| !v.is_empty())?)))
    .collect()
}

/// A value that fits a header field: visible ASCII and inner spaces as they are, everything else percent-encoded as
/// UTF-8, at most 1,024 characters (attack B5: CR LF, NUL, emoji, 64 kB).
pub fn header_value(text: &str) -> String {
    let mut out = String::new();
    for c in text.trim().chars() {
        let before = out.len();
        match c {
            ' ' | '!'..='$' | '&'..='~' => out.push(c),
            _ => {
                let mut bytes = [0; 4];
                out.extend(c.encode_utf8(&mut bytes).bytes().map(|b| format!("%{b:02X}")));
            }
        }
        if out.len() > 1024 {
            out.truncate(before);
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn b5_no_name_breaks_out_of_its_header(text: String) {
            let value = header_value(&text);
            prop_assert!(value.len() <= 1024);
            prop_assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b)));
        }
    }

    #[test]
    fn b5_names_are_encoded_and_empty_ones_left_out() {
        assert_eq!(header_value("Ana\r\nX-Vestibule-User: root"), "Ana%0D%0AX-Vestibule-User: root");
        assert_eq!(header_value("Ünal 100%"), "%C3%9Cnal 100%25");
        let told = Told {
            account: AccountId::new("a1"),
            user: None,
            name: Some("  ".into()),
            email: None,
            groups: vec!["a,b".into(), "c".into()],
            source: Some(SourceId::new("campus-lms")),
            amr: Amr::of(crate::types::FirstProof::Password, &[]),
            auth_time: Timestamp(5000),
            factor_time: None,
        };
        let headers = tell(&told, &HeaderNames::default());
        let get = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        assert_eq!(get("X-Vestibule-User"), None);
        assert_eq!(get("X-Vestibule-Name"), None);
        assert_eq!(get("X-Vestibule-Groups"), Some("a%2Cb,c"));
        assert_eq!(get("X-Vestibule-Auth-Time"), Some("5"));
    }
}
