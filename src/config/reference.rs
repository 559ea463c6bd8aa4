//! Secrets by reference: `env:NAME` and `file:PATH` stand in gateway.yaml, the secret itself never does.

use super::{Machine, Outside};
use crate::{store, types::Secret};
use std::path::{Path, PathBuf};

/// Where a text comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Reference<'a> {
    Inline(&'a str),
    Env(&'a str),
    File(&'a Path),
}

impl<'a> Reference<'a> {
    pub fn of(text: &'a str) -> Self {
        if let Some(name) = text.strip_prefix("env:") {
            Reference::Env(name)
        } else if let Some(path) = text.strip_prefix("file:") {
            Reference::File(Path::new(path))
        } else {
            Reference::Inline(text)
        }
    }
}

/// Shown to the operator as it stands.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    #[error("the environment variable {0} is not set")]
    Env(String),
    #[error("{} cannot be read: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
}

/// The text behind a reference; of a file without the line end at its end.
pub fn resolve(text: &str) -> Result<Secret<String>, ReferenceError> {
    resolve_with(text, &Machine)
}

pub(super) fn resolve_with(text: &str, outside: &dyn Outside) -> Result<Secret<String>, ReferenceError> {
    match Reference::of(text) {
        Reference::Inline(text) => Ok(Secret::new(text.to_owned())),
        Reference::Env(name) => {
            outside.variable(name).map(Secret::new).ok_or_else(|| ReferenceError::Env(name.to_owned()))
        }
        Reference::File(path) => outside
            .read(path)
            .map(|text| Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
            .map_err(|error| ReferenceError::File { path: path.to_owned(), error }),
    }
}

/// `store:` with the URLs behind its references, to open the stores with. Nothing else holds them.
pub fn store_with_secrets(config: &store::Config) -> Result<store::Config, ReferenceError> {
    Ok(store::Config {
        state: resolve(&config.state)?.expose().clone(),
        database: resolve(&config.database)?.expose().clone(),
        ..config.clone()
    })
}

/// Does an inline URL carry a password (`redis://:secret@host`)?
pub fn holds_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // `rsplit`: a password may hold an @ of its own.
    let in_authority =
        authority.rsplit_once('@').is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, p)| !p.is_empty()));
    in_authority || url.contains("password=")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_password_in_a_url_is_seen() {
        assert!(holds_password("redis://:hunter2@cache:6379/0"));
        assert!(holds_password("postgres://vestibule:p@ss@db/vestibule"));
        assert!(holds_password("postgres://db/vestibule?user=v&password=x"));
        assert!(!holds_password("postgres://vestibule@db/vestibule"));
        assert!(!holds_password("sqlite:data/vestibule.db"));
    }

    /// One variable, one file.
    struct Here;

    impl Outside for Here {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "URL").then(|| "redis://x".to_owned())
        }
        fn read(&self, path: &Path) -> io::Result<String> {
            if path == Path::new("/url") { Ok("postgres://x\n".into()) } else { Err(io::ErrorKind::NotFound.into()) }
        }
        fn mode(&self, path: &Path) -> io::Result<u32> {
            self.read(path).map(|_| 0o600)
        }
    }

    #[test]
    fn references_are_followed() {
        let vars = Here;
        assert_eq!(resolve_with("env:URL", &vars).unwrap().expose(), "redis://x");
        assert!(resolve_with("env:NONE", &vars).unwrap_err().to_string().contains("NONE"));
        assert!(resolve_with("file:/nonexistent/x", &vars).unwrap_err().to_string().contains("/nonexistent/x"));
        assert_eq!(resolve_with("file:/url", &vars).unwrap().expose(), "postgres://x");
        assert_eq!(resolve_with("embedded", &vars).unwrap().expose(), "embedded");
    }
}
