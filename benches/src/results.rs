//! The program `results`, for allocators and schemes of any crate as well. The claims of its page
//! are asserted here.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Parser;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use selvedge_iova::{
    Allocator, CachedTree, FlushQueue, LazyBitmap, Magazines, Pages, Pfn, Radix, Refused, Request,
    SwapBitmap, SwapLists,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region};
use sysinfo::System as Machine;

use crate::iova::{
    APERTURE, BARE, Contestant, PLAIN_TREE, RADIX, Shape, VM_ALLOCATOR, contestants, mean, worst,
};
use crate::nvme::{Costs, Outcome, QueueOf, Scheme, simulate};

const UPSTREAM: Scheme = Scheme::FlushQueue { of: QueueOf::All, slots: 32_768, timeout: 1_000 };

/// The capacity of its ring.
const RING: u64 = 32_767;

/// The number of allocated addresses where calls are timed.
const LIVE: usize = 100_000;

/// The time of a run that measures an average.
const MEAN: Duration = Duration::from_secs(1);

/// Where the page is in the repository, whose root is the current folder under `cargo run`.
const OUTPUT: &str = "benches/RESULTS.md";

/// Measures the answer to the open question of the mail, and writes it.
#[derive(Debug, Parser)]
struct Cli {
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = OUTPUT)]
    output: PathBuf,
}

/// Runs the program with these contestants and schemes beside those of this crate. The global
/// allocator of the program must be [`INSTRUMENTED_SYSTEM`], which counts the bytes.
pub fn main(own: Vec<Contestant>, schemes: Vec<Scheme>) -> ExitCode {
    let output = Cli::parse().output;
    let all = contestants().into_iter().chain(own).collect();
    let schemes = Scheme::ALL.into_iter().chain(schemes).collect();
    match std::fs::write(&output, page(&Entries { contestants: all, schemes })) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("results: cannot write {}: {error}", output.display());
            ExitCode::FAILURE
        }
    }
}

/// What is measured and simulated.
struct Entries {
    contestants: Vec<Contestant>,
    schemes: Vec<Scheme>,
}

/// The texts of the page that are measured or simulated.
struct Results {
    guest: Vec<(Scheme, Outcome)>,
    lpar: Vec<(Scheme, Outcome)>,
    memory: Table,
    /// The memory of the bitmap, of flushing on exhaustion and of its lists.
    bytes: [String; 3],
    fragmentation: Table,
    large: Table,
    times: String,
    ratios: String,
}

impl Results {
    fn measure(entries: &Entries) -> Self {
        let guest = all(&entries.schemes, &Costs::guest(), 60);
        let lpar = all(&entries.schemes, &Costs::lpar(), 5);
        let (memory, bytes) = memory();
        let [times, ratios] = times(&entries.contestants);
        let (fragmentation, large) = (fragmentation(), large());
        Self { guest, lpar, memory, bytes, fragmentation, large, times, ratios }
    }
}

fn page(entries: &Entries) -> String {
    let results = Results::measure(entries);
    [question(), answer(&results), figures(&results), calls(&results)].join("\n")
}

fn question() -> String {
    format!(
        "# The costs of flushing on exhaustion

Made by `cargo run --release -p selvedge-benches --bin results` on
{cpu}.
Simulated figures are the same on every computer. Of measured times, quote the ratios.

## The question

In a guest, flushing translations traps into the hypervisor. Until v6.6 the s390 code flushed once
each time that the search reached the end of its bitmap of addresses, and was twice as fast as a
flush at each unmapping. Niklas Schnelle's mail of 1 September 2022 (\"Re: [PATCH v4 1/2]
iommu/s390: Fix race with release_device ops\") asks whether common code could do the same: collect
the freed addresses in the structure of the free addresses, and flush when no address is free. We
know of no measurement of this. Upstream merged a single queue of 32,768 entries and 1,000 ms
(v6.7).
",
        cpu = cpu(),
    )
}

