//! A function that a dedicated thread runs repeatedly: the function of a timer or of a work.
//!
//! Between two runs the thread idles ([`Machine::idles`](crate::machine::Machine::idles)) in the
//! local state that it had before the first. A function that runs for ever therefore has finitely
//! many states, and each timer and each work has one thread. Outside of an engine the end of the
//! world is unknown. There the thread ends where it would idle, and another is started when there
//! is something to run.

use crate::declare;
use crate::machine::REFUSED;
use crate::runtime;

/// A report of such a thread about its function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The function is about to run, unless that is refused.
    Begins,
    /// The function has run.
    Returns,
}

/// Starts a thread, named after the object, which runs `function` whenever it may begin. `number`
/// distinguishes it from every other such thread of the world.
pub(super) fn spawn_again(
    name: &'static str,
    number: u64,
    report: impl Fn(Stage) -> u64 + Send + 'static,
    function: impl Fn() + Send + 'static,
) {
    let body = move || {
        // Each run starts without observations, since the function depends on the world alone. But
        // the thread knows the object's number, which may be another object's in another
        // interleaving.
        declare::begin_anew();
        runtime::observed(number);
        let start = runtime::round();
        while report(Stage::Begins) != REFUSED {
            function();
            report(Stage::Returns);
            runtime::come_round(start);
        }
    };
    runtime::spawn_unjoined(name, Box::new(body));
}
