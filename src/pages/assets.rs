//! The files pages refer to: a table of exact names, compiled in. Nothing here looks at a path (I3).

use aws_lc_rs::digest::{SHA256, digest};
use std::sync::LazyLock;

/// One file, ready to be sent.
#[derive(Debug)]
pub struct Asset {
    pub name: &'static str,
    pub content_type: &'static str,
    pub body: &'static [u8],
    /// A strong entity tag with its quotes (RFC 9110 §8.8.3).
    pub etag: String,
}

pub(super) const STYLES: &str = "vestibule.css";
pub(super) const PRINT: &str = "print.js";
pub(super) const PASSKEY: &str = "passkey.js";
pub(super) const ICON: &str = "vestibule.svg";

static ASSETS: LazyLock<[Asset; 4]> = LazyLock::new(|| {
    [
        asset(STYLES, "text/css; charset=utf-8", include_bytes!("assets/vestibule.css")),
        asset(PRINT, "text/javascript; charset=utf-8", include_bytes!("assets/print.js")),
        asset(PASSKEY, "text/javascript; charset=utf-8", include_bytes!("assets/passkey.js")),
        asset(ICON, "image/svg+xml", include_bytes!("assets/vestibule.svg")),
    ]
});

/// The asset of exactly this name.
pub(super) fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// The URL path of an asset. It carries the content's digest, so that a new version is a new address and answers
/// may be cached for as long as anybody likes.
pub(super) fn href(name: &str) -> String {
    let version = find(name).map_or("", |asset| asset.etag.trim_matches('"'));
    format!("/vestibule/assets/{name}?v={version}")
}

fn asset(name: &'static str, content_type: &'static str, body: &'static [u8]) -> Asset {
    let digest = digest(&SHA256, body);
    let hex: String = digest.as_ref().iter().take(8).map(|b| format!("{b:02x}")).collect();
    Asset { name, content_type, body, etag: format!("\"{hex}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i3_only_exact_names_are_assets() {
        assert!(find(STYLES).is_some_and(|asset| asset.content_type.starts_with("text/css")));
        for name in
            ["", "../mod.rs", "./vestibule.css", "vestibule.css/", "VESTIBULE.CSS", "vestibule.css%00", "/etc/passwd"]
        {
            assert!(find(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn entity_tags_are_quoted_and_differ() {
        let tags: std::collections::BTreeSet<_> = ASSETS.iter().map(|a| a.etag.as_str()).collect();
        assert_eq!(tags.len(), ASSETS.len());
        assert!(tags.iter().all(|tag| tag.len() == 18 && tag.starts_with('"') && tag.ends_with('"')));
        assert_eq!(href(ICON), format!("/vestibule/assets/{ICON}?v={}", ASSETS[3].etag.trim_matches('"')));
    }

    #[test]
    fn no_asset_reaches_outside_the_site() {
        for asset in ASSETS.iter() {
            let text = std::str::from_utf8(asset.body).unwrap().replace("http://www.w3.org/2000/svg", "");
            for outside in ["http:", "https:", "//cdn", "@import", "url("] {
                assert!(!text.contains(outside), "{} has {outside}", asset.name);
            }
        }
    }
}
