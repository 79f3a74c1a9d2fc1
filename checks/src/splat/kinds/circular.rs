//! "possible circular locking dependency detected": a chain of classes, each with the trace of how
//! it was taken while the one before was held.

use super::super::class::{Class, Role};
use super::super::draft::{Draft, Object, Op, Scenario, block};
use super::super::report::Report;
use super::super::stack::Stack;
use crate::text::quoted;

use super::{Names, Read, ask_kinds, facts, wait};

/// A class of the chain, and the trace of its acquisition with the one before held.
struct Entry {
    class: Class,
    stack: Stack,
}

/// One answer to the questions.
#[derive(Clone, Copy, Default)]
struct Answer {
    /// What is held in an unknown way is held for reading.
    reads: bool,
    /// The class of which the task that reports takes another lock than the others hold.
    other: Option<usize>,
    /// The other contexts hold the outermost other lock of the task that reports.
    gate: bool,
}

pub(super) fn read(report: &Report) -> Result<Read, String> {
    let entries = chain(report)?;
    let mut draft = Draft { facts: facts(report), ..Draft::default() };
    let classes: Vec<&str> = entries.iter().map(|entry| entry.class.raw.as_str()).collect();
    draft
        .facts
        .push(format!("Classes, each taken with the one before held: {}", classes.join(" -> ")));
    let objects: Vec<Object> =
        entries.iter().map(|entry| draft.objects.class(&entry.class, entry.stack.take())).collect();
    let unread = entries.iter().flat_map(|entry| entry.stack.unread.clone()).collect();
    let mut circle = Circle { report, entries, objects, draft };
    circle.declare();
    circle.scenarios();
    let order = circle.entries.iter().map(|entry| entry.class.raw.clone()).collect();
    Ok(Read { draft: circle.draft, classes: order, unread })
}

/// Returns the classes of the chain, that of `#0` first.
fn chain(report: &Report) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<(usize, Entry)> = Vec::new();
    for (at, line) in report.lines.iter().enumerate() {
        let Some(rest) = line.text.trim().strip_prefix("-> #") else { continue };
        let Some((number, class)) = rest.split_once(' ') else { continue };
        let (Ok(number), Some(class)) = (number.parse(), Class::read(class)) else { continue };
        entries.push((number, Entry { class, stack: report.stack_at(at + 1) }));
    }
    entries.sort_by_key(|(number, _)| *number);
    entries.dedup_by_key(|(number, _)| *number);
    if entries.len() < 2 {
        return Err("the chain of classes (`-> #1 (..)`) is not in the report".to_owned());
    }
    match entries.iter().enumerate().find(|(at, (number, _))| at != number) {
        Some((at, _)) => Err(format!("`-> #{at} (..)` of the chain is not in the report")),
        None => Ok(entries.into_iter().map(|(_, entry)| entry).collect()),
    }
}

struct Circle<'a> {
    report: &'a Report,
    entries: Vec<Entry>,
    objects: Vec<Object>,
    draft: Draft,
}