fn answer(results: &Results) -> String {
    let [bitmap, upstream, exhaustion] = [Scheme::BitmapLazy, UPSTREAM, Scheme::FlushOnExhaustion]
        .map(|scheme| of(&results.guest, scheme));
    assert!(exhaustion.iops >= 0.999 * bitmap.iops, "it must reach the bitmap's throughput");
    assert_eq!(exhaustion.flushes, bitmap.flushes, "it must need as many flushes");
    let [bitmap_bytes, foe_bytes, lists_bytes] = &results.bytes;
    format!(
        "## The answer

- **Throughput.** It reaches {exhaustion:.3} of the bitmap's throughput, with the same {flushes}
  flushes a minute, because both allocate the whole aperture once between two flushes. The single
  queue reaches {upstream:.3}. (The simulation assumes that all allocators are equally fast. They
  are not, as the last table shows, but the difference is nanoseconds, and a refresh takes
  {refresh} us.) A thread that frees an address never waits for the flush. The bitmap's lock makes
  every thread wait.
- **Memory.** With bitmaps it takes {foe_bytes} for 8 GiB of addresses, regardless of the number of
  parked pages. The s390 code took {bitmap_bytes}. The additional memory detects invalid frees,
  separates the pages that are parked during a flush, and makes it possible to find a free block
  without a search. With lists it takes {lists_bytes}.
- **Fragmentation.** Bitmaps add none, since pages that are freed separately are one block again
  after the flush. Lists never merge blocks that were split, and permanently run out of large blocks
  once all pages were allocated one by one.
- **Security.** An address can be used for {window:.1} s after it was unmapped at full load. If the
  device is slow, this lasts until the aperture is used up, so it has no bound. The single queue
  bounds it by its timeout, or by {upstream_window:.0} ms at full load. An additional timer of one
  second would cost a flush of {flush:.1} ms per second.
",
        exhaustion = exhaustion.iops / bitmap.iops,
        flushes = bitmap.flushes,
        upstream = upstream.iops / bitmap.iops,
        window = exhaustion.window_max.as_secs_f64(),
        upstream_window = upstream.window_max.as_secs_f64() * 1e3,
        flush = Costs::guest().flush as f64 / 1e6,
        refresh = Costs::guest().refresh / 1_000,
    )
}

fn figures(results: &Results) -> String {
    let Results { memory, fragmentation, large, .. } = results;
    format!(
        "## The figures of the mail, simulated

One minute of the mail's workload in a guest (the program `simulate`). `benches/src/nvme/costs.rs`
has the parameters, and says which of them are assumed.

{guest}

Five seconds of a partition with a device of its own, where a flush takes microseconds and blocks no
other CPU:

{lpar}

## Memory

The memory for an aperture of 8 GiB. In the column \"parked\", the scheme has parked its maximum
number of single pages, and no page is mapped.

{memory}

## Fragmentation

The guest with requests of 1 to 32 pages, 64 at a time, in smaller and smaller apertures. Throughput
is relative to the bitmap in the largest aperture.

{fragmentation}

All pages of 8 GiB were allocated one by one, freed, and flushed. Then the maximum number of
requests of 32 pages is allocated, of which {wanted} would fit:

{large}
",
        guest = simulated(&results.guest, true),
        lpar = simulated(&results.lpar, false),
        wanted = count(APERTURE.count / 32),
    )
}

fn calls(results: &Results) -> String {
    let Results { times, ratios, .. } = results;
    format!(
        "## A single call

{live} addresses are allocated. Each turn frees one and allocates another. `longest` is the
duration of the longest single call. Each call was made five times in the same state, and the
fastest counts. It matters because a driver makes the call with interrupts disabled. A flush takes
no time here.

{times}

{ratios}
",
        live = count(LIVE as u64),
    )
}

fn cpu() -> String {
    let machine = Machine::new_all();
    let cpus = machine.cpus();
    let brand = cpus.first().map_or("an unknown processor", |cpu| cpu.brand().trim());
    format!("{brand}, {} processors", cpus.len())
}

fn all(schemes: &[Scheme], costs: &Costs, seconds: u64) -> Vec<(Scheme, Outcome)> {
    let row = |scheme: &Scheme| {
        let outcome = simulate(scheme, costs, Duration::from_secs(seconds), 1);
        (scheme.clone(), outcome.expect("the scheme must not run out of addresses"))
    };
    schemes.iter().map(row).collect()
}

fn of(rows: &[(Scheme, Outcome)], scheme: Scheme) -> Outcome {
    rows.iter().find(|(other, _)| *other == scheme).expect("the list has all of them").1
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

/// Returns the table, and the memory of the bitmap, of flushing on exhaustion and of its lists when
/// all pages are parked.
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
    assert_eq!(exhaustion.0, exhaustion.1, "parked pages must not take memory");
    (table, [bitmap, exhaustion, lists].map(|(_, parked)| bytes(parked)))
}

fn linux() -> Magazines<CachedTree> {
    Magazines::new(CachedTree::new(APERTURE), APERTURE, 1)
}

fn bytes(bytes: usize) -> String {
    ByteSize(bytes as u64).to_string()
}

