//! What nginx makes of a request's path before PHP sees it.

use crate::php::{Plus, percent_decode};

/// A path as nginx maps it: the script, and what follows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub script: String,
    pub info: String,
}

/// Decodes once, folds slashes and dots, splits at the first `.php`. `None` for a NUL.
pub(crate) fn resolve(path: &str) -> Option<Place> {
    let decoded = percent_decode(path.as_bytes(), Plus::Kept);
    if decoded.contains(&0) {
        return None;
    }
    let decoded = String::from_utf8_lossy(&decoded).into_owned();
    let folded = fold(&decoded);
    let end = folded
        .match_indices(".php")
        .map(|(at, _)| at + 4)
        .find(|&end| end == folded.len() || folded.as_bytes()[end] == b'/');
    Some(match end {
        Some(end) => Place { script: folded[..end].to_owned(), info: folded[end..].to_owned() },
        None if folded.ends_with('/') => Place { script: format!("{folded}index.php"), info: String::new() },
        None => Place { script: folded, info: String::new() },
    })
}

fn fold(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let directory = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    let mut folded = format!("/{}", kept.join("/"));
    if directory && folded.len() > 1 {
        folded.push('/');
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_reaches_the_same_script() {
        for path in [
            "//login//token.php",
            "/login/./token.php",
            "/x/../login/token.php",
            "/course/..%2flogin/token.php",
            "/login/%74oken.php",
            "/login/token%2ephp/a.css",
            "/login/token.php/anything",
            "/login/token.php%2f",
        ] {
            assert_eq!(resolve(path).unwrap().script, "/login/token.php", "{path}");
        }
        assert_eq!(resolve("/login/").unwrap().script, "/login/index.php");
        assert_eq!(resolve("/LOGIN/token.php").unwrap().script, "/LOGIN/token.php");
        assert_eq!(resolve("/a%00.php"), None);
    }
}
