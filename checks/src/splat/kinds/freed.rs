//! "held lock freed!": memory is freed with a held lock in it.

use super::super::class::Class;
use super::super::draft::{Draft, Op, Scenario, block};
use super::super::report::Report;
use super::{Names, Read, facts, holding};

pub(super) fn read(report: &Report) -> Result<Read, String> {
    let class = report
        .class_after("with a lock still held there!")
        .ok_or("the lock that is still held is not in the report")?;
    let stack = report.trace();
    let caller = stack.caller().unwrap_or("the task").to_owned();
    let freeing = ["kmem_cache_free", "kfree", "kvfree", "__kmem_cache_free", "slab_free"];
    let from = stack.functions.iter().skip_while(|name| **name != caller);
    let frees = from.into_iter().find(|name| !freeing.contains(&name.as_str()));
    let frees = frees.unwrap_or(&caller).clone();
    let mut draft = Draft { facts: facts(report), ..Draft::default() };
    draft.facts.push(format!("{} is freed while the task holds {} in it", frees, class.raw));
    let object = draft.objects.class(&class, None);
    let others: Vec<Class> = report
        .held()
        .into_iter()
        .map(|held| held.class)
        .filter(|held| held.raw != class.raw)
        .collect();
    let mut ops = holding(&mut draft, &others, false);
    draft.objects.declared.retain(|declared| declared.raw != class.raw);
    let memory = crate::text::quoted(&format!("memory of {}", class.name()));
    let memory_block = format!("memory {memory}:\n    {}", object.declaration(None));
    let taken = class.at.clone().unwrap_or_default();
    ops.push(Op::lock(&object, "", None, false).note(taken.clone()));
    ops.push(Op::plain(format!("kfree({memory})")).note(frees.clone()));
    draft.ask(format!(
        "Which reference should have kept the memory until {taken} has released {}?",
        class.raw
    ));
    draft.ask(format!(
        "What kind of lock is {}? By its usage, a {} is assumed.",
        class.raw, object.kind
    ));
    if object.reads() {
        draft.ask(format!("How is {} held in {taken}: for reading or for writing?", class.raw));
    }
    let name = Names::default().quoted(&frees);
    let body = block(&stack.shown(), &format!("thread {name}"), &ops);
    let scenario = Scenario::new("as reported", "").block(memory_block).block(body);
    draft.scenarios.push(scenario);
    Ok(Read { draft, classes: vec![class.raw], unread: stack.unread })
}
