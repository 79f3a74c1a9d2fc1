use selvedge_core::{Checker, Verdict};
use std::time::{Duration, Instant};
fn main() {
    let pattern = std::env::args().nth(1).unwrap();
    let secs: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let (mut dec, mut open) = (0, 0);
    let mut why = std::collections::BTreeMap::new();
    for s in selvedge_models::catalogue() {
        if !s.name().starts_with(&pattern) {
            continue;
        }
        let r = Checker::native().run(&s);
        if !matches!(r.verdict, Verdict::Proved(_)) {
            continue;
        }
        let t = Instant::now();
        let r =
            Checker::native().time_limit(Duration::from_secs(secs)).run(&s.any_number_of_each());
        let text = match &r.verdict {
            Verdict::Proved(f) => {
                dec += 1;
                format!("proved {:?}", f.views.unwrap_or(0))
            }
            Verdict::Refuted(f) => {
                dec += 1;
                format!(
                    "refuted {} {}",
                    f[0].violation.kind,
                    f[0].trace
                        .steps
                        .iter()
                        .map(|s| s.thread.to_string())
                        .collect::<std::collections::BTreeSet<_>>()
                        .len()
                )
            }
            Verdict::Inconclusive { reason } => {
                open += 1;
                let r = reason.to_string();
                *why.entry(r.clone()).or_insert(0) += 1;
                r
            }
        };
        println!("{:6.2} {} {}", t.elapsed().as_secs_f64(), s.name(), text);
    }
    println!("{dec} decided, {open} open");
    let mut why: Vec<_> = why.into_iter().collect();
    why.sort_by_key(|w| std::cmp::Reverse(w.1));
    for (w, n) in why {
        println!("{n} {w}");
    }
}
