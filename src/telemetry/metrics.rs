//! Figures for Prometheus, in OpenMetrics text.
//!
//! Labels come from closed lists: sites from the configuration, doors, outcomes and kinds from the code. No user,
//! address, path or token is ever a label: each would make a series of its own, and be readable without a password.

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    site: String,
    intent: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Upstream {
    site: String,
    error: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignIn {
    door: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Factor {
    factor: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Door {
    door: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Store {
    store: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Judged {
    source: String,
    verdict: &'static str,
}

/// Every figure of one process. One value, shared; counting takes `&self` and no lock that is held for long.
pub struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    upstream_errors: Family<Upstream, Counter>,
    sign_ins: Family<SignIn, Counter>,
    source_up: Family<Source, Gauge>,
    source_verdicts: Family<Judged, Counter>,
    factor_answers: Family<Factor, Counter>,
    sessions_issued: Family<Door, Counter>,
    tokens_minted: Counter,
    panics: Counter,
    store_up: Family<Store, Gauge>,
    store_errors: Family<Store, Counter>,
    audit_lost: Family<Reason, Counter>,
    mails: Family<Outcome, Counter>,
    mails_waiting: Gauge,
    configured_at: Gauge,
    configured: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("vestibule"),
            requests: Family::default(),
            upstream_errors: Family::default(),
            sign_ins: Family::default(),
            source_up: Family::default(),
            source_verdicts: Family::default(),
            factor_answers: Family::default(),
            sessions_issued: Family::default(),
            tokens_minted: Counter::default(),
            panics: Counter::default(),
            store_up: Family::default(),
            store_errors: Family::default(),
            audit_lost: Family::default(),
            mails: Family::default(),
            mails_waiting: Gauge::default(),
            configured_at: Gauge::default(),
            configured: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("build", "Which version runs", Info::new([("version", super::VERSION)]));
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register("upstream_errors", "Requests the LMS did not answer", self.upstream_errors.clone());
        registry.register("sign_ins", "First proofs judged", self.sign_ins.clone());
        registry.register("source_up", "0 while a sign-in source's breaker is open", self.source_up.clone());
        registry.register("source_verdicts", "What sign-in sources said", self.source_verdicts.clone());
        registry.register("factor_answers", "Factors answered", self.factor_answers.clone());
        registry.register("sessions_issued", "Sessions issued", self.sessions_issued.clone());
        registry.register("tokens_minted", "App tokens handed out", self.tokens_minted.clone());
        registry.register("panics", "Requests ended by a fault of the gateway", self.panics.clone());
        registry.register("store_up", "1 while the store answers", self.store_up.clone());
        registry.register("store_errors", "Questions a store did not answer", self.store_errors.clone());
        registry.register("audit_lost", "Audit lines that reached no sink", self.audit_lost.clone());
        registry.register("mails", "What became of letters", self.mails.clone());
        registry.register("mails_waiting", "Letters in the queue, on all nodes", self.mails_waiting.clone());
        registry.register(
            "config_last_success_timestamp_seconds",
            "When the configuration in force was taken",
            self.configured_at.clone(),
        );
        registry.register(
            "config_last_reload_successful",
            "0 while the file was refused when it was last read",
            self.configured.clone(),
        );
    }

    /// `site` is a configured site's name, or empty for a host that is none of ours; `intent` is the adapter's word.
    pub fn request(&self, site: &str, intent: &'static str, status: u16) {
        let labels = Request { site: site.to_owned(), intent, status: class(status) };
        self.requests.get_or_create(&labels).inc();
    }

    /// `error` is one of few fixed words: `relay` (read whole), `stream`.
    pub fn upstream_error(&self, site: &str, error: &'static str) {
        self.upstream_errors.get_or_create(&Upstream { site: site.to_owned(), error }).inc();
    }

    /// `outcome`: `ok`, `challenged`, `enrolment_due`, `refused`, `unavailable`, `reset`.
    pub fn sign_in(&self, door: crate::types::Door, outcome: &'static str) {
        self.sign_ins.get_or_create(&SignIn { door: word(door), outcome }).inc();
    }

    /// Of the instances in force, by their names in gateway.yaml. What is in force no more is not told.
    pub fn sources_up<'a>(&self, instances: impl Iterator<Item = (&'a str, bool)>) {
        self.source_up.clear();
        for (source, up) in instances {
            self.source_up.get_or_create(&Source { source: source.to_owned() }).set(i64::from(up));
        }
    }

    /// `verdict`: `ok`, `declined`, `denied`, `error`.
    pub fn source_verdict(&self, source: &str, verdict: &'static str) {
        self.source_verdicts.get_or_create(&Judged { source: source.to_owned(), verdict }).inc();
    }

    /// `outcome`: `accepted`, `wrong`, `used`, `locked`.
    pub fn factor_answer(&self, factor: crate::types::FactorKind, outcome: &'static str) {
        self.factor_answers.get_or_create(&Factor { factor: factor.as_str(), outcome }).inc();
    }

    pub fn session_issued(&self, door: crate::types::Door) {
        self.sessions_issued.get_or_create(&Door { door: word(door) }).inc();
    }

    pub fn token_minted(&self) {
        self.tokens_minted.inc();
    }

    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// `store`: `state` or `database`.
    pub fn store_health(&self, store: &'static str, up: bool) {
        self.store_up.get_or_create(&Store { store }).set(i64::from(up));
    }

    pub fn store_error(&self, store: &'static str) {
        self.store_errors.get_or_create(&Store { store }).inc();
    }

    /// `reason`: `full` (more events than the writer keeps up with), `file`, `database`.
    pub fn audit_lost(&self, reason: &'static str, lines: u64) {
        self.audit_lost.get_or_create(&Reason { reason }).inc_by(lines);
    }

    /// `outcome`: `queued`, `sent`, `postponed`; given up: `refused`, `expired`; never queued: `capped`, `full`,
    /// `unwritten`, `store`.
    pub fn mail(&self, outcome: &'static str) {
        self.mails.get_or_create(&Outcome { outcome }).inc();
    }

    pub fn mail_waiting(&self, letters: u32) {
        self.mails_waiting.set(letters.into());
    }

    /// A configuration came into force, at the start or by a reload.
    pub fn configured(&self, now: crate::types::Timestamp) {
        self.configured_at.set(now.secs());
        self.configured.set(1);
    }

    /// A reload was refused.
    pub fn not_configured(&self) {
        self.configured.set(0);
    }

    /// All figures, for `/metrics`.
    pub fn encode(&self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn word(door: crate::types::Door) -> &'static str {
    match door {
        crate::types::Door::Browser => "browser",
        crate::types::Door::App => "app",
    }
}

fn class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Door as D, FactorKind};

    #[test]
    fn figures_are_told_in_openmetrics_text() {
        let metrics = Metrics::new();
        metrics.request("campus", "page", 204);
        metrics.request("campus", "page", 200);
        metrics.sign_in(D::App, "refused");
        metrics.factor_answer(FactorKind::Totp, "accepted");
        metrics.sources_up([("old", true)].into_iter());
        metrics.sources_up([("staff", false), ("campus-lms", true)].into_iter());
        metrics.source_verdict("staff", "declined");
        metrics.store_health("database", false);
        metrics.audit_lost("full", 3);
        let text = metrics.encode();
        for line in [
            "vestibule_requests_total{site=\"campus\",intent=\"page\",status=\"2xx\"} 2",
            "vestibule_sign_ins_total{door=\"app\",outcome=\"refused\"} 1",
            "vestibule_factor_answers_total{factor=\"totp\",outcome=\"accepted\"} 1",
            "vestibule_source_up{source=\"staff\"} 0",
            "vestibule_source_up{source=\"campus-lms\"} 1",
            "vestibule_source_verdicts_total{source=\"staff\",verdict=\"declined\"} 1",
            "vestibule_store_up{store=\"database\"} 0",
            "vestibule_audit_lost_total{reason=\"full\"} 3",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("old"), "what is in force no more");
        assert!(
            text.contains(&format!("vestibule_build_info{{version=\"{}\"}} 1", crate::telemetry::VERSION)),
            "{text}"
        );
    }
}
