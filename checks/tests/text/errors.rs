//! What is wrong with a text is said with its place, and what is accepted there.

use selvedge_checks::text;

/// Checks the line, the column and the message, and that the rendering has `hint`.
#[track_caller]
pub(super) fn refused(text: &str, (line, column): (usize, usize), message: &str, hint: &str) {
    let error = match text::parse("t.selvedge", text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error,
    };
    assert_eq!(error.message(), message, "\n{error}");
    assert_eq!((error.line(), error.column()), (line, column), "\n{error}");
    let rendered = error.to_string();
    assert!(rendered.contains(hint), "no {hint:?} in\n{rendered}");
    assert!(rendered.contains(&format!("t.selvedge:{line}:{column}")), "\n{rendered}");
}

#[test]
fn of_the_grammar() {
    refused(
        "mutex a\nthread t\n    mutex_lock(a)\n",
        (2, 9),
        "expected `:` before what the thread does, found the end of the line",
        "^",
    );
    refused("thread t: mutex_lock(a\n", (1, 21), "the `(` is not closed", "^");
    refused(
        "mutx a\n",
        (1, 1),
        "`mutx` begins neither a thread nor a declaration",
        "meant: `mutex`?",
    );
    refused(
        "mutex a\nthread t:\nmutex_lock(a)\n",
        (3, 1),
        "expected an indented line with what the thread does, found `mutex_lock`",
        "",
    );
    refused(
        "mutex a\n  mutex b\n",
        (2, 1),
        "an indented line that belongs to no block",
        "ends with `:`",
    );
    refused("thread t: else: pass\n", (1, 11), "`else` without an `if` before it", "");
    refused(
        "int x\nthread t:\n    x = 1\n  x = 2\n",
        (4, 1),
        "the line is indented as no line before it",
        "",
    );
    refused("thread t: x = $\n", (1, 15), "`$` has no meaning", "in quotes");
    refused("thread t: \"a\n", (1, 11), "the name has no closing `\"`", "");
    refused("thread t: either: pass\n", (1, 11), "`either` needs an `or:` at the same depth", "");
}

#[test]
fn of_names() {
    refused(
        "mutex list_lock\nthread t: mutex_lock(lst_lock)\n",
        (2, 22),
        "`lst_lock` is not declared",
        "meant: `list_lock`?",
    );
    refused(
        "mutex a\nthread t: mutx_lock(a)\n",
        (2, 11),
        "no function is called `mutx_lock`",
        "meant: `mutex_lock`",
    );
    refused("mutex a, a\nthread t: a\n", (1, 10), "`a` is declared again", "declared here");
    refused(
        "mutex a[2]\nthread t: mutex_lock(a)\n",
        (2, 22),
        "`a` is an array: which of them?",
        "a[0] to a[1], or a[self]",
    );
    refused("mutex a[2]\nthread t: mutex_lock(a[2])\n", (2, 22), "`a` has no object 2", "");
    refused(
        "thread t: t2()\nfn f: f()\nthread u: f()\n",
        (1, 11),
        "no function is called `t2`",
        "",
    );
    refused("fn f: f()\nthread u: f()\n", (1, 7), "`f` calls itself, which has no end here", "");
    refused(
        "work w on wq: pass\nthread u: queue_work(w)\n",
        (1, 11),
        "`wq` is no workqueue",
        "workqueue wq",
    );
    refused("mutex a\n", (1, 1), "the scenario has no thread", "");
    // A letter is like any other, and a mutex is no work.
    refused(
        "mutex a, wq\nthread t: schedule_delayed_work(&w)\n",
        (2, 34),
        "`w` is not declared",
        "declare it: work w: ..",
    );
    refused(
        "mutex frob_lock\nwork frob_work: pass\nthread t: queue_work(frob_wok)\n",
        (3, 22),
        "`frob_wok` is not declared",
        "meant: `frob_work`?",
    );
    refused("mutex a\nthread t: b = 1\n", (2, 11), "`b` is not declared", "declared: a");
    for value in ["mutex_lock_interruptible(&a)", "0"] {
        refused(
            &format!("mutex a\nthread t: ret = {value}\n"),
            (2, 11),
            "`ret` is not declared",
            "`let ret = ..` makes a variable of the thread, and `flag ret` at the left margin one \
             that threads share",
        );
    }
    refused(
        "flag ready\nthread t: readyy = 1\n",
        (2, 11),
        "`readyy` is not declared",
        "meant: `ready`?",
    );
}

#[test]
fn of_kinds() {
    refused(
        "spinlock s\nthread t: mutex_lock(s)\n",
        (2, 22),
        "`mutex_lock` takes a mutex, and `s` is a spinlock",
        "spin_lock, spin_lock_bh, spin_lock_irq",
    );
    refused("mutex a\nthread t: a = 1\n", (2, 11), "`a` is a mutex, which has no value", "");
    refused(
        "int p\nthread t: p = kzalloc()\n",
        (2, 11),
        "`p` is an int, not a pointer",
        "pointer p",
    );
}

