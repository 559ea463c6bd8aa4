//! What passes, as it is shown.

use crate::{admin::reply::plain, mfa::policy::RuleSheet, mfa::words};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CombinationsSheet {
    pub rules: Vec<RuleSheet>,
}

impl fmt::Display for CombinationsSheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, rule) in self.rules.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            heading(f, rule)?;
            for at in &rule.passes {
                writeln!(f, "  {}", words::and(&at.doors))?;
                if at.combinations.is_empty() {
                    writeln!(f, "    nothing passes")?;
                }
                for one in &at.combinations {
                    let silent = if one.asked.is_empty() { "   (silent)" } else { "" };
                    writeln!(f, "    {:>3}  {}{silent}", one.points, plain(&one.words))?;
                }
            }
        }
        Ok(())
    }
}

/// `staff (required): in staff, at campus`.
fn heading(f: &mut fmt::Formatter<'_>, rule: &RuleSheet) -> fmt::Result {
    let mut about = Vec::new();
    if !rule.paths.is_empty() {
        about.push(format!("who opens {}", rule.paths.join(", ")));
    }
    about.push(rule.whom.clone().unwrap_or_else(|| "everybody".to_owned()));
    if !rule.sites.is_empty() {
        about.push(format!("at {}", words::or(&rule.sites)));
    }
    if let Some(minutes) = rule.fresh_minutes {
        about.push(format!("factors not older than {minutes} minutes"));
    }
    writeln!(f, "{} ({}): {}", rule.rule, rule.stage, plain(&about.join(", ")))
}
