//! Pointers that are followed without protection.

use selvedge_core::sync::{Atomic, Mutex, Rcu, Tracked};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind};

use super::{by_orderings, everywhere};

struct Bearers {
    rtnl: Mutex,
    rcu: Rcu,
    list: Atomic,
    bearer: Tracked,
}

/// The protection that a reader of the list holds.
#[derive(Clone, Copy)]
enum Holds {
    Nothing,
    Rtnl,
    RcuSection,
}

/// `tipc_bearer_find` requires RTNL, and was called without. "suspicious RCU usage in
/// tipc_bearer_find", 4.15-rc9, 2018-01. There the kernel complains about the reader alone; here
/// another thread has to free the bearer.
fn tipc(holds: Holds) -> ScenarioBuilder<Bearers> {
    let world = || Bearers {
        rtnl: Mutex::new("rtnl_mutex", ()),
        rcu: Rcu::new(),
        list: Atomic::new("bearer_list", 1),
        bearer: Tracked::new("tipc_bearer", ()),
    };
    Scenario::builder("tipc", world)
        .source("suspicious RCU usage in tipc_bearer_find, 4.15-rc9, 2018-01")
        .thread("tipc_nl_bearer_get", move |w| {
            let find = || {
                if w.list.load() == 1 {
                    w.bearer.get();
                }
            };
            match holds {
                Holds::Nothing => find(),
                Holds::Rtnl => {
                    let _rtnl = w.rtnl.lock();
                    find();
                }
                Holds::RcuSection => {
                    let _reads = w.rcu.read_lock();
                    find();
                }
            }
        })
        .thread("bearer_disable", |w| {
            let _rtnl = w.rtnl.lock();
            w.list.store(0);
            w.rcu.synchronize();
            w.bearer.release();
        })
}

#[test]
fn a_bearer_is_freed_under_a_reader_without_a_lock() {
    let freed = ViolationKind::use_after_release("tipc_bearer");
    by_orderings(&tipc(Holds::Nothing).expect_violations([freed]));
    everywhere(&tipc(Holds::Rtnl).expect_proof());
    everywhere(&tipc(Holds::RcuSection).expect_proof());
}