/// Messages have the word of the declaration.
#[test]
fn of_words() {
    refused(
        "flag f\nthread t: use(f)\n",
        (2, 15),
        "`use` takes a memory or a pointer, and `f` is a flag",
        "for a flag: atomic_read",
    );
    refused(
        "atomic n\nthread t: mutex_lock(n)\n",
        (2, 22),
        "`mutex_lock` takes a mutex, and `n` is an atomic",
        "for an atomic: ",
    );
    refused("refcount r\nthread t: r = 1\n", (2, 11), "`r` is a refcount, which has no value", "");
}

/// A tab is as wide as in the kernel's sources.
#[test]
fn of_tabs() {
    let help = "a tab is as wide as 8 spaces, and the line before is indented otherwise";
    refused(
        "mutex a\nthread t:\n    mutex_lock(a)\n\tmutex_unlock(a)\n",
        (4, 1),
        "a line that is deeper than its block",
        help,
    );
    refused(
        "mutex a\nthread t:\n\tmutex_lock(a)\n    mutex_unlock(a)\n",
        (4, 1),
        "the line is indented as no line before it",
        help,
    );
    refused(
        "mutex a\nthread t:\n\tmutex_lock(a)\n\t\tmutex_unlock(a)\n",
        (4, 1),
        "a line that is deeper than its block",
        "a block begins below a line that ends with `:`",
    );
    let eight = "mutex a\nthread t:\n        mutex_lock(a)\n\tmutex_unlock(a)\n";
    text::parse("t.selvedge", eight).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn of_locks_that_are_not_held() {
    refused(
        "mutex a\nthread t:\n    mutex_lock(a)\n    mutex_unlock(a)\n    mutex_unlock(a)\n",
        (5, 5),
        "`a` is not held here",
        "`a` is released here",
    );
    // On this path, nothing has released it.
    let text = "mutex a\nthread t:\n    if maybe(x):\n        a\n    else:\n        \
                mutex_unlock(a)\n";
    let error = text::parse("t.selvedge", text).expect_err("no path takes it").to_string();
    assert!(!error.contains("released here"), "{error}");
    refused(
        "mutex a, b\nthread t:\n    mutex_lock(a)\n    mutex_unlock(b)\n",
        (4, 5),
        "`b` is not held here",
        "held here, so possible: mutex_unlock(a)",
    );
    refused(
        "spinlock s\nthread t: spin_lock_irqsave(s); spin_unlock(s)\n",
        (2, 33),
        "`spin_unlock` does not release what `spin_lock_irqsave` takes",
        "write spin_unlock_irqrestore(s)",
    );
    refused(
        "mutex a\nthread t: if !mutex_trylock(a): mutex_unlock(a)\n",
        (2, 33),
        "`a` is not held here",
        "the thread holds nothing here",
    );
    refused(
        "mutex a\nfn f: mutex_unlock(a)\nthread t: f(); mutex_lock(a); f()\n",
        (2, 7),
        "`a` is not held here",
        "",
    );
}

/// Where the text alone does not tell, nothing is refused.
#[test]
fn not_of_locks_that_may_be_held() {
    let texts = [
        "mutex a\nthread t:\n    if maybe(x): mutex_lock(a)\n    mutex_unlock(a)\n",
        "mutex a[2]\nint i\nthread t: mutex_lock(a[0]); mutex_unlock(a[i])\n",
        "mutex a\nthread t: while !mutex_trylock(a): pass\n    \nthread u: pass\n",
        "semaphore s\nthread t: up(s)\n",
        "mutex a\nfn l: mutex_lock(a)\nfn u: mutex_unlock(a)\nthread t: l(); u()\n",
        "mutex a\nthread t:\n    if mutex_lock_interruptible(a): return\n    mutex_unlock(a)\n",
        "rwsem s\nthread t: down_write(s); downgrade_write(s); up_read(s)\n",
    ];
    for text in texts {
        text::parse("t.selvedge", text).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn of_claims() {
    refused(
        "thread t: pass\nexpect dedlock(a)\n",
        (2, 8),
        "`dedlock` is no kind of violation",
        "meant: `deadlock`?",
    );
    refused(
        "thread t: pass\nexpect dedlock(a)\n",
        (2, 8),
        "`dedlock` is no kind of violation",
        "available: proof, inversion, deadlock, starvation, assert, invariant, use-after-free",
    );
    refused("thread t: pass\nexpect leak()\n", (2, 8), "`leak` takes 1 name, not 0", "");
    refused(
        "thread t: pass\nexpect sleep-in-atomic(a)\n",
        (2, 8),
        "`sleep-in-atomic` takes 2 names, not 1",
        "",
    );
    refused(
        "thread t: pass\nexpect proof\nexpect leak(a)\n",
        (3, 8),
        "a scenario is proved or has a violation, not both",
        "",
    );
    refused(
        "mutex a\nthread one: a\nexpect starvation(three, a)\n",
        (3, 19),
        "no thread is called `three`",
        "threads: one",
    );
    refused(
        "mutex a\nthread one instances 2: a\nexpect starvation(one 1, b)\n",
        (3, 26),
        "`b` is not declared",
        "declared: a",
    );
    refused(
        "mutex a, ring_lock\nthread one: a; ring_lock\nexpect deadlock(a, ring_lok)\n",
        (3, 20),
        "`ring_lok` is not declared",
        "meant: `ring_lock`?",
    );
}
