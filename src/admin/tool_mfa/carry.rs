//! The gateway's side: whose each factor is, and its enrolment.

use super::{
    super::{Admin, AdminError, Operator, Place, Reply},
    command::{Device, ImportToolMfa, Person, What},
    sheet::{People, Tally, ToolMfaSheet},
};
use crate::{
    accounts::{Account, State},
    audit::Event,
    keys::Sealed,
    lms::moodle::tool_mfa::{PublicKey, Registration},
    mfa::{
        enrolment::{Enrolment, EnrolmentProof, sealed_place},
        factors::{
            totp,
            webauthn::{self, Passkey},
        },
        takeover::{TakenOver, Takeover},
    },
    types::{AccountId, EnrolmentId, FactorKind, LmsUserId, RngExt, Subject, Timestamp},
};

/// Under which an imported enrolment is listed, where others name the rule that opened them.
const RULE: &str = "tool_mfa";
/// A label is a few words.
const LONGEST_LABEL: usize = 64;
/// Moodle's codes: 30 seconds each, and one beside the present one may have been used.
const STEP: i64 = 30;

impl Admin {
    pub(in super::super) async fn import_tool_mfa(
        &self,
        by: Operator,
        import: ImportToolMfa,
    ) -> Result<Reply, AdminError> {
        let place = self.place(import.site.as_deref())?;
        let (mut tally, mut people) = (Tally::default(), People::default());
        for (n, person) in import.people.iter().enumerate() {
            match self.account_of(place, LmsUserId(person.lms_user)).await? {
                Some(account) => {
                    people.known += 1;
                    self.carry_person(by, (place, &account), person, &import, (&mut tally, &mut people)).await?;
                }
                None => {
                    people.unknown += 1;
                    people.namesakes += u64::from(!self.accounts.by_username(&person.lms_username).await?.is_empty());
                    for device in &person.devices {
                        tally.count(device.what.factor(), "its user has no account here");
                    }
                }
            }
            self.keep_pace(n).await;
        }
        let sheet = ToolMfaSheet {
            site: place.site.to_string(),
            dry_run: import.dry_run,
            factors: tally.rows(),
            people,
            mfa: None,
            notes: Vec::new(),
        };
        Ok(Reply::ToolMfa(Box::new(sheet)))
    }

    async fn carry_person(
        &self,
        by: Operator,
        (place, account): (&Place, &Account),
        person: &Person,
        import: &ImportToolMfa,
        (tally, people): (&mut Tally, &mut People),
    ) -> Result<(), AdminError> {
        let mut counts_here = 0;
        for device in &person.devices {
            let factor = device.what.factor();
            let Some(enrolment) = self.enrolment_of(place, &account.id, device) else {
                tally.count(factor, "made under another host name: no browser would offer it at this site");
                continue;
            };
            let kind = enrolment.kind;
            let takeover = Takeover { enrolment, foreign: device.row };
            let done = match import.dry_run {
                true => self.takeovers.would_take_over(&takeover).await?,
                false => self.takeovers.take_over(&takeover).await?,
            };
            counts_here += u32::from(matches!(done, TakenOver::Now | TakenOver::Before));
            tally.count(
                factor,
                match done {
                    TakenOver::Now => "carried over",
                    TakenOver::Before => "carried over before; it stays as it is",
                    TakenOver::Taken => "is a factor here already",
                    TakenOver::Full => "its account has as many factors as one may have",
                },
            );
            if done == TakenOver::Now && !import.dry_run {
                let (account, proof) = (account.id.clone(), EnrolmentProof::Imported.as_str());
                self.note_at(&place.site, by, Event::FactorEnrolled { account, factor: kind, proof });
            }
        }
        let bare = counts_here == 0 && self.enrolments.enrolments(&account.id).await?.all.is_empty();
        if bare && !import.enrol_by_rule && !account.enrol_by_help_desk_only {
            people.left_to_help_desk += 1;
            if !import.dry_run {
                self.enrolments.leave_to_help_desk(&account.id).await?;
                self.note_at(&place.site, by, Event::LeftToHelpDesk { account: account.id.clone() });
            }
        }
        Ok(())
    }

