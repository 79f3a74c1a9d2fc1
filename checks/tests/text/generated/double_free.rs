// Both error paths free

use selvedge_core::sync::{Atomic, Mutex, Tracked};
use selvedge_core::{Engine, Scenario, ViolationKind, function};

mod unlocked {
    use super::*;

    struct World {
        buf: Pointer,
        #[allow(dead_code)]
        lock: Mutex,
    }

    fn world() -> World {
        let buf = Pointer::new("buf", 1);
        let lock = Mutex::new("lock", ());
        World { buf, lock }
    }

    fn close(w: &World) {
        {
            let _function = function("free_buf");
            if w.buf.value.load() != 0 {
                w.buf.memory().into_iter().for_each(Tracked::release);
                w.buf.value.store(0);
            }
        }
    }

    fn disconnect(w: &World) {
        {
            let _function = function("free_buf");
            if w.buf.value.load() != 0 {
                w.buf.memory().into_iter().for_each(Tracked::release);
                w.buf.value.store(0);
            }
        }
    }

    fn finally(w: &World) {
        w.buf.release_rest();
    }

    pub(super) fn scenario() -> Scenario {
        Scenario::builder("double-free/unlocked", world)
            .about("Both error paths free")
            .thread("close", close)
            .thread("disconnect", disconnect)
            .finally(finally)
            .expect_violations([ViolationKind::double_release("buf")])
    }
}

mod locked {
    use super::*;

    struct World {
        buf: Pointer,
        lock: Mutex,
    }

    fn world() -> World {
        let buf = Pointer::new("buf", 1);
        let lock = Mutex::new("lock", ());
        World { buf, lock }
    }

    fn close(w: &World) {
        w.lock.raw_lock();
        {
            let _function = function("free_buf");
            if w.buf.value.load() != 0 {
                w.buf.memory().into_iter().for_each(Tracked::release);
                w.buf.value.store(0);
            }
        }
        w.lock.raw_unlock();
    }

    fn disconnect(w: &World) {
        w.lock.raw_lock();
        {
            let _function = function("free_buf");
            if w.buf.value.load() != 0 {
                w.buf.memory().into_iter().for_each(Tracked::release);
                w.buf.value.store(0);
            }
        }
        w.lock.raw_unlock();
    }

    fn finally(w: &World) {
        w.buf.release_rest();
    }

    pub(super) fn scenario() -> Scenario {
        Scenario::builder("double-free/locked", world)
            .about("Both error paths free")
            .thread("close", close)
            .thread("disconnect", disconnect)
            .finally(finally)
            .expect_proof()
    }
}

fn main() {
    unlocked::scenario().assert_as_expected(Engine::Native);
    locked::scenario().assert_as_expected(Engine::Native);
}

/// A variable that is NULL or points to memory.
struct Pointer {
    value: Atomic<i64>,
    allocated: Atomic<i64>,
    memory: Vec<Tracked>,
}

impl Pointer {
    fn new(name: &str, allocated: i64) -> Self {
        let value = Atomic::new(name.to_owned(), allocated);
        let memory = (0..4).map(|_| Tracked::new(name.to_owned(), ())).collect();
        let allocated = Atomic::new(format!("{name} (allocations)"), allocated);
        Self { value, allocated, memory }
    }

    #[allow(dead_code)]
    fn allocate(&self) {
        let number = self.allocated.fetch_add(1) + 1;
        self.value.store(number);
    }

    #[allow(dead_code)]
    fn memory(&self) -> Option<&Tracked> {
        self.memory.get(usize::try_from(self.value.load() - 1).ok()?)
    }

    fn release_rest(&self) {
        let allocated = usize::try_from(self.allocated.load()).unwrap_or(0);
        self.memory.iter().skip(allocated).for_each(Tracked::release);
    }
}
