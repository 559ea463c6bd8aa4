//! The chain's instances: their names, the sites they serve, and what each kind says of its own keys.

use super::{SHORT_NAME, is_short_name, sites::known};
use crate::{
    chain::{
        LmsPassword, Removed,
        config::Instance,
        sources::{Finding, Severity},
    },
    config::{
        Config,
        problem::{KeyPath, Problem, at},
    },
    lms,
    types::{SiteName, SourceId},
};

pub(super) fn check(config: &Config, found: &mut Vec<Problem>) {
    for (n, instance) in config.chain.instances.iter().enumerate() {
        let here = at("chain.instances").index(n);
        name(config, n, &here, found);
        serves(config, n, &here, found);
        rules(instance, &here, found);
        kind(instance, &here, found);
        redirects(config, instance, &here, found);
    }
    for (n, site) in config.sites.iter().enumerate() {
        let speaks = |instance: &Instance| instance.common.enabled && instance.serves(&site.name);
        if !config.chain.instances.iter().any(speaks) {
            found.push(Problem::error(
                at("sites").index(n),
                format!("no enabled chain instance speaks for site \"{}\", so nobody could sign in there", site.name),
                format!("add to chain.instances: - {{ name: {0}-lms, kind: lms, site: {0} }}", site.name),
            ));
        }
    }
    removed(config, found);
    let step = config.chain.refusal_milliseconds;
    if step > 5_000 {
        found.push(Problem::error(
            at("chain.refusal_milliseconds"),
            format!("{step} ms would keep everybody waiting who mistypes a password"),
            "stay near the default of 500",
        ));
    }
    super::operation::at_least_one(found, "chain", &[("recheck_minutes", config.chain.recheck_minutes)]);
    let percent = u64::from(config.chain.sync_limit_percent);
    super::operation::within(found, "chain", &[("sync_limit_percent", percent, 0, 100)]);
}

fn name(config: &Config, n: usize, here: &KeyPath, found: &mut Vec<Problem>) {
    let instance = &config.chain.instances[n];
    if !is_short_name(instance.name.as_str()) {
        found.push(Problem::error(
            here.clone().key("name"),
            format!("\"{}\" cannot be an instance's name", instance.name),
            SHORT_NAME,
        ));
    }
    let earlier = &config.chain.instances[..n];
    if earlier.iter().any(|other| other.name == instance.name) {
        found.push(Problem::error(
            here.clone().key("name"),
            format!("there is already an instance \"{}\"", instance.name),
            "give each instance a name of its own",
        ));
    }
    if !instance.kind.multiple && earlier.iter().any(|other| other.kind == instance.kind) {
        found.push(Problem::error(
            here.clone().key("kind"),
            format!("there can be one instance of kind `{}` only", instance.kind.name),
            "remove one of the two",
        ));
    }
    if !instance.common.enabled && !instance.kind.can_disable {
        found.push(Problem::error(
            here.clone().key("enabled"),
            format!("an instance of kind `{}` cannot be switched off", instance.kind.name),
            "remove `enabled: false`",
        ));
    }
}

fn serves(config: &Config, n: usize, here: &KeyPath, found: &mut Vec<Problem>) {
    let instance = &config.chain.instances[n];
    let mut exists = |site: &SiteName, key: &str| {
        if !config.sites.iter().any(|known| known.name == *site) {
            found.push(Problem::error(here.clone().key(key), format!("there is no site \"{site}\""), known(config)));
        }
    };
    instance.common.sites.iter().for_each(|site| exists(site, "sites"));
    let Some(own) = instance.settings.site() else { return };
    exists(own, "site");
    if !instance.common.sites.is_empty() {
        found.push(Problem::error(
            here.clone().key("sites"),
            "this kind speaks for the one site of `site`",
            "remove `sites`",
        ));
    }
    let same = |other: &Instance| other.kind == instance.kind && other.settings.site() == Some(own);
    if config.chain.instances[..n].iter().any(same) {
        found.push(Problem::error(
            here.clone().key("site"),
            format!("the LMS of site \"{own}\" is already asked by an earlier instance"),
            "remove one of the two: an LMS is asked once",
        ));
    }
}

