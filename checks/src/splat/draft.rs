//! A text in the language of `selvedge check`, as it is put together from a report.

use std::fmt::Write as _;

use super::class::{Class, Role};
use super::stack::Take;
use crate::text::quoted;

/// A text in the making.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// Comments at the top: what the report says.
    pub(crate) facts: Vec<String>,
    /// What the report does not tell.
    pub(crate) questions: Vec<String>,
    pub(crate) objects: Objects,
    pub(crate) scenarios: Vec<Scenario>,
}

/// A scenario of the text: one answer to the questions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) blocks: Vec<String>,
}

impl Scenario {
    pub(crate) fn new(name: &str, about: &str) -> Self {
        Self { name: name.to_owned(), about: about.to_owned(), blocks: Vec::new() }
    }

    pub(crate) fn block(mut self, block: impl Into<String>) -> Self {
        self.blocks.push(block.into());
        self
    }
}

impl Draft {
    pub(crate) fn ask(&mut self, question: impl Into<String>) {
        let question = question.into();
        if !self.questions.contains(&question) {
            self.questions.push(question);
        }
    }

    /// Returns the text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for fact in &self.facts {
            for (at, line) in wrapped(fact, 96).iter().enumerate() {
                _ = writeln!(text, "#{} {line}", if at == 0 { "" } else { "  " });
            }
        }
        if !self.questions.is_empty() {
            text += "#\n# What the report does not tell:\n";
        }
        for question in &self.questions {
            for (at, line) in wrapped(question, 94).iter().enumerate() {
                _ = writeln!(text, "# {} {line}", if at == 0 { "?" } else { " " });
            }
        }
        text.push('\n');
        for object in self.objects.declared.iter().filter(|object| !object.in_scenario) {
            text += &object.declaration(None);
        }
        for scenario in &self.scenarios {
            if self.scenarios.len() > 1 {
                _ = write!(text, "\nscenario {}:\n", always_quoted(&scenario.name));
            }
            if !scenario.about.is_empty() {
                _ = writeln!(text, "about {}", always_quoted(&scenario.about));
            }
            for block in &scenario.blocks {
                text.push('\n');
                text += block;
            }
        }
        text
    }
}

fn always_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "'"))
}

/// Returns the text in lines of at most so many characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is a line");
        if !last.is_empty() && last.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

/// The objects that a text declares.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) declared: Vec<Object>,
}

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) raw: String,
    pub(crate) role: Role,
    /// As the text names it, in quotes if it needs them.
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// How the kind is known.
    pub(crate) note: String,
    /// Whether each scenario declares it for itself.
    pub(crate) in_scenario: bool,
    /// What its holders keep off their CPU, as far as the usage tells: `_irqsave` or `_bh`.
    pub(crate) keeps: &'static str,
}

impl Object {
    /// Returns the line that declares it, or that many of the class.
    pub(crate) fn declaration(&self, count: Option<usize>) -> String {
        let count = count.map_or(String::new(), |count| format!("[{count}]"));
        let head = format!("{} {}{count}", self.kind, self.name);
        match self.note.as_str() {
            "" => format!("{head}\n"),
            note => format!("{head:<40} # {note}\n"),
        }
    }

    /// Whether its kind has readers.
    pub(crate) fn reads(&self) -> bool {
        matches!(self.kind, "rwsem" | "rwlock")
    }
}

impl Objects {
    /// Declares an object that is no lock class.
    pub(crate) fn add(&mut self, kind: &'static str, name: &str, note: &str) -> String {
        let object = Object {
            raw: name.to_owned(),
            role: Role::Lock,
            name: quoted(name),
            kind,
            note: note.to_owned(),
            in_scenario: false,
            keeps: "",
        };
        let name = object.name.clone();
        self.declared.push(object);
        name
    }

    /// Declares the class, whose lock a function takes in this way.
    pub(crate) fn class(&mut self, class: &Class, take: Option<Take>) -> Object {
        let known = self.declared.iter().position(|object| object.raw == class.raw);
        let at = known.unwrap_or_else(|| {
            let name = class.name();
            let taken = self.declared.iter().any(|object| object.name == quoted(&name));
            let name = if taken { format!("{name} ({:?})", class.role()) } else { name };
            let kind = guessed(class);
            let note = match class.wait {
                Some(2) => format!("{{{}}}, and its wait type spins", class.usage),
                _ => format!("{{{}}}", class.usage),
            };
            self.declared.push(Object {
                raw: class.raw.clone(),
                role: class.role(),
                name: quoted(&name),
                kind,
                note: if class.role() == Role::Lock { note } else { class.raw.clone() },
                in_scenario: false,
                keeps: keeps(class),
            });
            self.declared.len() - 1
        });
        if let Some(kind) = take.and_then(kind).filter(|_| class.role() == Role::Lock) {
            // What takes it says more than how it is used, and a lock with readers has a writer.
            let object = &mut self.declared[at];
            let known = matches!(object.kind, "rwsem" | "rwlock") && kind == "mutex";
            if !known {
                object.kind = kind;
            }
            object.note = format!("{{{}}}, by the function that takes it", class.usage);
        }
        self.declared[at].clone()
    }

