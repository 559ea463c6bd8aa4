//! `$_POST` and `$_FILES`: the two kinds of body that PHP reads into variables.

use crate::php::Params;

/// A file of a multipart form.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub filename: String,
    pub content_type: String,
    pub content: Vec<u8>,
    /// The true size; more than `content` holds when the body was longer than what is kept.
    pub size: u64,
}

/// `$_POST` and `$_FILES`. `kept` is the beginning of a body of `total` bytes.
pub(crate) fn form(content_type: &str, kept: &[u8], total: u64) -> (Params, Vec<Upload>) {
    let kind = content_type.split([';', ',', ' ']).next().unwrap_or_default().to_ascii_lowercase();
    match kind.as_str() {
        "application/x-www-form-urlencoded" => (Params::urlencoded(kept), Vec::new()),
        "multipart/form-data" => match boundary(content_type) {
            Some(boundary) => multipart(&boundary, kept, total),
            None => Default::default(),
        },
        _ => Default::default(),
    }
}

fn boundary(content_type: &str) -> Option<String> {
    let at = content_type.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let rest = &content_type[at..];
    let value = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split([';', ',']).next()?.trim(),
    };
    (!value.is_empty()).then(|| value.to_owned())
}

fn multipart(boundary: &str, kept: &[u8], total: u64) -> (Params, Vec<Upload>) {
    let (mut params, mut files) = (Params::default(), Vec::new());
    let line = format!("--{boundary}").into_bytes();
    let Some(mut at) = find(kept, &line, 0).map(|at| at + line.len()) else {
        return (params, files);
    };
    let closing = [b"\r\n", line.as_slice()].concat();
    while !kept[at..].starts_with(b"--") {
        let Some(head_end) = find(kept, b"\r\n\r\n", at) else {
            break;
        };
        let head = String::from_utf8_lossy(&kept[at..head_end]).into_owned();
        let start = head_end + 4;
        // the boundary's CRLF may be the one that ended the head: an empty part
        let end = find(kept, &closing, start);
        let content = &kept[start..end.unwrap_or(kept.len())];
        let size = match end {
            Some(_) => content.len() as u64,
            None => total.saturating_sub((start + closing.len() + b"--\r\n".len()) as u64),
        };
        part(&head, content, size, &mut params, &mut files);
        match end {
            Some(end) => at = end + closing.len(),
            None => break,
        }
    }
    (params, files)
}

fn part(head: &str, content: &[u8], size: u64, params: &mut Params, files: &mut Vec<Upload>) {
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let disposition = header("Content-Disposition").unwrap_or_default();
    let Some(name) = attribute(&disposition, "name") else {
        return;
    };
    match attribute(&disposition, "filename") {
        Some(filename) => files.push(Upload {
            filename: filename.rsplit(['/', '\\']).next().unwrap_or_default().to_owned(),
            content_type: header("Content-Type").unwrap_or_else(|| "text/plain".into()),
            content: content.to_vec(),
            size,
        }),
        None => params.register(name.as_bytes(), content),
    }
}

fn attribute<'a>(disposition: &'a str, name: &str) -> Option<&'a str> {
    disposition.split(';').skip(1).find_map(|piece| {
        let (key, value) = piece.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

fn find(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    text.get(from..)?.windows(needle.len()).position(|window| window == needle).map(|at| at + from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::php::Value;

    #[test]
    fn a_multipart_form_gives_fields_and_files() {
        let body = b"--XX\r\nContent-Disposition: form-data; name=\"filearea\"\r\n\r\ndraft\r\n--XX\r\n\
            Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--XX--\r\n";
        let (params, files) = form("Multipart/Form-Data; boundary=XX", body, body.len() as u64);
        assert_eq!(params.get("filearea"), Some(Value::Text("draft")));
        assert_eq!((files[0].filename.as_str(), files[0].size), ("a.txt", 5));
    }

    #[test]
    fn the_size_of_a_long_upload_is_known_though_its_end_is_not_kept() {
        let head = b"--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n".to_vec();
        let kept = [head.as_slice(), &[b'x'; 100]].concat();
        let total = head.len() as u64 + 5_000_000_000 + b"\r\n--XX--\r\n".len() as u64;
        let (_, files) = form("multipart/form-data; boundary=XX", &kept, total);
        assert_eq!(files[0].size, 5_000_000_000);
    }
}