    /// By the binding, or by the method of this site's LMS as a source, whose subject is the user's id.
    async fn account_of(&self, place: &Place, user: LmsUserId) -> Result<Option<Account>, AdminError> {
        if user.0 == 0 || user == place.guest {
            return Ok(None);
        }
        let alive = |account: Option<Account>| account.filter(|account| account.state != State::Gone);
        if let Some(id) = self.accounts.bound_account(&place.site, user).await? {
            return Ok(alive(self.accounts.account(&id).await?));
        }
        let chain = self.chain.load_full();
        let own = |source: &&super::super::Configured| source.kind == "lms" && place.sources.contains(&source.name);
        for source in chain.configured.iter().filter(own) {
            let found = self.accounts.by_method(&source.name, &Subject::new(user.to_string())).await?;
            if let Some(account) = alive(found) {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }

    /// The site that is named, or the only one.
    fn place(&self, named: Option<&str>) -> Result<&Place, AdminError> {
        match (named, self.places.as_slice()) {
            (Some(name), places) => {
                let known = || places.iter().map(|place| place.site.as_str()).collect::<Vec<_>>().join(", ");
                let found = places.iter().find(|place| place.site.as_str() == name);
                found.ok_or_else(|| AdminError::NoSite { name: name.to_owned(), known: known() })
            }
            (None, [only]) => Ok(only),
            (None, _) => Err(AdminError::Refused("there are several sites; say which with --site".to_owned())),
        }
    }

    /// `None` for a security key of another host name.
    fn enrolment_of(&self, place: &Place, account: &AccountId, device: &Device) -> Option<Enrolment> {
        let id = EnrolmentId::new(self.rng.hex(16));
        let ring = self.keyring.load();
        let (kind, secret, detail, counter, handle) = match &device.what {
            What::Totp(secret) => {
                let options = totp::Options { imported: true, ..totp::Options::default() };
                // Whatever code was right when one was used last is void here too.
                let last = if device.verified > 0 { device.verified.div_euclid(STEP) + 1 } else { -1 };
                (FactorKind::Totp, secret.expose().to_vec(), options.write(), last, None)
            }
            What::Webauthn(registration) if !registration.rp_id.eq_ignore_ascii_case(&place.host) => return None,
            What::Webauthn(registration) => {
                let secret = serde_json::to_vec(&passkey(registration)?).ok()?;
                let handle = webauthn::handle(&ring, &registration.credential_id);
                (FactorKind::Webauthn, secret, "{}".to_owned(), i64::from(registration.sign_count), Some(handle))
            }
        };
        let sealed = ring.seal(&*self.rng, "enrolment", &sealed_place(&id), &secret);
        let seconds = |at: i64| (at > 0).then(|| Timestamp::from_secs(at));
        Some(Enrolment {
            account: account.clone(),
            kind,
            label: label(&device.label, kind),
            secret: Sealed::from_text(sealed),
            detail,
            counter,
            handle,
            created: seconds(device.created).unwrap_or_else(|| self.clock.now()),
            last_used: seconds(device.verified),
            site: place.site.clone(),
            rule: RULE.to_owned(),
            proof: EnrolmentProof::Imported,
            suspended: false,
            id,
        })
    }
}

/// `None` where its key cannot be verified here; such rows are not sent.
fn passkey(registration: &Registration) -> Option<Passkey> {
    let key = match registration.key.clone() {
        PublicKey::Es256 { x, y } => webauthn::Key::Es256 { x, y },
        PublicKey::Rs256 { n, e } => webauthn::Key::Rs256 { n, e },
        PublicKey::Ed25519 { .. } => return None,
    };
    Passkey::imported(registration.credential_id.clone(), key, registration.sign_count, registration.user_verified)
}

/// As its owner called it in Moodle, in one short line.
fn label(text: &str, kind: FactorKind) -> String {
    let line: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_LABEL).collect();
    match (line.trim(), kind) {
        ("", FactorKind::Webauthn) => "Security key".to_owned(),
        ("", _) => "Authenticator app".to_owned(),
        (line, _) => line.to_owned(),
    }
}
