//! What may sleep where that is not allowed: "sleeping function called from invalid context", and
//! "Invalid wait context", which is the same on PREEMPT_RT.

use super::super::class::{Class, Role};
use super::super::draft::{Draft, Object, Op, Scenario, block};
use super::super::report::Report;
use super::super::stack::{Stack, Take};
use super::{Names, Read, ask_modes, facts, holding};

/// "BUG: sleeping function called from invalid context at FILE:LINE".
pub(super) fn sleeping(report: &Report) -> Result<Read, String> {
    let stack = report.trace();
    let caller = stack.caller().ok_or("the trace of the task is not in the report")?.to_owned();
    let place = report.text(0).rsplit(" at ").next().unwrap_or_default().to_owned();
    let mut draft = Draft { facts: facts(report), ..Draft::default() };
    draft.facts.push(format!("May sleep: {place}, in {caller}"));
    if let Some(at) = report.find("in_atomic():") {
        draft.facts.push(report.text(at).to_owned());
    }
    let held: Vec<Class> = report.held().into_iter().map(|held| held.class).collect();
    let sleeps = sleeper(&mut draft, &stack, &caller);
    let context = interrupt(&mut draft, &stack, &held);
    let inner = innermost(&held, context.as_ref());
    let mut ops = holding(&mut draft, &inner, false);
    let atomic = held.iter().any(|class| class.wait == Some(2) || spins(&draft, class));
    let has_rcu = inner.iter().any(|class| class.role() == Role::Rcu);
    if context.is_none() && !atomic && !has_rcu {
        ops.push(disabled(&mut draft, report));
    }
    ops.push(sleeps);
    ask_modes(&mut draft, &caller);
    let mut names = Names::default();
    let heading = |names: &mut Names| format!("thread {}", names.thread(&stack));
    let scenario = Scenario::new("as reported", "");
    draft.scenarios.push(match &context {
        None => scenario.block(block(&stack.shown(), &heading(&mut names), &ops)),
        Some((kind, name, call)) => {
            let body = block(&stack.shown(), &format!("{kind} {name}"), &ops);
            let arms = names.quoted("device");
            scenario.block(body).block(format!("thread {arms}: {call}({name})\n"))
        }
    });
    let classes = held.into_iter().map(|class| class.raw).collect();
    Ok(Read { draft, classes, unread: stack.unread })
}

fn spins(draft: &Draft, class: &Class) -> bool {
    let mut declared = draft.objects.declared.iter();
    declared.any(|object| object.raw == class.raw && matches!(object.kind, "spinlock" | "rwlock"))
}

/// Returns what may sleep: a lock that the report does not name, or a function.
fn sleeper(draft: &mut Draft, stack: &Stack, caller: &str) -> Op {
    let (kind, what) = match stack.take() {
        Some(Take::Mutex) => ("mutex", "mutex"),
        Some(Take::RwSem(_)) => ("rwsem", "semaphore"),
        Some(Take::Semaphore) => ("semaphore", "semaphore"),
        _ => return Op::plain(format!("might_sleep({})", crate::text::quoted(caller))),
    };
    draft.ask(format!("Which {what} does {caller} take? The report does not name it."));
    let name = format!("{what} of {caller}");
    let name = draft.objects.add(kind, &name, "the report does not name it");
    let object = Object {
        raw: String::new(),
        role: Role::Lock,
        name,
        kind,
        note: String::new(),
        in_scenario: false,
        keeps: "",
    };
    Op::lock(&object, "", stack.take(), false)
}

/// Returns what runs the function in an interrupt: the kind, the name, and the call that starts it.
fn interrupt(
    draft: &mut Draft,
    stack: &Stack,
    held: &[Class],
) -> Option<(&'static str, String, &'static str)> {
    let timer = held.iter().rfind(|class| class.role() == Role::Timer);
    let named = |name: &str| crate::text::quoted(name);
    let caller = stack.caller().unwrap_or("handler").to_owned();
    let (kind, name, call) = match timer {
        Some(timer) => ("timer", named(&timer.name()), "mod_timer"),
        None if stack.has("call_timer_fn") => {
            ("timer", named(&format!("timer of {caller}")), "mod_timer")
        }
        None if stack.has("__run_hrtimer") || stack.has("__hrtimer_run_queues") => {
            ("hrtimer", named(&format!("hrtimer of {caller}")), "hrtimer_start")
        }
        None if stack.has("__do_softirq") || stack.has("tasklet_action_common") => {
            ("softirq", named(&format!("softirq of {caller}")), "raise_softirq")
        }
        None if stack.has_interrupt || stack.has("handle_irq_event") => {
            ("irq", named(&format!("irq of {caller}")), "raise")
        }
        None => return None,
    };
    let start = if call == "raise" { "raises" } else { "starts" };
    draft.ask(format!("What {start} {name}? A task of its own is assumed."));
    Some((kind, name, call))
}