fn rules(instance: &Instance, here: &KeyPath, found: &mut Vec<Problem>) {
    let common = &instance.common;
    if let Some(seconds) = common.deadline_seconds.filter(|s| !(1..=30).contains(s)) {
        found.push(Problem::error(
            here.clone().key("deadline_seconds"),
            format!("{seconds} is not between 1 and 30"),
            "write how long one sign-in may wait for this source, such as 3",
        ));
    }
    if common.recheck_minutes == Some(0) {
        found.push(Problem::error(
            here.clone().key("recheck_minutes"),
            "0 would ask without pause",
            "write at least 1",
        ));
    }
    let suffix = |text: &str| {
        text.len() <= 40
            && text.starts_with(['@', '-', '.', '_'])
            && crate::types::Username::canonical(&format!("a{text}")).is_some_and(|name| name.as_str()[1..] == *text)
    };
    if let Some(text) = common.username_suffix.as_deref().filter(|text| !suffix(text)) {
        found.push(Problem::error(
            here.clone().key("username_suffix"),
            format!("\"{text}\" cannot end a user name"),
            "write something like \"@staff\": @, -, . or _, then lower-case letters and digits",
        ));
    }
    if instance.kind.name == "lms" {
        for (key, set) in [
            ("lms_password", common.lms_password == LmsPassword::Same),
            ("username_suffix", common.username_suffix.is_some()),
            ("email_verified", common.email_verified),
        ] {
            if set {
                found.push(Problem::error(
                    here.clone().key(key),
                    "means nothing where the LMS itself is asked",
                    format!("remove `{key}`"),
                ));
            }
        }
    }
}

fn kind(instance: &Instance, here: &KeyPath, found: &mut Vec<Problem>) {
    for Finding { severity, key, what, fix } in instance.settings.check() {
        let path = key.split('.').filter(|part| !part.is_empty()).fold(here.clone(), |path, part| path.key(part));
        found.push(match severity {
            Severity::Error => Problem::error(path, what, fix),
            Severity::Warning => Problem::warning(path, what, fix),
        });
    }
}

/// Only our own sign-in page has buttons.
fn redirects(config: &Config, instance: &Instance, here: &KeyPath, found: &mut Vec<Problem>) {
    if !instance.settings.redirects() {
        return;
    }
    if instance.common.lms_password == LmsPassword::Same {
        found.push(Problem::error(
            here.clone().key("lms_password"),
            "nobody types a password here that the LMS could know",
            "remove `lms_password`",
        ));
    }
    let by_form = |site: &&lms::Site| instance.serves(&site.name) && site.sign_in == lms::SignIn::Form;
    for site in config.sites.iter().filter(by_form) {
        found.push(Problem::warning(
            here.clone(),
            format!("site \"{}\" shows the LMS's own form, which has no button for this source", site.name),
            "set `sign_in: header` for the site, or list the other sites in `sites`",
        ));
    }
}

fn removed(config: &Config, found: &mut Vec<Problem>) {
    let exists = |name: &SourceId| config.chain.instances.iter().any(|instance| instance.name == *name);
    for (name, becomes) in &config.chain.removed {
        let here = at("chain.removed").key(name.as_str());
        if exists(name) {
            found.push(Problem::error(
                here.clone(),
                format!("the instance \"{name}\" is there, so its accounts are its own"),
                "remove this entry, or the instance",
            ));
        }
        if let Removed::Reassign(to) = becomes
            && !exists(to)
        {
            found.push(Problem::error(
                here.key("reassign"),
                format!("there is no instance \"{to}\""),
                "name the instance that has these accounts now",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{
        config::Common,
        sources::{BuildError, Kind, Needs, Settings, SettingsError, Source},
    };
    use std::sync::Arc;

    #[derive(Debug)]
    struct Elsewhere;

    impl Settings for Elsewhere {
        fn redirects(&self) -> bool {
            true
        }
        fn build(&self, _: &Needs<'_>) -> Result<Source, BuildError> {
            Ok(Source::default())
        }
    }

    const KIND: Kind = Kind {
        name: "elsewhere",
        internal: false,
        multiple: true,
        can_disable: true,
        removable: true,
        settings: |_| Err(SettingsError { path: String::new(), message: String::new() }),
    };

    #[test]
    fn a_redirect_source_has_no_button_on_the_lmss_form_and_no_password_to_share() {
        let site = |mode: &str| {
            format!(
                "sites: [ {{ name: campus, public_url: \"https://campus.example\", sign_in: {mode}, \
                 upstream: {{ url: \"http://127.0.0.1:1\" }} }} ]"
            )
        };
        let found = |mode: &str, lms_password| {
            let mut config: Config = serde_yaml::from_str(&site(mode)).unwrap();
            let common = Common { lms_password, ..Common::default() };
            let (name, settings) = (SourceId::new("partner"), Arc::new(Elsewhere));
            config.chain.instances.push(Instance { name, kind: &KIND, common, settings });
            let mut found = Vec::new();
            check(&config, &mut found);
            found.iter().map(|problem| (problem.is_error(), problem.what.clone())).collect::<Vec<_>>()
        };
        assert_eq!(found("header", LmsPassword::No), []);
        let warned = found("form", LmsPassword::No);
        assert!(!warned[0].0 && warned[0].1.contains("has no button"), "{warned:?}");
        assert!(found("header", LmsPassword::Same)[0].0);
    }
}
