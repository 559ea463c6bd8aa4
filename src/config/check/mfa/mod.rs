//! Factors, signals and rules: can everybody who is asked also answer, and does the first enrolment prove anything?

mod factors;
mod help;
mod rules;
mod satisfy;
mod signals;

use crate::{
    config::{Config, problem::Problem},
    mfa::{FirstEnrolment, Rule, policy::default_enrolment},
    types::{FactorKind, SiteName, SourceId, Timestamp},
};

pub(super) fn check(config: &Config, now: Timestamp, found: &mut Vec<Problem>) {
    factors::check(config, found);
    signals::check(config, found);
    rules::check(config, now, found);
    satisfy::check(config, found);
    help::check(config, found);
    super::operation::within(
        found,
        "mfa",
        &[
            ("flow_minutes", config.mfa.flow_minutes, 1, 60),
            ("help_desk_code_hours", config.mfa.help_desk_code_hours, 1, 168),
        ],
    );
}

/// What opens a first enrolment under a rule, said or not.
pub(in crate::config) fn first_enrolment(config: &Config, rule: &Rule) -> FirstEnrolment {
    rule.first_enrolment.unwrap_or(default_enrolment(config.outbound.mail.is_some()))
}

/// Whether anybody can come to have this factor here.
fn can_be_enrolled(config: &Config, kind: FactorKind) -> bool {
    match kind {
        FactorKind::Totp | FactorKind::Webauthn => true,
        FactorKind::Email => config.outbound.mail.is_some(),
        FactorKind::Sms => config.outbound.sms.is_some(),
        // They come with another one.
        FactorKind::Recovery => {
            config.mfa.factors.iter().any(|f| f.kind != FactorKind::Recovery && can_be_enrolled(config, f.kind))
        }
    }
}

/// Where groups come from, for whoever has none yet.
const READ_GROUPS: &str = "read them from the LMS (lms.groups) or a source (ldap: groups.from; sql: a column `groups`)";

/// The sites of which nobody says who is in which group.
fn sites_without_groups<'a>(config: &'a Config, rule: &'a Rule) -> impl Iterator<Item = &'a SiteName> {
    let names = config.sites.iter().map(|site| &site.name);
    names.filter(|site| (rule.sites.is_empty() || rule.sites.contains(site)) && !states_groups(config, site))
}

/// By a source, or because the LMS itself is asked.
fn states_groups(config: &Config, site: &SiteName) -> bool {
    if config.sites.iter().any(|other| other.name == *site && other.lms.groups.is_some()) {
        return true;
    }
    let serving = config.chain.instances.iter().filter(|i| i.common.enabled && i.serves(site));
    serving.into_iter().any(|instance| instance.settings.states_groups())
}

fn is_source(config: &Config, name: &SourceId) -> bool {
    config.chain.instances.iter().any(|instance| instance.name == *name)
}

fn known_sources(config: &Config) -> String {
    let names: Vec<&str> = config.chain.instances.iter().map(|instance| instance.name.as_str()).collect();
    format!("write one of chain.instances: {}", names.join(", "))
}
