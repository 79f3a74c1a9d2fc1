//! What each construct of the language means.

use selvedge_checks::text;
use selvedge_core::Engine;

use super::{only, verdict};

#[test]
fn a_call_by_the_name_of_a_lock_nests() {
    let nested = verdict("mutex a, b, c\nthread one: a(b c)\nthread two: c; b(a)");
    assert_eq!(nested, "deadlock(a, b)");
    let states = |text: &str| only(text).verify(Engine::Native).fingerprint.states;
    let short = states("mutex a, b\nthread one: a(b)\nthread two: a(b)");
    let long = "mutex_lock(a); mutex_lock(b); mutex_unlock(b); mutex_unlock(a)";
    let long = states(&format!("mutex a, b\nthread one: {long}\nthread two: {long}"));
    assert_eq!(short, long);
}

#[test]
fn blocks_are_indented_or_on_the_line() {
    let inline = "int x\nthread t: if x == 0: x = 1; x = 2\nfinally: assert x == 2";
    assert_eq!(verdict(inline), "proved");
    let indented = "
int x
thread t:
    if x == 1:
        x = 5
    else if x == 0:
        x = 2
    else:
        x = 7
finally: assert x == 2
";
    assert_eq!(verdict(indented), "proved");
    assert_eq!(verdict(&indented.replace("    ", "\t")), "proved");
}

#[test]
fn expressions_bind_as_in_c() {
    let holds = |condition: &str| {
        verdict(&format!("int x = 3\nthread t: x = 3\nfinally: assert({condition})"))
    };
    assert_eq!(holds("1 + 2 * 3 == 7 && !(x < 3) || x == 9"), "proved");
    assert_eq!(holds("x - 1 - 1 == 1"), "proved");
    assert_eq!(holds("-x + 3"), "invariant(-x + 3)");
    assert_eq!(holds("x >= 3 && x <= 3 && x != 4 && true && !false"), "proved");
}

#[test]
fn an_increment_is_two_steps_and_atomic_inc_is_one() {
    let text = |increment: &str| {
        let thread = format!("thread t instances 2: {increment}");
        verdict(&format!("int x\n{thread}\nfinally: assert x == 2"))
    };
    assert_eq!(text("x++"), "invariant(x == 2)");
    assert_eq!(text("x += 1"), "invariant(x == 2)");
    assert_eq!(text("atomic_inc(x)"), "proved");
}

#[test]
fn functions_take_objects_and_values() {
    let text = "
mutex a, b
int x
fn nested(first, second, by):
    mutex_lock(first)
    mutex_lock(second)
    x += by
    mutex_unlock(second)
    mutex_unlock(first)
    return x
thread t:
    let found = nested(a, b, 2)
    nested(a, b, found + 1)
finally: assert x == 5
";
    assert_eq!(verdict(text), "proved");
}

#[test]
fn a_return_leaves_the_function_alone() {
    let text = "
int x
fn early:
    if x == 0:
        return 1
    x = 9
thread t:
    if early():
        x += 1
    early()
finally: assert x == 9
";
    assert_eq!(verdict(text), "proved");
}

#[test]
fn loops_end_with_their_condition_or_break() {
    let text = "
int x
thread t:
    let n = 0
    while n < 3:
        n = n + 1
        if n == 2:
            continue
        x = x + n
    repeat 4:
        x = x + 10
        if x > 30:
            break
finally: assert x == 34
";
    assert_eq!(verdict(text), "proved");
}

#[test]
fn a_loop_over_the_world_polls() {
    let text = "flag go\nthread t: while !go: pass\n";
    assert_eq!(verdict(text), "deadlock(end of while !go)");
    assert_eq!(verdict(&format!("{text}thread u: go = 1")), "proved");
}

#[test]
fn a_loop_without_an_end_has_finitely_many_states() {
    let text = "mutex a, b\nthread t: loop: a(b)\nthread u: loop: b(a)";
    assert_eq!(verdict(text), "deadlock(a, b)");
}

#[test]
fn each_choice_is_explored() {
    let text = "
int x
thread t:
    either: x = 1
    or: x = 2
    or: x = 3
finally: assert x != 2
";
    assert_eq!(verdict(text), "invariant(x != 2)");
    assert_eq!(verdict(&text.replace("x != 2", "x != 4")), "proved");
    let maybe = "int x\nthread t: if maybe(fails): x = 1\nfinally: assert x == 0";
    assert_eq!(verdict(maybe), "invariant(x == 0)");
}

#[test]
fn guards_release_at_the_end_of_their_block() {
    let text = "
mutex a, b
thread t:
    if true:
        guard(mutex)(a)
        b
    scoped_guard(mutex, b): a
    guard(rcu)()
    return
thread u: b(a)
";
    assert_eq!(verdict(text), "deadlock(a, b)");
}

#[test]
fn a_trylock_returns_what_the_kernel_s_returns() {
    let took = |call: &str, kind: &str| {
        verdict(&format!("{kind}\nint x\nthread t: x = {call}(l)\nfinally: assert x == 1"))
    };
    assert_eq!(took("mutex_trylock", "mutex l"), "leak(l)");
    assert_eq!(took("down_trylock", "semaphore l = 1"), "invariant(x == 1)");
    assert_eq!(took("spin_trylock", "spinlock l"), "leak(l)");
}

#[test]
fn instances_have_numbers() {
    let text = "
int slot[2]
thread t instances 2: slot[self] = self + 1
finally: assert slot[0] == 1 && slot[1] == 2
";
    assert_eq!(verdict(text), "proved");
}

#[test]
fn a_text_has_several_scenarios_that_share_what_stands_before() {
    let text = "
mutex a, b
thread one: a(b)
scenario good:
thread two: a(b)
expect proof
scenario \"the other order\":
thread two: b(a)
expect deadlock(a, b)
";
    let scenarios = text::parse("dir/two.selvedge", text).unwrap_or_else(|e| panic!("{e}"));
    let names: Vec<&str> = scenarios.iter().map(|scenario| scenario.name()).collect();
    assert_eq!(names, ["two/good", "two/the other order"]);
    scenarios.iter().for_each(|scenario| scenario.assert_as_expected(Engine::Native));
}

#[test]
fn c_is_tolerated() {
    let text = "
mutex a /* here */, b // and here
thread t: mutex_lock(&a); mutex_unlock(&a);
";
    assert_eq!(verdict(text), "proved");
}

#[test]
fn on_preempt_rt_a_spinlock_sleeps() {
    let text = "
raw_spinlock raw
spinlock lock
thread t:
    raw_spin_lock(raw)
    spin_lock(lock)
    spin_unlock(lock)
    raw_spin_unlock(raw)
";
    assert_eq!(verdict(text), "proved");
    assert_eq!(verdict(&format!("{text}preempt_rt\n")), "sleep-in-atomic(lock, raw)");
}

#[test]
fn memory_that_no_call_frees_is_no_leak() {
    assert_eq!(verdict("memory m\nthread t: use(m)"), "proved");
    assert_eq!(verdict("memory m\nthread t: if maybe(x): kfree(m)"), "leak(m)");
    assert_eq!(verdict("pointer p\nthread t: p = kzalloc(); use(p); kfree(p)"), "proved");
    assert_eq!(verdict("pointer p\nthread t: p = kzalloc()"), "leak(p)");
    assert_eq!(verdict("pointer p\nthread t: use(p)"), "invariant(NULL)");
}
