//! Notifier chains: what keeps a function and its block while they are called.

use selvedge_core::sync::{Atomic, Mutex, NotifierBlock, NotifierChain, Notify, Rcu, Tracked};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use super::{check, deadlock, slow_on_loom};

struct World {
    chain: NotifierChain,
    block: NotifierBlock,
    /// The memory that the block is in.
    memory: Tracked,
    lock: Mutex,
    calls: Atomic,
}

type Make = fn() -> NotifierChain;

const CHAINS: [Make; 4] = [
    || NotifierChain::blocking("chain"),
    || NotifierChain::atomic("chain", &Rcu::new()),
    || NotifierChain::raw("chain"),
    || NotifierChain::srcu("chain"),
];

/// A world whose chain has a block with this function.
fn world(make: Make, function: fn(&World)) -> World {
    let chain = make();
    let block = chain.block(0, move |w: &World, _| {
        function(w);
        Notify::Done
    });
    chain.register(&block);
    let memory = Tracked::new("block", ());
    World { chain, block, memory, lock: Mutex::new("lock", ()), calls: Atomic::new("calls", 0) }
}

/// The function is called while its module unregisters it, and frees the block.
fn unloaded(make: Make) -> ScenarioBuilder<World> {
    Scenario::builder("unloaded", move || world(make, |w| _ = w.memory.get()))
        .thread("notify", |w| _ = w.chain.call_chain(0))
        .thread("rmmod", |w| {
            assert!(w.chain.unregister(&w.block));
            w.memory.release();
        })
}

#[test]
fn a_block_is_freed_once_it_is_unregistered() {
    for make in [CHAINS[0], CHAINS[1], CHAINS[3]] {
        check(&slow_on_loom(unloaded(make).expect_proof()));
    }
    // Without a lock of the caller the function of a raw chain may still run.
    check(&unloaded(CHAINS[2]).expect_violations([ViolationKind::use_after_release("block")]));
}

/// The function unregisters its own block.
fn from_within(make: Make) -> ScenarioBuilder<World> {
    let function = |w: &World| _ = w.chain.unregister(&w.block);
    Scenario::builder("from within", move || world(make, function))
        .thread("notify", |w| _ = w.chain.call_chain(0))
        .finally(|w| w.memory.release())
}

#[test]
fn a_function_that_unregisters_itself_deadlocks_unless_the_chain_is_raw() {
    let [blocking, atomic, raw, srcu] = CHAINS.map(from_within);
    check(&blocking.expect_violations(deadlock(["chain.rwsem"])));
    check(&atomic.expect_violations([ViolationKind::sleep_in_atomic("rcu", "rcu")]));
    check(&raw.expect_proof());
    check(&srcu.expect_violations(deadlock(["chain.srcu"])));
}

#[test]
fn a_function_sleeps_unless_its_chain_is_atomic() {
    let sleeping = |make: Make| {
        Scenario::builder("sleeping", move || world(make, |w| drop(w.lock.lock())))
            .thread("notify", |w| _ = w.chain.call_chain(0))
            .finally(|w| w.memory.release())
    };
    let [blocking, atomic, raw, srcu] = CHAINS.map(sleeping);
    for chain in [blocking, raw, srcu] {
        check(&chain.expect_proof());
    }
    check(&atomic.expect_violations([ViolationKind::sleep_in_atomic("lock", "rcu")]));
}

/// A lock that is held around the registration is taken by the function.
#[test]
fn a_chain_is_changed_with_a_lock_that_its_function_takes() {
    let scenario = |make: Make| {
        Scenario::builder("order", move || world(make, |w| drop(w.lock.lock())))
            .thread("notify", |w| _ = w.chain.call_chain(0))
            .thread("rmmod", |w| {
                let _held = w.lock.lock();
                w.chain.unregister(&w.block);
            })
            .finally(|w| w.memory.release())
    };
    check(&scenario(CHAINS[0]).expect_violations(deadlock(["chain.rwsem", "lock"])));
    check(&scenario(CHAINS[3]).expect_violations(deadlock(["chain.srcu", "lock"])));
}

#[test]
fn functions_are_called_by_priority_until_one_stops() {
    let scenario = Scenario::builder("priority", || world(CHAINS[2], |w| w.calls.store(9)))
        .thread("T", |w| {
            let note = |digit: u64, result: Notify| {
                move |w: &World, event: u64| {
                    w.calls.store(w.calls.load() * 10 + digit);
                    if event == digit { Notify::Stop } else { result }
                }
            };
            let blocks = [(1, 1), (2, 2), (1, 3)]
                .map(|(priority, digit)| w.chain.block(priority, note(digit, Notify::Done)));
            assert!(w.chain.unregister(&w.block) && !w.chain.unregister(&w.block));
            assert!(blocks.iter().all(|block| w.chain.register(block)));
            assert!(!w.chain.register(&blocks[0]));
            assert_eq!(w.chain.call_chain(0), Notify::Done);
            assert_eq!(w.calls.load(), 213);
            assert_eq!(w.chain.call_chain(1), Notify::Stop);
            assert_eq!(w.calls.load(), 21321);
        })
        .finally(|w| w.memory.release())
        .expect_proof();
    check(&scenario);
}
