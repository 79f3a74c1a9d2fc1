//! `selvedge splat`, over reports that were written for these tests.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use selvedge_checks::text;
use selvedge_core::{Engine, Scenario};

/// What the command prints for a log.
struct Splat {
    code: Option<i32>,
    /// The text.
    text: String,
    /// The questions and verdicts.
    answers: String,
}

fn log(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/splat/logs/{name}.txt"))
}

fn run(args: &[&str]) -> Splat {
    let binary = env!("CARGO_BIN_EXE_selvedge");
    let mut command = Command::new(binary);
    command.arg("splat").args(args).stdin(Stdio::null());
    let output = command.output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Splat { code: output.status.code(), text: text(output.stdout), answers: text(output.stderr) }
}

fn splat(name: &str) -> Splat {
    run(&[log(name).to_str().expect("a path")])
}

impl Splat {
    #[track_caller]
    fn scenarios(&self) -> Vec<Scenario> {
        assert_eq!(self.code, Some(0), "{}", self.answers);
        text::parse("t.selvedge", &self.text).unwrap_or_else(|e| panic!("{e}\n{}", self.text))
    }

    /// Checks the verdict for each answer: `proved`, or the violations.
    #[track_caller]
    fn finds(&self, expected: &[(&str, &str)]) -> &Self {
        let found: Vec<(String, String)> = self.scenarios().iter().map(answer).collect();
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, verdict)| (name.as_str(), verdict.as_str())).collect();
        assert_eq!(found, expected, "\n{}", self.text);
        for (name, verdict) in found {
            let name = if name == "t" { String::new() } else { format!("  {name}") };
            let said = format!("{name}: {verdict}\n");
            assert!(self.answers.contains(&said), "no {said:?} in\n{}", self.answers);
        }
        self
    }

    /// Checks that the text and the answers have the question.
    #[track_caller]
    fn asks(&self, question: &str) -> &Self {
        assert!(self.answers.contains(question), "no {question:?} in\n{}", self.answers);
        let flat = self.text.replace("\n#  ", "");
        assert!(flat.contains(question), "no {question:?} in\n{flat}");
        self
    }

    /// Checks that these lines stand in the text in this order.
    #[track_caller]
    fn has(&self, lines: &[&str]) -> &Self {
        let mut text = self
            .text
            .lines()
            .map(|line| line.split_once(" #").map_or(line, |(line, _)| line).trim_end());
        for line in lines {
            assert!(text.any(|found| found == *line), "no {line:?} in\n{}", self.text);
        }
        self
    }

    /// Checks the kind and the classes.
    #[track_caller]
    fn is(&self, kind: &str, classes: &str) -> &Self {
        let first = self.answers.lines().next().unwrap_or_default();
        assert!(first.ends_with(&format!(": {kind}: {classes}")), "{first}");
        self
    }
}

fn answer(scenario: &Scenario) -> (String, String) {
    let name = scenario.name().split_once('/').map_or("t", |(_, name)| name);
    let report = scenario.verify(Engine::Native);
    let found = report.verdict.counterexamples().iter();
    let kinds: Vec<String> = found.map(|found| found.violation.kind.to_string()).collect();
    let verdict =
        if kinds.is_empty() { report.verdict.as_str().to_owned() } else { kinds.join(", ") };
    (name.to_owned(), verdict)
}

#[test]
fn a_chain_of_two_locks() {
    let splat = splat("circular");
    splat.is("circular locking dependency", "&frob->state_mutex, frob_list_mutex");
    splat.finds(&[
        ("each context a task", "deadlock(frob->state_mutex, frob_list_mutex)"),
        ("another instance", "proved"),
        ("one task", "proved"),
        ("a gate", "proved"),
    ]);
    splat.asks("Is it the same &frob->state_mutex in each context?");
    splat.asks("Is frob_ioctl_mutex, which frobctl/411 holds too, held in the other contexts?");
    splat.has(&[
        "thread frob_reset:",
        "    mutex_lock(frob_ioctl_mutex)",
        "    mutex_lock(frob_list_mutex)",
        "    mutex_lock(frob->state_mutex)",
    ]);
    splat.has(&[
        "thread frob_register:",
        "    mutex_lock(frob->state_mutex)",
        "    mutex_lock(frob_list_mutex)",
    ]);
}

#[test]
fn a_mail_with_quotes_and_wrapped_lines() {
    let splat = splat("mail");
    splat.is(
        "circular locking dependency",
        "(work_completion)(&frob->reset_work), &frob->state_mutex",
    );
    splat.finds(&[
        ("each context a task", "deadlock(frob->reset_work, frob->state_mutex)"),
        ("another instance", "proved"),
    ]);
    splat.has(&[
        "thread frob_remove:",
        "    mutex_lock(frob->state_mutex)",
        "    cancel_work_sync(frob->reset_work)",
        "work frob->reset_work:",
        "    mutex_lock(frob->state_mutex)",
    ]);
    splat.asks("What queues (work_completion)(&frob->reset_work), and which locks does it hold?");
}

