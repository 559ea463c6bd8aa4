//! Signals: what holds of a visitor without their being asked (design §2 "MFA"). Pure; what cannot be known does not
//! hold.
//!
//! A signal never sets "factor at": it is no proof of presence, and nothing that needs an asked factor rests on it.

use super::{
    config::{Signal, SignalKind},
    policy::Case,
};

/// Whether it holds in this case. `administrators` are the names of `admin.administrators`.
pub fn holds(signal: &Signal, case: &Case<'_>, administrators: &[String]) -> bool {
    match signal.kind {
        SignalKind::Network => signal.networks.iter().any(|range| range.contains(case.client)),
        SignalKind::Source => signal.sources.contains(case.source),
        SignalKind::Group => match &case.known.groups {
            Some(groups) => {
                let any = signal.any_of.is_empty() || groups.iter().any(|group| signal.any_of.contains(group));
                any && !groups.iter().any(|group| signal.none_of.contains(group))
            }
            None => false,
        },
        SignalKind::Administrator => {
            // A name that no source stated might be anybody's.
            let named = case.known.username.as_ref().is_none_or(|name| administrators.contains(name));
            let by_group = match &case.known.groups {
                _ if signal.none_of.is_empty() => false,
                Some(groups) => groups.iter().any(|group| signal.none_of.contains(group)),
                None => true,
            };
            !named && !by_group
        }
        SignalKind::Device => case.device,
        SignalKind::NoSetup => case.no_setup,
    }
}
