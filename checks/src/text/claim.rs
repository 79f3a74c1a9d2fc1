//! What a text expects.

use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use super::error::{Wrong, listed, nearest};
use super::program::Program;
use super::tree::Word;
use super::world::World;
use crate::show;

/// What all claims of a scenario expect together.
#[derive(Debug, Default)]
pub(super) struct Expected {
    proof: bool,
    violations: Vec<ViolationKind>,
    at_least: bool,
    pub(super) inversions: Vec<Vec<String>>,
}

/// The kinds of claims, with the number of names that each takes.
const KINDS: &[(&str, std::ops::RangeInclusive<usize>)] = &[
    ("proof", 0..=0),
    ("inversion", 1..=64),
    ("deadlock", 1..=64),
    ("starvation", 2..=2),
    ("assert", 1..=1),
    ("invariant", 1..=1),
    ("use-after-free", 1..=1),
    ("use-after-release", 1..=1),
    ("double-free", 1..=1),
    ("double-release", 1..=1),
    ("leak", 1..=1),
    ("freed-while-held", 1..=1),
    ("unlock-by-non-owner", 1..=1),
    ("data-race", 1..=1),
    ("sleep-in-atomic", 2..=2),
    ("panic", 1..=1),
];

/// Returns what the claims of a scenario expect.
pub(super) fn expected(program: &Program) -> Result<Expected, Wrong> {
    let mut expected = Expected::default();
    for claim in &program.claims {
        let names: Vec<&str> =
            claim.names.iter().map(|word| word.text.trim_start_matches('&')).collect();
        let kind = claim.kind.text.as_str();
        let Some((_, takes)) = KINDS.iter().find(|(known, _)| *known == kind) else {
            let known = || KINDS.iter().map(|(known, _)| *known);
            let wrong = Wrong::new(&claim.kind.span, format!("`{kind}` is no kind of violation"));
            let all: Vec<&str> = known().collect();
            let wrong = wrong.help(format!("available: {}", all.join(", ")));
            return Err(match nearest(kind, known()).as_slice() {
                [] => wrong,
                near => wrong.label(format!("meant: {}?", listed(near))),
            });
        };
        if !takes.contains(&names.len()) {
            let (takes, has) = (show::count(*takes.start(), "name"), names.len());
            let what = format!("`{kind}` takes {takes}, not {has}");
            return Err(Wrong::new(&claim.kind.span, what));
        }
        check_names(kind, &claim.names, program)?;
        expected.at_least |= claim.at_least;
        match kind {
            "proof" => expected.proof = true,
            "inversion" => {
                expected.inversions.push(names.iter().map(|&name| name.to_owned()).collect());
            }
            _ => expected.violations.push(violation(kind, &names)),
        }
        if expected.proof && !expected.violations.is_empty() {
            let what = "a scenario is proved or has a violation, not both";
            return Err(Wrong::new(&claim.kind.span, what));
        }
    }
    Ok(expected)
}

/// Refuses names of threads that there are not, and names that are near one of an object. Others
/// may be right: a loop that ends never has a name in a deadlock too.
fn check_names(kind: &str, names: &[Word], program: &Program) -> Result<(), Wrong> {
    let classes = || program.classes.iter().map(|class| class.name.as_str());
    let objects = match (kind, names) {
        ("starvation", [thread, objects @ ..]) => {
            let own = program.threads.iter().map(|thread| thread.name.as_str());
            // What an object runs is a thread with its name.
            let run = program.classes.iter().filter(|class| class.body.is_some());
            let threads: Vec<&str> = own.chain(run.map(|class| class.name.as_str())).collect();
            if !threads.contains(&thread.text.as_str()) {
                let what = format!("no thread is called `{}`", thread.text);
                let help = format!("threads: {}", threads.join(", "));
                return Err(Wrong::new(&thread.span, what).help(help));
            }
            objects
        }
        ("assert" | "invariant" | "panic" | "sleep-in-atomic", _) => return Ok(()),
        (_, objects) => objects,
    };
    for word in objects {
        let name = word.text.trim_start_matches('&').split('/').next().unwrap_or_default();
        if classes().any(|known| known == name) {
            continue;
        }
        let declared: Vec<&str> = classes().skip(1).collect();
        let near = nearest(name, declared.iter().copied());
        let wrong = Wrong::new(&word.span, format!("`{}` is not declared", word.text));
        match near.as_slice() {
            [] if kind == "starvation" && !name.contains(' ') => {
                return Err(wrong.help(format!("declared: {}", declared.join(", "))));
            }
            [] => {}
            near => return Err(wrong.label(format!("meant: {}?", listed(near)))),
        }
    }
    Ok(())
}

fn violation(kind: &str, names: &[&str]) -> ViolationKind {
    let first = names[0];
    match kind {
        "deadlock" => ViolationKind::deadlock(names.iter().copied()),
        "starvation" => ViolationKind::starvation(first, names[1]),
        "assert" | "invariant" => ViolationKind::invariant(first),
        "use-after-free" | "use-after-release" => ViolationKind::use_after_release(first),
        "double-free" | "double-release" => ViolationKind::double_release(first),
        "leak" => ViolationKind::leak(first),
        "freed-while-held" => ViolationKind::freed_while_held(first),
        "unlock-by-non-owner" => ViolationKind::not_owner(first),
        "data-race" => ViolationKind::data_race(first),
        "sleep-in-atomic" => ViolationKind::sleep_in_atomic(first, names[1]),
        "panic" => ViolationKind::panic(first),
        other => unreachable!("{other} is in no row of the table"),
    }
}

impl Expected {
    /// Ends the scenario with what is expected of it.
    pub(super) fn of(&self, builder: ScenarioBuilder<World>) -> Scenario {
        let scenario = match (self.proof, self.violations.as_slice()) {
            (true, _) => builder.expect_proof(),
            (false, []) if self.inversions.is_empty() => builder.build(),
            (false, []) => builder.expect_proof(),
            (false, kinds) if self.at_least => builder.expect_at_least(kinds.iter().cloned()),
            (false, kinds) => builder.expect_violations(kinds.iter().cloned()),
        };
        self.inversions.iter().fold(scenario, |scenario, classes| {
            scenario.expect_inversion(classes.iter().map(String::as_str))
        })
    }

    /// Returns the claim in Rust, as the end of a builder.
    pub(super) fn code(&self) -> String {
        let kinds: Vec<String> = self.violations.iter().map(ViolationKind::code).collect();
        let kinds = kinds.join(", ");
        let end = match (self.proof, self.violations.is_empty(), self.at_least) {
            (true, ..) => ".expect_proof()".to_owned(),
            (false, true, _) if self.inversions.is_empty() => ".build()".to_owned(),
            (false, true, _) => ".expect_proof()".to_owned(),
            (false, false, true) => format!(".expect_at_least([{kinds}])"),
            (false, false, false) => format!(".expect_violations([{kinds}])"),
        };
        let inversions = self.inversions.iter();
        let inversions =
            inversions.map(|classes| format!("\n        .expect_inversion({classes:?})"));
        inversions.fold(end, |end, inversion| end + &inversion)
    }
}
