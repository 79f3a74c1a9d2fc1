//! Reports the thread of a scenario that has overflowed its stack.
//!
//! A fiber's stack ends in an inaccessible page. An access to it is a fault that ends the process.
//! `std` knows only its own threads, so the process would end without a message. The handler here
//! reports the thread; then the fault is handled as before.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

use super::fiber::STACK_SIZE;

/// The fiber that runs on this OS thread: the page below its stack, and its name.
#[derive(Clone, Copy)]
struct Watched {
    guard: (usize, usize),
    name: (*const u8, usize),
}

thread_local! {
    static WATCHED: Cell<Option<Watched>> = const { Cell::new(None) };
}

/// Watches the stack of a thread called `name`, whose lowest address is `limit`, while `run` runs
/// it.
pub(super) fn watch<R>(name: &str, limit: usize, run: impl FnOnce() -> R) -> R {
    install();
    let name = (name.as_ptr(), name.len());
    let outer = WATCHED.replace(Some(Watched { guard: (limit, limit + page()), name }));
    let result = run();
    WATCHED.set(outer);
    result
}

fn page() -> usize {
    static PAGE: OnceLock<usize> = OnceLock::new();
    // SAFETY: `sysconf` takes a constant and has no other precondition.
    *PAGE.get_or_init(|| usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(0))
}

/// The previous handlers of the signals.
static BEFORE: OnceLock<[(libc::c_int, libc::sigaction); 2]> = OnceLock::new();

fn install() {
    BEFORE.get_or_init(|| {
        [libc::SIGSEGV, libc::SIGBUS].map(|signal| {
            let mut before = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: all zeroes are a `sigaction` with an empty mask and no flags. The handler has
            // the signature that `SA_SIGINFO` requires, and does only what a handler may, as
            // explained there. `before` is written by the call, or stays zeroed, which is the
            // default action.
            unsafe {
                let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
                action.sa_sigaction = handle as extern "C" fn(_, _, _) as libc::sighandler_t;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigaction(signal, &raw const action, before.as_mut_ptr());
                (signal, before.assume_init())
            }
        })
    });
}

/// Reports the thread, if the fault was in one, and lets the fault happen again for the previous
/// handler.
extern "C" fn handle(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel hands a valid `siginfo_t` to a handler with `SA_SIGINFO`, and for these
    // signals it has an address.
    let address = unsafe { (*info).si_addr() } as usize;
    let hit = |watched: &Watched| (watched.guard.0..watched.guard.1).contains(&address);
    if let Some(Watched { name, .. }) = WATCHED.get().filter(hit) {
        // SAFETY: `watch` is on the stack of this OS thread, and keeps the name borrowed.
        let name = unsafe { std::slice::from_raw_parts(name.0, name.1) };
        say(b"selvedge: thread `");
        say(name);
        say(b"` of a scenario has overflowed its stack of ");
        say(STACK_SIZE_TEXT.as_bytes());
        say(b": a large array belongs on the heap, and recursion needs a bound\n");
    }
    for (signal, before) in BEFORE.get().into_iter().flatten() {
        // SAFETY: `before` is what `sigaction` has returned for this signal. It may be called from
        // a handler.
        unsafe { libc::sigaction(*signal, before, ptr::null_mut()) };
    }
}

const STACK_SIZE_TEXT: &str = "256 KiB";
const _: () = assert!(STACK_SIZE == 256 * 1024, "the message has this size");

/// Writes to standard error as a handler may: without a lock and without allocation.
fn say(text: &[u8]) {
    // SAFETY: the pointer and the length are those of a slice. `write` may be called from a
    // handler.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}
