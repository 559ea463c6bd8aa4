//! Places of an LMS by what is done there: what a rule of the MFA policy may name instead of a list of scripts.

/// One such place. Paths are as in a rule: `/x/` is everything below, `/x/y.php` that script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathGroup {
    /// As a rule writes it after `@`.
    pub name: &'static str,
    pub paths: &'static [&'static str],
    /// What stands below these and is everybody's own business.
    pub but_not: &'static [&'static str],
}
