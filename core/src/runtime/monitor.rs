//! Objects on hosted threads: those of `std`, loom or shuttle.
//!
//! There an object is a monitor: its state machine behind a mutex of the host, and a condition
//! variable on which threads wait until their operation is ready. A macro generates the code of all
//! three, since it differs only in the types.

/// Generates the module of one host: its monitors and its threads.
macro_rules! monitor {
    ($(#[$doc:meta])* $host:ident, $($root:tt)+) => {
        $(#[$doc])*
        pub(crate) mod $host {
            use std::cell::{Cell, RefCell};
            use std::fmt;
            use std::sync::Arc;
            use std::sync::atomic::{AtomicU32, Ordering};

            use $($root)+::sync::{Condvar, Mutex, MutexGuard};
            use $($root)+::thread;

            use super::Task;
            use super::host::Host;
            use crate::machine::{Machine, REFUSED, Ready};
            use crate::runtime::object::Object;
            use crate::op::Place;
            use crate::op::{ObjectId, Op, ThreadId};

            $($root)+::thread_local! {
                static ME: Cell<Option<ThreadId>> = Cell::new(None);
            }

            $($root)+::thread_local! {
                static TASK: RefCell<Option<Arc<dyn Task>>> = RefCell::new(None);
            }

            /// Makes the calling thread a task.
            pub(crate) fn set_task(task: Arc<dyn Task>) {
                TASK.with(|own| *own.borrow_mut() = Some(task));
            }

            /// Returns the calling thread, if it is a task.
            pub(crate) fn task() -> Option<Arc<dyn Task>> {
                TASK.with(|own| own.borrow().clone())
            }

            /// Returns a unique number for a thread or an object that no engine knows.
            fn unnumbered() -> ThreadId {
                static NEXT: AtomicU32 = AtomicU32::new(0);
                ThreadId::new(NEXT.fetch_add(1, Ordering::Relaxed) as usize)
            }

            /// Returns the calling thread.
            pub(crate) fn me() -> ThreadId {
                ME.with(|me| {
                    let id = me.get().unwrap_or_else(unnumbered);
                    me.set(Some(id));
                    id
                })
            }

            /// Sets the number of the calling thread.
            pub(crate) fn set_me(id: ThreadId) {
                ME.with(|me| me.set(Some(id)));
            }

            /// Creates a thread of the host, to be run by [`hosted`].
            pub(crate) fn new_thread(name: Arc<str>, host: Option<&Host>) -> ThreadId {
                host.map_or_else(unnumbered, |host| host.add_thread(name))
            }

            /// Runs a thread of the host: `body`, and then the effects of its end.
            pub(crate) fn hosted(
                thread: ThreadId,
                end: Option<Arc<Object>>,
                host: Option<Arc<Host>>,
                body: impl FnOnce() + Send + 'static,
            ) -> impl FnOnce() + Send + 'static {
                move || {
                    set_me(thread);
                    match &host {
                        Some(host) => host.run_thread(thread, body),
                        None => body(),
                    }
                    if let Some(end) = end {
                        end.set(1);
                    }
                    if let Some(host) = host {
                        if let Some(finally) = host.thread_ended() {
                            set_me(ThreadId::SETUP);
                            host.final_check(finally);
                        }
                    }
                }
            }

            /// A state machine whose operations the host's threads wait for.
            pub(crate) struct Monitor {
                id: ObjectId,
                state: Mutex<State>,
                changed: Condvar,
                host: Option<Arc<Host>>,
            }

            struct State {
                machine: Box<dyn Machine>,
                waiting: usize,
                /// The threads that idle here.
                idle: Vec<(ThreadId, Op)>,
            }

            impl Monitor {
                pub(crate) fn new(
                    class: &'static str,
                    memory: Option<ObjectId>,
                    machine: Box<dyn Machine>,
                    host: Option<Arc<Host>>,
                ) -> Self {
                    let id = match &host {
                        Some(host) => host.add_object(class, memory, &*machine),
                        None => ObjectId::new(unnumbered().index()),
                    };
                    let state = Mutex::new(State { machine, waiting: 0, idle: Vec::new() });
                    Self { id, state, changed: Condvar::new(), host }
                }

                pub(crate) fn id(&self) -> ObjectId {
                    self.id
                }

                pub(crate) fn perform_then<R>(
                    &self,
                    op: Op,
                    at: Place,
                    then: impl FnOnce() -> R,
                ) -> (u64, R) {
                    assert!(
                        self.host.is_some() || !super::engine_in_charge(),
                        "{}",
                        super::OUTSIDE
                    );
                    let me = me();
                    // Announced before the host sees the thread at its mutex, where it may run
                    // other threads first. The scheduler then knows the pending operation.
                    if let Some(host) = &self.host {
                        host.announce(me, self.id, op, at);
                    }
                    let mut state = self.state.lock().unwrap();
                    // A signal or a spurious wake-up that arrives during the wait has no other
                    // effect than one that arrives at once, since the wait changes nothing.
                    let mut ready = self.ready(&state, me, op);
                    let mut answer = self.answer(me, op, ready);
                    let optional = answer >= ready.guaranteed.max(1);
                    let alone = self.host.is_some() && me == ThreadId::SETUP;
                    assert!(!alone || ready.guaranteed > 0, "{} {}", op.kind, super::ALONE);
                    if ready.guaranteed == 0 && !optional {
                        while ready.guaranteed == 0 {
                            let idles = state.machine.idles(op);
                            if let Some(host) = self.host.as_ref().filter(|_| idles) {
                                match self.idle(host, me, op, state) {
                                    Some(again) => state = again,
                                    None => return (REFUSED, then()),
                                }
                            } else {
                                state.waiting += 1;
                                state = self.changed.wait(state).unwrap();
                                state.waiting -= 1;
                            }
                            ready = state.machine.ready(me, op);
                        }
                        answer = self.answer(me, op, Ready { optional: 0, ..ready });
                    }
                    let shift = u8::from(optional && ready.guaranteed == 0);
                    let outcome = answer - shift;
                    let result = state.machine.apply(me, op, outcome);
                    if let (Some(host), Ok(reply)) = (&self.host, result) {
                        host.complete(me, self.id, outcome, reply, &*state.machine);
                    }
                    let then = result.is_ok().then(then);
                    self.has_changed(&mut state);
                    drop(state);
                    match (result, &self.host) {
                        (Ok(reply), _) => (reply, then.expect("done after every reply")),
                        (Err(fault), Some(host)) => host.fault(me, outcome, fault),
                        (Err(fault), None) => panic!("{}: {fault:?}", op.kind),
                    }
                }

                /// Returns the possible outcomes of `op`. Without a host, which knows when the
                /// world ends, an idle thread ends at once.
                fn ready(&self, state: &State, me: ThreadId, op: Op) -> Ready {
                    match state.machine.ready(me, op) {
                        _ if self.host.is_none() && state.machine.idles(op) => Ready::YES,
                        ready => ready,
                    }
                }

                /// Waits until thread `me`, which is at `op`, has something to do. Returns `None`
                /// if the world ends before. A wake-up is not a step in loom, so that costs hardly
                /// any executions.
                fn idle<'a>(
                    &'a self,
                    host: &Host,
                    me: ThreadId,
                    op: Op,
                    mut state: MutexGuard<'a, State>,
                ) -> Option<MutexGuard<'a, State>> {
                    state.idle.push((me, op));
                    let thread = thread::current();
                    host.begins_to_idle(me, Box::new(move || thread.unpark()));
                    drop(state);
                    host.end_idle_threads();
                    while host.parks(me) {
                        thread::park();
                    }
                    (!host.is_over()).then(|| self.state.lock().unwrap())
                }

                /// Makes the waiting threads check again, after a change.
                fn has_changed(&self, state: &mut State) {
                    let State { machine, idle, .. } = state;
                    if let Some(host) = &self.host {
                        idle.retain(|(thread, op)| {
                            let idles = machine.idles(*op);
                            if !idles {
                                host.resumes(*thread);
                            }
                            idles
                        });
                    }
                    if state.waiting > 0 {
                        self.changed.notify_all();
                    }
                }

                /// Returns the outcome of `op`, where it has several.
                fn answer(&self, me: ThreadId, op: Op, ready: Ready) -> u8 {
                    let several = ready.guaranteed.max(1) + ready.optional > 1;
                    match &self.host {
                        _ if !several || me == ThreadId::SETUP => 0,
                        Some(host) => host.ask(me, op, ready),
                        None if ready.guaranteed > 1 => super::draw(ready.guaranteed),
                        None => 0,
                    }
                }

                pub(crate) fn set(&self, value: u64) {
                    let mut state = self.state.lock().unwrap();
                    let set = state.machine.set(value);
                    set.expect("only a memory of the native engine refuses a value");
                    if let Some(host) = &self.host {
                        host.changed(self.id, &*state.machine);
                    }
                    self.has_changed(&mut state);
                }

                pub(crate) fn free(&self) {
                    let mut state = self.state.lock().unwrap();
                    let freed = state.machine.memory_freed();
                    if let Some(host) = &self.host {
                        host.freed(self.id, &*state.machine);
                    }
                    self.has_changed(&mut state);
                    drop(state);
                    match (freed, &self.host) {
                        (Ok(()), _) => {}
                        (Err(_), Some(host)) => host.freed_while_held(me(), self.id),
                        (Err(fault), None) => panic!("{fault:?}"),
                    }
                }

                pub(crate) fn used(&self, at: Place) {
                    if let Some(host) = &self.host {
                        host.used(at);
                    }
                }

                pub(crate) fn promise(&self, made: bool, at: Place) {
                    if let Some(host) = &self.host {
                        host.promise(me(), self.id, made, at);
                    }
                }
            }

            impl fmt::Debug for Monitor {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Debug::fmt(&self.id, f)
                }
            }
        }
    };
}
