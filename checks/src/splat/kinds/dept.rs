//! DEPT: contexts that each wait for an event, which another context is to cause.

use super::super::class::Class;
use super::super::draft::{Draft, Object, Op, Scenario, block};
use super::super::report::Report;
use super::super::stack::{Stack, Take, take};
use super::{Names, Read, facts};

/// A line of the summary: `[W] __raw_read_lock(&journal->j_state_lock:8)`.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Mark {
    function: String,
    class: String,
}

/// A context: where it starts to owe the event, what it waits for, and the event.
struct Context {
    start: Mark,
    wait: Mark,
    event: Mark,
    wait_stack: Stack,
    event_stack: Stack,
}

pub(super) fn read(report: &Report) -> Result<Read, String> {
    let contexts = contexts(report);
    if contexts.len() < 2 {
        return Err(
            "the contexts (`context A`, with [S], [W] and [E]) are not in the report".to_owned()
        );
    }
    let mut draft = Draft { facts: facts(report), ..Draft::default() };
    let mut classes: Vec<String> = Vec::new();
    for context in &contexts {
        draft.facts.push(format!(
            "{} waits for {} before it causes {}",
            name_of(context),
            context.wait.class,
            context.event.class
        ));
        for mark in [&context.start, &context.wait, &context.event] {
            if !classes.contains(&mark.class) {
                classes.push(mark.class.clone());
            }
        }
    }
    declare(&mut draft, &contexts);
    ask(&mut draft, &contexts);
    let about = "each context waits with what it holds at the start";
    let held = all(&draft, &contexts, false);
    draft
        .scenarios
        .push(held.into_iter().fold(Scenario::new("held across the wait", about), Scenario::block));
    if contexts.iter().any(|context| context.is_event_wait() && context.holds_lock()) {
        let about = "a context that waits for an event releases its lock before it sleeps";
        let released = all(&draft, &contexts, true);
        let scenario = Scenario::new("released before schedule()", about);
        draft.scenarios.push(released.into_iter().fold(scenario, Scenario::block));
    }
    let unread = contexts
        .iter()
        .flat_map(|context| [&context.wait_stack, &context.event_stack])
        .flat_map(|stack| stack.unread.clone())
        .collect();
    Ok(Read { draft, classes, unread })
}

fn name_of(context: &Context) -> String {
    context.wait_stack.caller().unwrap_or("a context").to_owned()
}

impl Context {
    /// Whether it waits for an event that is no lock.
    fn is_event_wait(&self) -> bool {
        take(&self.wait.function).is_none()
    }

    /// Whether the start of the context takes a lock.
    fn holds_lock(&self) -> bool {
        take(&self.start.function).is_some()
    }
}

/// Returns the contexts in the order of the report, each from its part of details.
fn contexts(report: &Report) -> Vec<Context> {
    let details: Vec<usize> =
        (0..report.lines.len()).filter(|at| report.text(*at).ends_with("'s detail")).collect();
    let ends = details.iter().skip(1).copied().chain([report.lines.len()]);
    details.iter().zip(ends).filter_map(|(start, end)| context(report, *start, end)).collect()
}

fn context(report: &Report, start: usize, end: usize) -> Option<Context> {
    let find = |mark: &str| (start..end).find(|at| report.text(*at).starts_with(mark));
    let mark = |at: usize| Mark::read(report.text(at).get(3..)?);
    let trace = |mark: &str| {
        let detailed =
            |at: &usize| report.text(*at).starts_with(mark) && report.text(*at).ends_with(':');
        let at = (start..end).find(detailed)?;
        let heading = (at..end).find(|at| report.text(*at) == "stacktrace:")?;
        Some(report.stack_at(heading + 1))
    };
    Some(Context {
        start: mark(find("[S]")?)?,
        wait: mark(find("[W]")?)?,
        event: mark(find("[E]")?)?,
        wait_stack: trace("[W]").unwrap_or_default(),
        event_stack: trace("[E]").unwrap_or_default(),
    })
}

