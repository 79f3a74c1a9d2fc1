//! "possible recursive locking detected": a task takes a lock of a class that it holds.

use super::super::class::{Class, Role};
use super::super::draft::{Draft, Op, Scenario, block};
use super::super::report::Report;
use super::{Names, Read, ask_kinds, facts, holding};

pub(super) fn read(report: &Report) -> Result<Read, String> {
    let trying = report.class_after("is trying to acquire lock");
    let holding_class = report.class_after("already holding lock");
    let (Some(tried), Some(held)) = (trying, holding_class) else {
        return Err("the lock that is tried and the one that is held are not both in it".to_owned());
    };
    let stack = report.trace();
    let mut draft = Draft { facts: facts(report), ..Draft::default() };
    let take = stack.take();
    let object = draft.objects.class(&tried, take);
    for declared in &mut draft.objects.declared {
        declared.in_scenario = true;
    }
    let other = other_instance(&tried, &held);
    // What else the task holds, and in which order.
    let others: Vec<Class> = report.held().into_iter().map(|held| held.class).collect();
    let at = others.iter().position(|class| class.raw == held.raw).unwrap_or(0);
    let (before, after) = others.split_at(at.min(others.len()));
    let after = after.get(1..).unwrap_or_default();
    let before = holding(&mut draft, before, false);
    let after = holding(&mut draft, after, false);
    let gate = report.held().into_iter().map(|held| held.class);
    let gate = gate.into_iter().find(|class| class.role() == Role::Lock && class.raw != held.raw);
    ask(&mut draft, &object.name, (&tried, &held), other, gate.as_ref());
    ask_kinds(&mut draft);
    let thread = |name: &str, comment: &str, first: &str, second: &str, reads: bool| {
        let mut ops = before.clone();
        let outer = Op::lock(&object, first, take.filter(|_| !object.reads()), reads);
        ops.push(outer.note(held.at.clone().unwrap_or_default()));
        ops.extend(after.iter().cloned());
        let inner = Op::lock(&object, second, take, false);
        ops.push(inner.note(stack.caller().unwrap_or_default()));
        block(comment, &format!("thread {name}"), &ops)
    };
    let name = Names::default().thread(&stack);
    let comment = stack.shown();
    let same = |reads| thread(&name, &comment, "", "", reads);
    if other != Some(true) {
        let scenario = Scenario::new("the same lock", "the task takes the lock that it holds");
        draft.scenarios.push(scenario.block(object.declaration(None)).block(same(false)));
        if object.reads() {
            let about = "the task holds it for reading, and no task writes";
            let reads = Scenario::new("held for reading", about);
            draft.scenarios.push(reads.block(object.declaration(None)).block(same(true)));
            let about = "the task holds it for reading, and another task writes in between";
            let writer = Op::lock(&object, "", None, false);
            let writer = block("any writer", "thread writer", &[writer]);
            let scenario = Scenario::new("held for reading, with a writer", about);
            let scenario = scenario.block(object.declaration(None)).block(same(true));
            draft.scenarios.push(scenario.block(writer));
        }
    }
    if other != Some(false) {
        let two = object.declaration(Some(2));
        let ordered = thread(&name, &comment, "[0]", "[1]", false);
        let about = "two locks of the class, always in this order";
        let scenario = Scenario::new("another instance", about);
        draft.scenarios.push(scenario.block(two.clone()).block(ordered.clone()));
        let reversed = ["[1]", "[0]"].map(|index| Op::lock(&object, index, take, false));
        let reverse = block("assumed", "thread \"another task\"", &reversed);
        let about = "two locks of the class, in both orders";
        let scenario = Scenario::new("another instance, in both orders", about);
        draft.scenarios.push(scenario.block(two).block(ordered).block(reverse));
    }
    Ok(Read { draft, classes: vec![held.raw, tried.raw], unread: stack.unread })
}

/// Returns whether the addresses tell that the two locks differ.
fn other_instance(tried: &Class, held: &Class) -> Option<bool> {
    Some(tried.address.as_ref()? != held.address.as_ref()?)
}

fn ask(
    draft: &mut Draft,
    name: &str,
    (tried, held): (&Class, &Class),
    other: Option<bool>,
    gate: Option<&Class>,
) {
    match other {
        Some(true) => {
            draft.facts.push("The addresses differ: two locks of one class.".to_owned());
            draft.ask(format!(
                "What orders two {}? If another task takes two of them in the other order, they \
                 deadlock.",
                held.raw
            ));
            if let Some(gate) = gate {
                draft.ask(format!(
                    "Would that task hold {} too, as this one does? It would be a gate.",
                    gate.raw
                ));
            }
        }
        Some(false) => {
            draft.facts.push("The addresses are equal: one lock.".to_owned());
        }
        None => draft.ask(format!("Is it the same {}? The report has no addresses.", tried.raw)),
    }
    let object = draft.objects.declared.iter().find(|object| object.name == name);
    if object.is_some_and(|object| object.reads() && object.role == Role::Lock) {
        let at = held.at.clone().unwrap_or_else(|| "the outer function".to_owned());
        draft.ask(format!("How is {} held in {at}: for reading or for writing?", held.raw));
        draft.ask(format!("Which task writes {}? The report names none.", held.raw));
    }
}
