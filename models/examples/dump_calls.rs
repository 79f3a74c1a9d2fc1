use selvedge_core::*;
use std::collections::*;
fn main() {
    let mut all: BTreeMap<Call, BTreeSet<String>> = BTreeMap::new();
    let mut sites: BTreeSet<Site> = BTreeSet::new();
    for s in selvedge_models::catalogue() {
        let r = Checker::native().search(Search::Auto).run(&s);
        for c in r.calls {
            all.entry(c).or_default().insert(s.name().to_owned());
        }
        sites.extend(r.coverage);
    }
    for (c, names) in all {
        let does: Vec<String> = c.does.iter().map(|a| a.to_string()).collect();
        println!(
            "{}\t{}\t{}\t{}",
            c.function,
            c.returned,
            does.join(" ; "),
            names.into_iter().collect::<Vec<_>>().join(" ")
        );
    }
    for s in sites {
        eprintln!("{}:{}\t{}", s.file, s.line, s.function.unwrap_or("-"));
    }
}