/// Returns the bytes of an empty allocator, and those with `parked` pages parked.
fn bytes_of<A: Allocator>(parked: u64, make: impl FnOnce() -> A) -> (usize, usize) {
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    let held = || {
        let change = region.change();
        change.bytes_allocated - change.bytes_deallocated + size_of::<A>()
    };
    let mut allocator = make();
    let empty = held();
    let page = Request::pages(1).expect("at least one page is a valid request");
    let taken: Vec<Pfn> =
        (0..parked).map(|_| allocator.alloc(0, page).expect("the aperture has room")).collect();
    for pfn in taken {
        allocator.free(0, Pages { pfn, count: 1 }).expect("the page is allocated");
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
    let run =
        |scheme: &Scheme, aperture| simulate(scheme, &costs(aperture), Duration::from_secs(10), 1);
    let largest = run(&Scheme::BitmapLazy, 1 << 21).expect("the aperture has room").iops;
    for aperture in [1 << 21, 1 << 18, 1 << 15, 1 << 13, 1 << 12, 3 << 10, 1 << 11] {
        let mut row = vec![right(count(aperture))];
        row.extend(schemes.iter().map(|scheme| match run(scheme, aperture) {
            Ok(Outcome { iops, flushes, .. }) => {
                right(format!("{:.3}, {} flushes", iops / largest, count(flushes)))
            }
            Err(error) => right(format!("exhausted after {:.1?}", error.after)),
        }));
        table.add_row(row);
    }
    table
}

/// Returns the number of requests of 32 pages that fit after all pages were allocated one by one.
fn large() -> Table {
    let mut table = table(&["", "requests of 32 pages that fit"]);
    let mut row = |name: &str, fit: u64| {
        table.add_row([Cell::new(name), right(count(fit))]);
    };
    let (bitmap, lists) = (fit(SwapBitmap::new(APERTURE)), fit(SwapLists::new(APERTURE)));
    row("bitmap-lazy", fit(LazyBitmap::new(APERTURE)));
    row("flush-on-exhaustion", bitmap);
    row("flush-on-exhaustion-lists", lists);
    assert!(
        bitmap >= APERTURE.count / 32 - 1,
        "pages that are freed separately must be one block again"
    );
    assert_eq!(lists, 0, "lists must run out of large blocks");
    table
}

fn fit(mut allocator: impl Allocator) -> u64 {
    let page = Request::pages(1).expect("at least one page is a valid request");
    let taken: Vec<Pfn> = std::iter::from_fn(|| allocator.alloc(0, page).ok()).collect();
    for pfn in taken {
        allocator.free(0, Pages { pfn, count: 1 }).expect("the page is allocated");
    }
    let large = Request::pages(32).expect("at least one page is a valid request").size_aligned();
    let mut fit = 0;
    loop {
        match allocator.alloc(0, large) {
            Ok(_) => fit += 1,
            Err(Refused::Exhausted) => return fit,
            Err(Refused::Dry | Refused::Flushing) if fit == 0 => {
                allocator.begin_flush().expect("no flush is running");
                allocator.finish_flush().expect("a flush is running");
            }
            Err(_) => return fit,
        }
    }
}

/// Returns the durations of calls, and the ratios that matter.
fn times(contestants: &[Contestant]) -> [String; 2] {
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
    for contestant in contestants {
        let mut row = vec![Cell::new(contestant)];
        for shape in shapes {
            if !contestant.takes(shape, LIVE) {
                row.extend(["", "", ""].map(Cell::new));
                continue;
            }
            let turn = mean(contestant, shape, LIVE, MEAN);
            let worst = worst(contestant, shape, LIVE);
            row.extend([turn, worst.p999, worst.longest].map(|time| right(format!("{time:.1?}"))));
            if shape == Shape::OnePage {
                one_page.push((contestant.name(), turn));
            }
        }
        table.add_row(row);
    }
    let turn = |wanted| {
        let found = one_page.iter().find(|(name, _)| *name == wanted);
        found.expect("the list has all of them").1.as_secs_f64()
    };
    let ours = turn(RADIX);
    let ratios = format!(
        "With one page, `Radix` is {:.0} times as fast as vm-allocator and {:.0} times as fast as \
         the\nplain tree. It takes {:.1} times as long as the bare word scan, which checks \
         nothing.",
        turn(VM_ALLOCATOR) / ours,
        turn(PLAIN_TREE) / ours,
        ours / turn(BARE),
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

/// Formats a number with a comma before each three digits.
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
