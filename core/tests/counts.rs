//! Programs whose number of Mazurkiewicz traces is known, from the test suites of other model
//! checkers or from a closed form.

use selvedge_core::sync::{Atomic, Mutex, RwSem};
use selvedge_core::{Checker, Report, Scenario, ScenarioBuilder, Search};

fn verify(scenario: &Scenario, search: Search) -> Report {
    Checker::native().search(search).run(scenario)
}

/// Checks that source-DPOR explores `traces` traces, in a bounded number of executions.
fn check<W: Send + Sync + 'static>(
    scenario: ScenarioBuilder<W>,
    traces: u64,
    executions: u64,
) -> Scenario {
    let scenario = scenario.expect_proof();
    let report = verify(&scenario, Search::Dpor);
    assert!(report.complete, "{}: {report}", scenario.name());
    assert_eq!(report.fingerprint.traces, Some(traces), "{}", scenario.name());
    assert!(report.executions <= executions, "{}: {}", scenario.name(), report.executions);
    scenario
}

/// As [`check`], and sleep sets alone explore the same traces.
fn check_both<W: Send + Sync + 'static>(scenario: ScenarioBuilder<W>, traces: u64) {
    let scenario = check(scenario, traces, traces + traces / 4);
    let reference = verify(&scenario, Search::SleepSets).fingerprint;
    assert_eq!(verify(&scenario, Search::Dpor).fingerprint, reference, "{}", scenario.name());
}

/// N threads that do the same, except for their number.
fn same<W: Send + Sync + 'static>(
    name: &str,
    world: impl Fn() -> W + Send + Sync + 'static,
    threads: usize,
    body: impl Fn(&W, usize) + Clone + Send + Sync + 'static,
) -> ScenarioBuilder<W> {
    (0..threads).fold(Scenario::builder(name, world), |scenario, me| {
        let body = body.clone();
        scenario.thread(format!("T{me}"), move |world: &W| body(world, me))
    })
}

fn zero(name: &'static str) -> impl Fn() -> Atomic {
    move || Atomic::new(name, 0)
}

fn mutex() -> Mutex {
    Mutex::new("M", ())
}

#[test]
fn n_increments_come_in_any_order() {
    for (threads, traces) in [(2, 2), (3, 6), (4, 24), (5, 120), (6, 720), (7, 5_040)] {
        let increments = same("ainc", zero("x"), threads, |x, _| {
            x.fetch_add(1);
        });
        check_both(increments, traces);
    }
}

#[test]
fn each_reader_comes_before_or_after_the_writer() {
    for (threads, traces) in [(2, 4), (8, 256), (13, 8_192)] {
        let readers = same("readers", zero("x"), threads, |x, _| {
            x.load();
        });
        check(readers.thread("writer", |x| x.store(42)), traces, traces);
    }
}

/// Writer j sets an element to one more than the element before; the reader searches for the last
/// zero from the end.
fn last_zero(writers: usize) -> ScenarioBuilder<Vec<Atomic>> {
    let world = move || (0..=writers).map(|_| Atomic::new("array", 0)).collect();
    let read = move |array: &Vec<Atomic>| {
        let last = (0..=writers).rev().find(|i| array[*i].load() == 0);
        assert!(last.is_some(), "no thread writes to the first");
    };
    (1..=writers).fold(Scenario::builder("lastzero", world).thread("reader", read), |s, j| {
        s.thread(format!("writer {j}"), move |array| array[j].store(array[j - 1].load() + 1))
    })
}

#[test]
fn last_zero_has_the_traces_that_source_sets_find() {
    check_both(last_zero(5), 64);
    check(last_zero(5), 64, 79);
    check(last_zero(10), 3_328, 7_204);
}

#[test]
#[ignore = "takes seconds, and longer without optimisation"]
fn the_largest_last_zero_has_its_traces() {
    check(last_zero(15), 147_456, 302_587);
}

/// Each thread inserts four words of its own into a hash table, in which there are collisions from
/// the twelfth thread on.
#[test]
fn indexer_races_only_where_the_hashes_collide() {
    const SIZE: u64 = 128;
    let insert = |table: &Vec<Atomic>, me: usize| {
        for word in (1..=4).map(|m| m * 11 + me as u64) {
            let mut hash = (word * 7) % SIZE;
            while table[hash as usize].compare_exchange(0, word).is_err() {
                hash = (hash + 1) % SIZE;
            }
        }
    };
    let table = || (0..SIZE).map(|_| Atomic::new("table", 0)).collect();
    for (threads, traces) in [(11, 1), (12, 8), (15, 4_096)] {
        check(same("indexer", table, threads, insert), traces, traces);
    }
}

