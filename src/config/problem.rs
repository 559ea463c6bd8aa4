//! What is wrong with a gateway.yaml, in a form that can be mended: where, what, and how.

use std::{fmt, path::PathBuf};

/// One step towards a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    Key(String),
    Index(usize),
}

/// Where a value stands: `mfa.rules[0].stage`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyPath(pub Vec<Segment>);

impl KeyPath {
    pub fn key(mut self, name: &str) -> Self {
        self.0.push(Segment::Key(name.to_owned()));
        self
    }
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }
    /// The top-level key, if this is not the whole file.
    pub fn module(&self) -> Option<&str> {
        match self.0.first() {
            Some(Segment::Key(name)) => Some(name),
            _ => None,
        }
    }
}

/// The path of a dotted name without indices.
pub fn at(dotted: &str) -> KeyPath {
    dotted.split('.').fold(KeyPath::default(), |path, name| path.key(name))
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(name) if n == 0 => f.write_str(name)?,
                Segment::Key(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Does the gateway start with it?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// One thing to mend or to know.
#[derive(Clone, Debug)]
pub struct Problem {
    pub severity: Severity,
    pub path: KeyPath,
    /// 1-based; `None` where the file could not be read at all.
    pub line: Option<usize>,
    pub what: String,
    pub fix: String,
}

impl Problem {
    pub fn error(path: KeyPath, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Error, path, line: None, what: what.into(), fix: fix.into() }
    }
    pub fn warning(path: KeyPath, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, what, fix) }
    }
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    /// `line 12: mfa.rules[0].stage: what\n    fix: how`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.severity {
            Severity::Error => f.write_str("error")?,
            Severity::Warning => f.write_str("warning")?,
        }
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if !self.path.0.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}\n    fix: {}", self.what, self.fix)
    }
}

/// A gateway.yaml that the gateway does not start with, and everything that is wrong with it.
#[derive(Debug)]
pub struct Invalid {
    pub file: PathBuf,
    /// Errors and warnings in the order of the file.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.problems.iter().filter(|p| p.is_error()).count();
        let noun = if errors == 1 { "error" } else { "errors" };
        write!(f, "{}: {errors} {noun}", self.file.display())?;
        for problem in &self.problems {
            write!(f, "\n{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}
