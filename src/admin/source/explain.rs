//! `vestibule explain sign-in`: what a sign-in would meet, told without a password and without asking any source.

use super::{AskedRow, Chain, ExplainSheet, ExplainSignIn, SiteOf};
use crate::{
    accounts::{Account, State},
    admin::{Admin, AdminError},
    chain::{Instance, Newcomers, Selection},
    flow::{owners, selection},
    lms::AppMfa,
    mfa::{
        enrolment::Enrolments,
        known::Known,
        policy::{Case, Outlook},
    },
    types::{ClientAddr, Door, SourceId, Username},
};
use std::net::{IpAddr, Ipv4Addr};

impl Admin {
    pub(super) async fn explain_sign_in(
        &self,
        chain: &Chain,
        what: &ExplainSignIn,
    ) -> Result<ExplainSheet, AdminError> {
        let site = site(chain, what.site.as_deref())?;
        let door = if what.door == "app" { Door::App } else { Door::Browser };
        let canonical = site.lms.canonical_username(&what.user);
        let name = Username::canonical(&what.user);
        let selection = selection(self.accounts.as_ref(), &site.sources, name.as_ref(), &canonical).await?;
        let owners = owners(self.accounts.as_ref(), name.as_ref(), &canonical).await?;
        let mut accounts = Vec::new();
        for owner in &owners {
            accounts.push(self.account_line(owner).await?);
        }
        if owners.is_empty() {
            accounts.push("nobody's yet: the first OK makes an account, where that source may".to_owned());
        }
        let mut policy = Vec::new();
        // Without an address, one that is in no network.
        let client = ClientAddr::new(what.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        for owner in &owners {
            policy.push(self.policy_line(chain, site, (door, client), owner).await?);
        }
        if owners.is_empty() {
            // Of somebody who has no account yet, nothing is known: neither groups nor an import.
            let (known, none) = (Known::default(), Enrolments::default());
            let source = chain.instances.first().map_or_else(|| SourceId::new(""), |first| first.name.clone());
            let case = self.case(site, door, client, &source, &known, &none);
            policy.push(policy_words(site, door, &chain.policy.outlook(false, false, &none, &case)));
        }
        let client = what.address.map(ClientAddr::new);
        let levels = chain.throttle.look(&site.name, &canonical, client).await?;
        let limits = levels.iter().map(|level| {
            let state = if level.full { "full: refused before any source is asked" } else { "open" };
            format!("{}: {} of {}, {state}", level.limit.as_str(), level.wrong, level.most)
        });
        Ok(ExplainSheet {
            user: what.user.clone(),
            name: name.as_ref().map(ToString::to_string),
            site: site.name.to_string(),
            door: door.to_string(),
            accounts,
            asked: asked(chain, site, &selection, name.as_ref()),
            limits: limits.collect(),
            policy,
            fault: chain.fault.clone(),
        })
    }

    async fn account_line(&self, account: &Account) -> Result<String, AdminError> {
        let methods = self.accounts.methods(&account.id).await?;
        let names = methods.iter().map(|m| format!("{}{}", m.source, if m.primary { " (primary)" } else { "" }));
        let names: Vec<String> = names.collect();
        let by = match account.state {
            State::Active => String::new(),
            State::Suspended | State::Gone => match self.accounts.barred_by(&account.id).await? {
                Some(source) => format!(" by {source}"),
                None => " by an operator".to_owned(),
            },
        };
        let pins = if names.is_empty() { "waits for the first OK of its name".to_owned() } else { names.join(", ") };
        Ok(format!("{} {}{by}: {pins}", account.id, account.state.as_str()))
    }

    async fn policy_line(
        &self,
        chain: &Chain,
        site: &SiteOf,
        (door, client): (Door, ClientAddr),
        account: &Account,
    ) -> Result<String, AdminError> {
        let enrolments = self.enrolments.enrolments(&account.id).await?;
        let known = self.known.known(&account.id).await?;
        let methods = self.accounts.methods(&account.id).await?;
        let source = methods.iter().find(|method| method.primary).or(methods.first());
        let source = source.map_or_else(|| SourceId::new(""), |method| method.source.clone());
        let case = self.case(site, door, client, &source, &known, &enrolments);
        let (desk_only, address) = (account.enrol_by_help_desk_only, account.settled_email(self.clock.now()).is_some());
        let outlook = chain.policy.outlook(desk_only, address, &enrolments, &case);
        Ok(policy_words(site, door, &outlook))
    }

    fn case<'a>(
        &self,
        site: &'a SiteOf,
        door: Door,
        client: ClientAddr,
        source: &'a SourceId,
        known: &'a Known,
        enrolments: &Enrolments,
    ) -> Case<'a> {
        let no_setup = enrolments.all.is_empty();
        let now = self.clock.now();
        Case { site: &site.name, door, path: None, client, source, known, device: false, no_setup, now }
    }
}