    /// Returns the locks of whose kind no function tells.
    pub(crate) fn guessed(&self) -> Vec<(String, &'static str)> {
        let locks = self.declared.iter().filter(|object| object.role == Role::Lock);
        locks
            .filter(|object| object.note.starts_with('{') && object.note.ends_with('}'))
            .map(|object| (object.name.clone(), object.kind))
            .collect()
    }
}

fn kind(take: Take) -> Option<&'static str> {
    Some(match take {
        Take::Mutex => "mutex",
        Take::Spin(_) => "spinlock",
        Take::RwLock(..) => "rwlock",
        Take::RwSem(_) => "rwsem",
        Take::Semaphore => "semaphore",
    })
}

/// Returns what keeps interrupts off where the lock is held: `-` in the usage stands for a lock
/// that is taken in an interrupt, and never with that kind of interrupt enabled
/// (`Documentation/locking/lockdep-design.rst`).
fn keeps(class: &Class) -> &'static str {
    let usage: Vec<char> = class.usage.chars().collect();
    let safe = |at: usize| usage.get(at..at + 2).is_some_and(|kinds| kinds.contains(&'-'));
    match (safe(0), safe(2)) {
        (true, _) => "_irqsave",
        (false, true) => "_bh",
        _ => "",
    }
}

/// Returns the kind by the usage and the wait type of the class.
fn guessed(class: &Class) -> &'static str {
    let spins = class.wait == Some(2) || class.usage.contains(['-', '?']);
    match class.role() {
        Role::Workqueue => "workqueue",
        Role::Completion => "completion",
        Role::Srcu => "srcu",
        _ if class.has_readers() && spins => "rwlock",
        _ if class.has_readers() => "rwsem",
        _ if spins => "spinlock",
        _ => "mutex",
    }
}

/// A statement, and the one that undoes it.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) take: String,
    pub(crate) release: Option<String>,
    pub(crate) note: String,
}

impl Op {
    pub(crate) fn plain(statement: impl Into<String>) -> Self {
        Self { take: statement.into(), release: None, note: String::new() }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Takes a lock, as `take` says, or otherwise for reading or writing as `reads` says.
    pub(crate) fn lock(object: &Object, index: &str, take: Option<Take>, reads: bool) -> Self {
        let (name, lock) = (&object.name, format!("{}{index}", object.name));
        let suffix = match take {
            Some(Take::Spin(suffix) | Take::RwLock(_, suffix)) => suffix,
            _ => object.keeps,
        };
        let restored = suffix.replace("_irqsave", "_irqrestore");
        let reads = match take {
            Some(Take::RwLock(reads, _) | Take::RwSem(reads)) => reads,
            _ => reads,
        };
        let (take, release) = match (object.kind, reads) {
            ("spinlock", _) => (format!("spin_lock{suffix}"), format!("spin_unlock{restored}")),
            ("rwlock", true) => (format!("read_lock{suffix}"), format!("read_unlock{restored}")),
            ("rwlock", false) => (format!("write_lock{suffix}"), format!("write_unlock{restored}")),
            ("rwsem", true) => ("down_read".into(), "up_read".into()),
            ("rwsem", false) => ("down_write".into(), "up_write".into()),
            ("semaphore", _) => ("down".into(), "up".into()),
            ("srcu", _) => ("srcu_read_lock".into(), "srcu_read_unlock".into()),
            _ => ("mutex_lock".into(), "mutex_unlock".into()),
        };
        if object.role == Role::Rcu {
            let release = Some("rcu_read_unlock()".into());
            return Self { take: "rcu_read_lock()".into(), release, note: name.clone() };
        }
        let (take, release) = (format!("{take}({lock})"), format!("{release}({lock})"));
        Self { take, release: Some(release), note: String::new() }
    }
}

/// Returns a block: its heading, the statements, and what undoes them in reverse order.
pub(crate) fn block(comment: &str, heading: &str, ops: &[Op]) -> String {
    let mut text = String::new();
    if !comment.is_empty() {
        for line in wrapped(comment, 96) {
            _ = writeln!(text, "# {line}");
        }
    }
    _ = writeln!(text, "{heading}:");
    if ops.is_empty() {
        text += "    pass\n";
    }
    for op in ops {
        match op.note.as_str() {
            "" => _ = writeln!(text, "    {}", op.take),
            note => _ = writeln!(text, "    {:<36} # {note}", op.take),
        }
    }
    for release in ops.iter().rev().filter_map(|op| op.release.as_ref()) {
        _ = writeln!(text, "    {release}");
    }
    text
}
