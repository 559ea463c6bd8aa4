//! A QR code (ISO/IEC 18004) as the path data of an inline SVG: no image format, no `data:` URL, sharp at any size.

use qrcodegen::{QrCode, QrCodeEcc};
use std::fmt::Write;

/// Light modules around the symbol that readers need to find it (ISO/IEC 18004 §9.1).
const QUIET_ZONE: i32 = 4;

/// Side length in modules, quiet zone included, and the `d` attribute that draws the dark ones.
pub(super) struct Drawing {
    pub side: i32,
    pub path: String,
}

/// `None` where the text is too long for any QR code; the page then offers the text alone.
pub(super) fn draw(text: &str) -> Option<Drawing> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let run = (x..code.size()).take_while(|&x| code.get_module(x, y)).count();
            let run = i32::try_from(run).ok()?;
            if run > 0 {
                // One rectangle per run of dark modules: half the size of one per module, and no hairlines between.
                write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET_ZONE, y + QUIET_ZONE).ok()?;
            }
            x += run.max(1);
        }
    }
    Some(Drawing { side: code.size() + 2 * QUIET_ZONE, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_draws_every_dark_module_and_only_those() {
        let text = "otpauth://totp/campus.example:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=campus.example";
        let (drawing, code) = (draw(text).unwrap(), QrCode::encode_text(text, QrCodeEcc::Medium).unwrap());
        let mut dark = std::collections::BTreeSet::new();
        for rect in drawing.path.split('M').skip(1) {
            let (at, run) = rect.split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let (x, y): (i32, i32) = (x.parse().unwrap(), y.parse().unwrap());
            let run: i32 = run.split_once('v').unwrap().0.parse().unwrap();
            dark.extend((x..x + run).map(|x| (x, y)));
        }
        assert_eq!(drawing.side, code.size() + 8);
        for y in 0..drawing.side {
            for x in 0..drawing.side {
                assert_eq!(dark.contains(&(x, y)), code.get_module(x - 4, y - 4), "{x},{y}");
            }
        }
    }

    #[test]
    fn what_fits_no_code_is_not_drawn() {
        assert!(draw(&"x".repeat(4000)).is_none());
    }
}
