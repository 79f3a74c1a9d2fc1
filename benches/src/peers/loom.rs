//! loom as its users use it in a test: `loom::sync::Mutex`, and threads that are spawned and
//! joined.
//!
//! Selvedge also has loom as an engine, but with its own objects, which cost loom more executions
//! than its own mutex does. This is the fair comparison.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use loom::sync::{Mutex, MutexGuard};
use selvedge_models::programs::{Program, Step};

/// The maximum number of threads of loom, including the main thread.
pub const THREADS_MAX: usize = 5;

/// The number of executions between two checks of the time.
const LOOK_EVERY: usize = 100;

/// The progress of loom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Explored {
    /// The number of executions.
    pub executions: u64,
    /// Whether these are all executions.
    pub complete: bool,
}

/// Explores `program` for about `limit`. It must have at most [`THREADS_MAX`] threads and no
/// deadlock, at which loom panics.
pub fn explore(program: &Program, limit: Duration) -> Explored {
    let threads: Vec<Arc<[Step]>> = program.threads().into_iter().map(Arc::from).collect();
    let locks = program.locks();
    let executions = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 100_000;
    builder.max_duration = Some(limit);
    builder.checkpoint_interval = LOOK_EVERY;
    let started = Instant::now();
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        // This is the `Arc` of the standard library, since that of loom would add interleavings.
        let locks: Arc<[Mutex<()>]> = (0..locks).map(|_| Mutex::new(())).collect();
        let (first, others) = threads.split_first().expect("a program has at least one thread");
        let others = others.iter().map(|steps| {
            let (steps, locks) = (Arc::clone(steps), Arc::clone(&locks));
            loom::thread::spawn(move || run(&steps, &locks))
        });
        let others: Vec<_> = others.collect();
        run(first, &locks);
        for thread in others {
            thread.join().expect("the thread must not panic");
        }
    });
    // loom returns without an error when its time is over.
    let complete = started.elapsed() < limit;
    Explored { executions: executions.load(Ordering::Relaxed), complete }
}

fn run(steps: &[Step], locks: &[Mutex<()>]) {
    let mut guards: Vec<(usize, MutexGuard<'_, ()>)> = Vec::new();
    for step in steps {
        match *step {
            Step::Lock(lock) => guards.push((lock, locks[lock].lock().expect("no thread panics"))),
            Step::Unlock(lock) => guards.retain(|(held, _)| *held != lock),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_or_says_that_it_did_not() {
        let explore = |name, limit| explore(Program::named(name).unwrap(), limit);
        assert!(explore("abab", Duration::from_secs(60)).complete);
        let cut = explore("vfio4", Duration::from_millis(50));
        assert!(!cut.complete && cut.executions > 0);
    }
}
