//! Locks that an interrupt takes, and that are elsewhere held with interrupts enabled:
//! "inconsistent lock state" and "safe -> unsafe lock order".

use super::super::class::{Class, Role};
use super::super::draft::{Draft, Object, Op, Scenario, block};
use super::super::report::Report;
use super::super::stack::{Stack, Take};
use super::{Names, Read, ask_kinds, facts};

/// "inconsistent {SOFTIRQ-ON-W} -> {IN-SOFTIRQ-W} usage."
pub(super) fn inconsistent(report: &Report) -> Result<Read, String> {
    let missing = |what: &str| format!("{what} is not in the report");
    let at = report.find("} usage.").ok_or_else(|| missing("the usage (`{..} -> {..} usage.`)"))?;
    let usages: Vec<String> = report.text(at).split('{').skip(1).map(usage).collect();
    let [before, now] = usages.as_slice() else { return Err(missing("the pair of usages")) };
    let class = report.class_after("takes:").ok_or_else(|| missing("the lock that it takes"))?;
    let registered = report
        .find("state was registered at:")
        .map(|at| report.stack_at(at + 1))
        .ok_or_else(|| missing("the trace of `state was registered at:`"))?;
    let current = report.trace();
    let (inside, outside, usage_inside) = match now.starts_with("IN-") {
        true => (current, registered, now),
        false => (registered, current, before),
    };
    if !usage_inside.starts_with("IN-HARDIRQ") && !usage_inside.starts_with("IN-SOFTIRQ") {
        return Err(format!(
            "the state {usage_inside} is neither of an interrupt nor of a softirq"
        ));
    }
    let mut draft = Draft { facts: facts(report), ..Draft::default() };
    draft.facts.push(format!("{}: {{{before}}}, then {{{now}}}", class.raw));
    draft.objects.class(&class, outside.take());
    let object = draft.objects.class(&class, inside.take());
    draft.objects.declared.iter_mut().for_each(|object| object.in_scenario = true);
    draft.ask(format!(
        "Can the interrupt come while the task of {} holds the lock, on its CPU?",
        outside.caller().unwrap_or("the other trace")
    ));
    let context = Context::of(usage_inside);
    let block = |index: &str| {
        let mut names = Names::default();
        let task =
            Op::lock(&object, index, mode(&object, outside.take(), before, now, false), false);
        let task = block(&outside.shown(), &format!("thread {}", names.thread(&outside)), &[task]);
        task + "\n" + &context.handler(&object, "[0]", index, &inside, &mut names, (before, now))
    };
    let same = Scenario::new("the same lock", "the interrupt takes the lock of the task");
    draft.scenarios.push(same.block(object.declaration(None)).block(block("")));
    if class.has_instances() {
        draft
            .ask(format!("Is it the same {} in both? The report names its class only.", class.raw));
        let about = "the interrupt takes another lock of the class";
        let other = Scenario::new("another instance", about);
        let two = object.declaration(Some(2));
        draft.scenarios.push(other.block(two).block(block("[1]")));
    }
    let unread = inside.unread.into_iter().chain(outside.unread).collect();
    Ok(Read { draft, classes: vec![class.raw], unread })
}

/// Returns the text up to the closing brace.
fn usage(text: &str) -> String {
    text.split('}').next().unwrap_or_default().to_owned()
}

/// Returns how the lock is taken: as the trace has it, or for reading if the usage ends with R.
fn mode(
    object: &Object,
    take: Option<Take>,
    before: &str,
    now: &str,
    inside: bool,
) -> Option<Take> {
    if take.is_some() || object.kind != "rwlock" {
        return take;
    }
    let usage = if now.starts_with("IN-") == inside { now } else { before };
    Some(Take::RwLock(usage.ends_with("-R"), ""))
}

/// The interrupt of a report.
#[derive(Clone, Copy)]
struct Context {
    kind: &'static str,
    raise: &'static str,
}

impl Context {
    fn of(usage: &str) -> Self {
        match usage.contains("HARDIRQ") {
            true => Self { kind: "irq", raise: "raise" },
            false => Self { kind: "softirq", raise: "raise_softirq" },
        }
    }