#[test]
fn two_trylocks_that_fail_commute() {
    let locks = |trylocks: usize| {
        let tries = same("locks and tries", mutex, trylocks, |m: &Mutex, _| drop(m.try_lock()));
        tries.thread("locks", |m| m.lock().unlock())
    };
    check_both(locks(1), 3);
    check_both(locks(2), 15);
    check_both(same("tries", mutex, 3, |m: &Mutex, _| drop(m.try_lock())), 21);
    let keep = |m: &Mutex, _: usize| {
        if let Some(guard) = m.try_lock() {
            std::mem::forget(guard);
        }
    };
    check_both(same("tries and keeps", mutex, 3, keep), 3);
    // One reader excludes all writers, and each of them observes that independently.
    let sem = || RwSem::new("S", ());
    let writes = same("write trylocks", sem, 3, |s: &RwSem, _| drop(s.try_down_write()));
    check_both(writes, 21);
}

#[test]
fn four_threads_that_try_the_next_lock() {
    const NAMES: [&str; 4] = ["L0", "L1", "L2", "L3"];
    let world = || NAMES.map(|name| Mutex::new(name, ()));
    let try_next = |locks: &[Mutex; 4], me: usize| {
        let _mine = locks[me].lock();
        drop(locks[(me + 1) % 4].try_lock());
    };
    check_both(same("try4", world, 4, try_next), 79);
}

#[test]
fn creations_of_two_threads_are_dependent() {
    let world = || [Atomic::new("a", 0), Atomic::new("b", 0)];
    let makes = |world: &[Atomic; 2], me: usize| {
        world[me].store(1);
        Atomic::new("own", 0).store(1);
    };
    check_both(same("makes", world, 2, makes), 2);
    let makes_first = |world: &[Atomic; 2], me: usize| {
        let own = Atomic::new("own", 0);
        world[me].store(1);
        own.store(1);
    };
    check_both(same("makes first", world, 2, makes_first), 1);
}

/// GenMC's and Nidhugg's `casrot`, after RCMC: thread i, from 1, exchanges i - 1 for i. An exchange
/// that fails is a read, otherwise there would be N! traces.
#[test]
fn exchanges_that_fail_commute() {
    let published = [2, 5, 14, 43, 144, 523, 2_048, 8_597];
    for (threads, traces) in (2..).zip(published) {
        let casrot = same("casrot", zero("x"), threads, |x: &Atomic, me| {
            _ = x.compare_exchange(me as u64, me as u64 + 1);
        });
        check(casrot, traces, traces + traces / 4);
    }
}

/// GenMC's `casw`, after RCMC: each thread exchanges 0 for 1 and then stores a value of its own.
#[test]
fn exchanges_beside_stores() {
    for (threads, traces) in [(2, 6), (3, 66), (4, 1_200)] {
        let casw = same("casw", zero("x"), threads, |x: &Atomic, me| {
            _ = x.compare_exchange(0, 1);
            x.store(me as u64 + 3);
        });
        check(casw, traces, traces + traces / 4);
    }
}

/// Nidhugg's `wcas`: one thread stores 1, and N try to exchange it. Any subset of them comes too
/// early; one of the k others is first: N * 2^(N - 1) + 1 traces.
#[test]
fn one_store_and_several_exchanges() {
    let published = [5, 13, 33, 81, 193, 449, 1_025, 2_305];
    for (threads, traces) in (2..).zip(published) {
        let wcas = same("wcas", zero("x"), threads, |x: &Atomic, me| {
            _ = x.compare_exchange(1, me as u64 + 2);
        });
        check(wcas.thread("writer", |x| x.store(1)), traces, traces + traces / 4);
    }
}

/// Miri's `ccr`, from its tests of GenMC: the exchange that fails and the load that follows the
/// other.
#[test]
fn an_exchange_that_fails_and_a_load() {
    let ccr = Scenario::builder("ccr", zero("x"))
        .thread("T1", |x| _ = x.compare_exchange(0, 4))
        .thread("T2", |x| {
            _ = x.compare_exchange(0, 7);
            x.load();
        });
    check_both(ccr, 2);
}

/// A stack of nodes, like Treiber's: the newest, and the one below each.
struct Stack {
    top: Atomic,
    below: Vec<Atomic>,
}

impl Stack {
    fn push(&self, node: u64) {
        loop {
            let top = self.top.load();
            self.below[node as usize].store(top);
            if self.top.compare_exchange(top, node).is_ok() {
                break;
            }
        }
    }

    /// Returns zero if the stack is empty.
    fn pop(&self) -> u64 {
        loop {
            let top = self.top.load();
            if top == 0 {
                return 0;
            }
            let below = self.below[top as usize].load();
            if self.top.compare_exchange(top, below).is_ok() {
                return top;
            }
        }
    }
}

/// Miri's Treiber stack, from its tests of GenMC: one thread pops and the others push.
#[test]
fn treibers_stack_has_the_traces_that_genmc_finds() {
    for (writers, traces) in [(1, 2), (2, 22), (3, 1_002)] {
        let world = move || Stack {
            top: Atomic::new("top", 0),
            below: (0..=writers).map(|_| Atomic::new("below", 0)).collect(),
        };
        let push = |stack: &Stack, me: usize| stack.push(me as u64 + 1);
        let stack = same("treiber", world, writers, push).thread("reader", |stack| _ = stack.pop());
        check(stack, traces, traces + traces / 4);
    }
}
