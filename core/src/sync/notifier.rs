//! Notifier chains: functions that a subsystem calls, and the four ways to keep the chain.
//!
//! The chains are compositions of the locks of this module, as in `kernel/notifier.c`, v6.6.

use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use crate::declare::world_of;
use crate::name::Name;

use super::{Atomic, Mutex, Rcu, RwSem, SpinLock, Srcu};

/// The result of a function on a chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notify {
    /// `NOTIFY_DONE`, `NOTIFY_OK`: the next function is called.
    Done,
    /// `NOTIFY_STOP`, `NOTIFY_BAD`: no further function is called.
    Stop,
}

/// The kernel's notifier chain: `struct blocking_notifier_head` and its relatives.
///
/// - A *blocking* chain is called with a semaphore held for reading, and changed with it held for
///   writing. So a function that unregisters itself, or another, deadlocks.
/// - An *atomic* chain is called in a read section of RCU, so its functions may not sleep. It is
///   changed under a spinlock, and `unregister` waits for a grace period.
/// - A *raw* chain has no lock: "Any locking required must be provided by the caller"
///   (`include/linux/notifier.h`, v6.6).
/// - An *SRCU* chain is called in a section of SRCU, so its functions may sleep. It is changed
///   under a mutex, and `unregister` waits for the sections. A function that unregisters waits for
///   its own.
///
/// lockdep sees the locks, whose classes are `NAME.rwsem`, `NAME.lock`, `NAME.mutex` and
/// `NAME.srcu`.
///
/// # What is left out
///
/// A chain has at most 8 blocks at a time. Calls with `nr_to_call`, robust calls, and
/// registration as unique in priority are missing. A reader reads the chain once for each function
/// that it calls.
///
/// ```
/// # selvedge_core::check(|| {
/// use selvedge_core::sync::{NotifierChain, Notify};
/// let chain = NotifierChain::raw("netdev_chain");
/// let block = chain.block_of(0, |event| if event == 1 { Notify::Stop } else { Notify::Done });
/// assert!(chain.register(&block));
/// assert_eq!(chain.call_chain(0), Notify::Done);
/// assert_eq!(chain.call_chain(1), Notify::Stop);
/// assert!(chain.unregister(&block));
/// # });
/// ```
#[doc(alias("BLOCKING_NOTIFIER_HEAD", "ATOMIC_NOTIFIER_HEAD", "RAW_NOTIFIER_HEAD"))]
pub struct NotifierChain {
    guard: Guard,
    /// The numbers of the registered blocks, a byte each, the first one lowest.
    list: Atomic,
    /// All blocks; the number of one is one more than its place.
    blocks: StdMutex<Vec<Arc<Block>>>,
}

enum Guard {
    Blocking(RwSem),
    Atomic(SpinLock, Rcu),
    Raw,
    Srcu(Mutex, Srcu),
}

struct Block {
    priority: i32,
    function: Box<dyn Fn(u64) -> Notify + Send + Sync>,
}

/// The kernel's `struct notifier_block`, a function of one [`NotifierChain`].
#[derive(Clone)]
#[doc(alias = "struct notifier_block")]
pub struct NotifierBlock {
    number: u64,
    priority: i32,
}

impl NotifierChain {
    /// `BLOCKING_INIT_NOTIFIER_HEAD`: creates an empty chain that is called with a semaphore held.
    #[doc(alias = "BLOCKING_INIT_NOTIFIER_HEAD")]
    pub fn blocking(class: impl Into<Name>) -> Self {
        let class = class.into();
        Self::new(class, Guard::Blocking(RwSem::new(name(class, "rwsem"), ())))
    }

    /// `ATOMIC_INIT_NOTIFIER_HEAD`: creates an empty chain that is called in a section of `rcu`.
    #[doc(alias = "ATOMIC_INIT_NOTIFIER_HEAD")]
    pub fn atomic(class: impl Into<Name>, rcu: &Rcu) -> Self {
        let class = class.into();
        Self::new(class, Guard::Atomic(SpinLock::new(name(class, "lock"), ()), rcu.handle()))
    }

    /// `RAW_INIT_NOTIFIER_HEAD`: creates an empty chain without a lock.
    #[doc(alias = "RAW_INIT_NOTIFIER_HEAD")]
    pub fn raw(class: impl Into<Name>) -> Self {
        Self::new(class.into(), Guard::Raw)
    }

    /// `srcu_init_notifier_head`: creates an empty chain that is called in a section of its own
    /// SRCU domain.
    #[doc(alias = "srcu_init_notifier_head")]
    pub fn srcu(class: impl Into<Name>) -> Self {
        let class = class.into();
        let (mutex, srcu) = (Mutex::new(name(class, "mutex"), ()), Srcu::new(name(class, "srcu")));
        Self::new(class, Guard::Srcu(mutex, srcu))
    }

    fn new(class: Name, guard: Guard) -> Self {
        Self { guard, list: Atomic::new(class, 0), blocks: StdMutex::default() }
    }