#[test]
fn a_workqueue_in_a_syslog() {
    let splat = splat("queue");
    splat.finds(&[
        ("each context a task", "deadlock(frob->config_sem, frob-events)"),
        ("held for reading", "proved"),
        ("held for reading, with writers", "deadlock(frob->config_sem, frob-events)"),
        ("another instance", "proved"),
    ]);
    splat.has(&[
        "    flush_workqueue(\"frob-events\")",
        "work frob->event_work on \"frob-events\":",
    ]);
    splat.asks("How is &frob->config_sem held in frob_close: for reading or for writing?");
}

#[test]
fn a_timer_that_is_deleted_under_its_lock() {
    let splat = splat("timer");
    splat.finds(&[
        ("each context a task", "deadlock(frob->lock, frob->watchdog)"),
        ("another instance", "proved"),
    ]);
    splat.has(&[
        "    del_timer_sync(frob->watchdog)",
        "timer frob->watchdog:",
        "    spin_lock_bh(frob->lock)",
    ]);
}

#[test]
fn an_allocation_calls_what_reclaim_does() {
    let splat = splat("reclaim");
    splat.finds(&[
        ("each context a task", "deadlock(frob->pages_mutex)"),
        ("another instance", "proved"),
    ]);
    splat.has(&["fn fs_reclaim:", "thread frob_alloc_table:", "    fs_reclaim()"]);
    splat.asks("fs_reclaim is no lock, but what an allocation may call.");
}

#[test]
fn a_completion_and_who_completes() {
    let splat = splat("completion");
    splat.finds(&[
        ("each context a task", "deadlock(frob->done, frob->lock)"),
        ("another instance", "proved"),
    ]);
    splat.asks("Is the completer of (completion)&frob->done the one that was seen here?");
}

#[test]
fn two_locks_of_a_class_by_their_addresses() {
    let splat = splat("recursive");
    splat.is("recursive locking", "&frob->lock, &frob->lock");
    splat.finds(&[
        ("another instance", "proved"),
        ("another instance, in both orders", "deadlock(frob->lock)"),
    ]);
    splat.asks("What orders two &frob->lock?");
    splat.has(&[
        "thread frob_child_open:",
        "    mutex_lock(frob->lock[0])",
        "    mutex_lock(frob->lock[1])",
    ]);
}

#[test]
fn a_reader_that_reads_again() {
    let splat = splat("recursive-read");
    splat.finds(&[
        ("the same lock", "deadlock(frob->lock)"),
        ("held for reading", "proved"),
        ("held for reading, with a writer", "deadlock(frob->lock)"),
    ]);
    splat.asks("How is &frob->lock held in frob_open: for reading or for writing?");
}

#[test]
fn an_interrupt_that_takes_the_lock() {
    let splat = splat("inconsistent");
    splat.is("inconsistent lock state", "&frob->lock");
    splat.finds(&[("the same lock", "deadlock(frob->lock)"), ("another instance", "proved")]);
    splat.has(&[
        "thread frob_set_rate:",
        "irq frob_interrupt:",
        "thread device: raise(frob_interrupt)",
    ]);
    assert!(!splat.answers.contains("not understood"), "{}", splat.answers);
}

#[test]
fn a_lock_order_over_softirqs() {
    let splat = splat("irq-order");
    splat.is("interrupt-safe before interrupt-unsafe lock", "&frob->queue_lock, &frob->table_lock");
    splat.finds(&[("t", "deadlock(frob->queue_lock, frob->table_lock)")]);
    splat.has(&[
        "thread frob_lookup:",
        "    local_bh_disable()",
        "    spin_lock_bh(frob->queue_lock)",
        "    spin_lock(frob->table_lock)",
        "thread frob_insert:",
        "softirq frob_tx_done:",
    ]);
}

#[test]
fn a_pointer_without_its_read_section() {
    let splat = splat("rcu");
    splat.is("suspicious RCU usage", "&frob->open_mutex");
    splat.finds(&[
        ("nothing else protects it", "use-after-release(object of frob_find)"),
        ("a held lock protects it", "proved"),
        ("with rcu_read_lock", "proved"),
    ]);
    splat.asks("Which lock protects the pointer in drivers/frob/table.c:31, if not RCU?");
}

#[test]
fn an_allocation_below_a_spinlock() {
    let splat = splat("sleeping");
    splat.finds(&[("t", "sleep-in-atomic(frob_filter_alloc, frob->lock)")]);
    splat.has(&["    spin_lock(frob->lock)", "    might_sleep(frob_filter_alloc)"]);
    assert!(!splat.answers.contains("What kind of lock"), "its wait type tells");
}

