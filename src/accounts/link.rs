//! A further method for an account whose owner has proven both sides (design §2 "Accounts").
//!
//! Whatever is another account's stays there: a method, a name, a verified address or an LMS user that is somebody
//! else's is refused (attack G5), and only the help desk moves it.

use super::{
    Account, AccountStore, Created, LinkedBy, Method, Question, Resolved,
    resolve::{binding, collision, method},
};
use crate::types::Unavailable;

/// What became of linking.
#[derive(Debug, PartialEq, Eq)]
pub enum Linked {
    Yes,
    /// It was this account's before.
    Already,
    /// The reason is for the audit.
    Refused(&'static str),
}

/// Whether what the question proves could become a method of `owner`. Changes nothing.
pub async fn linkable(
    store: &dyn AccountStore,
    owner: &Account,
    question: &Question<'_>,
) -> Result<Linked, Unavailable> {
    let proof = question.proof;
    Ok(match store.by_method(proof.source(), &proof.person().subject).await? {
        Some(account) if account.id == owner.id => Linked::Already,
        Some(_) => Linked::Refused("linked_elsewhere"),
        None => match collision(store, question, Some(owner)).await? {
            Some(reason) => Linked::Refused(reason),
            None => Linked::Yes,
        },
    })
}

/// Links it, with its LMS user where the LMS said who it is.
pub async fn link(store: &dyn AccountStore, owner: &Resolved, question: &Question<'_>) -> Result<Linked, Unavailable> {
    let account = owner.account();
    match linkable(store, account, question).await? {
        Linked::Yes => {}
        other @ (Linked::Already | Linked::Refused(_)) => return Ok(other),
    }
    // The binding first: its owner has proven the LMS user whatever becomes of the method.
    if let Some(user) = question.lms
        && store.binding(question.site, &account.id).await?.is_none()
        && store.bind(&binding(question, user, &account.id)).await? == Created::Taken
    {
        return Ok(Linked::Refused("name_collision"));
    }
    let further = Method { primary: false, ..method(question, &account.id, LinkedBy::Owner) };
    Ok(match store.link(&further).await? {
        Created::Yes => Linked::Yes,
        Created::Taken => Linked::Refused("linked_elsewhere"),
    })
}