    /// Creates a block of the chain, which is not registered. Of two blocks the one with the higher
    /// `priority` is called first, and of two with the same one the first to be registered.
    ///
    /// `function` is one of the world and of the event.
    ///
    /// # Panics
    ///
    /// The function panics outside of a scenario, and in one whose world is not a `W`. A chain has
    /// at most 255 blocks.
    pub fn block<W: Send + Sync + 'static>(
        &self,
        priority: i32,
        function: impl Fn(&W, u64) -> Notify + Send + Sync + 'static,
    ) -> NotifierBlock {
        self.block_of(priority, move |event| world_of(|world: &W| function(world, event)))
    }

    /// As [`block`](Self::block), with a function of the event alone.
    ///
    /// # Panics
    ///
    /// If the chain has 255 blocks.
    pub fn block_of(
        &self,
        priority: i32,
        function: impl Fn(u64) -> Notify + Send + Sync + 'static,
    ) -> NotifierBlock {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.push(Arc::new(Block { priority, function: Box::new(function) }));
        assert!(blocks.len() < 256, "a chain has at most 255 blocks");
        NotifierBlock { number: blocks.len() as u64, priority }
    }

    /// `blocking_notifier_chain_register`, `atomic_notifier_chain_register`,
    /// `raw_notifier_chain_register`, `srcu_notifier_chain_register`: adds the block, and returns
    /// whether it was not on the chain yet (`-EEXIST`).
    ///
    /// # Panics
    ///
    /// If there are 8 blocks on the chain.
    #[doc(alias(
        "blocking_notifier_chain_register",
        "atomic_notifier_chain_register",
        "raw_notifier_chain_register",
        "srcu_notifier_chain_register",
    ))]
    #[track_caller]
    pub fn register(&self, block: &NotifierBlock) -> bool {
        self.change(|chain| {
            let list = chain.list.load();
            let before = numbers(list);
            if before.contains(&block.number) {
                return false;
            }
            assert!(before.len() < 8, "a chain has at most 8 blocks at a time");
            let lower = |number: &u64| chain.registered(*number).priority < block.priority;
            let place = before.iter().position(lower).unwrap_or(before.len());
            let mut after = before;
            after.insert(place, block.number);
            chain.list.store(packed(&after));
            true
        })
    }

    /// `blocking_notifier_chain_unregister`, `atomic_notifier_chain_unregister`,
    /// `raw_notifier_chain_unregister`, `srcu_notifier_chain_unregister`: takes the block off the
    /// chain, and returns whether it was on it (`-ENOENT`). Of an atomic and an SRCU chain it then
    /// waits for a grace period, so that the block can be freed.
    #[doc(alias(
        "blocking_notifier_chain_unregister",
        "atomic_notifier_chain_unregister",
        "raw_notifier_chain_unregister",
        "srcu_notifier_chain_unregister",
    ))]
    #[track_caller]
    pub fn unregister(&self, block: &NotifierBlock) -> bool {
        let was_on_it = self.change(|chain| {
            let mut numbers = numbers(chain.list.load());
            let before = numbers.len();
            numbers.retain(|number| *number != block.number);
            if numbers.len() < before {
                chain.list.store(packed(&numbers));
            }
            numbers.len() < before
        });
        match &self.guard {
            Guard::Atomic(_, rcu) => rcu.synchronize(),
            Guard::Srcu(_, srcu) => srcu.synchronize(),
            Guard::Blocking(_) | Guard::Raw => {}
        }
        was_on_it
    }

    /// `blocking_notifier_call_chain`, `atomic_notifier_call_chain`, `raw_notifier_call_chain`,
    /// `srcu_notifier_call_chain`: calls the functions of the chain, and returns the result of the
    /// last.
    #[doc(alias(
        "blocking_notifier_call_chain",
        "atomic_notifier_call_chain",
        "raw_notifier_call_chain",
        "srcu_notifier_call_chain",
    ))]
    #[track_caller]
    pub fn call_chain(&self, event: u64) -> Notify {
        match &self.guard {
            // "We check the head outside the lock, but if this access is racy then it does not
            // matter what the result of the test is" (`blocking_notifier_call_chain`).
            Guard::Blocking(_) if self.list.load() == 0 => Notify::Done,
            Guard::Blocking(sem) => {
                let _held = sem.down_read();
                self.call(event)
            }
            Guard::Atomic(_, rcu) => {
                let _section = rcu.read_lock();
                self.call(event)
            }
            Guard::Raw => self.call(event),
            Guard::Srcu(_, srcu) => {
                let _section = srcu.read_lock();
                self.call(event)
            }
        }
    }

    /// Calls each function, after it has read which one is next (`notifier_call_chain`).
    #[track_caller]
    fn call(&self, event: u64) -> Notify {
        let mut list = numbers(self.list.load());
        let mut next = list.first().copied();
        while let Some(number) = next {
            // A block that was taken off the chain still leads to the one that was behind it.
            let now = numbers(self.list.load());
            if now.contains(&number) {
                list = now;
            }
            next = list.iter().skip_while(|other| **other != number).nth(1).copied();
            if (self.registered(number).function)(event) == Notify::Stop {
                return Notify::Stop;
            }
        }
        Notify::Done
    }

    /// Runs `change` as the only one that changes the chain.
    #[track_caller]
    fn change(&self, change: impl FnOnce(&Self) -> bool) -> bool {
        match &self.guard {
            Guard::Blocking(sem) => {
                let _held = sem.down_write();
                change(self)
            }
            Guard::Atomic(lock, _) => {
                let _held = lock.spin_lock_irqsave();
                change(self)
            }
            Guard::Raw => change(self),
            Guard::Srcu(mutex, _) => {
                let _held = mutex.lock();
                change(self)
            }
        }
    }

    fn registered(&self, number: u64) -> Arc<Block> {
        let blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&blocks[number as usize - 1])
    }
}

fn name(class: Name, part: &str) -> Name {
    Name::from(format!("{class}.{part}"))
}

fn numbers(list: u64) -> Vec<u64> {
    list.to_le_bytes().into_iter().take_while(|byte| *byte > 0).map(u64::from).collect()
}

fn packed(numbers: &[u64]) -> u64 {
    numbers.iter().rev().fold(0, |list, number| list << 8 | number)
}

impl fmt::Debug for NotifierChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifierChain").field("list", &self.list).finish_non_exhaustive()
    }
}

impl fmt::Debug for NotifierBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NotifierBlock").field(&self.number).finish()
    }
}