#[test]
fn a_spinlock_below_a_raw_one() {
    let splat = splat("wait-context");
    splat.finds(&[
        ("without PREEMPT_RT", "proved"),
        ("PREEMPT_RT", "sleep-in-atomic(frob->lock, frob->hw_lock)"),
    ]);
}

#[test]
fn a_lock_in_freed_memory() {
    let splat = splat("freed");
    splat.finds(&[("t", "freed-while-held(frob->lock)")]);
    splat.has(&["memory \"memory of frob->lock\":", "    mutex frob->lock", "thread frob_put:"]);
    splat.asks("Which reference should have kept the memory until frob_release has released");
}

#[test]
fn tasks_that_hang() {
    let splat = splat("hung");
    splat.is("hung task", "&frob->open_mutex");
    splat.finds(&[("t", "deadlock(completion of frob_reset)")]);
    splat.asks("Who ends the wait in frob_reset?");
    splat.has(&["thread frob_open:", "thread frob_reset:", "    mutex_lock(frob->open_mutex)"]);
}

#[test]
fn an_event_that_a_context_owes() {
    let splat = splat("dept");
    splat.is("circular dependency of DEPT", "&frob->done_wait, &frob->lock");
    splat.finds(&[
        ("held across the wait", "deadlock(frob->done_wait, frob->lock)"),
        ("released before schedule()", "proved"),
    ]);
    splat.asks("Is &frob->lock still held when frob_sync sleeps for &frob->done_wait?");
}

#[test]
fn a_log_without_a_report_is_refused() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let splat = run(&[manifest]);
    assert_eq!(splat.code, Some(2));
    assert!(splat.answers.contains("Cargo.toml has no report"), "{}", splat.answers);
    assert!(splat.answers.contains("`possible circular locking dependency detected`"));
}

#[test]
fn a_damaged_report_says_what_is_missing() {
    let whole = std::fs::read_to_string(log("queue")).expect("the log");
    let damaged = [
        ("-> #1 ((work", "-> # ((work", "`-> #1 (..)` of the chain is not in the report"),
        ("-> #", "-> ", "the chain of classes (`-> #1 (..)`) is not in the report"),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for (from, to, missing) in damaged {
        let file = folder.path().join("log");
        std::fs::write(&file, whole.replace(from, to)).expect("written");
        let splat = run(&[file.to_str().expect("a path")]);
        assert_eq!(splat.code, Some(2));
        assert!(splat.answers.contains("log:1: circular locking dependency, but"));
        assert!(splat.answers.contains(missing), "{}", splat.answers);
    }
    let file = folder.path().join("log");
    let unread = whole.replace("frob_event_work+0x1c/0x30", "(garbled)");
    std::fs::write(&file, unread).expect("written");
    let splat = run(&[file.to_str().expect("a path")]);
    assert_eq!(splat.code, Some(0));
    assert!(splat.answers.contains("not understood: line 9\n"), "{}", splat.answers);
}

#[test]
fn of_several_reports_one_is_chosen() {
    let both =
        ["recursive", "sleeping"].map(|name| std::fs::read_to_string(log(name)).expect("it"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log");
    std::fs::write(&file, both.concat()).expect("written");
    let file = file.to_str().expect("a path");
    let first = run(&[file]);
    first.is("recursive locking", "&frob->lock, &frob->lock");
    assert!(first.answers.contains("other reports, for --report: 2 (sleeping function"));
    run(&[file, "--report", "2"]).finds(&[("t", "sleep-in-atomic(frob_filter_alloc, frob->lock)")]);
    assert_eq!(run(&[file, "--report", "3"]).code, Some(2));
}

#[test]
fn the_text_goes_to_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("frob.selvedge");
    let path = log("timer");
    let output = run(&[path.to_str().expect("a path"), "-o", file.to_str().expect("a path")]);
    assert_eq!(output.code, Some(0));
    assert!(output.text.contains("Verdicts of `selvedge check`:"), "the answers");
    let text = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(text, splat("timer").text);
}

/// The text of a report may have been corrected by hand.
#[test]
fn a_file_is_replaced_on_demand_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("frob.selvedge");
    std::fs::write(&file, "mine").expect("written");
    let (log, file) = (log("circular"), file.to_str().expect("a path"));
    let args = [log.to_str().expect("a path"), "-o", file];
    let refused = run(&args);
    assert_eq!(refused.code, Some(2));
    assert!(refused.answers.contains("exists; --force replaces it"), "{}", refused.answers);
    assert_eq!(std::fs::read_to_string(file).expect("it is there"), "mine");
    assert_eq!(run(&[&args[..], &["--force"]].concat()).code, Some(0));
    assert!(std::fs::read_to_string(file).expect("it is there").contains("thread "));
}
