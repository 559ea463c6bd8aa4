//! gateway.yaml held against what the database knows: no account may lose its source unsaid, and somebody must be able
//! to administer (design §2 "Pinning").

use crate::{
    admin::{About, Facts, Pinned},
    chain::{
        Removed,
        config::Instance,
        sources::{Kind, SOURCES},
    },
    config::{
        Config,
        problem::{Problem, at},
    },
    types::SourceId,
};

/// What has to be asked for this configuration.
pub fn about(config: &Config) -> About {
    let local = |instance: &&Instance| instance.kind.name == "local" && instance.common.enabled;
    About {
        administrators: config.admin.administrators.iter().map(|name| canonical(name)).collect(),
        locals: config.chain.instances.iter().filter(local).map(|instance| instance.name.to_string()).collect(),
    }
}

fn canonical(name: &str) -> String {
    crate::types::Username::canonical(name).map_or_else(|| name.to_owned(), |name| name.as_str().to_owned())
}

/// Every reason not to start.
pub fn check_accounts(config: &Config, facts: &Facts) -> Vec<Problem> {
    let kinds: Vec<&Kind> = SOURCES.iter().collect();
    let mut found = Vec::new();
    for pinned in &facts.pinned {
        instance(config, pinned, &kinds, &mut found);
    }
    administrators(config, facts, &mut found);
    found
}

fn instance(config: &Config, pinned: &Pinned, kinds: &[&Kind], found: &mut Vec<Problem>) {
    let name = &pinned.source;
    let was = |kind: &&&Kind| pinned.kind.as_deref() == Some(kind.name);
    if let Some((n, now)) = config.chain.instances.iter().enumerate().find(|(_, i)| i.name == *name) {
        let another = pinned.kind.as_deref().is_some_and(|kind| kind != now.kind.name);
        if another && pinned.accounts > 0 {
            found.push(Problem::error(
                at("chain.instances").index(n).key("kind"),
                format!(
                    "\"{name}\" was of kind `{}` when {} were pinned to it; equal subjects of another kind are other people",
                    pinned.kind.as_deref().unwrap_or_default(),
                    accounts(pinned.accounts)
                ),
                "give the new instance a name of its own, and say in chain.removed what becomes of these accounts",
            ));
        }
        return;
    }
    if let Some(Removed::Reassign(to)) = config.chain.removed.get(name)
        && let Some(target) = config.chain.instances.iter().find(|instance| instance.name == *to)
        && pinned.kind.as_deref().is_some_and(|kind| kind != target.kind.name)
        && pinned.accounts > 0
    {
        found.push(Problem::error(
            at("chain.removed").key(name.as_str()).key("reassign"),
            format!(
                "\"{name}\" was of kind `{}` and \"{to}\" is of kind `{}`: equal subjects are other people there",
                pinned.kind.as_deref().unwrap_or_default(),
                target.kind.name
            ),
            format!(
                "put \"{name}\" back and use `vestibule source move --match username`, or write `{name}: rediscover`"
            ),
        ));
    }
    if let Some(kind) = kinds.iter().find(was).filter(|kind| !kind.removable) {
        found.push(Problem::error(
            at("chain.instances"),
            format!("the instance \"{name}\" of kind `{}` cannot be removed", kind.name),
            format!("put it back: - {{ name: {name}, kind: {} }}", kind.name),
        ));
    } else if pinned.accounts > 0 && !config.chain.removed.contains_key(name) {
        found.push(Problem::error(
            at("chain.removed").key(name.as_str()),
            format!(
                "the instance \"{name}\" is not there any more, and {} sign in by it alone or too",
                accounts(pinned.accounts)
            ),
            format!(
                "put the instance back, or say what becomes of them: `{name}: {{ reassign: OTHER }}` where it only has \
                 another name now, `{name}: rediscover` where the first sign-in of each name shall pin it again"
            ),
        ));
    }
}

fn accounts(n: u64) -> String {
    if n == 1 { "1 account".to_owned() } else { format!("{n} accounts") }
}

