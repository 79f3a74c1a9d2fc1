//! The world of a scenario: its objects, made anew for each execution.

use std::sync::Arc;

use selvedge_core::sync::{
    Atomic, Choice, Completion, Irq, Kref, Kthread, ModuleRef, Mutex, Plain, Rcu, RwLock, RwSem,
    Semaphore, SpinLock, Srcu, Tasklet, Timer, Tracked, WaitQueue, Work, Workqueue,
};
use selvedge_core::{in_world, source_line};

use super::kind::Kind;
use super::object::{Object, Pointer};
use super::program::{Class, Program};
use super::run;

/// The world of a scenario.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) program: Arc<Program>,
    objects: Vec<Option<Arc<Object>>>,
}

impl World {
    pub(crate) fn new(program: &Arc<Program>) -> Self {
        let count = program.classes.iter().map(|class| class.count).sum();
        let mut world = Self { program: Arc::clone(program), objects: vec![None; count] };
        // A work is made by its queue.
        let queues = |class: &Class| matches!(class.kind, Kind::Workqueue | Kind::OrderedWorkqueue);
        for first in [true, false] {
            let made = |class: &&Class| queues(class) == first && is_made(class);
            for class in program.classes.iter().filter(made) {
                world.make(class);
            }
        }
        world
    }

    /// Returns an object by its number.
    pub(crate) fn object(&self, number: usize) -> &Object {
        self.objects[number].as_ref().expect("each class is made with the world")
    }

    /// Makes the objects of a class that no other has made.
    fn make(&mut self, class: &Class) {
        let _line = source_line(self.program.file, class.line);
        if class.kind == Kind::Memory && self.objects[class.first].is_none() {
            return self.make_memory(class);
        }
        for number in class.first..class.first + class.count {
            if self.objects[number].is_none() {
                self.objects[number] = Some(Arc::new(self.made(class)));
            }
        }
    }

    /// Makes memory with the objects that live in it.
    fn make_memory(&mut self, class: &Class) {
        let program = Arc::clone(&self.program);
        let residents =
            || class.residents.iter().for_each(|class| self.make(&program.classes[*class]));
        let first = Tracked::with(class.name.clone(), residents);
        self.objects[class.first] = Some(Arc::new(Object::Memory(first)));
        for number in class.first + 1..class.first + class.count {
            let memory = Tracked::new(class.name.clone(), ());
            self.objects[number] = Some(Arc::new(Object::Memory(memory)));
        }
    }

    fn made(&self, class: &Class) -> Object {
        let name = class.name.clone();
        let value = class.value.unwrap_or(0);
        let at_least_one = usize::try_from(class.value.unwrap_or(1)).unwrap_or(1).max(1);
        match class.kind {
            Kind::Mutex => Object::Mutex(Mutex::new(name, ())),
            Kind::SpinLock => Object::SpinLock(SpinLock::new(name, ())),
            Kind::RawSpinLock => Object::SpinLock(SpinLock::raw(name, ())),
            Kind::RwLock => Object::RwLock(RwLock::new(name, ())),
            Kind::RwSem => Object::RwSem(RwSem::new(name, ())),
            Kind::Semaphore => Object::Semaphore(Semaphore::new(name, at_least_one as u64)),
            Kind::Rcu => Object::Rcu(Rcu::new()),
            Kind::Srcu => Object::Srcu(Srcu::new(name)),
            Kind::Completion => Object::Completion(Completion::new(name)),
            Kind::WaitQueue => Object::WaitQueue(WaitQueue::new(name)),
            Kind::Int => Object::Int(Atomic::new(name, value)),
            Kind::Plain => Object::Plain(Plain::new(name, value)),
            Kind::Memory => Object::Memory(Tracked::new(name, ())),
            Kind::Pointer => Object::Pointer(Pointer::new(&name, value != 0)),
            Kind::Kref => {
                let kref = Kref::new(name);
                (1..at_least_one).for_each(|_| kref.get());
                Object::Kref(kref)
            }
            Kind::Module => Object::Module(ModuleRef::new(name)),
            Kind::Workqueue => {
                let active = class.value.and_then(|value| usize::try_from(value).ok());
                Object::Workqueue(Workqueue::new(name, active.unwrap_or(256).max(1)))
            }
            Kind::OrderedWorkqueue => Object::Workqueue(Workqueue::ordered(name)),
            Kind::Choice => Object::Choice(Choice::new(name)),
            _ => self.running(class),
        }
    }

    /// Makes an object that runs a function of the text.
    fn running(&self, class: &Class) -> Object {
        let name = class.name.clone();
        let body = class.body.expect("the kind has a function");
        let function = move |world: &Self| run::body(world, body, 0);
        match class.kind {
            Kind::Work => Object::Work(match class.on {
                Some(queue) => {
                    let queue = self.object(self.program.classes[queue].first).workqueue();
                    queue.init_work(name, in_world(function))
                }
                None => Work::new(name, in_world(function)),
            }),
            Kind::Timer => Object::Timer(Timer::new(name, in_world(function))),
            Kind::Hrtimer => Object::Timer(Timer::hrtimer(name, in_world(function))),
            Kind::HardHrtimer => Object::Timer(Timer::hrtimer_hard(name, in_world(function))),
            Kind::Irq => Object::Irq(Irq::request_irq(name, in_world(function))),
            Kind::HardIrq => Object::Irq(Irq::request_irq_no_thread(name, in_world(function))),
            Kind::ThreadedIrq => Object::Irq(Irq::request_threaded_irq(name, in_world(function))),
            Kind::Tasklet => Object::Tasklet(Tasklet::new(name, in_world(function))),
            Kind::Kthread => Object::Kthread(Kthread::new(name, in_world(function))),
            other => unreachable!("{other:?} runs nothing"),
        }
    }

    /// Releases what no call of the text releases, so that it is no leak.
    pub(crate) fn release_rest(&self) {
        for class in self.program.classes.iter().filter(|class| is_made(class)) {
            for number in class.first..class.first + class.count {
                match self.object(number) {
                    Object::Memory(memory) if !class.is_released => memory.release(),
                    Object::Pointer(pointer) => pointer.release_rest(),
                    Object::Kref(kref) if !class.is_released => while !kref.put() {},
                    _ => {}
                }
            }
        }
    }
}

/// Returns whether the world has the objects of a class. Without functions of RCU, there is no
/// domain: its callbacks would be steps of each execution.
fn is_made(class: &Class) -> bool {
    class.kind != Kind::Rcu || class.is_used
}
