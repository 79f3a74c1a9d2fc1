//! A function that a thread of its own runs again and again: a timer's, and that of work.
//!
//! Between two runs the thread idles ([`Machine::idles`](crate::machine::Machine::idles)), so it is
//! where it was before the first: what runs for ever has finitely many states, and there is one thread
//! of each timer and each work. Outside of an engine it cannot be known when the world ends; there the
//! thread ends where it would idle, and another is started when there is something to run.

use crate::declare;
use crate::machine::REFUSED;
use crate::runtime;

/// What such a thread says of its function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is about to run, unless that is refused.
    Begins,
    /// It has run.
    Returns,
}

/// Starts a thread, named after the object that is numbered `number`, which runs `function` whenever
/// it may begin.
pub(super) fn spawn_again(
    name: &'static str,
    number: u64,
    turn: impl Fn(Turn) -> u64 + Send + 'static,
    function: impl Fn() + Send + 'static,
) {
    let body = move || {
        // Each time starts from nothing, since the function is one of the world alone. But the
        // thread knows whose function it is: in another ordering its number may be another's.
        declare::begin_anew();
        runtime::observed(number);
        let start = runtime::round();
        while turn(Turn::Begins) != REFUSED {
            function();
            turn(Turn::Returns);
            runtime::come_round(start);
        }
    };
    runtime::spawn_unjoined(name, Box::new(body));
}
