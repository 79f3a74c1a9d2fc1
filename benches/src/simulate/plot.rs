//! Plots of throughput against the size of a queue and against its timeout.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::nvme::{Costs, QueueOf, Scheme};
use plotters::prelude::*;

use super::cli::Simulate;
use super::run;

/// The simulated time, which is long enough for a flush queue of any size to reach a steady state.
const SECONDS_MAX: u64 = 10;

const SLOTS: [usize; 10] = [256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072];
const TIMEOUTS: [u64; 6] = [10, 30, 100, 300, 1_000, 4_000];

/// The schemes without a queue, which do not depend on its size.
const LEVELS: [Scheme; 3] = [Scheme::BitmapLazy, Scheme::FlushOnExhaustion, Scheme::Strict];

/// One line of a plot.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

/// Draws both plots, as `queue-size.svg` and `timeout.svg` in `folder`, which is created if needed.
pub(super) fn draw(folder: &Path, costs: &Costs, options: &Simulate) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let sizes = SLOTS.map(|slots| (slots as f64, slots, 4_000));
    let timeouts = TIMEOUTS.map(|timeout| (timeout as f64, 32_768, timeout));
    let plots = [
        ("queue-size.svg", "slots of the queue, timeout 4000 ms", &sizes[..]),
        ("timeout.svg", "timeout in ms, 32768 slots", &timeouts[..]),
    ];
    for (file, axis, queues) in plots {
        let lines = lines(queues, costs, options)?;
        let path = folder.join(file);
        plot(&path, axis, &lines).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Returns a line for each kind of queue, through these points on the axis, and the levels.
fn lines(
    queues: &[(f64, usize, u64)],
    costs: &Costs,
    options: &Simulate,
) -> Result<Vec<Line>, String> {
    let kinds = [(QueueOf::EachCpu, "flush queue per CPU"), (QueueOf::All, "single flush queue")];
    let mut schemes = LEVELS.to_vec();
    for (of, _) in kinds {
        let queue =
            |(_, slots, timeout): &_| Scheme::FlushQueue { of, slots: *slots, timeout: *timeout };
        schemes.extend(queues.iter().map(queue));
    }
    let time = Duration::from_secs(options.seconds.min(SECONDS_MAX));
    let rows = run(&schemes, costs, time, options.seed)?;
    let ratio = |at: usize| rows[at].1.iops / rows[0].1.iops;
    let mut lines = Vec::new();
    for (at, scheme) in LEVELS.iter().enumerate() {
        let points = queues.iter().map(|(x, ..)| (*x, ratio(at))).collect();
        lines.push(Line { name: scheme.to_string(), points });
    }
    for (kind, (_, name)) in kinds.iter().enumerate() {
        let first = LEVELS.len() + kind * queues.len();
        let points = queues.iter().enumerate().map(|(at, (x, ..))| (*x, ratio(first + at)));
        lines.push(Line { name: (*name).to_owned(), points: points.collect() });
    }
    Ok(lines)
}

fn plot(path: &Path, axis: &str, lines: &[Line]) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(path, (800, 500)).into_drawing_area();
    root.fill(&WHITE)?;
    let xs = lines.iter().flat_map(|line| &line.points).map(|(x, _)| *x);
    let (low, high) = (xs.clone().fold(f64::MAX, f64::min), xs.fold(0.0, f64::max));
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((low..high).log_scale(), 0.0..1.05)?;
    chart
        .configure_mesh()
        .x_desc(axis)
        .y_desc("requests, relative to bitmap-lazy")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .draw()?;
    for (at, line) in lines.iter().enumerate() {
        let color = Palette99::pick(at).to_rgba();
        chart
            .draw_series(LineSeries::new(line.points.clone(), color.stroke_width(2)).point_size(3))?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    root.present()?;
    Ok(())
}
