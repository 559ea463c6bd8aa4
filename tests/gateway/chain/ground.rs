//! What a source that is built by itself is given: no accounts of the gateway's own, and an audit log nobody reads.

use async_trait::async_trait;
use std::{sync::Arc, time::Duration};
use vestibule::{
    audit::{self, Audit, Target},
    chain::{
        local::{Inserted, LocalAccount, LocalStore, NewPassword},
        password::Hashing,
        sources::{BuildError, Kind, Needs, Source},
    },
    telemetry::Metrics,
    types::{Secret, SourceId, Subject, SystemClock, SystemRng, Unavailable},
};

/// A source by the keys of gateway.yaml, asked by itself.
pub fn build(
    kind: Kind,
    yaml: &str,
    deadline: Duration,
    hashing: Arc<Hashing>,
    secret: &(dyn Fn(&str) -> Result<Secret<String>, String> + Sync),
) -> Result<Source, BuildError> {
    let settings = (kind.settings)(serde_yaml::from_str(yaml).unwrap()).unwrap();
    let nowhere = audit::Config { file: Target::File("/dev/null".into()), database: false };
    settings.build(&Needs {
        name: &SourceId::new("students"),
        secret,
        deadline,
        lms: &|_| None,
        alone: &|_| false,
        hashing,
        locals: Arc::new(NoLocals),
        audit: Audit::new(&nowhere, Arc::new(SystemClock), None, Arc::new(Metrics::new())).unwrap(),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
    })
}

/// Sources beside `local` have no business with it.
struct NoLocals;

fn no<T>() -> Result<T, Unavailable> {
    Err(Unavailable::database("there is none in this test"))
}

#[async_trait]
impl LocalStore for NoLocals {
    async fn by_username(&self, _: &SourceId, _: &str) -> Result<Option<LocalAccount>, Unavailable> {
        no()
    }
    async fn by_id(&self, _: &SourceId, _: &Subject) -> Result<Option<LocalAccount>, Unavailable> {
        no()
    }
    async fn insert(&self, _: &[LocalAccount]) -> Result<Inserted, Unavailable> {
        no()
    }
    async fn set_password(&self, _: &SourceId, _: &Subject, _: &NewPassword) -> Result<bool, Unavailable> {
        no()
    }
    async fn rehash(&self, _: &SourceId, _: &Subject, _: &str, _: &str) -> Result<bool, Unavailable> {
        no()
    }
    async fn spend(&self, _: &SourceId, _: &Subject, _: &str) -> Result<bool, Unavailable> {
        no()
    }
    async fn list(&self, _: &SourceId, _: Option<&str>, _: u32) -> Result<Vec<LocalAccount>, Unavailable> {
        no()
    }
    async fn remove(&self, _: &SourceId, _: &Subject) -> Result<bool, Unavailable> {
        no()
    }
}
