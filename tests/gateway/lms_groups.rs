//! Who is in which group of the LMS: from its database, and by its web service. What cannot be read is an error, never
//! an empty list (J16). And what that means for those who sign in and those who are in.

use crate::{databases::Db, people::Browser, wire::PASSWORD, world::World};
use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};
use vestibule::{
    keys::Keyring,
    lms::{
        groups::{Config, Groups, GroupsError, SqlGroups},
        moodle::{Cohorts, Moodle},
    },
    outbound::Upstream,
    store::contract::HandClock,
    types::{Clock, LmsUserId, Secret, SiteName, SystemRng, Timestamp},
};

const DEADLINE: Duration = Duration::from_secs(10);

fn sql(db: &Db, more: &str) -> SqlGroups {
    let yaml = format!("sql: {{ database: \"{}\", {more} }}", db.whole_url());
    let config: Config = serde_yaml::from_str(&yaml).unwrap();
    let secret = |text: &str| Ok(Secret::new(text.to_owned()));
    SqlGroups::open(config.sql.as_ref().unwrap(), &secret, DEADLINE).unwrap()
}

async fn moodle_tables(db: &Db) {
    let text = if matches!(db, Db::MariaDb(_)) { "LONGTEXT" } else { "TEXT" };
    db.sql(&format!(
        "CREATE TABLE mdl_user (id BIGINT, deleted SMALLINT);
         CREATE TABLE mdl_cohort (id BIGINT, name VARCHAR(254), idnumber VARCHAR(100));
         CREATE TABLE mdl_cohort_members (cohortid BIGINT, userid BIGINT);
         CREATE TABLE mdl_role (id BIGINT, shortname VARCHAR(100));
         CREATE TABLE mdl_role_assignments (roleid BIGINT, userid BIGINT);
         CREATE TABLE mdl_config (name VARCHAR(255), value {text});
         INSERT INTO mdl_user VALUES (2, 0), (3, 0), (31, 0), (4, 1);
         INSERT INTO mdl_cohort VALUES (1, 'All staff', 'staff'), (2, 'Board', '');
         INSERT INTO mdl_cohort_members VALUES (1, 2), (2, 2), (1, 31);
         INSERT INTO mdl_role VALUES (3, 'editingteacher'), (5, 'student');
         INSERT INTO mdl_role_assignments VALUES (3, 2), (3, 2), (5, 3);
         INSERT INTO mdl_config VALUES ('siteadmins', '2,31'), ('siteguest', '1');"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moodles_own_tables_say_cohorts_roles_and_administrators() {
    for db in Db::all() {
        moodle_tables(&db).await;
        let groups = sql(&db, "");
        let of = async |id| groups.of(LmsUserId(id)).await;
        let all = ["admin", "cohort:All staff", "cohort:Board", "cohort:staff", "role:editingteacher"];
        assert_eq!(of(2).await.unwrap(), all);
        assert_eq!(of(3).await.unwrap(), ["role:student"], "31 administers, 3 does not");
        assert_eq!(of(31).await.unwrap(), ["admin", "cohort:All staff", "cohort:staff"]);
        // Another LMS's database, or somebody who was deleted, is no person without groups.
        for nobody in [4, 99] {
            assert!(matches!(of(nobody).await, Err(GroupsError::Nobody(_))), "{nobody}");
        }
        db.sql("DROP TABLE mdl_role_assignments").await;
        assert!(matches!(of(2).await, Err(GroupsError::Database(_))), "half a reading is none");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_query_names_groups_as_it_likes() {
    for db in Db::all() {
        db.sql("CREATE TABLE member (person BIGINT, name VARCHAR(100)); INSERT INTO member VALUES (3, 'b'), (3, 'a'), (3, NULL)").await;
        let id = match db {
            Db::Postgres(_) => "CAST(:user AS bigint)",
            Db::MariaDb(_) | Db::Sqlite(_) => ":user",
        };
        let own = sql(&db, &format!("query: \"SELECT name FROM member WHERE person = {id}\""));
        assert_eq!(own.of(LmsUserId(3)).await.unwrap(), ["a", "b"]);
        assert_eq!(own.of(LmsUserId(4)).await.unwrap(), [""; 0]);
        let two = sql(&db, &format!("query: \"SELECT name, person FROM member WHERE person = {id}\""));
        assert!(matches!(two.of(LmsUserId(3)).await, Err(GroupsError::Columns(2))));
        db.sql("INSERT INTO member VALUES (5, '')").await;
        assert!(matches!(own.of(LmsUserId(5)).await, Err(GroupsError::Unusable)), "a name without a letter");
    }
}

/// A web service with cohorts: what it answers to the next calls, and what it was asked.
struct Service {
    address: SocketAddr,
    members: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const COHORTS: &str = r#"[{"id":1,"name":"All staff","idnumber":"staff","description":"","visible":true},{"id":2,"name":"Board","idnumber":""}]"#;
const MEMBERS: &str = r#"[{"cohortid":1,"userids":[2,31]},{"cohortid":2,"userids":[2]}]"#;

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let members = Arc::new(Mutex::new(MEMBERS.to_owned()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answers, heard) = (members.clone(), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, heard) = (answers.clone(), heard.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (answers, heard) = (answers.clone(), heard.clone());
                    async move {
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let body = String::from_utf8(body.to_vec()).unwrap();
                        let answer = match body.contains("wsfunction=core_cohort_get_cohorts&") {
                            true => COHORTS.to_owned(),
                            false => answers.lock().unwrap().clone(),
                        };
                        heard.lock().unwrap().push(body);
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer))))
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, members, asked, task }
    }

    fn cohorts(&self, clock: Arc<dyn Clock>) -> Cohorts {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let upstream = Upstream::new(&format!("http://{}", self.address), "localhost", DEADLINE, DEADLINE).unwrap();
        let ring = Arc::new(ArcSwap::from_pointee(Keyring::generate(&SystemRng, Timestamp(0))));
        let moodle = Moodle::new(upstream, "https://localhost", ring, SiteName::new("campus"));
        Cohorts::new(moodle, Secret::new("0123456789abcdef0123456789abcdef".into()), clock)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_web_service_says_cohorts_and_is_asked_once_a_minute() {
    let service = Service::start().await;
    let clock = Arc::new(HandClock::at(Timestamp::from_secs(1_800_000_000)));
    let cohorts = service.cohorts(clock.clone());
    assert_eq!(cohorts.of(LmsUserId(2)).await.unwrap(), ["cohort:All staff", "cohort:Board", "cohort:staff"]);
    assert_eq!(cohorts.of(LmsUserId(31)).await.unwrap(), ["cohort:All staff", "cohort:staff"]);
    assert_eq!(cohorts.of(LmsUserId(3)).await.unwrap(), [""; 0]);
    assert_eq!(service.asked.lock().unwrap().len(), 2, "two calls for everybody");

    // J16: once the answer is too old, what does not come is an error for everybody.
    *service.members.lock().unwrap() = r#"{"exception":"x","errorcode":"accessexception","message":"no"}"#.to_owned();
    clock.forward(Duration::from_secs(61));
    for id in [2, 3] {
        let error = cohorts.of(LmsUserId(id)).await.unwrap_err().to_string();
        assert!(error.contains("accessexception") && error.contains("moodle/cohort:view"), "{error}");
    }
    *service.members.lock().unwrap() = r#"[{"cohortid":1,"userids":[]},{"cohortid":2,"userids":[3]}]"#.to_owned();
    assert_eq!(cohorts.of(LmsUserId(3)).await.unwrap(), ["cohort:Board"]);
    let asked = service.asked.lock().unwrap().join("\n");
    assert!(asked.contains("wstoken=0123456789abcdef0123456789abcdef"), "{asked}");
}

/// Members of a cohort are asked, everybody else is let through.
async fn asking_staff(db: &Db) -> World {
    let groups = format!("sql: {{ database: \"{}\" }}", db.whole_url());
    let rules = "
- { name: staff, groups: [\"cohort:staff\"], first_enrolment: at_sign_in, enrolment_window: { until: 2100-01-01 } }
- { name: others, stage: \"off\" }
";
    World::with(|config| {
        config.sites[0].lms.groups = Some(serde_yaml::from_str(&groups).unwrap());
        config.mfa.rules = serde_yaml::from_str(rules).unwrap();
    })
    .await
}

async fn lands(world: &World) -> String {
    Browser::at(world).sign_in("student1", PASSWORD).await.location().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn j16_a_rule_for_a_cohort_is_for_its_members_and_for_everybody_while_it_cannot_be_read() {
    let db = Db::sqlite();
    moodle_tables(&db).await;
    let world = asking_staff(&db).await;
    assert_ne!(lands(&world).await, "/vestibule/enrol", "student1 is in no cohort");
    db.sql("INSERT INTO mdl_cohort_members VALUES (1, 3)").await;
    assert_eq!(lands(&world).await, "/vestibule/enrol", "a member from the next sign-in on");
    db.sql("DELETE FROM mdl_cohort_members WHERE userid = 3").await;
    assert_ne!(lands(&world).await, "/vestibule/enrol");
    db.sql("ALTER TABLE mdl_cohort_members RENAME TO gone").await;
    assert_eq!(lands(&world).await, "/vestibule/enrol", "nobody knows: the strictest");
    db.sql("ALTER TABLE gone RENAME TO mdl_cohort_members").await;
    assert_ne!(lands(&world).await, "/vestibule/enrol");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_becomes_a_member_while_signed_in_is_asked_within_a_quarter_of_an_hour() {
    let db = Db::sqlite();
    moodle_tables(&db).await;
    let world = asking_staff(&db).await;
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    assert_eq!(browser.get("/my/").await.status, 200);
    db.sql("INSERT INTO mdl_cohort_members VALUES (1, 3)").await;
    // The round looks at the clock every second, and asks about those whose reading is so old.
    let mut status = http::StatusCode::OK;
    for _ in 0..30 {
        world.advance(Duration::from_secs(120));
        tokio::time::sleep(Duration::from_millis(1100)).await;
        status = browser.get("/my/").await.status;
        if status != http::StatusCode::OK {
            break;
        }
    }
    assert_eq!(status, http::StatusCode::SEE_OTHER, "it is not enough any more");
    assert_eq!(lands(&world).await, "/vestibule/enrol");
}
