//! The words every module shares: identifiers, secrets, assurance, client addresses, time and chance.
//!
//! Nothing here opens a socket, reads a clock or knows a rule; it only makes wrong values hard to write.

pub mod agent;
mod assurance;
mod bad_request;
mod client;
mod clock;
mod ids;
mod origin;
mod path;
mod secret;
mod unavailable;
mod username;

pub use assurance::{Amr, Door, EnrolmentProof, Fact, FactorKind, FirstProof, Made};
pub use bad_request::BadRequest;
pub use client::{Cidr, CidrError, ClientAddr};
pub use clock::{Clock, Rng, RngExt, SystemClock, SystemRng, Timestamp};
pub use ids::{
    AccountId, DeviceId, EnrolmentId, FlowId, KnownMark, LmsUserId, RequestId, ServiceName, SessionKey, SiteName,
    SourceId, Subject, TokenId,
};
pub use origin::{Origin, OriginError, Scheme};
pub use path::{CanonicalPath, MAX_PATH};
pub use secret::{Password, Secret};
pub use unavailable::Unavailable;
pub use username::Username;
