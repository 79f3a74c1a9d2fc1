//! A function that a thread of its own runs again and again: a timer's, and that of work.

use std::sync::Arc;

use crate::declare;
use crate::machine::REFUSED;
use crate::object::{Object, Place};
use crate::op::{Op, OpKind};
use crate::runtime;
use crate::thread::spawn;

/// Starts thread `name`, which runs `function` for as long as `object` lets it `begin`.
pub(super) fn spawn_again(
    name: &'static str,
    object: &Arc<Object>,
    at: Place,
    (begin, end): (OpKind, OpKind),
    function: impl Fn() + Send + 'static,
) {
    let object = Arc::clone(object);
    spawn(name, move || {
        // Each time starts from nothing, since the function is one of the world alone.
        declare::forget();
        let start = runtime::history();
        while object.perform(Op::new(begin), at) != REFUSED {
            function();
            object.perform(Op::new(end), at);
            runtime::rewind(start);
        }
    });
}
