//! "suspicious RCU usage": a pointer is followed without what should protect it.

use super::super::class::Class;
use super::super::draft::{Draft, Op, Scenario, block};
use super::super::report::Report;
use super::{Names, Read, ask_modes, facts, holding};

pub(super) fn read(report: &Report) -> Result<Read, String> {
    let at = report
        .find("suspicious rcu_")
        .ok_or("the place (`FILE:LINE suspicious rcu_..() usage!`) is not in the report")?;
    let text = report.text(at);
    let (place, function) = text.split_once(" suspicious ").unwrap_or((text, ""));
    let function = function.split('(').next().unwrap_or_default().to_owned();
    let stack = report.trace();
    let caller = stack.caller().ok_or("the trace of the task is not in the report")?.to_owned();
    let mut draft = Draft { facts: facts(report), ..Draft::default() };
    draft.facts.push(format!("{function}() in {place}, in {caller}"));
    let held: Vec<Class> = report.held().into_iter().map(|held| held.class).collect();
    let ops = holding(&mut draft, &held, false);
    let object =
        draft.objects.add("memory", &format!("object of {caller}"), "what the pointer leads to");
    draft.objects.add("flag", "unpublished", "the pointer leads nowhere");
    draft.ask(format!("Which lock protects the pointer in {place}, if not RCU?"));
    draft.ask("Which task frees what it leads to, and does it wait for a grace period?");
    ask_modes(&mut draft, &caller);
    let mut names = Names::default();
    let reader = names.thread(&stack);
    let comment = stack.shown();
    let reads = |with_rcu: bool| {
        let mut all = ops.clone();
        if with_rcu {
            let release = Some("rcu_read_unlock()".to_owned());
            all.push(Op { take: "rcu_read_lock()".to_owned(), release, note: String::new() });
        }
        all.push(Op::plain(format!("if !unpublished: use({object})")));
        block(&comment, &format!("thread {reader}"), &all)
    };
    let freeing = |around: Option<&Op>| {
        let mut all: Vec<Op> = around.into_iter().cloned().collect();
        all.push(Op::plain("unpublished = 1"));
        all.push(Op::plain("synchronize_rcu()"));
        all.push(Op::plain(format!("kfree({object})")));
        block("assumed: a task frees it after a grace period", "thread \"assumed remove\"", &all)
    };
    let nothing = Scenario::new("nothing else protects it", "no lock is held for the pointer");
    draft.scenarios.push(nothing.block(reads(false)).block(freeing(None)));
    if let Some(lock) = ops.iter().rfind(|op| !op.take.starts_with("rcu_")) {
        let about = "the lock that was taken last protects the pointer";
        let locked = Scenario::new("a held lock protects it", about);
        draft.scenarios.push(locked.block(reads(false)).block(freeing(Some(lock))));
    }
    let about = "the reader is in a read section of RCU";
    let section = Scenario::new("with rcu_read_lock", about);
    draft.scenarios.push(section.block(reads(true)).block(freeing(None)));
    let classes = held.into_iter().map(|class| class.raw).collect();
    Ok(Read { draft, classes, unread: stack.unread })
}
