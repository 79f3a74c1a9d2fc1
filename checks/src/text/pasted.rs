//! What C has and a text does not: what is to become of a line that was pasted.

use super::error::Wrong;
use super::kind::Kind;
use super::tree::Span;

/// Words that begin a declaration in C and no object of a text.
const TYPES: &[&str] = &[
    "struct", "enum", "unsigned", "signed", "long", "short", "char", "void", "const", "static",
    "size_t", "ssize_t", "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "ktime_t",
];

/// Returns why a statement that begins with this word and a name has no meaning.
pub(super) fn statement(word: &str, span: &Span) -> Option<Wrong> {
    if word == "goto" {
        let wrong = Wrong::new(span, "`goto` has no meaning here");
        return Some(wrong.help("write what stands at the label, and `return`"));
    }
    if !TYPES.contains(&word) && Kind::named(word).is_none() {
        return None;
    }
    let wrong = Wrong::new(span, "a declaration within a function has no meaning here");
    Some(wrong.help(
        "delete the line; `let ret = 0` makes a variable of the thread, and objects are declared \
         at the left margin",
    ))
}

/// Returns why a statement of C with a block has no meaning.
pub(super) fn control(word: &str, span: &Span) -> Option<Wrong> {
    let help = match word {
        "for" => "write `repeat 3:`, or `while ..:`",
        "do" => "write `loop:`, which `break` leaves, or `while ..:`",
        "switch" => "write `if i == 1:`, `else if i == 2:` and `else:`",
        _ => return None,
    };
    Some(Wrong::new(span, format!("`{word}` has no meaning here")).help(help))
}

/// Returns why a label has no meaning.
pub(super) fn label(name: &str, span: &Span) -> Wrong {
    Wrong::new(span, format!("`{name}:` is a label, which has no meaning here"))
        .help("delete the line, and write what follows where `goto` jumps to it")
}

/// Returns why a line at the left margin that begins with this word has no meaning.
pub(super) fn item(word: &str, span: &Span) -> Option<Wrong> {
    if !TYPES.contains(&word) && !word.starts_with("DEFINE_") && !word.starts_with("DECLARE_") {
        return None;
    }
    let wrong = Wrong::new(span, format!("`{word}` is C, which has no meaning here"));
    Some(wrong.help(
        "objects are declared by kind and name: mutex list_lock; functions: fn put(ref): ..; \
         threads: thread probe: ..",
    ))
}

/// What the functions that print a message begin with, by the headers that define them.
const PRINTS: &[&str] = &["pr", "dev", "netdev", "netif", "pci", "drm", "hid", "ibdev"];

const LEVELS: &[&str] = &["emerg", "alert", "crit", "err", "warn", "notice", "info", "dbg"];

/// The functions that initialise, allocate or destroy an object, which a declaration stands for.
const INITIALISES: &[&str] = &[
    "mutex_init",
    "mutex_destroy",
    "spin_lock_init",
    "raw_spin_lock_init",
    "rwlock_init",
    "sema_init",
    "kref_init",
    "refcount_set",
    "timer_setup",
    "hrtimer_init",
    "hrtimer_setup",
    "tasklet_init",
    "tasklet_setup",
    "alloc_workqueue",
    "alloc_ordered_workqueue",
    "request_irq",
    "request_threaded_irq",
    "kthread_create",
];

/// Functions that a text does without, and what to do instead. `*` stands for any end.
const DELETED: &[(&[&str], &str)] = &[
    (
        &["lockdep_assert_*", "lockdep_is_held*", "assert_spin_locked", "might_lock*"],
        "delete the line: the search finds what it looks for",
    ),
    (
        &["list_*", "hlist_*", "llist_*", "rb_*", "xa_*", "idr_*", "ida_*"],
        "delete the line, or write use(..) where it accesses memory",
    ),
    (
        &["cond_resched", "udelay", "ndelay", "mdelay", "cpu_relax", "trace_*"],
        "delete the line: it takes no part in the locking",
    ),
    (
        &["smp_load_acquire", "smp_store_release", "rcu_assign_pointer"],
        "write READ_ONCE(..) or WRITE_ONCE(..): memory is sequentially consistent here",
    ),
    (
        &["smp_*", "mb", "rmb", "wmb", "barrier"],
        "delete the line: memory is sequentially consistent here",
    ),
    (&["WARN_ON_ONCE", "WARN", "WARN_ONCE"], "write WARN_ON(..), or delete the line"),
    (
        &["refcount_dec", "refcount_sub*", "kref_sub"],
        "write refcount_dec_and_test(..) or kref_put(..), which say whether it was the last",
    ),
    (
        &["refcount_read", "kref_read"],
        "the value of a count is not modelled: write `if maybe(shared):` for both cases",
    ),
];

fn is_like(name: &str, known: &str) -> bool {
    match known.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == known,
    }
}

/// Returns what to do with the call of a function that a text does without.
pub(super) fn call(name: &str) -> Option<&'static str> {
    if prints(name) {
        return Some("delete the line: messages have no meaning here");
    }
    let known = |(names, _): &&(&[&str], &str)| names.iter().any(|known| is_like(name, known));
    if let Some((_, help)) = DELETED.iter().find(known) {
        return Some(help);
    }
    let begins = ["INIT_", "init_", "DEFINE_", "DECLARE_"];
    let initialises =
        INITIALISES.contains(&name) || begins.iter().any(|begin| name.starts_with(begin));
    initialises.then_some("delete the line: the declaration of an object initialises it")
}

fn prints(name: &str) -> bool {
    let plain = ["_once", "_ratelimited"].iter().find_map(|end| name.strip_suffix(end));
    match plain.unwrap_or(name).rsplit_once('_') {
        Some((what, level)) => {
            PRINTS.contains(&what) && LEVELS.contains(&level) || name == "pr_debug"
        }
        None => name == "printk",
    }
}

/// Returns what to write instead of a name.
pub(super) fn name(name: &str) -> Option<&'static str> {
    let is_errno = name.strip_prefix('E').is_some_and(|rest| {
        rest.len() >= 2 && rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    });
    is_errno.then_some(
        "numbers of errors have no meaning here: write `return`, or `return 1` where the caller \
         looks at it",
    )
}
