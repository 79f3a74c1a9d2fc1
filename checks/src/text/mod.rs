//! A small language for lock programs, which needs no Rust.
//!
//! A text has named threads that call functions of the kernel by their names. [`parse`] makes
//! scenarios of it, which every engine runs, and whose counterexamples name the lines of the text.
//! `docs/check.md` in the repository has the grammar.
//!
//! ```
//! use selvedge_checks::text;
//! use selvedge_core::Engine;
//!
//! let abba = "
//! mutex a, b
//! thread probe:
//!     mutex_lock(a)
//!     mutex_lock(b)
//!     mutex_unlock(b)
//!     mutex_unlock(a)
//! thread remove: mutex_lock(b); mutex_lock(a); mutex_unlock(a); mutex_unlock(b)
//! expect deadlock(a, b)
//! ";
//! let scenarios = text::parse("abba.selvedge", abba)?;
//! scenarios[0].assert_as_expected(Engine::Native);
//! # Ok::<(), text::Error>(())
//! ```

mod calls;
mod claim;
mod error;
mod guard;
mod held;
mod kind;
mod object;
mod parse;
mod pasted;
mod program;
mod resolve;
mod run;
mod rust;
mod token;
mod tree;
mod unreached;
mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use selvedge_core::Scenario;

use claim::Expected;
pub use error::Error;
use error::Wrong;
use program::Program;
pub(crate) use rust::rust;
use tree::{Section, Span};
use world::World;

/// Returns the scenarios of a text.
///
/// `file` is the name that messages and counterexamples have for it. The scenarios are named after
/// it, without its folder and extension. A text without claims expects nothing
/// ([`Expectation::Unstated`](selvedge_core::Expectation::Unstated)).
///
/// # Errors
///
/// What is wrong with the text, where, and what is accepted there.
pub fn parse(file: &str, text: &str) -> Result<Vec<Scenario>, Error> {
    let text = Text::new(file, text)?;
    Ok(text.scenarios.iter().map(Resolved::scenario).collect())
}

/// A text whose names are resolved.
#[derive(Debug)]
pub(crate) struct Text {
    file: String,
    text: String,
    /// Where the first scenario begins that the text names. What is before belongs to all.
    own_from: usize,
    scenarios: Vec<Resolved>,
}

/// A scenario of a text.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    program: Arc<Program>,
    expected: Arc<Expected>,
}

impl Text {
    pub(crate) fn new(file: &str, text: &str) -> Result<Self, Error> {
        let resolved = resolved(file, text).map_err(|wrong| Error::new(file, text, &wrong))?;
        let (own_from, scenarios) = resolved;
        Ok(Self { file: file.to_owned(), text: text.to_owned(), own_from, scenarios })
    }

    /// Returns the number of its scenarios.
    pub(crate) fn count(&self) -> usize {
        self.scenarios.len()
    }

    /// Returns the scenario of this name, or all.
    pub(crate) fn select(&self, name: Option<&str>) -> Result<Vec<Resolved>, String> {
        let Some(name) = name else { return Ok(self.scenarios.clone()) };
        let named = |known: &&Resolved| known.short() == name || known.program.name == name;
        match self.scenarios.iter().find(named) {
            Some(found) => Ok(vec![found.clone()]),
            None => {
                let known: Vec<&str> = self.scenarios.iter().map(Resolved::short).collect();
                Err(format!(
                    "{} has no scenario `{name}`; available: {}",
                    self.file,
                    known.join(", ")
                ))
            }
        }
    }

    /// Returns what is no error, but hardly meant, a line each.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let all = || self.scenarios.iter().map(|scenario| &scenario.program.remarks);
        let line = |at: usize| self.text[..at].matches('\n').count() + 1;
        // What all scenarios share is noted if none uses it.
        let none_uses = |remark: &&(Span, String)| {
            remark.0.start >= self.own_from || all().all(|remarks| remarks.contains(remark))
        };
        let mut remarks: Vec<String> = all()
            .flatten()
            .filter(none_uses)
            .map(|(span, remark)| format!("{}:{}: note: {remark}", self.file, line(span.start)))
            .collect();
        let mut seen = BTreeSet::new();
        remarks.retain(|remark| seen.insert(remark.clone()));
        remarks
    }
}

impl Resolved {
    /// Returns its name without the file's.
    pub(crate) fn short(&self) -> &str {
        let name = &self.program.name;
        name.split_once('/').map_or(name, |(_, name)| name)
    }

    /// Returns what it shows: what the text says, or its threads.
    fn about(&self) -> String {
        match self.program.about.as_str() {
            "" => {
                let threads = self.program.threads.iter().map(|thread| thread.name.as_str());
                threads.collect::<Vec<&str>>().join(", ")
            }
            about => about.to_owned(),
        }
    }

    /// Returns a note on the lines that no execution so far has reached, if there are any.
    pub(crate) fn unreached(&self) -> Option<String> {
        unreached::remark(&self.program)
    }

    /// Returns whether a thread or a function of an object has a loop, or waits for a condition.
    pub(crate) fn has_loops(&self) -> bool {
        self.program.bodies.iter().any(|body| unreached::has_loops(&body.steps))
    }

    /// Builds the scenario.
    pub(crate) fn scenario(&self) -> Scenario {
        let program = &self.program;
        let made = Arc::clone(program);
        let mut builder = Scenario::builder(program.name.clone(), move || World::new(&made))
            .about(self.about())
            .source(program.source.clone())
            .finally(run::finally);
        for thread in &program.threads {
            let (body, instance) = (thread.body, thread.instance);
            let runs = move |world: &World| run::body(world, body, instance);
            builder = builder.thread(&thread.name, runs);
        }
        if program.preempt_rt {
            builder = builder.preempt_rt();
        }
        if program.starvation_free {
            builder = builder.starvation_free();
        }
        self.expected.of(builder)
    }
}

fn resolved(file: &str, text: &str) -> Result<(usize, Vec<Resolved>), Wrong> {
    let tree = parse::parse(text)?;
    let stem = Path::new(file).file_stem().map_or(file.into(), |stem| stem.to_string_lossy());
    let about = tree.shared.about.clone().unwrap_or_else(|| first_comment(text));
    let shared = Section { about: Some(about), ..tree.shared };
    let sections: Vec<(String, Vec<&Section>)> = match tree.scenarios.as_slice() {
        [] => vec![(stem.into_owned(), vec![&shared])],
        scenarios => scenarios
            .iter()
            .map(|(name, own)| (format!("{stem}/{}", name.text), vec![&shared, own]))
            .collect(),
    };
    let mut scenarios = Vec::new();
    for (name, sections) in sections {
        let program = resolve::resolve((file, text), &name, &sections)?;
        held::check(&program)?;
        let expected = Arc::new(claim::expected(&program)?);
        scenarios.push(Resolved { program: Arc::new(program), expected });
    }
    let own_from = tree.scenarios.first().map_or(0, |(name, _)| name.span.start);
    Ok((own_from, scenarios))
}

/// Returns the first line of the comment that a text begins with.
fn first_comment(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix('#').map_or(String::new(), |comment| comment.trim().to_owned())
}

/// Returns a name as a text has it: in quotes, if it has characters that mean something.
pub(crate) fn quoted(name: &str) -> String {
    let alone = matches!(
        token::tokens(name).as_deref(),
        Ok([token::Located { token: token::Token::Name(text), .. }, _]) if text == name
    );
    if alone { name.to_owned() } else { format!("\"{name}\"") }
}