    /// Returns the handler that takes the lock, and the device that raises it.
    fn handler(
        self,
        object: &Object,
        inner: &str,
        outer: &str,
        stack: &Stack,
        names: &mut Names,
        (before, now): (&str, &str),
    ) -> String {
        let index = if outer.is_empty() { "" } else { inner };
        let name = names.thread(stack);
        let op = Op::lock(object, index, mode(object, stack.take(), before, now, true), false);
        let handler = block(&stack.shown(), &format!("{} {name}", self.kind), &[op]);
        let device = names.quoted("device");
        format!("{handler}\nthread {device}: {}({name})\n", self.raise)
    }
}

/// "HARDIRQ-safe -> HARDIRQ-unsafe lock order detected".
pub(super) fn order(report: &Report) -> Result<Read, String> {
    let parts = Order::read(report)?;
    let mut draft = Draft { facts: facts(report), ..Draft::default() };
    let (safe, unsafe_lock) = (&parts.safe, &parts.unsafe_lock);
    draft.facts.push(format!(
        "An interrupt takes {}; {} is taken with it held, and with interrupts enabled",
        safe.raw, unsafe_lock.raw
    ));
    let mut classes = vec![safe.clone()];
    classes.extend(parts.between.iter().cloned());
    classes.push(unsafe_lock.clone());
    draft.objects.class(unsafe_lock, parts.enabled.take());
    let acquired = report.trace();
    for class in &classes {
        let take = if class.raw == safe.raw { parts.inside.take() } else { None };
        let take = if class.raw == unsafe_lock.raw { acquired.take() } else { take };
        draft.objects.class(class, take);
    }
    let objects: Vec<Object> =
        classes.iter().map(|class| draft.objects.class(class, None)).collect();
    for object in objects.iter().take(objects.len() - 1).filter(|object| object.reads()) {
        draft.ask(format!("How is {} held there: for reading or for writing?", object.name));
    }
    ask_kinds(&mut draft);
    draft.ask(format!(
        "Is it the same {} in the interrupt and in the task, and the same {}?",
        safe.raw, unsafe_lock.raw
    ));
    let writer = parts.writer(report);
    let base = parts.scenario("as reported", "", &objects, &acquired);
    let reads = objects.last().is_some_and(Object::reads);
    draft.scenarios.push(base.clone());
    if reads {
        let raw = &unsafe_lock.raw;
        draft.ask(format!(
            "Does a task write {raw} meanwhile? Readers alone do not wait for readers."
        ));
        let object = objects.last().expect("two at least");
        let about = format!("a task writes {} in between", object.name.trim_matches('"'));
        let (name, shown) = match &writer {
            Some(stack) => (Names::default().thread(stack), stack.shown()),
            None => ("writer".to_owned(), "any writer".to_owned()),
        };
        let take = writer.as_ref().and_then(Stack::take);
        let op = Op::lock(object, "", take, false);
        let writer = block(&shown, &format!("thread {name}"), &[op]);
        let mut with = base;
        (with.name, with.about) = ("with a writer".to_owned(), about);
        draft.scenarios.push(with.block(writer));
    }
    let names = classes.into_iter().map(|class| class.raw).collect();
    let unread = parts.inside.unread.into_iter().chain(parts.enabled.unread).collect();
    Ok(Read { draft, classes: names, unread })
}

/// What a report of a lock order has.
struct Order {
    /// The word for the interrupt: HARDIRQ or SOFTIRQ.
    interrupt: &'static str,
    safe: Class,
    /// The classes between, in the order in which they are taken.
    between: Vec<Class>,
    unsafe_lock: Class,
    /// How the interrupt takes the safe lock.
    inside: Stack,
    /// How the unsafe lock is taken with interrupts enabled.
    enabled: Stack,
}

