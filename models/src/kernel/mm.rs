//! A sequence lock whose writer is interrupted by a reader, or waits for one.
//!
//! Source: mm: `zonelist_update_seq`, April 2023, and for PREEMPT_RT June 2023.

use selvedge_core::sync::{Irq, SeqLock, SpinLock};
use selvedge_core::{Scenario, ScenarioBuilder, ViolationKind, function, in_world};

use super::report;

const SOURCE: &str = "mm: zonelist_update_seq, April 2023, and for PREEMPT_RT June 2023";

struct World {
    zonelist_update_seq: SeqLock,
    port_lock: SpinLock,
    irq: Irq,
}

fn world() -> World {
    World {
        zonelist_update_seq: SeqLock::new("zonelist_update_seq"),
        port_lock: SpinLock::new("port->lock", ()),
        irq: Irq::request_irq("irq", in_world(alloc_pages)),
    }
}

/// An allocation, which waits until no list is being built.
fn alloc_pages(w: &World) {
    let _function = function("zonelist_iter_begin");
    w.zonelist_update_seq.read(|| ());
}

fn build_all_zonelists(w: &World) {
    let _function = function("__build_all_zonelists");
    w.zonelist_update_seq.write_seqlock().write_sequnlock();
}

fn build_all_zonelists_irqsave(w: &World) {
    let _function = function("__build_all_zonelists");
    w.zonelist_update_seq.write_seqlock_irqsave().write_sequnlock();
}

/// Prints while it writes, and a console takes the lock of its port.
fn build_and_print(w: &World) {
    let _function = function("__build_all_zonelists");
    let writer = w.zonelist_update_seq.write_seqlock_irqsave();
    w.port_lock.spin_lock_irqsave().unlock();
    writer.write_sequnlock();
}

/// Allocates with the lock of the port held.
fn tty_insert_flip_string(w: &World) {
    let _function = function("tty_insert_flip_string_and_push_buffer");
    let _port = w.port_lock.spin_lock_irqsave();
    alloc_pages(w);
}

fn variant(name: &str, build: fn(&World)) -> ScenarioBuilder<World> {
    report(&format!("zonelist-seq/{name}"), SOURCE, world).thread("build", build)
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let reads = "zonelist_update_seq.seqcount";
    vec![
        variant("irqs-on", build_all_zonelists)
            .about("an interrupt that allocates arrives while the lists are built")
            .thread("device", |w| w.irq.raise())
            .expect_violations([ViolationKind::deadlock([reads])]),
        variant("prints", build_and_print)
            .about("the writer prints, and the holder of the port's lock allocates")
            .thread("tty", tty_insert_flip_string)
            .expect_violations([ViolationKind::deadlock(["port->lock", reads])]),
        variant("fixed", build_all_zonelists_irqsave)
            .about("interrupts are disabled, and printing is deferred")
            .thread("device", |w| w.irq.raise())
            .thread("tty", tty_insert_flip_string)
            .expect_proof(),
    ]
}
