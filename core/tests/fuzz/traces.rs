//! The number of Mazurkiewicz traces of a program, by brute force.
//!
//! Every prefix of every trace is created once: it is extended by everything that can happen after
//! it, and two ways to the same prefix are recognised by their happens-before relation. The
//! dependence of operations is specified a second time here. That the others commute is tested, in
//! every state that is reached.

use std::collections::HashSet;

use super::program::{Instr, Program};
use super::reference::{Held, Phase, State, Way};

/// Returns the number of traces of a program whose instructions are all [`is_event`], outside of
/// memory, if there are no more prefixes than `prefixes`. A thread wakes spuriously at most once.
pub(crate) fn count(program: &Program, prefixes: usize) -> Option<u64> {
    if program.in_memory || program.threads.iter().flatten().any(|step| !is_event(step.instr)) {
        return None;
    }
    let mut traces = 0;
    let mut seen = HashSet::new();
    let mut to_do = vec![Prefix { states: vec![State::new(program)], events: Vec::new() }];
    while let Some(prefix) = to_do.pop() {
        if seen.len() > prefixes {
            return None;
        }
        let moves = prefix.moves(program);
        traces += u64::from(moves.is_empty());
        for (n, one) in moves.iter().enumerate() {
            for other in &moves[n + 1..] {
                assert_commute(program, one, other);
            }
        }
        for (event, state) in moves {
            let longer = prefix.with(event, state);
            if seen.insert(longer.canonical()) {
                to_do.push(longer);
            }
        }
    }
    Some(traces)
}