impl Mark {
    /// Reads ` __raw_read_lock(&journal->j_state_lock:8)`, or `(unknown)(&(&q)->dmap:0)`.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches(':');
        let (function, class) = match text.strip_prefix("(unknown)") {
            Some(class) => ("unknown", class),
            None => (text.split('(').next()?, text.get(text.find('(')?..)?),
        };
        let class = class.strip_prefix('(')?.strip_suffix(')')?;
        let class = class.rsplit_once(':').map_or(class, |(class, _)| class);
        Some(Self { function: function.trim().to_owned(), class: class.to_owned() })
    }

    /// Returns the class as lockdep has it, without a usage.
    fn lock(&self) -> Class {
        Class::unseen(&self.class, None)
    }

    /// Returns the class without what DEPT adds.
    fn name(&self) -> String {
        let name = self.class.trim_end_matches("->dmap").trim_start_matches('&');
        let name = name.strip_prefix('(').and_then(|name| name.strip_suffix(')')).unwrap_or(name);
        name.trim_start_matches('&').to_owned()
    }
}

fn declare(draft: &mut Draft, contexts: &[Context]) {
    let events =
        |mark: &Mark| contexts.iter().any(|c| c.is_event_wait() && c.wait.class == mark.class);
    for mark in contexts.iter().flat_map(|context| [&context.start, &context.wait, &context.event])
    {
        if draft.objects.declared.iter().any(|object| object.raw == mark.class) {
            continue;
        }
        if events(mark) {
            let name = mark.name();
            draft.objects.add("waitqueue", &name, &mark.class);
            let last = draft.objects.declared.last_mut().expect("just added");
            last.raw.clone_from(&mark.class);
            draft.objects.add("flag", &format!("{name} (condition)"), "what is waited for");
            continue;
        }
        draft.objects.class(&mark.lock(), take(&mark.function));
    }
    for context in contexts {
        for mark in [&context.start, &context.wait] {
            if !events(mark) {
                draft.objects.class(&mark.lock(), take(&mark.function));
            }
        }
    }
}

fn ask(draft: &mut Draft, contexts: &[Context]) {
    for context in contexts {
        let (who, wait) = (name_of(context), &context.wait.class);
        if context.is_event_wait() && context.holds_lock() {
            draft.ask(format!(
                "Is {} still held when {who} sleeps for {wait}? DEPT takes joining the queue for \
                 the wait.",
                context.start.class
            ));
        }
        if !context.holds_lock() {
            draft.ask(format!("Is {who} the only context that causes {}?", context.event.class));
        }
    }
    draft.ask("Is it the same object for each class? The report names classes only.");
}

fn all(draft: &Draft, contexts: &[Context], released: bool) -> Vec<String> {
    let mut names = Names::default();
    contexts.iter().map(|context| thread(draft, context, released, &mut names)).collect()
}

fn object<'a>(draft: &'a Draft, mark: &Mark) -> &'a Object {
    let mut declared = draft.objects.declared.iter();
    declared.find(|object| object.raw == mark.class).expect("declared before")
}

fn condition(mark: &Mark) -> String {
    let name = format!("{} (condition)", mark.name());
    crate::text::quoted(&name)
}

fn thread(draft: &Draft, context: &Context, released: bool, names: &mut Names) -> String {
    let mut ops = Vec::new();
    let event = object(draft, &context.event);
    let causes = event.kind == "waitqueue";
    if causes {
        ops.push(Op::plain(format!("promise({})", event.name)));
    }
    let lock = |mark: &Mark| -> Op {
        let how: Option<Take> = take(&mark.function);
        Op::lock(object(draft, mark), "", how, false).note(mark.function.clone())
    };
    if context.holds_lock() {
        ops.push(lock(&context.start));
    }
    let mut after: Vec<String> = Vec::new();
    match context.is_event_wait() {
        false => ops.push(lock(&context.wait)),
        true => {
            let (queue, flag) = (&object(draft, &context.wait).name, condition(&context.wait));
            if released && context.holds_lock() {
                ops.push(Op::plain(format!("prepare_to_wait({queue})")));
                after.push(format!("if !{flag}: schedule({queue})"));
                after.push(format!("finish_wait({queue})"));
            } else {
                ops.push(Op::plain(format!("wait_event({queue}, {flag})")));
            }
        }
    }
    if causes {
        after.push(format!("{} = 1", condition(&context.event)));
        after.push(format!("wake_up({})", event.name));
        after.push(format!("fulfil({})", event.name));
    }
    let name = names.thread(&context.wait_stack);
    let body = block(&context.wait_stack.shown(), &format!("thread {name}"), &ops);
    let after: String = after.iter().map(|line| format!("    {line}\n")).collect();
    body + &after
}