fn site<'a>(chain: &'a Chain, named: Option<&str>) -> Result<&'a SiteOf, AdminError> {
    let known = || chain.sites.iter().map(|site| site.name.as_str()).collect::<Vec<_>>().join(", ");
    match (named, chain.sites.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => Err(AdminError::Refused(format!("say which site with --site: {}", known()))),
        (Some(name), sites) => sites
            .iter()
            .find(|site| site.name.as_str() == name)
            .ok_or_else(|| AdminError::NoSite { name: name.to_owned(), known: known() }),
    }
}

/// Every instance of the site: first those that are asked, in their order, then the others with the reason.
fn asked(chain: &Chain, site: &SiteOf, selection: &Selection, name: Option<&Username>) -> Vec<AskedRow> {
    let order: Vec<&SourceId> = match selection {
        Selection::All => chain.configured.iter().map(|known| &known.name).collect(),
        Selection::Only(names) => names.iter().collect(),
    };
    let others = chain.configured.iter().map(|known| &known.name).filter(|name| !order.contains(name));
    let mut rows = Vec::new();
    for source in order.iter().copied().chain(others) {
        let (asked, why) = match chain.instances.iter().find(|instance| instance.name == *source) {
            _ if !site.sources.contains(source) => (false, "is not asked for this site".to_owned()),
            _ if !order.contains(&source) => (false, "the name is an account's that has no method there".to_owned()),
            None if chain.fault.is_some() => (true, "cannot be looked at from here".to_owned()),
            None => (false, "is switched off; an account of its own is not asked elsewhere".to_owned()),
            Some(instance) => one(instance, selection, name),
        };
        rows.push(AskedRow { source: source.to_string(), asked, why });
    }
    rows.sort_by_key(|row| !row.asked);
    rows
}

fn one(instance: &Instance, selection: &Selection, name: Option<&Username>) -> (bool, String) {
    if instance.password.is_none() {
        return (false, "judges no passwords; it has a button".to_owned());
    }
    let Some(own) = instance.own_name(name) else {
        return (false, not_its_own(instance, name));
    };
    let pinned = match selection {
        Selection::Only(_) => "the account is pinned to it",
        Selection::All => "nobody owns the name, so all are asked in their order",
    };
    let newcomers = match (selection, instance.rules.newcomers) {
        (Selection::All, Newcomers::Refuse) => "; makes no new accounts",
        (Selection::All, Newcomers::Create) | (Selection::Only(_), _) => "",
    };
    let breaker = if instance.health.is_open() { "; its breaker is open: ERROR at once" } else { "" };
    let called = if own.is_empty() { "as typed".to_owned() } else { format!("as \"{own}\"") };
    (true, format!("{called}: {pinned}{newcomers}{breaker}"))
}

fn not_its_own(instance: &Instance, name: Option<&Username>) -> String {
    match (name, &instance.rules.names, &instance.rules.username_suffix) {
        (None, _, _) => "what was typed is no user name".to_owned(),
        (Some(name), Some(pattern), _) if !pattern.matches(name) => "the name is outside its `names`".to_owned(),
        (Some(_), _, Some(suffix)) => format!("the name does not end in \"{suffix}\""),
        (Some(_), _, None) => "the name is not its own".to_owned(),
    }
}

fn policy_words(site: &SiteOf, door: Door, outlook: &Outlook) -> String {
    if door == Door::App && site.app_mfa == AppMfa::Off {
        return "the password alone (app.mfa: off)".to_owned();
    }
    let factors: Vec<&str> = outlook.factors.iter().map(|kind| kind.as_str()).collect();
    if let Some(until) = outlook.lenient_until {
        let (rule, stage) = (&outlook.rule, outlook.stage.as_str());
        return format!("rule {rule}, stage {stage}: let through until {until}, by grace or an exemption");
    }
    let next = match (&outlook.first_enrolment, factors.is_empty()) {
        (Some(proof), _) => format!("a first enrolment, opened by {}", proof.as_str()),
        (None, true) if outlook.signals.is_empty() => "let through".to_owned(),
        (None, true) => format!("let through (signals: {})", outlook.signals.join(", ")),
        (None, false) if door == Door::App && site.app_mfa == AppMfa::Refuse => "refused (app.mfa: refuse)".to_owned(),
        (None, false) => format!("one of {}", factors.join(", ")),
    };
    format!("rule {}, stage {}: {next}", outlook.rule, outlook.stage.as_str())
}
