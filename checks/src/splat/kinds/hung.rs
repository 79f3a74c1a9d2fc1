//! "INFO: task .. blocked for more than .. seconds.": tasks that wait, and the locks of all tasks.

use super::super::class::Class;
use super::super::draft::{Draft, Op, Scenario, block};
use super::super::report::{Held, Kind, Report};
use super::super::stack::Stack;
use super::{Names, Read, ask_modes, facts};

/// A task that hangs.
struct Task {
    /// Such as `syz-executor.6/3901`.
    name: String,
    stack: Stack,
    /// The locks in the list of it, the last of which it may only wait for.
    holds: Vec<Class>,
    wants: Option<Class>,
}

pub(super) fn read(report: &Report) -> Result<Read, String> {
    let tasks = tasks(report);
    if tasks.is_empty() {
        return Err("no blocked task with a trace is in the report".to_owned());
    }
    let mut draft = Draft { facts: facts(report), ..Draft::default() };
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    draft.facts.push(format!("Blocked: {}", names.join(", ")));
    let mut classes: Vec<String> = Vec::new();
    for task in &tasks {
        let wanted = task.wants.iter().map(|class| (class, task.stack.take()));
        for (class, take) in wanted.chain(task.holds.iter().map(|class| (class, None))) {
            draft.objects.class(class, take);
            if !classes.contains(&class.raw) {
                classes.push(class.raw.clone());
            }
        }
    }
    ask(&mut draft, &tasks);
    let timeouts = tasks.iter().any(|task| waits(&task.stack).is_some_and(|wait| wait.1));
    let scenario = Scenario::new("as reported", "the tasks that hang, and no other");
    let reported = blocks(&mut draft, &tasks, true);
    draft.scenarios.push(reported.into_iter().fold(scenario, Scenario::block));
    if timeouts {
        let about = "as if the waits had no timeout";
        let endless = blocks(&mut draft, &tasks, false);
        let scenario = Scenario::new("without timeouts", about);
        draft.scenarios.push(endless.into_iter().fold(scenario, Scenario::block));
    }
    let unread = tasks.iter().flat_map(|task| task.stack.unread.clone()).collect();
    Ok(Read { draft, classes, unread })
}

fn ask(draft: &mut Draft, tasks: &[Task]) {
    for task in tasks.iter().filter(|task| waits(&task.stack).is_some()) {
        let who = task.stack.caller().unwrap_or("the task");
        draft.ask(format!("Who ends the wait in {who}? The report has no task that does."));
        if waits(&task.stack).is_some_and(|wait| wait.1) {
            draft.ask(format!(
                "Is {who} one long wait, or does it wait again and again, each time to its timeout?"
            ));
        }
    }
    for wanted in tasks.iter().filter_map(|task| task.wants.as_ref()) {
        let held = tasks.iter().any(|task| task.holds.iter().any(|class| class.raw == wanted.raw));
        if !held {
            draft.ask(format!("Which task holds {}? None of those that hang.", wanted.raw));
        }
        draft.ask(format!("Is it the same {} for each task? The list has its class.", wanted.raw));
    }
    ask_modes(draft, "the tasks");
}

/// Returns the function that a trace waits in, if it is no lock, and whether it has a timeout.
fn waits(stack: &Stack) -> Option<(&'static str, bool)> {
    let completions = ["wait_for_completion_timeout", "wait_for_completion_interruptible_timeout"];
    if completions.iter().any(|name| stack.has(name)) {
        return Some(("completion", true));
    }
    let completions = ["wait_for_completion", "wait_for_completion_killable"];
    if completions.iter().any(|name| stack.has(name)) {
        return Some(("completion", false));
    }
    let sleeps = stack.take().is_none();
    sleeps.then(|| ("wait", stack.has("schedule_timeout")))
}

fn tasks(report: &Report) -> Vec<Task> {
    let all = report.held();
    let begins = |at: &usize| Kind::of(&report.lines[*at].text) == Some(Kind::HungTask);
    let starts: Vec<usize> = (0..report.lines.len()).filter(begins).collect();
    let mut tasks: Vec<Task> = Vec::new();
    for start in starts {
        let text = report.text(start);
        let name = text.split_once("task ").map_or("", |(_, rest)| rest);
        let name = name.split(" blocked").next().unwrap_or_default().replacen(':', "/", 1);
        let head = report.lines[start..]
            .iter()
            .position(|line| line.text.trim().starts_with("Call Trace:"));
        let Some(head) = head else { continue };
        let after = report.lines[start + head + 1..].iter();
        let is_trace = |line: &&super::super::lines::Line| {
            let text = line.text.trim();
            !text.is_empty() && !text.starts_with("INFO:") && !text.starts_with("RIP")
        };
        let stack = Stack::read(after.take_while(is_trace));
        let mut holds: Vec<Class> = held_by(&all, &name);
        // The list has the lock that a task waits for, too.
        let waits = stack.take().is_some();
        let wants = if waits { holds.pop() } else { None };
        tasks.push(Task { name, stack, holds, wants });
    }
    tasks
}

fn held_by(all: &[Held], task: &str) -> Vec<Class> {
    all.iter().filter(|held| held.task == task).map(|held| held.class.clone()).collect()
}

/// Returns a thread for each task; one for those that wait in the same way.
fn blocks(draft: &mut Draft, tasks: &[Task], timeouts: bool) -> Vec<String> {
    let mut names = Names::default();
    let mut blocks: Vec<(String, usize)> = Vec::new();
    for task in tasks {
        let mut ops = Vec::new();
        for class in &task.holds {
            let object = draft.objects.class(class, None);
            ops.push(Op::lock(&object, "", None, false));
        }
        if let Some(class) = &task.wants {
            let object = draft.objects.class(class, task.stack.take());
            ops.push(Op::lock(&object, "", task.stack.take(), false).note("waits"));
        }
        let caller = task.stack.caller().unwrap_or("task").to_owned();
        if let Some((kind, timeout)) = waits(&task.stack) {
            let name = format!("{kind} of {caller}");
            let quoted = crate::text::quoted(&name);
            if !draft.objects.declared.iter().any(|object| object.name == quoted) {
                draft.objects.add("completion", &name, "the report does not name it");
            }
            let call = if timeout && timeouts { "_timeout" } else { "" };
            ops.push(Op::plain(format!("wait_for_completion{call}({quoted})")).note("waits"));
        }
        // Two of each are enough to wait for each other.
        let body = block("", &format!("thread {}", crate::text::quoted(&caller)), &ops);
        match blocks.iter_mut().find(|(known, _)| *known == body) {
            Some((_, count)) => *count += 1,
            None => blocks.push((body, 1)),
        }
    }
    let named = |(body, count): (String, usize)| {
        let (heading, rest) = body.split_once(":\n").unwrap_or((&body, ""));
        let name = heading.trim_start_matches("thread ").trim_matches('"').to_owned();
        let name = names.quoted(&name);
        let instances = if count > 1 { " instances 2" } else { "" };
        let comment = if count > 2 {
            format!("# {count} tasks wait so; two stand for them\n")
        } else {
            String::new()
        };
        format!("{comment}thread {name}{instances}:\n{rest}")
    };
    blocks.into_iter().map(named).collect()
}