/// A prefix of an execution.
#[derive(Clone)]
struct Prefix {
    /// The states before each event, and the present one.
    states: Vec<State>,
    events: Vec<Event>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Event {
    thread: usize,
    object: Object,
    access: Access,
    way: Way,
    /// Whether threads were started.
    starts: bool,
    /// The number of events of each thread that happened before.
    before: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Object {
    Mutex(usize),
    Spin(usize),
    Sem(usize),
    Atomic(usize),
    Queue(usize),
    Completion(usize),
    Condvar(usize),
    Slots(usize),
    Choice,
    Kref(usize),
    Tracked(usize),
    Module(usize),
    Cpus,
    Thread(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Access {
    Reads,
    Writes,
    /// Follows what made it possible, and commutes with all the rest.
    Follows,
}

impl Prefix {
    /// Returns all that can happen, with the states after it.
    fn moves(&self, program: &Program) -> Vec<(Event, State)> {
        let state = self.now();
        let moves = state
            .outcomes(program)
            .into_iter()
            .map(|(me, way, after)| (event(program, state, &after, me, way), after));
        moves.filter(|(event, _)| !self.wakes_again(event)).collect()
    }

    fn now(&self) -> &State {
        self.states.last().expect("the first")
    }

    fn wakes_again(&self, event: &Event) -> bool {
        let sleeps = |e: &Event| matches!(e.object, Object::Queue(_) | Object::Condvar(_));
        let spurious = |e: &Event| !e.way.is_guaranteed() && sleeps(e);
        let before = |e: &Event| spurious(e) && e.thread == event.thread;
        spurious(event) && self.events.iter().any(before)
    }

    fn with(&self, mut event: Event, state: State) -> Self {
        let threads = state.threads.len();
        let mut before = vec![0; threads];
        for (n, earlier) in self.events.iter().enumerate() {
            if dependent(earlier, &event) || self.follows(n, &event) {
                let count =
                    |thread| self.events[..=n].iter().filter(|e| e.thread == thread).count();
                for (thread, known) in before.iter_mut().enumerate() {
                    let theirs = if thread == earlier.thread { count(thread) } else { 0 };
                    *known = theirs.max(*known).max(earlier.before[thread]);
                }
            }
        }
        event.before = before;
        let mut longer = self.clone();
        longer.events.push(event);
        longer.states.push(state);
        longer
    }

    /// Returns whether the n-th event made `event`, which happens now, possible.
    fn follows(&self, n: usize, event: &Event) -> bool {
        let (earlier, after) = (&self.events[n], &self.states[n + 1]);
        let started = |thread| {
            let known = |state: &State| state.started.contains(&thread);
            known(after) && !known(&self.states[n])
        };
        if started(event.thread) {
            return true;
        }
        match event.object {
            Object::Thread(joined) => earlier.thread == joined || started(joined),
            Object::Sem(sem) if event.access == Access::Follows => {
                // Granted, since the last release for which it had to wait.
                let granted = |state: &State| state.sems[sem].granted(event.thread);
                granted(after) == Some(true) && granted(&self.states[n]) == Some(false)
            }
            // Taken off the list by `up`.
            Object::Slots(slots) if event.access == Access::Follows => {
                let up = |state: &State| state.slots[slots].is_up(event.thread);
                up(after) && !up(&self.states[n])
            }
            _ => false,
        }
    }

    /// Returns the same for two prefixes that differ only in the order of commuting events.
    fn canonical(&self) -> Vec<Event> {
        let mut events = self.events.clone();
        events.sort_by_key(|event| event.thread);
        events
    }
}

fn dependent(one: &Event, other: &Event) -> bool {
    let meet = one.object == other.object
        && !matches!(
            (one.access, other.access),
            (Access::Reads, Access::Reads) | (Access::Follows, _) | (_, Access::Follows)
        );
    let optional = |event: &Event| !event.way.is_guaranteed();
    let both_start = one.starts && other.starts;
    one.thread == other.thread || meet || optional(one) || optional(other) || both_start
}

fn assert_commute(program: &Program, one: &(Event, State), other: &(Event, State)) {
    if dependent(&one.0, &other.0) {
        return;
    }
    let both = |(_, state): &(Event, State), event: &Event| {
        state.advanced(program, event.thread, event.way)
    };
    let (this, that) = (both(one, &other.0), both(other, &one.0));
    assert!(this.is_some() && this == that, "{:?} and {:?} in{program}", one.0, other.0);
}

/// Returns what thread `me` does between two states.
fn event(program: &Program, before: &State, after: &State, me: usize, way: Way) -> Event {
    use Access::{Follows, Reads, Writes};
    let instr = before.next(program, me).expect("a thread that can go on has not ended");
    let thread = &before.threads[me];
    let if_got = |got| if got { Writes } else { Reads };
    let last_entry = if_got(after.threads[me].log.get(thread.log.len()) == Some(&1));
    let down = if thread.phase == Phase::Queued { Follows } else { Writes };
    let completes = |c: usize| {
        let takes = before.completions[c].is_some_and(|times| times > 0);
        (Object::Completion(c), if_got(takes))
    };
    let whatever_the_state = accesses(instr);
    let (object, access) = match (instr, thread.phase) {
        _ if whatever_the_state.is_some() => whatever_the_state.expect("it is one"),
        (Instr::Lock(m) | Instr::RawLock(m) | Instr::LockInterruptible(m), _) => {
            (Object::Mutex(m), Writes)
        }
        (Instr::LockNested(m) | Instr::RawUnlock(m), _) => (Object::Mutex(m), Writes),
        (Instr::TryLock(m) | Instr::RawTryLock(m), _) => (Object::Mutex(m), last_entry),
        (Instr::Spin(p), _) => (Object::Spin(p), Writes),
        (Instr::TrySpin(p), _) => (Object::Spin(p), last_entry),
        (Instr::Release(n), _) => match thread.held[n % thread.held.len()] {
            Held::Mutex(m) | Held::Raw(m) => (Object::Mutex(m), Writes),
            Held::Read(s) | Held::Write(s) => (Object::Sem(s), Writes),
            Held::RawRead(s) | Held::RawWrite(s) => (Object::Sem(s), Writes),
            Held::Spin(p) => (Object::Spin(p), Writes),
            other => unreachable!("{other:?} is not counted"),
        },
        (Instr::DownRead(s) | Instr::DownWrite(s), _) => (Object::Sem(s), down),
        (Instr::RawDownRead(s) | Instr::RawDownWrite(s), _) => (Object::Sem(s), down),
        (instr, _) if changes_sem(instr).is_some() => {
            let (s, tries) = changes_sem(instr).expect("it is one");
            (Object::Sem(s), if tries { last_entry } else { Writes })
        }
        (Instr::Load(a), _) => (Object::Atomic(a), Reads),
        (Instr::FetchAdd(a, _) | Instr::Swap(a, _), _) => (Object::Atomic(a), Writes),
        (Instr::CompareExchange(a, current, _), _) => {
            (Object::Atomic(a), if_got(before.atomics[a] == current))
        }
        (Instr::Store(a, _) | Instr::StoreLast(a), _) => (Object::Atomic(a), Writes),
        (Instr::Schedule(q), _) => (Object::Queue(q), Reads),
        // Only one that times out may have slept until then.
        (Instr::ScheduleTimeout(q), _) => {
            (Object::Queue(q), if last_entry == Writes { Reads } else { Writes })
        }
        (Instr::Join(child), _) => (Object::Thread(child), Follows),
        (Instr::Complete(c) | Instr::CompleteAll(c) | Instr::Reinit(c), _) => {
            (Object::Completion(c), Writes)
        }
        (Instr::CompletionDone(c), _) => (Object::Completion(c), Reads),
        (Instr::WaitForCompletion(c) | Instr::TryWaitForCompletion(c), _) => completes(c),
        (Instr::WaitForCompletionTimeout(c), _) => completes(c),
        (Instr::WaitForCompletionInterruptible(c), _) => {
            let takes = way.is_guaranteed() && before.completions[c].is_some();
            (Object::Completion(c), if_got(takes))
        }
        (Instr::Down(n), _) => (Object::Slots(n), down),
        (Instr::DownInterruptible(n) | Instr::DownTimeout(n) | Instr::Up(n), _) => {
            (Object::Slots(n), Writes)
        }
        (Instr::DownTrylock(n), _) => (Object::Slots(n), if_got(before.slots[n].has_one())),
        (Instr::Choose(_), _) => (Object::Choice, Reads),
        (Instr::CondvarWait(v) | Instr::CondvarWaitTimeout(v), _) => condvar_wait(before, me, v),
        (Instr::NotifyOne(v) | Instr::NotifyAll(v), _) => (Object::Condvar(v), Writes),
        (Instr::ThisCpu, _) => (Object::Cpus, Writes),
        (instr, _) => unreachable!("{instr:?} is not an event"),
    };
    let starts = after.started.len() > before.started.len();
    Event { thread: me, object, access, way, starts, before: Vec::new() }
}

/// Returns what an instruction accesses, if that does not depend on the state.
fn accesses(instr: Instr) -> Option<(Object, Access)> {
    use Access::{Reads, Writes};
    Some(match instr {
        Instr::Prepare(q) | Instr::PrepareExclusive(q) => (Object::Queue(q), Writes),
        Instr::Finish(q) | Instr::WakeUp(q) => (Object::Queue(q), Writes),
        Instr::WakeUpNr(q, _) | Instr::WakeUpAll(q) => (Object::Queue(q), Writes),
        Instr::Active(q) => (Object::Queue(q), Reads),
        Instr::KrefGet(k) | Instr::KrefGetUnlessZero(k) | Instr::KrefPut(k) => {
            (Object::Kref(k), Writes)
        }
        Instr::KrefRead(k) => (Object::Kref(k), Reads),
        Instr::Use(x) => (Object::Tracked(x), Reads),
        Instr::Free(x) => (Object::Tracked(x), Writes),
        Instr::ModuleCall(m) => (Object::Module(m), Reads),
        Instr::ModuleGet(m) | Instr::ModulePut(m) => (Object::Module(m), Writes),
        Instr::ModuleDelete(m) | Instr::ModuleFree(m) => (Object::Module(m), Writes),
        _ => return None,
    })
}

/// Returns the semaphore that an instruction takes or releases without a wait, and whether it
/// tries.
fn changes_sem(instr: Instr) -> Option<(usize, bool)> {
    use Instr::{
        RawTryDownRead, RawTryDownWrite, RawUpRead, RawUpWrite, TryDownRead, TryDownWrite,
    };
    match instr {
        TryDownRead(s) | TryDownWrite(s) | RawTryDownRead(s) | RawTryDownWrite(s) => {
            Some((s, true))
        }
        RawUpRead(s) | RawUpWrite(s) => Some((s, false)),
        _ => None,
    }
}

/// Returns what the next step of a wait of thread `me` on condvar `v` accesses.
fn condvar_wait(before: &State, me: usize, v: usize) -> (Object, Access) {
    let thread = &before.threads[me];
    match thread.phase {
        Phase::Begin => (Object::Condvar(v), Access::Writes),
        Phase::Unlock(_) => {
            (Object::Mutex(before.last_mutex(me).expect("it has a mutex")), Access::Writes)
        }
        Phase::Relock => {
            let mutex = thread.unlocked_mutex.expect("it has unlocked a mutex");
            (Object::Mutex(mutex), Access::Writes)
        }
        // A thread that has been woken is not blocked any more.
        _ if before.condvars[v].blocks(me) => (Object::Condvar(v), Access::Writes),
        _ => (Object::Condvar(v), Access::Reads),
    }
}

/// Returns whether the dependence of `instr` is specified here. A thread that evaluates a condition
/// again wakes spuriously here whenever it can, but in the library only where that has an effect.
fn is_event(instr: Instr) -> bool {
    use Instr::*;
    let is = matches!(
        instr,
        Lock(_)
            | RawLock(_)
            | LockInterruptible(_)
            | TryLock(_)
            | RawTryLock(_)
            | LockNested(_)
            | Spin(_)
            | TrySpin(_)
            | DownRead(_)
            | DownWrite(_)
            | RawDownRead(_)
            | RawDownWrite(_)
            | RawUnlock(_)
            | Release(_)
            | Look
            | Add(_)
            | Load(_)
            | FetchAdd(..)
            | Swap(..)
            | CompareExchange(..)
            | Store(..)
            | StoreLast(_)
            | Prepare(_)
            | Schedule(_)
            | ScheduleTimeout(_)
            | Finish(_)
            | PrepareExclusive(_)
            | WakeUp(_)
            | WakeUpNr(..)
            | Active(_)
            | Reinit(_)
            | CompletionDone(_)
            | WaitForCompletionTimeout(_)
            | WaitForCompletionInterruptible(_)
            | Down(_)
            | DownInterruptible(_)
            | DownTimeout(_)
            | DownTrylock(_)
            | Up(_)
            | Choose(_)
            | CondvarWait(_)
            | CondvarWaitTimeout(_)
            | NotifyOne(_)
            | NotifyAll(_)
            | WakeUpAll(_)
            | Complete(_)
            | CompleteAll(_)
            | WaitForCompletion(_)
            | TryWaitForCompletion(_)
            | KrefGet(_)
            | KrefGetUnlessZero(_)
            | KrefPut(_)
            | KrefRead(_)
            | Use(_)
            | Free(_)
            | ModuleGet(_)
            | ModulePut(_)
            | ModuleDelete(_)
            | ModuleFree(_)
            | ModuleCall(_)
            | MightSleep
            | Spawn(_)
            | Join(_)
    );
    is || instr == ThisCpu || changes_sem(instr).is_some()
}