fn administrators(config: &Config, facts: &Facts, found: &mut Vec<Problem>) {
    if config.admin.administrators.is_empty() || !facts.break_glass.is_empty() {
        return;
    }
    let becomes = |source: &SourceId| match config.chain.removed.get(source) {
        Some(Removed::Reassign(to)) => to.clone(),
        Some(Removed::Rediscover) | None => source.clone(),
    };
    let internal = |source: &SourceId| {
        let source = becomes(source);
        config.chain.instances.iter().any(|i| i.name == source && i.common.enabled && i.kind.internal)
    };
    if !facts.administrators.iter().any(|administrator| administrator.sources.iter().any(internal)) {
        found.push(Problem::error(
            at("admin.administrators"),
            "none of these is an active account of an enabled instance whose accounts are the gateway's own, and there \
             is no break-glass account: when the other sources are down nobody could administer",
            "add an instance of kind `local`, then `vestibule account break-glass --source NAME --user USER`; or leave \
             the list empty, and administer on this machine alone",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{admin::Administrator, chain::sources};

    fn config(yaml: &str) -> Config {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn pinned(source: &str, accounts: u64, kind: &str) -> Facts {
        let pinned = Pinned { source: SourceId::new(source), accounts, kind: Some(kind.to_owned()) };
        Facts { pinned: vec![pinned], ..Facts::default() }
    }

    fn told(config: &Config, facts: &Facts) -> String {
        check_accounts(config, facts).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_instance_with_accounts_does_not_go_without_a_word() {
        let facts = pinned("staff", 4711, "local");
        let here = "chain: { instances: [ { name: staff, kind: local } ] }";
        assert_eq!(told(&config(here), &facts), "");
        let gone = config("chain: { instances: [ { name: people, kind: local } ] }");
        let said = told(&gone, &facts);
        assert!(said.contains("4711 accounts") && said.contains("`staff: { reassign: OTHER }`"), "{said}");
        assert_eq!(told(&gone, &pinned("staff", 0, "local")), "", "nobody minds");
        for becomes in ["rediscover", "{ reassign: people }"] {
            let yaml =
                format!("chain: {{ instances: [ {{ name: people, kind: local }} ], removed: {{ staff: {becomes} }} }}");
            assert_eq!(told(&config(&yaml), &facts), "", "{becomes}");
        }
    }

    #[test]
    fn another_kind_under_the_same_name_is_other_people() {
        let sql = config(
            "chain: { instances: [ { name: staff, kind: sql, database: \"sqlite:x\", query: \"SELECT :username\" } ] }",
        );
        let said = told(&sql, &pinned("staff", 1, "local"));
        assert!(said.contains("was of kind `local` when 1 account"), "{said}");
        assert_eq!(told(&sql, &pinned("staff", 0, "local")), "");
    }

    #[test]
    fn a_kind_that_is_not_removable_stays() {
        let fixed = Kind { removable: false, ..sources::local::KIND };
        let mut found = Vec::new();
        let yaml = "chain: { removed: { staff: rediscover } }";
        instance(&config(yaml), &pinned("staff", 0, "local").pinned[0], &[&fixed], &mut found);
        assert!(found.len() == 1 && found[0].what.contains("cannot be removed"), "{found:?}");
    }

    #[test]
    fn some_administrator_does_not_depend_on_others() {
        let yaml = "{ admin: { administrators: [Ann, bob] }, chain: { instances: [ { name: own, kind: local }, \
                    { name: campus-lms, kind: lms, site: campus } ] } }";
        let config_on = config(yaml);
        assert_eq!(
            about(&config_on),
            About { administrators: vec!["ann".into(), "bob".into()], locals: vec!["own".into()] }
        );
        let facts = |source: &str| Facts {
            administrators: vec![
                Administrator { name: "ann".into(), sources: Vec::new() },
                Administrator { name: "bob".into(), sources: vec![SourceId::new(source)] },
            ],
            ..Facts::default()
        };
        assert_eq!(told(&config_on, &facts("own")), "");
        assert!(told(&config_on, &facts("campus-lms")).contains("break-glass"));
        let off = config(&yaml.replace("kind: local", "kind: local, enabled: false"));
        assert!(told(&off, &facts("own")).contains("break-glass"), "an instance that is off signs nobody in");
        let glass = Facts { break_glass: vec![SourceId::new("own")], ..facts("campus-lms") };
        assert_eq!(told(&config_on, &glass), "");
        assert_eq!(told(&config("{}"), &Facts::default()), "", "with none named, the socket alone administers");
    }
}
