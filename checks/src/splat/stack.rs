//! Call traces.

use super::class::{base, function};
use super::lines::Line;

/// A call trace, the innermost function first. What the kernel marks with `?` is left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Stack {
    pub(crate) functions: Vec<String>,
    /// Whether an interrupt is in it (`<IRQ>`).
    pub(crate) has_interrupt: bool,
    /// The lines that are no function, and nothing else that a trace has.
    pub(crate) unread: Vec<usize>,
}

/// How a lock function takes its lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Take {
    Mutex,
    Spin(&'static str),
    /// Spinning, for reading or writing.
    RwLock(bool, &'static str),
    /// Sleeping, for reading or writing.
    RwSem(bool),
    Semaphore,
}

impl Stack {
    /// Reads the lines of a trace.
    pub(crate) fn read<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Self {
        let mut stack = Self::default();
        for line in lines {
            let text = line.text.trim();
            if text == "<IRQ>" {
                stack.has_interrupt = true;
            }
            match frame(text) {
                Some(Some(function)) => stack.functions.push(function),
                Some(None) => {}
                None => stack.unread.push(line.number),
            }
        }
        stack
    }

    /// Returns the function that takes the lock or waits: the first that is no lock function.
    pub(crate) fn caller(&self) -> Option<&str> {
        let functions = self.functions.iter().map(String::as_str);
        let mut rest = functions.skip_while(|name| is_helper(name));
        let first = rest.next()?;
        // A helper that does nothing else says less than its caller.
        let helper = |name: &str| {
            let ends = ["_lock", "_lock_nested", "_read_lock", "_write_lock", "_lock_killable"];
            ends.iter().any(|end| name.ends_with(end)) || name.starts_with("lock_")
        };
        match helper(first) {
            true => rest.find(|name| !helper(name)).or(Some(first)),
            false => Some(first),
        }
    }

    /// Returns how the innermost lock function takes its lock.
    pub(crate) fn take(&self) -> Option<Take> {
        let mut inner = self
            .functions
            .iter()
            .map(String::as_str)
            .skip_while(|name| is_internal(name) && take(name).is_none());
        take(inner.next()?)
    }

    /// Returns the innermost of these functions in the trace, and the outermost of those that call
    /// each other there.
    pub(crate) fn waits(&self, known: &[&'static str]) -> Option<(&'static str, &'static str)> {
        let skipped = self.functions.iter().skip_while(|name| !is_known(known, name));
        let called: Vec<&String> = skipped.take_while(|name| is_known(known, name)).collect();
        let named = |name: &String| {
            known.iter().copied().find(|known| *known == name.as_str() || alias(name) == *known)
        };
        Some((named(called.first()?)?, named(called.last()?)?))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.functions.iter().any(|function| function == name)
    }

    /// Returns the trace as a comment: the caller first.
    pub(crate) fn shown(&self) -> String {
        let functions = self.functions.iter().map(String::as_str);
        let from: Vec<&str> = functions.skip_while(|name| is_helper(name)).take(5).collect();
        from.join(" <- ")
    }
}

fn is_known(known: &[&str], name: &str) -> bool {
    known.contains(&name) || known.contains(&alias(name))
}

/// Returns the function that an inner one stands for.
fn alias(name: &str) -> &str {
    match name {
        "__flush_work" => "flush_work",
        "__flush_workqueue" => "flush_workqueue",
        "__cancel_work_timer" | "__cancel_work_sync" => "cancel_work_sync",
        "__timer_delete_sync" | "timer_delete_sync" => "del_timer_sync",
        "wait_for_common" | "__wait_for_common" => "wait_for_completion",
        other => other,
    }
}

/// Returns the function of a line of a trace; nothing, if it belongs to a trace and has none.
fn frame(text: &str) -> Option<Option<String>> {
    if text.is_empty() || text.starts_with('<') || text.starts_with("? ") {
        return Some(None);
    }
    // `[<80456254>] (io_file_data_ref_zero) from [<807164e4>] (percpu_ref_put_many)`, on ARM.
    if let Some((called, _)) = text.split_once(") from [<") {
        let name = called.rsplit('(').next()?;
        return Some(Some(base(name).to_owned()));
    }
    let registers = ["r1", "r4:", "r5:", "r6:", "r7:", "r8:", "r9:", "RIP", "RSP", "RAX", "RDX"];
    let more = ["RBP", "R10", "R13", "Code:", "ORIG_RAX", "Exception stack", "0x", "Backtrace"];
    let hex_dump = text.split_once(':').is_some_and(|(address, rest)| {
        let hex = |c: char| c.is_ascii_hexdigit();
        address.len() == 4 && address.chars().all(hex) && rest.starts_with(' ')
    });
    if hex_dump || registers.iter().chain(&more).any(|start| text.starts_with(start)) {
        return Some(None);
    }
    let text = text
        .strip_prefix("[<")
        .map_or(text, |rest| rest.split_once("] ").map_or(rest, |(_, rest)| rest.trim()));
    let has_offset = text.split_whitespace().next().is_some_and(|word| word.contains("+0x"));
    let inlined = text.ends_with("[inline]");
    if has_offset || inlined { function(text).map(Some) } else { None }
}

/// Whether the function only takes a lock, waits or allocates, which its caller has asked for.
fn is_helper(name: &str) -> bool {
    let starts = [
        "flush_work",
        "__flush_work",
        "drain_workqueue",
        "destroy_workqueue",
        "cancel_",
        "__cancel_work",
        "del_timer_sync",
        "try_to_del_timer_sync",
        "timer_delete_sync",
        "__timer_delete_sync",
        "wait_for_completion",
        "wait_for_common",
        "__wait_for_common",
        "schedule_timeout",
        "kmem_cache_alloc",
        "kmalloc",
        "__kmalloc",
        "kvmalloc",
        "slab_alloc",
        "__alloc_pages",
        "alloc_pages",
        "prepare_alloc_pages",
        "__slab_alloc",
        "___slab_alloc",
    ];
    is_internal(name) || take(name).is_some() || starts.iter().any(|start| name.starts_with(start))
}

/// Whether the function belongs to lockdep, or prints the report.
fn is_internal(name: &str) -> bool {
    let starts = [
        "lock_acquire",
        "__lock_acquire",
        "check_",
        "print_",
        "validate_chain",
        "dump_stack",
        "__dump_stack",
        "dump_backtrace",
        "show_stack",
        "mark_lock",
        "mark_usage",
        "___might_sleep",
        "__might_sleep",
        "__might_resched",
        "might_sleep",
        "lockdep_rcu_suspicious",
        "show_trace",
        "debug_check_no_locks_freed",
        "schedule",
        "__schedule",
        "add_lock_to_list",
        "dept_",
        "fs_reclaim_acquire",
        "__fs_reclaim_acquire",
        "rcu_lock_acquire",
        "might_alloc",
    ];
    starts.iter().any(|start| name.starts_with(start)) && !name.starts_with("schedule_timeout")
}

/// Returns how a lock function takes its lock.
pub(crate) fn take(name: &str) -> Option<Take> {
    let name = name.trim_start_matches("__").trim_start_matches('_');
    let name = name.strip_prefix("raw_").unwrap_or(name);
    let suffix = || match name {
        _ if name.contains("irqsave") => "_irqsave",
        _ if name.ends_with("_irq") => "_irq",
        _ if name.ends_with("_bh") => "_bh",
        _ => "",
    };
    Some(match name {
        _ if name.starts_with("mutex_lock") || name.starts_with("mutex_trylock") => Take::Mutex,
        _ if name.starts_with("ww_mutex_lock") || name.starts_with("rt_mutex") => Take::Mutex,
        "lock_sock_nested" => Take::Mutex,
        _ if name.starts_with("spin_lock") => Take::Spin(suffix()),
        _ if name.starts_with("read_lock") => Take::RwLock(true, suffix()),
        _ if name.starts_with("write_lock") => Take::RwLock(false, suffix()),
        _ if name.starts_with("down_read") || name.starts_with("percpu_down_read") => {
            Take::RwSem(true)
        }
        "cpus_read_lock" | "sb_start_write" => Take::RwSem(true),
        _ if name.starts_with("down_write") || name.starts_with("percpu_down_write") => {
            Take::RwSem(false)
        }
        "cpus_write_lock" => Take::RwSem(false),
        "down" | "down_common" | "down_interruptible" => Take::Semaphore,
        _ => return None,
    })
}