/// Returns the locks of the context that the function runs in, and not of what it interrupted.
fn innermost(held: &[Class], context: Option<&(&'static str, String, &'static str)>) -> Vec<Class> {
    let bodies = [Role::Timer, Role::Work, Role::Workqueue, Role::RcuCallback];
    let last = held.iter().rposition(|class| bodies.contains(&class.role()));
    match (context, last) {
        // Of an interrupt without a class, the report does not tell which locks are its own.
        (Some(_), None) => Vec::new(),
        (_, Some(last)) => held[last + 1..].to_vec(),
        (None, None) => Vec::from(held),
    }
}

/// Returns what makes the context atomic, if no lock does.
fn disabled(draft: &mut Draft, report: &Report) -> Op {
    let text = report.find("irqs_disabled(): 1").is_some();
    let what = if text { "local_irq" } else { "preempt" };
    draft.ask(match text {
        true => "What has disabled interrupts? local_irq_disable() is assumed.",
        false => "What makes the context atomic? preempt_disable() is assumed.",
    });
    let release = Some(format!("{what}_enable()"));
    Op { take: format!("{what}_disable()"), release, note: "assumed".to_owned() }
}

/// "[ BUG: Invalid wait context ]".
pub(super) fn wait_context(report: &Report) -> Result<Read, String> {
    let class = report
        .class_after("is trying to lock")
        .ok_or("the lock that it tries (`is trying to lock:`) is not in the report")?;
    let stack = report.trace();
    let mut draft = Draft { facts: facts(report), ..Draft::default() };
    let context = report.find("context-{").map(|at| report.text(at).to_owned());
    draft.facts.push(format!("{} is taken in {}", class.raw, context.as_deref().unwrap_or("?")));
    let object = draft.objects.class(&class, stack.take());
    let held: Vec<Class> = report.held().into_iter().map(|held| held.class).collect();
    let hard = is_hard(report, &stack) || context.is_some_and(|context| context.contains("{2:"));
    let inner = if hard { Vec::new() } else { held.clone() };
    let mut ops = holding(&mut draft, &inner, false);
    raw(&mut draft, &inner);
    let ops_inner: Vec<Op> = inner_raw(&draft, &inner, &mut ops);
    let mut all = ops_inner;
    all.push(Op::lock(&object, "", stack.take(), false));
    let mut names = Names::default();
    let name = names.thread(&stack);
    let body = match hard {
        true => {
            draft.ask("Does the handler run in hard interrupt context on PREEMPT_RT too?");
            let handler = block(&stack.shown(), &format!("hard_irq {name}"), &all);
            format!("{handler}\nthread device: raise({name})\n")
        }
        false => block(&stack.shown(), &format!("thread {name}"), &all),
    };
    draft.scenarios.push(Scenario::new("without PREEMPT_RT", "").block(body.clone()));
    let rt = Scenario::new("PREEMPT_RT", "a spinlock_t sleeps");
    draft.scenarios.push(rt.block("preempt_rt\n").block(body));
    let classes = vec![class.raw];
    Ok(Read { draft, classes, unread: stack.unread })
}

/// Whether the function runs in a hard interrupt.
fn is_hard(report: &Report, stack: &Stack) -> bool {
    let arm = ["gic_handle_irq", "__handle_domain_irq", "handle_irq_event"];
    let hard = arm.iter().any(|name| stack.has(name)) || report.text(0).contains("[HC1");
    hard && !stack.has("__do_softirq")
}

/// A spinning lock around one that sleeps on PREEMPT_RT is a `raw_spinlock_t`.
fn raw(draft: &mut Draft, held: &[Class]) {
    for object in &mut draft.objects.declared {
        let spins = held.iter().any(|class| class.raw == object.raw && class.wait == Some(2));
        if spins && object.kind == "spinlock" {
            object.kind = "raw_spinlock";
        }
    }
}

/// Returns the statements with the functions of a `raw_spinlock_t`.
fn inner_raw(draft: &Draft, held: &[Class], ops: &mut Vec<Op>) -> Vec<Op> {
    let raw: Vec<String> = draft
        .objects
        .declared
        .iter()
        .filter(|object| object.kind == "raw_spinlock")
        .filter(|object| held.iter().any(|class| class.raw == object.raw))
        .map(|object| object.name.clone())
        .collect();
    let is_raw = |op: &&mut Op| {
        op.take.starts_with("spin_lock")
            && raw.iter().any(|name| op.take.ends_with(&format!("({name})")))
    };
    for op in ops.iter_mut().filter(is_raw) {
        op.take = format!("raw_{}", op.take);
        op.release = op.release.as_ref().map(|release| format!("raw_{release}"));
    }
    std::mem::take(ops)
}
