//! Writes `benches/RESULTS.md`: what a scheme for reusing I/O addresses costs in throughput, memory,
//! fragmentation and safety.
//!
//! `cargo run --release -p selvedge-benches --bin results`. Takes some minutes. What the page
//! says in words is asserted here.

use std::alloc::System;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Parser;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use selvedge_benches::iova::{APERTURE, Contestant, Shape, mean, worst};
use selvedge_benches::nvme::{Costs, Outcome, QueueOf, Scheme, simulate};
use selvedge_models::iova::{
    Allocator, CachedTree, FlushQueue, LazyBitmap, Magazines, Pages, Pfn, Radix, Refused, Request,
    SwapBitmap, SwapLists,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use sysinfo::System as Machine;

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const UPSTREAM: Scheme = Scheme::FlushQueue { of: QueueOf::All, slots: 32_768, timeout: 1_000 };

/// What its ring holds.
const RING: u64 = 32_767;

/// How many are out where it is timed how long a call takes.
const LIVE: usize = 100_000;

/// Writes the answer to the mail's open question, as measured here and now.
#[derive(Debug, Parser)]
struct Cli {
    /// Where to write it
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md"))]
    output: PathBuf,
}

fn main() -> std::io::Result<()> {
    let output = Cli::parse().output;
    let page = page();
    std::fs::write(output, page)
}

fn page() -> String {
    let guest = all(&Costs::guest(), 60);
    let lpar = all(&Costs::lpar(), 5);
    let [bitmap, upstream, exhaustion] =
        [Scheme::BitmapLazy, UPSTREAM, Scheme::FlushOnExhaustion].map(|scheme| of(&guest, scheme));
    assert!(exhaustion.iops >= 0.999 * bitmap.iops, "it reaches the bitmap's throughput");
    assert_eq!(exhaustion.flushes, bitmap.flushes, "with as many flushes");
    let (memory, [bitmap_bytes, foe_bytes, lists_bytes]) = memory();
    let fragmentation = fragmentation();
    let large = large();
    let [times, ratios] = times();
    format!(
        "# Flush on running out of addresses: what it costs

Made by `cargo run --release -p selvedge-benches --bin results` on
{cpu}. What is simulated is the same on every machine; of what is timed, quote the ratios.

## The question

In a guest, flushing translations traps into the hypervisor. The s390 code, until v6.6, flushed
once each time that it had gone through its bitmap of addresses, and was twice as fast as flushing
at each unmapping. Niklas Schnelle's mail of 1 September 2022 (\"Re: [PATCH v4 1/2] iommu/s390: Fix
race with release_device ops\") asks whether common code could do the same: collect what was freed
in the structure that holds what is free, and flush when that runs dry. Nobody is known to have
measured it. Upstream became a single queue of 32,768 entries and 1,000 ms (v6.7).

## The answer

- **Throughput.** It reaches the bitmap's: {exhaustion:.3} of it, with the same {flushes} flushes a
  minute, because both hand out the whole aperture once between two of them. The single queue
  reaches {upstream:.3}. (The simulation takes all allocators for equally fast. They are not, see the
  last table; but that is nanoseconds next to a refresh of {refresh} us.) Nobody who frees waits for
  the flush, which the bitmap's lock makes everybody do.
- **Memory.** With bitmaps {foe_bytes} for 8 GiB of addresses, whatever is parked; the s390 code had
  {bitmap_bytes}. What is more tells a bad free from a good one, keeps what was parked during a flush
  apart, and finds a free block without a search. With lists {lists_bytes}.
- **Fragmentation.** None of its own with bitmaps: what is freed apart is one block again after the
  flush. Lists never put together what was split, and run out of large blocks for good once
  everything has been one page.
- **Security.** An address can be reached after it was unmapped for {window:.1} s at full load, and
  for as long as it takes to use up the aperture if the device is slow: there is no bound. The single
  queue bounds it by its timeout, or {upstream_window:.0} ms at full load. A timer of a second on
  top of flushing on exhaustion would cost a flush of {flush:.1} ms a second.

## The mail's figures, simulated

One minute of the mail's workload in a guest (the program `simulate`). The parameters, and which of
them are assumed, are in `checks/src/nvme/costs.rs`.

{guest}

Five seconds of a partition with the device to itself, where a flush takes microseconds and waits for
nobody:

{lpar}

## Memory

Of an aperture of 8 GiB; parked: as many single pages as the scheme ever parks, and nothing mapped.

{memory}

## Fragmentation

The guest with requests of 1 to 32 pages, 64 at a time, and less and less room. Throughput is
relative to the bitmap in the largest aperture.

{fragmentation}

Every page of 8 GiB was allocated alone, freed, and flushed; then as many requests of 32 pages as
there is room for are made ({wanted}):

{large}

## A single call

{live} addresses are out; each turn gives back one and allocates another. `longest` is of single
calls, each of which was made five times in the same state, of which the fastest counts. With
interrupts off, that is what hurts. A flush takes no time here.

{times}

{ratios}
",
        cpu = cpu(),
        exhaustion = exhaustion.iops / bitmap.iops,
        flushes = bitmap.flushes,
        upstream = upstream.iops / bitmap.iops,
        window = exhaustion.window_max.as_secs_f64(),
        upstream_window = upstream.window_max.as_secs_f64() * 1e3,
        flush = Costs::guest().flush as f64 / 1e6,
        refresh = Costs::guest().refresh / 1_000,
        guest = simulated(&guest, true),
        lpar = simulated(&lpar, false),
        wanted = count(APERTURE.count / 32),
        live = count(LIVE as u64),
    )
}

fn cpu() -> String {
    let machine = Machine::new_all();
    let cpus = machine.cpus();
    let brand = cpus.first().map_or("an unknown processor", |cpu| cpu.brand().trim());
    format!("{brand}, {} processors", cpus.len())
}

fn all(costs: &Costs, seconds: u64) -> Vec<(Scheme, Outcome)> {
    let run = |scheme| simulate(scheme, costs, Duration::from_secs(seconds), 1);
    Scheme::ALL.map(|scheme| (scheme, run(scheme).expect("there are addresses enough"))).to_vec()
}

fn of(rows: &[(Scheme, Outcome)], scheme: Scheme) -> Outcome {
    rows.iter().find(|(other, _)| *other == scheme).expect("all are there").1
}

fn simulated(rows: &[(Scheme, Outcome)], with_mail: bool) -> Table {
    let mut table = table(&[
        "",
        "mail",
        "ratio",
        "global flushes",
        "pages parked, at most",
        "mapped after unmapping, at most",
    ]);
    let bitmap = of(rows, Scheme::BitmapLazy);
    for (scheme, outcome) in rows {
        let mail = scheme.in_the_mail().filter(|_| with_mail);
        table.add_row([
            Cell::new(scheme),
            right(mail.unwrap_or_default()),
            right(format!("{:.3}", outcome.iops / bitmap.iops)),
            right(count(outcome.flushes)),
            right(count(outcome.parked_max)),
            right(format!("{:.1?}", outcome.window_max)),
        ]);
    }
    table
}

/// The table, and what the bitmap, flushing on exhaustion and its lists take with all parked.
fn memory() -> (Table, [String; 3]) {
    let bitmap = bytes_of(APERTURE.count, || LazyBitmap::new(APERTURE));
    let queue = bytes_of(RING, || FlushQueue::new(linux(), APERTURE, 1, RING as usize));
    let exhaustion = bytes_of(APERTURE.count, || SwapBitmap::new(APERTURE));
    let lists = bytes_of(APERTURE.count, || SwapLists::new(APERTURE));
    let mut table = table(&["", "nothing mapped", "parked"]);
    let rows = [
        ("bitmap-lazy", bitmap),
        ("fq-single-32768-1000ms", queue),
        ("flush-on-exhaustion", exhaustion),
        ("flush-on-exhaustion-lists", lists),
        ("Radix, which parks nothing", bytes_of(0, || Radix::new(APERTURE))),
    ];
    for (name, (empty, parked)) in rows {
        table.add_row([Cell::new(name), right(bytes(empty)), right(bytes(parked))]);
    }
    assert_eq!(exhaustion.0, exhaustion.1, "whatever is parked");
    (table, [bitmap, exhaustion, lists].map(|(_, parked)| bytes(parked)))
}

fn linux() -> Magazines<CachedTree> {
    Magazines::new(CachedTree::new(APERTURE), APERTURE, 1)
}

fn bytes(bytes: usize) -> String {
    ByteSize(bytes as u64).to_string()
}

/// How many bytes it takes, and how many with so many pages parked.
fn bytes_of<A: Allocator>(parked: u64, make: impl FnOnce() -> A) -> (usize, usize) {
    let region = Region::new(GLOBAL);
    let held = || {
        let change = region.change();
        change.bytes_allocated - change.bytes_deallocated + size_of::<A>()
    };
    let mut allocator = make();
    let empty = held();
    let page = Request::pages(1).expect("at least 1");
    let taken: Vec<Pfn> =
        (0..parked).map(|_| allocator.alloc(0, page).expect("there is room")).collect();
    for pfn in taken {
        allocator.free(0, Pages { pfn, count: 1 }).expect("it is allocated");
    }
    assert_eq!(allocator.parked(), parked);
    (empty, held())
}

fn fragmentation() -> Table {
    let schemes = [Scheme::BitmapLazy, Scheme::FlushOnExhaustion, Scheme::FlushOnExhaustionLists];
    let mut header = vec!["pages of the aperture".to_owned()];
    header.extend(schemes.iter().map(ToString::to_string));
    let mut table = table(&header.iter().map(String::as_str).collect::<Vec<_>>());
    let costs = |aperture| Costs { pages: (1, 32), aperture, ..Costs::guest() };
    let run = |scheme, aperture| simulate(scheme, &costs(aperture), Duration::from_secs(10), 1);
    let largest = run(Scheme::BitmapLazy, 1 << 21).expect("there is room").iops;
    for aperture in [1 << 21, 1 << 18, 1 << 15, 1 << 13, 1 << 12, 3 << 10, 1 << 11] {
        let mut row = vec![right(count(aperture))];
        row.extend(schemes.map(|scheme| match run(scheme, aperture) {
            Ok(Outcome { iops, flushes, .. }) => {
                right(format!("{:.3}, {} flushes", iops / largest, count(flushes)))
            }
            Err(error) => right(format!("exhausted after {:.1?}", error.after)),
        }));
        table.add_row(row);
    }
    table
}

/// How many requests of 32 pages fit where all was single pages before.
fn large() -> Table {
    let mut table = table(&["", "requests of 32 pages that fit"]);
    let mut row = |name: &str, fit: u64| {
        table.add_row([Cell::new(name), right(count(fit))]);
    };
    let (bitmap, lists) = (fit(SwapBitmap::new(APERTURE)), fit(SwapLists::new(APERTURE)));
    row("bitmap-lazy", fit(LazyBitmap::new(APERTURE)));
    row("flush-on-exhaustion", bitmap);
    row("flush-on-exhaustion-lists", lists);
    assert!(bitmap >= APERTURE.count / 32 - 1, "what is freed apart is one block again");
    assert_eq!(lists, 0, "lists run out of large blocks");
    table
}

fn fit(mut allocator: impl Allocator) -> u64 {
    let page = Request::pages(1).expect("at least 1");
    let taken: Vec<Pfn> = std::iter::from_fn(|| allocator.alloc(0, page).ok()).collect();
    for pfn in taken {
        allocator.free(0, Pages { pfn, count: 1 }).expect("it is allocated");
    }
    let large = Request::pages(32).expect("at least 1").size_aligned();
    let mut fit = 0;
    loop {
        match allocator.alloc(0, large) {
            Ok(_) => fit += 1,
            Err(Refused::Exhausted) => return fit,
            Err(Refused::Dry | Refused::Flushing) if fit == 0 => {
                allocator.begin_flush().expect("none runs");
                allocator.finish_flush().expect("one runs");
            }
            Err(_) => return fit,
        }
    }
}

/// What calls take, and the ratios that matter.
fn times() -> [String; 2] {
    let shapes = [Shape::OnePage, Shape::LowLimit];
    let mut table = table(&[
        "",
        "one page: turn",
        "99.9 %",
        "longest",
        "below a low limit: turn",
        "99.9 %",
        "longest",
    ]);
    let mut one_page = Vec::new();
    for contestant in Contestant::ALL {
        let mut row = vec![Cell::new(contestant)];
        for shape in shapes {
            if !contestant.takes(shape) {
                row.extend(["", "", ""].map(Cell::new));
                continue;
            }
            let turn = mean(contestant, shape, LIVE);
            let worst = worst(contestant, shape, LIVE);
            row.extend([turn, worst.p999, worst.longest].map(|time| right(format!("{time:.1?}"))));
            if shape == Shape::OnePage {
                one_page.push((contestant, turn));
            }
        }
        table.add_row(row);
    }
    let turn = |wanted| {
        let found = one_page.iter().find(|(contestant, _)| *contestant == wanted);
        found.expect("all are there").1.as_secs_f64()
    };
    let ours = turn(Contestant::Radix);
    let ratios = format!(
        "With one page, `Radix` is {:.0} times as fast as vm-allocator and {:.0} times as fast as the
plain tree, and takes {:.1} times as long as the bare word scan, which checks nothing.",
        turn(Contestant::VmAllocator) / ours,
        turn(Contestant::PlainTree) / ours,
        ours / turn(Contestant::Bare),
    );
    [table.to_string(), ratios]
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table
}

fn right(text: impl fmt::Display) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// With a comma before each three digits.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
