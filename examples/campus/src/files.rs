//! Files: by session, by token, by key; and uploads from the browser and the app.

use crate::html;
use crate::php;
use crate::random;
use crate::reply::Reply;
use crate::visit::{Admit, Visit};
use bytes::Bytes;
use serde_json::json;
use std::time::Instant;

const HANDOUT: &str = "/19/mod_resource/content/0/handout.txt";
/// What every file of a signed-in user is sent with.
const PRIVATE: &str = "private, max-age=21600, no-transform";

/// A user's own context, as it was numbered on the recorded site.
fn context(user: u64) -> u64 {
    user + 8
}

fn find(visit: &Visit, path: &str, user: u64) -> Option<(String, String, Bytes)> {
    if path == HANDOUT {
        return Some((
            "handout.txt".into(),
            "text/plain; charset=utf-8".into(),
            Bytes::from_static(b"lab handout contents\n"),
        ));
    }
    if path == "/20/mod_page/content/index.html" {
        let text = Bytes::from_static(b"<p>A page.</p>\n");
        return Some(("index.html".into(), "text/html; charset=utf-8".into(), text));
    }
    let parts: Vec<&str> = path.split('/').collect();
    let ["", owner, "user", "draft" | "private", item, name] = parts.as_slice() else {
        return None;
    };
    let stored = visit.site.files.iter().rev().find(|stored| {
        stored.user == user
            && context(user).to_string() == *owner
            && stored.item.to_string() == *item
            && stored.file.filename == *name
    })?;
    let content = Bytes::from(stored.file.content.clone());
    Some(((*name).into(), stored.file.content_type.clone(), content))
}

fn send(visit: &Visit, path: &str, user: u64) -> Option<Reply> {
    let (name, kind, content) = find(visit, path, user)?;
    let disposition = match visit.request.param("forcedownload") {
        Some("1") => "attachment",
        _ => "inline",
    };
    Some(
        Reply::new(200, &kind, content)
            .with("Content-Disposition", format!("{disposition}; filename=\"{name}\""))
            .with("Cache-Control", PRIVATE)
            .with("Accept-Ranges", "none"),
    )
}

/// `/pluginfile.php`, `/draftfile.php`: a session, except for the site's logo and theme images.
pub(crate) fn by_session(visit: &mut Visit) -> Result<Reply, Reply> {
    let path = path(visit);
    if crate::web::open_file(&path) {
        visit.session();
        return Ok(Reply::fixed("image/svg+xml", "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 4 4\"/>"));
    }
    let user = visit.require_login(Admit::Guests)?;
    send(visit, &path, user).ok_or_else(|| html::error(visit, "File not found"))
}

/// The path of the file: path info, or `?file=`.
fn path(visit: &Visit) -> String {
    match visit.request.info.is_empty() {
        true => visit.request.param("file").unwrap_or_default().to_owned(),
        false => visit.request.info.clone(),
    }
}

/// The user of the `token` parameter, as upload.php and the file scripts check it.
fn token_user(visit: &mut Visit) -> Result<u64, Reply> {
    let missing = || Reply::app_error("missingparam", "A required parameter (token) was missing");
    if !visit.site.settings.enable_web_services {
        return Err(Reply::app_error("enablewsdescription", "Web services must be enabled in Advanced features."));
    }
    let token = php::alphanum(visit.request.param("token").ok_or_else(missing)?);
    let known = visit.site.token(&token);
    let user = known.filter(|t| t.expires > Instant::now()).map(|t| t.user);
    let account = user.and_then(|user| visit.site.accounts.get(user));
    match account.filter(|account| !account.suspended && account.confirmed) {
        Some(account) => {
            visit.acting = Some(account.id);
            Ok(account.id)
        }
        None => Err(Reply::app_error("invalidtoken", "Invalid token - token not found")),
    }
}

/// `/webservice/pluginfile.php`, `/webservice/draftfile.php`.
pub(crate) fn by_token(visit: &mut Visit) -> Result<Reply, Reply> {
    let user = token_user(visit)?;
    let reply = send(visit, &path(visit), user);
    let reply = reply.ok_or_else(|| html::plain_error("File not found"))?;
    Ok(reply.with("Access-Control-Allow-Origin", "*"))
}

