//! From a file to a [`Config`] that can be started with, or to all that is wrong with it.

use super::{
    Config, check,
    locate::line,
    original::Original,
    outside::{self, Outside},
    problem::{Invalid, KeyPath, Problem},
    typed,
};
use crate::types::Timestamp;
use serde_yaml::Value;
use std::path::{Path, PathBuf};

/// A configuration the gateway starts with, and what its operator takes on by it.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// Warnings only, in the order of the file.
    pub warnings: Vec<Problem>,
}

/// Reads, types and checks the file, and looks for the files it names.
pub fn load(path: &Path, now: Timestamp, machine: &dyn Outside) -> Result<Loaded, Invalid> {
    verdict(path, now, Some(machine))
}

/// The same without looking for the files it names: `vestibule init` is about to make them.
pub fn load_before_init(path: &Path, now: Timestamp) -> Result<Loaded, Invalid> {
    verdict(path, now, None)
}

/// Where the running gateway is asked, also by a file that it would refuse: the refusal is its own to say and to audit.
pub fn admin_socket(path: &Path, now: Timestamp) -> Result<PathBuf, Invalid> {
    let invalid = |problems| Invalid { file: path.to_owned(), problems };
    let text = read(path).map_err(|problem| invalid(vec![problem]))?;
    // A file that is no YAML names no socket.
    let tree: Value = serde_yaml::from_str(&text).map_err(|_| invalid(parse(&text, now, None).1))?;
    let socket = tree.get("admin").and_then(|admin| admin.get("socket")).and_then(Value::as_str);
    Ok(socket.map_or_else(|| Config::default().admin.socket, PathBuf::from))
}

fn read(path: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(path).map_err(|error| {
        Problem::error(
            KeyPath::default(),
            format!("cannot be read: {error}"),
            "name the file with --config or VESTIBULE_CONFIG; a commented sample comes with vestibule",
        )
    })
}

fn verdict(path: &Path, now: Timestamp, machine: Option<&dyn Outside>) -> Result<Loaded, Invalid> {
    let invalid = |problems| Invalid { file: path.to_owned(), problems };
    let text = read(path).map_err(|problem| invalid(vec![problem]))?;
    let (config, problems) = parse(&text, now, machine);
    if problems.iter().any(Problem::is_error) {
        return Err(invalid(problems));
    }
    let original = Some(Original::new(path.to_owned(), &text));
    Ok(Loaded { config: Config { original, ..config }, warnings: problems })
}

/// The configuration in `text`, and every problem with its line, in the order of the file.
/// Where there are errors, the configuration is what could be read of it.
pub fn parse(text: &str, now: Timestamp, machine: Option<&dyn Outside>) -> (Config, Vec<Problem>) {
    let typed = match typed::read(text) {
        Ok(typed) => typed,
        Err(problem) => return (Config::default(), vec![problem]),
    };
    let mut problems = typed.problems;
    let mut further = check::check(&typed.config, now);
    if let Some(machine) = machine {
        further.extend(outside::check(&typed.config, machine));
    }
    // A site that could not be read is not a site that was left out: no accusations that follow from the first.
    let damaged = |module: &str| typed.damaged.contains(module);
    let dependent = |module: &str| matches!(module, "sites" | "chain" | "mfa");
    further.retain(|problem| {
        let module = problem.path.module().unwrap_or_default();
        !damaged(module) && !(dependent(module) && (damaged("sites") || damaged("chain")))
    });
    problems.append(&mut further);
    for problem in &mut problems {
        problem.line.get_or_insert_with(|| line(text, &problem.path));
    }
    problems.sort_by_key(|problem| (problem.line, problem.path.to_string()));
    (typed.config, problems)
}
