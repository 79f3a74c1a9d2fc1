//! `seqcount_t` and `seqlock_t`.

use selvedge_core::sync::{Atomic, Irq, SeqCount, SeqLock, SpinLock};
use selvedge_core::{Engine, Scenario, ScenarioBuilder, ViolationKind, in_world, might_sleep};

use super::{check, check_with_traces, deadlock};

type Pair = (SeqLock, [Atomic; 2]);

fn pair(reader: fn(&Pair) -> (u64, u64)) -> ScenarioBuilder<Pair> {
    let world = || (SeqLock::new("seq"), ["low", "high"].map(|name| Atomic::new(name, 0)));
    Scenario::builder("seqlock", world)
        .thread("writer", |(seq, [low, high])| {
            let write = seq.write_seqlock();
            low.store(1);
            high.store(1);
            write.write_sequnlock();
        })
        .thread("reader", move |world| {
            let (low, high) = reader(world);
            assert!(low == high, "torn");
        })
}

#[test]
fn a_reader_reads_again_after_a_write() {
    let loops = |(seq, [low, high]): &Pair| seq.read(|| (low.load(), high.load()));
    check_with_traces(&pair(loops).expect_proof());
    let by_hand = |(seq, [low, high]): &Pair| loop {
        let section = seq.read_seqbegin();
        let both = (low.load(), high.load());
        if !seq.read_seqretry(section) {
            return both;
        }
    };
    check_with_traces(&pair(by_hand).expect_proof());
    let once = |(seq, [low, high]): &Pair| {
        let section = seq.read_seqbegin();
        let both = (low.load(), high.load());
        seq.read_seqretry(section);
        both
    };
    check(&pair(once).expect_violations([ViolationKind::Panic("torn".into())]));
    let excludes = |(seq, [low, high]): &Pair| {
        let _held = seq.read_seqlock_excl();
        (low.load(), high.load())
    };
    check_with_traces(&pair(excludes).expect_proof());
}

#[test]
fn writers_of_a_seqcount_exclude_each_other_by_other_means() {
    let scenario = |write: fn(&(SpinLock, SeqCount))| {
        let world = || (SpinLock::new("lock", ()), SeqCount::new("seq"));
        Scenario::builder("writers", world).threads(2, |i| format!("W{i}"), move |w, _| write(w))
    };
    let alone = scenario(|(_, seq)| seq.write_seqcount_begin().write_seqcount_end());
    let kind = ViolationKind::invariant("write_seqcount_begin");
    check(&alone.expect_violations([kind]));
    let locked = scenario(|(lock, seq)| {
        let _held = lock.spin_lock_irqsave();
        seq.write_seqcount_begin().write_seqcount_end();
    });
    check_with_traces(&locked.expect_proof());
    let sleeps = scenario(|(lock, seq)| {
        let _held = lock.spin_lock_irqsave();
        let _write = seq.write_seqcount_begin();
        might_sleep("vfree");
    });
    check(&sleeps.expect_violations([ViolationKind::sleep_in_atomic("vfree", "seq")]));
}

/// mm, zonelist_update_seq: an allocation in an interrupt reads on top of the writer.
#[test]
fn a_reader_in_an_interrupt_spins_for_the_writer_below() {
    struct World {
        seq: SeqLock,
        rx: Irq,
    }
    fn reads(w: &World) {
        w.seq.read(|| ());
    }
    let scenario = |write: fn(&World)| {
        let world =
            || World { seq: SeqLock::new("seq"), rx: Irq::request_irq("rx", in_world(reads)) };
        Scenario::builder("zonelist", world)
            .thread("device", |w| w.rx.raise())
            .thread("writer", write)
    };
    let plain = scenario(|w| w.seq.write_seqlock().write_sequnlock());
    let plain = plain.expect_violations(deadlock(["seq.seqcount"]));
    check_with_traces(&plain);
    let report = plain.verify(Engine::Native);
    let printed = report.predictions[0].inversion.to_string();
    assert!(
        printed.starts_with("WARNING: inconsistent lock state\ninconsistent {HARDIRQ-ON-W}"),
        "{printed}"
    );
    let saved = scenario(|w| w.seq.write_seqlock_irqsave().write_sequnlock());
    check_with_traces(&saved.expect_proof());
}