/// `/tokenpluginfile.php/KEY/CTX/…`, or `?token=KEY&file=`.
pub(crate) fn by_key(visit: &mut Visit) -> Reply {
    let (key, path) = match visit.request.info.strip_prefix('/') {
        Some(info) => match info.split_once('/') {
            Some((key, rest)) => (php::alphanum(key), format!("/{rest}")),
            None => (php::alphanum(info), String::new()),
        },
        None => (php::alphanum(visit.request.param("token").unwrap_or_default()), path(visit)),
    };
    let owner = visit.site.accounts.all().find(|a| a.keys.files == key);
    let Some(user) = owner.map(|account| account.id) else {
        return html::plain_error("Incorrect key");
    };
    visit.acting = Some(user);
    let reply = send(visit, &path, user);
    reply.unwrap_or_else(|| html::plain_error("File not found"))
}

/// `/webservice/upload.php`: a JSON array, one element per file.
pub(crate) fn upload(visit: &mut Visit) -> Result<Reply, Reply> {
    let user = token_user(visit)?;
    let item = visit.request.param("itemid").and_then(|id| id.parse().ok());
    let item = item.filter(|&item| item != 0).unwrap_or_else(random::item_id);
    let author = visit.site.accounts.get(user).map(|a| a.full_name());
    let mut list = Vec::new();
    for file in visit.request.files.clone() {
        list.push(json!({
            "component": "user", "contextid": context(user), "userid": user.to_string(),
            "filearea": visit.request.param("filearea").unwrap_or("draft"),
            "filename": file.filename, "filepath": "/", "itemid": item, "license": "unknown",
            "author": author,
            "source": format!("O:8:\"stdClass\":1:{{s:6:\"source\";s:{}:\"{}\";}}", file.filename.len(), file.filename),
            "filesize": file.size,
        }));
        visit.site.store(user, item, file);
    }
    if list.is_empty() {
        return Err(Reply::app_error("nofile", "No file was sent"));
    }
    let mut reply = Reply::app_json(&json!(list));
    // the one answer of this script that is not labelled as JSON
    reply.headers[0].1 = "text/plain; charset=utf-8".into();
    Ok(reply)
}

/// `/user/files.php`: a browser's upload form and the list of what was stored.
pub(crate) fn private_files(visit: &mut Visit) -> Result<Reply, Reply> {
    let user = visit.require_login(Admit::Members)?;
    if visit.request.method == "POST" {
        visit.require_sesskey()?;
        for file in visit.request.files.clone() {
            if !file.filename.is_empty() {
                visit.site.store(user, 0, file);
            }
        }
    }
    let sesskey = visit.session().sesskey.clone();
    let www = php::html(&visit.site.www.clone()).into_owned();
    let rows: String = visit
        .site
        .files
        .iter()
        .filter(|stored| stored.user == user && stored.item == 0)
        .map(|stored| {
            format!(
                "<li><a href=\"{www}/pluginfile.php/{}/user/private/0/{}\">{}</a> ({} bytes)</li>",
                context(user),
                percent_encoding::utf8_percent_encode(&stored.file.filename, percent_encoding::NON_ALPHANUMERIC),
                php::html(&stored.file.filename),
                stored.file.size
            )
        })
        .collect();
    let content = format!(
        "<div class=\"card\"><ul id=\"files\">{rows}</ul><form action=\"{www}/user/files.php\" method=\"post\" enctype=\"multipart/form-data\" id=\"upload\">\
         <input type=\"hidden\" name=\"sesskey\" value=\"{sesskey}\"><label for=\"repo_upload_file\">File</label>\
         <input type=\"file\" id=\"repo_upload_file\" name=\"repo_upload_file\"><button class=\"btn\" type=\"submit\">Upload</button></form></div>"
    );
    Ok(html::page(visit, "Private files", &content))
}