impl Order {
    fn read(report: &Report) -> Result<Self, String> {
        let missing = |what: &str| format!("{what} is not in the report");
        let title = report.text(0);
        let interrupt = if title.contains("HARDIRQ") { "HARDIRQ" } else { "SOFTIRQ" };
        let inside = report
            .find("-irq-safe at:")
            .map(|at| report.stack_at(at + 1))
            .ok_or_else(|| missing("the trace of `which became irq-safe at:`"))?;
        let enabled_at = report
            .lines
            .iter()
            .position(|line| line.text.contains("became") && line.text.contains("-irq-unsafe at:"))
            .ok_or_else(|| missing("the trace of `which became irq-unsafe at:`"))?;
        let after = report.lines[enabled_at + 1..].iter();
        let skipped = after.take_while(|line| matches!(line.text.trim(), "" | "...")).count();
        let enabled = report.stack_at(enabled_at + 1 + skipped);
        let unsafe_lock = report
            .class_after("irq-unsafe lock:")
            .or_else(|| report.class_after("is trying to acquire"))
            .ok_or_else(|| missing("the unsafe lock"))?;
        // The section of dependencies begins with the safe lock.
        let safe = report
            .class_after("irq-safe lock:")
            .or_else(|| dependencies(report).into_iter().next())
            .ok_or_else(|| missing("the safe lock"))?;
        let between = chain(report, &safe, &unsafe_lock);
        Ok(Self { interrupt, safe, between, unsafe_lock, inside, enabled })
    }

    /// Returns the trace of a writer of the unsafe lock, if the report has one.
    fn writer(&self, report: &Report) -> Option<Stack> {
        let uses = report
            .lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.text.contains("USE at:") || line.text.contains("-W at:"));
        let stacks = uses.map(|(at, _)| report.stack_below(at));
        let writes = |stack: &Stack| {
            matches!(stack.take(), Some(Take::RwLock(false, _) | Take::RwSem(false)))
        };
        stacks.into_iter().find(writes)
    }

    fn scenario(&self, name: &str, about: &str, objects: &[Object], acquired: &Stack) -> Scenario {
        let mut names = Names::default();
        let context = Context::of(self.interrupt);
        let mut ops = vec![disabled(self.interrupt)];
        for (at, object) in objects.iter().enumerate() {
            let last = at + 1 == objects.len();
            let take = if last { acquired.take() } else { None };
            let op = Op::lock(object, "", take, false);
            let op = if take.is_none() && object.reads() {
                op.note("? for reading or writing")
            } else {
                op
            };
            ops.push(op);
        }
        let chain = match objects.len() {
            2 => acquired.shown(),
            _ => format!("{} (the chain, as one task)", acquired.shown()),
        };
        let task = block(&chain, &format!("thread {}", names.thread(acquired)), &ops);
        let unsafe_lock = objects.last().expect("two at least");
        let op = Op::lock(unsafe_lock, "", self.enabled.take(), false);
        let enabled =
            block(&self.enabled.shown(), &format!("thread {}", names.thread(&self.enabled)), &[op]);
        let handler = context.handler(&objects[0], "", "", &self.inside, &mut names, ("", ""));
        Scenario::new(name, about).block(task).block(enabled).block(handler)
    }
}

fn disabled(interrupt: &str) -> Op {
    let what = if interrupt == "HARDIRQ" { "irq" } else { "bh" };
    let release = Some(format!("local_{what}_enable()"));
    Op { take: format!("local_{what}_disable()"), release, note: String::new() }
}

/// Returns the classes of the sections `-> (class) { .. }`.
fn dependencies(report: &Report) -> Vec<Class> {
    let heads = report.lines.iter().filter_map(|line| line.text.trim().strip_prefix("-> ("));
    heads.filter_map(|class| Class::read(&format!("({class}"))).collect()
}

/// Returns the classes between two, from `Chain exists of:` or from the sections of dependencies.
fn chain(report: &Report, safe: &Class, unsafe_lock: &Class) -> Vec<Class> {
    let at = report.find("Chain exists of:");
    let chain = at.map(|at| report.text(at + 1).to_owned()).unwrap_or_default();
    let known = |raw: &str| {
        let all =
            dependencies(report).into_iter().chain(report.held().into_iter().map(|h| h.class));
        all.into_iter().find(|class| class.raw == raw)
    };
    let between = chain.split(" --> ").map(str::trim);
    let between =
        between.filter(|raw| *raw != safe.raw && *raw != unsafe_lock.raw && !raw.is_empty());
    between
        .map(|raw| known(raw).unwrap_or_else(|| Class::unseen(raw, Some(2))))
        .filter(|class| class.role() == Role::Lock)
        .collect()
}
