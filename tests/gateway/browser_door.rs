//! Signing in through the LMS's own form.

use crate::{
    people::{Browser, MoodleApp},
    world::World,
};
use http::StatusCode;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_password_and_a_code_open_the_inner_door() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    let answer = browser.get("/course/view.php?id=2").await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login/index.php"));
    let (device, _) = browser.enrol(&world, "student1", "Stud.1234").await;
    let page = browser.get("/course/view.php?id=2").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text().contains("Lab course"), "{}", page.text());

    world.advance(Duration::from_secs(60));
    let mut other = Browser::at(&world);
    other.get("/course/view.php?id=2").await;
    let answer = other.sign_in_with(&world, "student1", "Stud.1234", &device).await;
    assert_eq!(answer.location(), "/course/view.php?id=2");
    assert_eq!(other.get("/my/").await.status, StatusCode::OK);

    world.advance(Duration::from_secs(60));
    let app = MoodleApp::at(&world);
    let token = app.sign_in(&world, "student1", "Stud.1234", &device).await;
    let info = app.call(&token, "core_webservice_get_site_info", &[]).await.json();
    assert_eq!(info["userid"], 3);
}
