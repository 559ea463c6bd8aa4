//! What happens between two lines of ours.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::{path::PathBuf, sync::Arc};
use tokio::net::TcpListener;
use vestibule::{
    app::{App, Sockets},
    types::{Clock, Rng, SystemRng},
};

/// Chance that, once armed, switches student1 off just when the next session's key is drawn: after the last look at
/// the account, before the session is stored.
struct Meddling {
    armed: Arc<AtomicBool>,
    socket: PathBuf,
}

impl Rng for Meddling {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() == 32 && self.armed.swap(false, SeqCst) {
            let socket = self.socket.clone();
            let disable = Command::Account(AccountCommand::Disable(User { user: "student1".into() }));
            let asking = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(ask(&socket, &disable)).expect("the socket answers")
            });
            let asked = tokio::task::block_in_place(|| asking.join()).expect("an answer");
            assert!(matches!(asked, Asked::Reply(Reply::Done { .. })), "{asked:?}");
        }
        SystemRng.fill(bytes);
    }
}

/// The gateway started again with such chance, not armed yet.
pub async fn meddled(world: World) -> (World, Arc<AtomicBool>) {
    let World { campus, app, url, address, clock, folder, config } = world;
    app.stop().await;
    let https = TcpListener::bind(address).await.expect("the same port");
    let armed = Arc::new(AtomicBool::new(false));
    let rng = Arc::new(Meddling { armed: armed.clone(), socket: config.admin.socket.clone() });
    let sockets = Sockets { https, http: None, monitor: None };
    let app = App::start(config.clone(), sockets, clock.clone(), rng).await.expect("the gateway starts");
    let world = World { campus, app, url, address, clock, folder, config };
    (world, armed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f13_a_session_stored_after_its_account_was_swept_does_not_live() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let (world, armed) = meddled(world).await;
    let mut browser = challenged(&world, "student1").await;
    armed.store(true, SeqCst);
    let answer = browser.answer(&device.code(world.clock.now())).await;
    assert!(!armed.load(SeqCst), "it was switched off in between");
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!is_in(&mut browser).await && !browser.cookies.contains_key(SESSION));
    assert!(account(&world, "student1").await.sessions.is_empty());
}