impl Circle<'_> {
    /// Returns the number of the class that is held where `#at` is taken.
    fn held(&self, at: usize) -> usize {
        (at + self.entries.len() - 1) % self.entries.len()
    }

    fn role(&self, at: usize) -> Role {
        self.entries[at].class.role()
    }

    /// Returns the other locks that the task of the report holds.
    fn others(&self) -> Vec<Class> {
        let held = self.report.held().into_iter().map(|held| held.class);
        let cycle = |class: &Class| self.entries.iter().any(|entry| entry.class.raw == class.raw);
        held.filter(|class| !cycle(class) && class.role() == Role::Lock).collect()
    }

    /// Returns the lock of the task that may be a gate. What a context waits for must not take it.
    fn gate(&self) -> Option<Class> {
        let locks =
            (0..self.entries.len()).all(|at| matches!(self.role(at), Role::Lock | Role::Reclaim));
        let others = self.others();
        let excludes = others.iter().find(|class| !class.has_readers()).or(others.first());
        excludes.filter(|_| locks).cloned()
    }

    /// Returns whether `#at` is taken in a way that its trace does not tell.
    fn is_unclear(&self, at: usize) -> bool {
        let stack = &self.entries[at].stack;
        self.role(at) == Role::Lock && self.objects[at].reads() && stack.take().is_none()
    }

    /// Returns whether something is held in a way that the report does not tell, and where.
    fn unknown(&self) -> Vec<usize> {
        let edges = 0..self.entries.len();
        edges
            .filter(|at| {
                self.objects[self.held(*at)].reads() && self.role(self.held(*at)) == Role::Lock
            })
            .collect()
    }

    fn declare(&mut self) {
        for class in self.others() {
            self.draft.objects.class(&class, None);
        }
        for at in 0..self.entries.len() {
            let bodies = [Role::Work, Role::Timer, Role::Reclaim];
            let other = Some(at) == self.other();
            let raw = &self.entries[at].class.raw;
            let is_body = bodies.contains(&self.role(at));
            for object in &mut self.draft.objects.declared {
                object.in_scenario |= object.raw == *raw && (is_body || other);
            }
        }
    }

    /// Returns a class in the cycle of which there may be several locks, that of `#0` first.
    fn other(&self) -> Option<usize> {
        let classes = 0..self.entries.len();
        classes
            .into_iter()
            .find(|at| self.role(*at) == Role::Lock && self.entries[*at].class.has_instances())
    }

    fn scenarios(&mut self) {
        self.ask();
        let own = Scenario::new("each context a task", "as lockdep sees it: any two may meet");
        self.scenario(own, Answer::default());
        if !self.unknown().is_empty() || (0..self.entries.len()).any(|at| self.is_unclear(at)) {
            let about = "what is held in a way that the report does not tell is held for reading";
            let reads = Answer { reads: true, ..Answer::default() };
            self.scenario(Scenario::new("held for reading", about), reads);
            let about = "the same, and other tasks write in between";
            let writers = Scenario::new("held for reading, with writers", about);
            self.scenario(writers, reads);
            let writers = self.writers();
            let last = self.draft.scenarios.last_mut().expect("just added");
            last.blocks.extend(writers);
        }
        if let Some(other) = self.other() {
            let name = self.objects[other].name.trim_matches('"').to_owned();
            let about = format!("two locks of the class {name}");
            let scenario = Scenario::new("another instance", &about);
            self.scenario(scenario, Answer { other: Some(other), ..Answer::default() });
        }
        let locks_alone = (0..self.entries.len()).all(|at| self.role(at) == Role::Lock);
        if locks_alone {
            self.one_task();
        }
        if let Some(gate) = self.gate() {
            let about = format!("each context holds {} too", gate.name());
            self.scenario(
                Scenario::new("a gate", &about),
                Answer { gate: true, ..Answer::default() },
            );
        }
    }

    /// Returns a writer of each lock in the cycle that has readers. A reader waits behind it.
    fn writers(&self) -> Vec<String> {
        let locks = (0..self.entries.len()).filter(|at| self.role(*at) == Role::Lock);
        let locks = locks.map(|at| &self.objects[at]).filter(|object| object.reads());
        let writer = |object: &Object| {
            let name = quoted(&format!("writer of {}", object.name.trim_matches('"')));
            let write = Op::lock(object, "", None, false);
            block("any writer", &format!("thread {name}"), &[write])
        };
        locks.map(writer).collect()
    }

    /// Adds the scenario in which one task does what the contexts do, one after the other.
    fn one_task(&mut self) {
        let contexts = Scenario::new("one task", "one task, one context after the other");
        let mut names = Names::default();
        let edges = 0..self.entries.len();
        let blocks = edges.filter_map(|at| self.edge(at, Answer::default(), &mut names));
        let mut thread = "thread task:\n".to_owned();
        for block in blocks {
            let statements = block.lines().filter(|line| line.starts_with("    "));
            thread.extend(statements.map(|line| format!("{line}\n")));
        }
        let own = self.other().map(|other| self.objects[other].declaration(None));
        let scenario = own.into_iter().fold(contexts, Scenario::block);
        self.draft.scenarios.push(scenario.block(thread));
    }

    fn ask(&mut self) {
        let count = self.entries.len();
        self.draft.ask(format!(
            "May the {count} contexts be in different tasks at the same time? lockdep has seen \
             each once, at any time, and perhaps in one task."
        ));
        for at in self.unknown() {
            let (held, taken) = (&self.entries[self.held(at)].class, &self.entries[at]);
            let who = taken.stack.caller().unwrap_or("the context").to_owned();
            let raw = &held.raw;
            self.draft.ask(format!("How is {raw} held in {who}: for reading or for writing?"));
            self.draft.ask(format!("Does a task write {raw} meanwhile? A reader waits behind it."));
        }
        let unclear: Vec<usize> = (0..count).filter(|at| self.is_unclear(*at)).collect();
        for at in unclear {
            let entry = &self.entries[at];
            let who = entry.stack.caller().unwrap_or("the context");
            let raw = &entry.class.raw;
            self.draft.ask(format!("How does {who} take {raw}: for reading or for writing?"));
        }
        if let Some(other) = self.other() {
            let raw = &self.entries[other].class.raw;
            self.draft.ask(format!(
                "Is it the same {raw} in each context? The report names its class only."
            ));
        }
        if let (Some(gate), Some(task)) = (self.gate(), self.report.task()) {
            self.draft.ask(format!(
                "Is {}, which {task} holds too, held in the other contexts? It would be a gate.",
                gate.raw
            ));
        }
        for at in 0..count {
            let raw = self.entries[at].class.raw.clone();
            let question = match self.role(at) {
                Role::Work => format!("What queues {raw}, and which locks does it hold?"),
                Role::Timer => format!("What arms {raw}, and which locks does it hold?"),
                Role::Completion => {
                    format!("Is the completer of {raw} the one that was seen here?")
                }
                Role::Reclaim => format!(
                    "{raw} is no lock, but what an allocation may call. Does the allocation in \
                     this chain (its GFP flags) call it?"
                ),
                _ => continue,
            };
            self.draft.ask(question);
        }
        ask_kinds(&mut self.draft);
    }

    fn scenario(&mut self, mut scenario: Scenario, answer: Answer) {
        let mut names = Names::default();
        if let Some(other) = self.other() {
            let count = answer.other.map(|_| 2);
            scenario.blocks.push(self.objects[other].declaration(count));
        }
        // A function is declared before it is called, for the reader.
        let mut edges: Vec<usize> = (0..self.entries.len()).collect();
        edges.sort_by_key(|at| self.role(self.held(*at)) != Role::Reclaim);
        for at in edges {
            if let Some(block) = self.edge(at, answer, &mut names) {
                scenario.blocks.push(block);
            }
        }
        for at in 0..self.entries.len() {
            let name = &self.objects[at].name;
            let (what, call) = match self.role(at) {
                Role::Work => ("queue", "queue_work"),
                Role::Timer => ("arm", "mod_timer"),
                _ => continue,
            };
            let thread = names.quoted(&format!("{what} {}", name.trim_matches('"')));
            scenario.blocks.push(format!("thread {thread}: {call}({name})\n"));
        }
        self.draft.scenarios.push(scenario);
    }

    /// Returns the context in which `#at` is taken.
    fn edge(&self, at: usize, answer: Answer, names: &mut Names) -> Option<String> {
        let held = self.held(at);
        let (stack, object) = (&self.entries[at].stack, &self.objects[held]);
        let ops = self.taking(at, answer);
        let (raw, taken) = (&self.entries[held].class.raw, &self.entries[at].class.raw);
        let comment = format!("#{at}: takes {taken} with {raw} held: {}", stack.shown());
        let gate = self.gate().filter(|_| answer.gate && at != 0);
        let gate = gate.map(|class| self.simple(&class, "the gate"));
        let around = |ops: Vec<Op>| -> Vec<Op> { gate.clone().into_iter().chain(ops).collect() };
        Some(match self.role(held) {
            // The queue runs the work: the text says so where it declares the work.
            Role::Workqueue if self.role(at) == Role::Work => return None,
            Role::Work => {
                let queue = Some(self.held(held)).filter(|at| self.role(*at) == Role::Workqueue);
                let on = queue.map_or(String::new(), |at| format!(" on {}", self.objects[at].name));
                block(&comment, &format!("work {}{on}", object.name), &around(ops))
            }
            Role::Workqueue => {
                let name = names.quoted(&format!("work of {}", object.name.trim_matches('"')));
                let work =
                    block(&comment, &format!("work {name} on {}", object.name), &around(ops));
                format!("{work}\nthread {}: queue_work({name})\n", names.quoted("queue it"))
            }
            Role::Timer => block(&comment, &format!("timer {}", object.name), &around(ops)),
            Role::Reclaim => block(&comment, &format!("fn {}", object.name), &ops),
            Role::Completion => {
                let completion = &object.name;
                let mut all = vec![Op::plain(format!("promise({completion})"))];
                all.extend(around(ops));
                let body = block(&comment, &format!("thread {}", names.thread(stack)), &all);
                format!("{body}    complete({completion})\n    fulfil({completion})\n")
            }
            _ => {
                let mut all = self.holding(at, held, answer);
                all.extend(ops);
                let heading = format!("thread {}", names.thread(stack));
                block(&comment, &heading, &around(all))
            }
        })
    }

    /// Returns how the locks are taken that are held where `#at` is taken.
    fn holding(&self, at: usize, held: usize, answer: Answer) -> Vec<Op> {
        let index = if answer.other == Some(held) { "[0]" } else { "" };
        let mut op = Op::lock(&self.objects[held], index, None, answer.reads);
        if self.objects[held].reads() {
            op = op.note("? for reading or for writing");
        }
        if at != 0 {
            return vec![op];
        }
        // The report lists what this task holds, in order.
        let mut ops = Vec::new();
        for class in self.report.held().into_iter().map(|held| held.class) {
            if class.raw == self.entries[held].class.raw {
                ops.push(op.clone());
            } else if self.others().iter().any(|other| other.raw == class.raw) {
                ops.push(self.simple(&class, "held too"));
            }
        }
        if ops.iter().all(|known| known.take != op.take) { vec![op] } else { ops }
    }

    fn simple(&self, class: &Class, note: &str) -> Op {
        let declared = &self.draft.objects.declared;
        let object = declared.iter().find(|object| object.raw == class.raw);
        let object = object.expect("declared before");
        let unclear = if object.reads() { "? for reading or for writing, " } else { "" };
        Op::lock(object, "", None, false).note(format!("{unclear}{note}"))
    }

    /// Returns how `#at` is taken, or waited for.
    fn taking(&self, at: usize, answer: Answer) -> Vec<Op> {
        let (entry, object) = (&self.entries[at], &self.objects[at]);
        if let Some(op) = wait(&entry.stack, &entry.class, &object.name) {
            return vec![op];
        }
        if entry.class.role() == Role::Reclaim {
            return vec![Op::plain(format!("{}()", object.name)).note("an allocation")];
        }
        let index = if answer.other == Some(at) { "[1]" } else { "" };
        let op = Op::lock(object, index, entry.stack.take(), answer.reads);
        let by = entry.stack.caller().unwrap_or_default();
        let unclear = if self.is_unclear(at) { "? for reading or for writing, in " } else { "" };
        vec![op.note(format!("{unclear}{by}"))]
    }
}
