//! The objects of a world, by the kinds of the text.

use selvedge_core::sync::{
    Atomic, Choice, Completion, Irq, Kref, Kthread, ModuleRef, Mutex, Plain, Rcu, RwLock, RwSem,
    Semaphore, SpinLock, Srcu, Tasklet, Timer, Tracked, WaitQueue, Work, Workqueue,
};

macro_rules! objects {
    ($($kind:ident($type:ty), $of:ident;)*) => {
        /// An object of a world.
        #[derive(Debug)]
        pub(crate) enum Object {
            $($kind($type),)*
        }

        impl Object {
            $(
                #[doc = concat!("Returns it as what `", stringify!($kind), "` stands for.")]
                pub(crate) fn $of(&self) -> &$type {
                    match self {
                        Self::$kind(object) => object,
                        other => unreachable!("{other:?} is of another kind"),
                    }
                }
            )*
        }
    };
}

objects! {
    Mutex(Mutex), mutex;
    SpinLock(SpinLock), spinlock;
    RwLock(RwLock), rwlock;
    RwSem(RwSem), rwsem;
    Semaphore(Semaphore), semaphore;
    Rcu(Rcu), rcu;
    Srcu(Srcu), srcu;
    Completion(Completion), completion;
    WaitQueue(WaitQueue), waitqueue;
    Int(Atomic<i64>), int;
    Plain(Plain<i64>), plain;
    Memory(Tracked), memory;
    Pointer(Pointer), pointer;
    Kref(Kref), kref;
    Module(ModuleRef), module;
    Workqueue(Workqueue), workqueue;
    Work(Work), work;
    Timer(Timer), timer;
    Irq(Irq), irq;
    Tasklet(Tasklet), tasklet;
    Kthread(Kthread), kthread;
    Choice(Choice), choice;
}

/// The number of times that a pointer can be given new memory in one execution.
const ALLOCATIONS: usize = 4;

/// A variable that is NULL or points to memory.
#[derive(Debug)]
pub(crate) struct Pointer {
    /// The number of the memory that it points to, from 1, or 0.
    pub(crate) value: Atomic<i64>,
    allocated: Atomic<i64>,
    memory: Vec<Tracked>,
}

impl Pointer {
    pub(crate) fn new(name: &str, allocated: bool) -> Self {
        let allocated = i64::from(allocated);
        let value = Atomic::new(name.to_owned(), allocated);
        let memory = (0..ALLOCATIONS).map(|_| Tracked::new(name.to_owned(), ())).collect();
        let allocated = Atomic::new(format!("{name} (allocations)"), allocated);
        Self { value, allocated, memory }
    }

    /// `x = kzalloc(..)`.
    pub(crate) fn allocate(&self) {
        let number = self.allocated.fetch_add(1) + 1;
        let most = ALLOCATIONS;
        assert!(number <= most as i64, "more than {most} allocations for one pointer");
        self.value.store(number);
    }

    /// Returns the memory that it points to.
    pub(crate) fn memory(&self) -> Option<&Tracked> {
        let number = self.value.load();
        usize::try_from(number - 1).ok().and_then(|index| self.memory.get(index))
    }

    /// Releases what was never allocated, so that only a leak is one.
    pub(crate) fn release_rest(&self) {
        let allocated = usize::try_from(self.allocated.load()).unwrap_or(0);
        self.memory.iter().skip(allocated).for_each(Tracked::release);
    }
}
