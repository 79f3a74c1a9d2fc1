//! The `selvedge` command as its user sees it.

#[path = "cli/clients.rs"]
mod clients;
#[path = "cli/explain.rs"]
mod explain;
#[cfg(target_os = "linux")]
#[path = "cli/interrupt.rs"]
mod interrupt;
#[path = "cli/merge.rs"]
mod merge;
#[path = "cli/messages.rs"]
mod messages;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use selvedge_core::Search;

fn selvedge(args: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_selvedge");
    Command::new(binary).args(args).stdin(Stdio::null()).output().expect("the binary runs")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

#[test]
fn a_verdict_in_a_summary_that_is_not_as_expected_is_written_in_full() {
    let output = selvedge(&["verify", "vfio-ap/ap-perms", "--executions-max", "1"]);
    assert_eq!(output.status.code(), Some(1), "some are refuted, without all expected violations");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("vfio-ap/ap-perms/v6.0/in-turn on native: "), "{text}");
    assert!(text.contains(" NOT as expected, "), "{text}");
    assert!(text.contains(" inconclusive (expected: "), "{text}");
}

#[test]
fn without_a_command_the_whole_catalogue_is_verified() {
    let output = selvedge(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("\nvfio-ap/ap-perms  "));
    assert!(stdout(&output).contains("verdicts, all as expected.\n"));
    let lines = stdout(&output).lines().count();
    assert!(lines < 100, "a summary of {lines} lines");
    assert_eq!(stderr(&output), "", "no progress where there is no terminal");
}

#[test]
fn a_refuted_scenario_has_its_reason_in_the_line_below() {
    let output = selvedge(&["verify", "vfio-ap/ap-perms/p11/apmask-assign"]);
    let lines: Vec<&str> = stdout(&output).lines().collect();
    let row = lines.iter().position(|line| line.contains("apmask-assign ")).expect("a row");
    assert!(lines[row].contains("refuted"));
    assert!(lines[row + 1].trim_start().starts_with(
        "deadlock: apmask_store holds ap_perms_mutex and waits for matrix_dev->lock; \
         assign_adapter_store holds matrix_dev->lock and waits for ap_perms_mutex"
    ));
}

#[test]
fn json_has_the_fields_of_the_contract() {
    let patterns = ["vfio-ap/in-use/*", "vfio-ap/ap-perms/p11/in-turn"];
    let output = selvedge(&[&["verify", "--engine", "all", "--json"], &patterns[..]].concat());
    assert_eq!(output.status.code(), Some(0));
    let mut lines = 0;
    for line in stdout(&output).lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("an object per line");
        for text in ["scenario", "engine"] {
            assert!(line[text].is_string(), "{text} in {line}");
        }
        for verdict in ["expected", "found"] {
            let known = ["proved", "lockdep-only", "refuted", "inconclusive"];
            assert!(known.contains(&line[verdict].as_str().unwrap()), "{verdict} in {line}");
        }
        if line["scenario"] == "vfio-ap/ap-perms/p11/in-turn" {
            assert_eq!(line["expected"], "lockdep-only", "{line}");
            assert_eq!(line["found"], "lockdep-only", "{line}");
        }
        assert_eq!(line["as_expected"], true, "{line}");
        assert!(line["complete"].is_boolean(), "{line}");
        assert!(line["executions"].as_u64().unwrap() > 0, "{line}");
        assert!(line["seconds"].as_f64().unwrap() > 0.0, "{line}");
        assert_eq!(line["search"].is_string(), line["engine"] == "native", "{line}");
        let refuted = line["found"] == "refuted";
        for field in ["violation", "schedule"] {
            assert_eq!(line[field].is_string(), refuted, "{field} in {line}");
        }
        lines += 1;
    }
    assert_eq!(lines, (5 + 1) * 3);
}

#[test]
fn compare_has_a_row_for_each_engine_and_search() {
    let output = selvedge(&["compare", "vfio-ap/ap-perms/p11/apmask-assign", "programs/abab"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for heading in ["vfio-ap/ap-perms/p11/apmask-assign: ", "programs/abab: 0(1) | 0(1)\n"] {
        assert!(stdout(&output).contains(heading), "{heading}");
    }
    let searches = Search::ALL.iter().map(|search| format!("native {}", search.as_str()));
    for row in searches.chain(["loom".to_owned(), "shuttle".to_owned()]) {
        let rows = stdout(&output).lines().filter(|line| line.starts_with(&format!("| {row} ")));
        let rows: Vec<&str> = rows.collect();
        let [refuted, proved] = rows.as_slice() else { panic!("{row}: {rows:?}") };
        assert!(refuted.contains(" refuted "), "{refuted}");
        assert!(proved.contains(" proved "), "{proved}");
    }
}

/// The rows of a comparison that contradicts nothing.
fn compare(args: &[&str]) -> Vec<serde_json::Value> {
    let output = selvedge(&[&["compare", "--json"], args].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines = stdout(&output).lines();
    lines.map(|line| serde_json::from_str(line).expect("an object per line")).collect()
}

#[test]
fn compare_json_has_the_fields_of_the_contract() {
    let rows = compare(&["programs/abba"]);
    assert_eq!(rows.len(), Search::ALL.len() + 2);
    for row in rows {
        assert_eq!(row["scenario"], "programs/abba");
        assert_eq!(row["found"], "refuted", "{row}");
        assert_eq!(row["contradicts"], false, "{row}");
        assert!(row["complete"].is_boolean(), "{row}");
        assert!(row["executions"].as_u64().unwrap() > 0, "{row}");
        for number in ["seconds", "faster_than_loom"] {
            assert!(row[number].as_f64().unwrap() > 0.0, "{number} in {row}");
        }
        assert_eq!(row["at_least"], false, "{row}");
        match (row["engine"].as_str().unwrap(), row["search"].as_str()) {
            ("native", Some("full")) => assert_eq!(row["states"], 19),
            ("native", Some("sleep-sets")) => assert_eq!(row["traces"], 3),
            ("native", search) => assert!(search.is_some(), "{row}"),
            (_, search) => assert_eq!(search, None, "{row}"),
        }
    }
}

#[test]
fn where_loom_is_stopped_compare_gives_a_bound() {
    let rows = compare(&["programs/vfio4", "--seconds-max", "1"]);
    let loom = rows.iter().find(|row| row["engine"] == "loom").expect("a row for loom");
    assert_eq!(loom["found"], "inconclusive");
    assert!(loom["executions"].as_u64().unwrap() > 0, "{loom}");
    assert!(loom["reason"].as_str().unwrap().contains("stopped after 1s, the limit"), "{loom}");
    let auto = rows.iter().find(|row| row["search"] == "auto").expect("a row for it");
    assert_eq!(auto["found"], "proved");
    assert_eq!(auto["at_least"], true);
    assert!(auto["faster_than_loom"].as_f64().unwrap() > 1.0, "{auto}");
}

#[test]
fn a_limit_of_executions_stops_every_search_of_orderings_in_compare() {
    let rows = compare(&["programs/vfio3", "--executions-max", "6"]);
    // A search of states runs the program only for the steps that it has not seen, and is done.
    let orderings: Vec<_> = rows.iter().filter(|row| row["states"].is_null()).collect();
    assert_eq!(orderings.len(), 4, "sleep-sets, dpor, loom and shuttle: {rows:?}");
    for row in orderings {
        assert_eq!(row["found"], "inconclusive", "{row}");
        // shuttle hunts for as many again.
        let most = if row["engine"] == "shuttle" { 12 } else { 6 };
        assert_eq!(row["executions"], most, "{row}");
        assert!(row["faster_than_loom"].is_null(), "{row}");
    }
}

#[test]
fn a_wrong_command_line_says_what_would_be_right_and_exits_with_2() {
    for (args, says) in [
        (&["verify", "vfio-ap/ap-perms/p13"][..], "no scenario matches `vfio-ap/ap-perms/p13`"),
        (
            &["explain", "vfio-ap/ap-perms/p11/apmask-asign"],
            "    vfio-ap/ap-perms/p11/apmask-assign\n",
        ),
        (&["list", "["], "`[` is not a path glob"),
        (&["verify", "--engine", "lom"], "unknown engine `lom`; available: native, loom"),
        (
            &["verify", "vfio-ap/in-use", "--checkpoint", "f"],
            "--checkpoint and --resume take one scenario; 5 were selected",
        ),
        (&["verify", "--resume", "/no/such/file"], "cannot read /no/such/file"),
        (&["verify", "--memory-max", "much"], "invalid value 'much'"),
        (&["verify", "--memory-max", "0"], "a size has a number and a unit, as 4GiB"),
        (&["verify", "--executions-max", "0"], "0 is not in 1.."),
        (&["verify", "--jobs", "0"], "a number of threads is from 1 to 1024"),
        (&["verify", "--jobs", "-1"], "a number of threads is from 1 to 1024"),
        (&["verify", "--jobs", "100000"], "a number of threads is from 1 to 1024"),
        (&["list", "nonexistent"], "no scenario matches `nonexistent`; `list` has all names"),
        (&["list", "VFIO-AP/in-use/**"], "the nearest are\n    vfio-ap/in-use/"),
        (&["report", "vfio-ap/in-use"], "name a file for a format: --html"),
        (&["report", "vfio-ap/in-use", "--html", "/no/such/f"], "cannot write /no/such/f"),
        (
            &["explain", "vfio-ap/in-use/no-module-ref", "--violation", "deadlock"],
            "no violation is named `deadlock`; there are\n    use-after-release(vfio_ap)",
        ),
        (&["new", "a b"], "`a b` is no name for a crate"),
        (&["new", "x", "--selvedge", "/"], "/ is no checkout of Selvedge"),
        (&["regress", "--file", "/no/such/file"], "cannot read /no/such/file"),
        (&["verify", "--search", "best"], "unknown search `best`; available: auto"),
        (&["verify", "--search", "dpor", "--shard", "5/4"], "`5/4` is not a shard of a search"),
        (&["verify", "--shard", "1/2"], "--shard needs --search dpor on the native engine"),
        (
            &["verify", "--search", "dpor", "--engine", "all", "--shard", "1/2"],
            "--shard needs --search dpor on the native engine",
        ),
        (&["verify", "--resume", "f", "--shard", "1/2"], "cannot be used with '--shard"),
        (
            &["verify", "vfio-ap/in-use", "--engine", "loom", "--jobs", "2"],
            "--jobs needs the native engine",
        ),
        (
            &["verify", "vfio-ap/in-use/module-ref", "--checkpoint", "/no/such/folder/f"],
            "cannot write /no/such/folder/f",
        ),
        (
            &["explain", "vfio-ap/in-use"],
            "`vfio-ap/in-use` matches 5 scenarios; name one of them, such as",
        ),
        (&["merge"], "required arguments were not provided"),
        (&["merge", "/no/such/file"], "cannot read /no/such/file"),
        (&["compare", "programs/vfio"], "no scenario matches `programs/vfio`; the nearest are"),
        (&["compare", "programs/["], "`programs/[` is not a path glob"),
        (&["compare", "--seconds-max", "0"], "0 is not in 1.."),
        (&["compare", "--executions-max", "many"], "invalid value 'many'"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (&["replay", "vfio-ap/in-use/module-ref"], "--schedule"),
        (&["replay", "vfio-ap/in-use/module-ref", "--schedule", "0.x"], "`x` is not a step"),
        (&["replay", "vfio-ap/in-use/module-ref", "--schedule", "0.7"], "step 2 of the schedule"),
    ] {
        let output = selvedge(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{args:?}");
    }
}

#[test]
fn a_limit_that_is_hit_is_never_a_proof() {
    let name = "vfio-ap/ap-perms/v6.0/apmask-assign";
    for (engine, most) in [("native", "1"), ("loom", "5")] {
        let args = ["verify", name, "--engine", engine, "--executions-max", most, "--json"];
        let output = selvedge(&args);
        assert_eq!(output.status.code(), Some(3), "{engine}");
        let line: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
        assert_eq!(line["found"], "inconclusive", "{engine}");
        assert_eq!(line["as_expected"], false, "{engine}");
        assert_eq!(line["executions"].to_string(), most, "{engine}");
    }
}

#[test]
fn a_checkpoint_replaces_only_regular_files() {
    for file in ["/dev/null", "."] {
        let output = selvedge(&["verify", "programs/abab", "--checkpoint", file]);
        assert_eq!(output.status.code(), Some(2), "{file}");
        let message = format!("{file} is no regular file");
        assert!(stderr(&output).contains(&message), "{}", stderr(&output));
    }
}

#[test]
fn a_search_is_resumed_from_its_checkpoint() {
    let name = "vfio-ap/ap-perms/v6.0/apmask-aqmask-assign";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("search");
    let file = file.to_str().unwrap();
    let fingerprint = |output: &Output| {
        let line: serde_json::Value = serde_json::from_str(stdout(output)).unwrap();
        (line["found"].clone(), line["states"].clone(), line["digest"].clone())
    };
    let whole = fingerprint(&selvedge(&["verify", name, "--json"]));

    let little = ["verify", name, "--json", "--memory-max", "1KiB", "--checkpoint", file];
    let stopped = selvedge(&little);
    assert_eq!(stopped.status.code(), Some(3));
    assert!(stdout(&stopped).contains(r#""found":"inconclusive""#), "{}", stdout(&stopped));
    assert!(stderr(&stopped).contains(&format!("resume with --resume {file}")));
    // As any file that the user writes, it has the permissions that the umask leaves.
    let beside = folder.path().join("beside");
    std::fs::write(&beside, "").unwrap();
    let permissions = |path: &Path| std::fs::metadata(path).unwrap().permissions();
    assert_eq!(permissions(Path::new(file)), permissions(&beside));

    let resumed = selvedge(&["verify", "--json", "--resume", file]);
    assert_eq!(resumed.status.code(), Some(0), "{}", stderr(&resumed));
    assert_eq!(fingerprint(&resumed), whole);

    let bytes = std::fs::read(file).unwrap();
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    std::fs::write(file, other).unwrap();
    let other = selvedge(&["verify", "--resume", file]);
    assert_eq!(other.status.code(), Some(2));
    assert!(
        stderr(&other).contains("the sources of the models or of the engine have changed since"),
        "{}",
        stderr(&other)
    );
    std::fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    let damaged = selvedge(&["verify", "--resume", file]);
    assert_eq!(damaged.status.code(), Some(2));
    assert!(stderr(&damaged).contains("the checkpoint is damaged"), "{}", stderr(&damaged));
    std::fs::write(file, "something else").unwrap();
    let foreign = selvedge(&["verify", "--resume", file]);
    assert_eq!(foreign.status.code(), Some(2));
    assert!(stderr(&foreign).contains("this is not a checkpoint"), "{}", stderr(&foreign));
}

#[test]
fn certificates_do_not_depend_on_the_number_of_threads() {
    let certificates = |jobs| {
        let output = selvedge(&["verify", "**/v6.0/*", "--json", "--jobs", jobs]);
        let lines = stdout(&output).lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (line["scenario"].clone(), line["states"].clone(), line["digest"].clone())
        });
        lines.collect::<Vec<_>>()
    };
    assert_eq!(certificates("1"), certificates("3"));
}

#[test]
fn the_shortest_counterexample_is_no_longer_than_any() {
    let name = "vfio-ap/ap-perms/p12-07/apmask-assign";
    let steps = |args: &[&str]| {
        let output = selvedge(&[&["verify", name, "--json"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        let line: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
        line["schedule"].as_str().unwrap().split('.').count()
    };
    let shortest = steps(&["--search", "shortest"]);
    for search in ["auto", "reduced", "full", "sleep-sets"] {
        assert!(shortest <= steps(&["--search", search]), "{search}");
    }
}

#[test]
fn a_reader_that_stops_reading_is_no_error() {
    let binary = env!("CARGO_BIN_EXE_selvedge");
    let mut child =
        Command::new(binary).arg("list").stdout(Stdio::piped()).spawn().expect("the binary runs");
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn verdicts_that_were_not_read_are_no_success() {
    let binary = env!("CARGO_BIN_EXE_selvedge");
    let mut command = Command::new(binary);
    command.args(["verify", "vfio-ap/ap-perms", "--verbose"]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(4));
}

/// A family is written when it is verified, so that Ctrl-C leaves what there is.
#[cfg(unix)]
#[test]
fn families_are_written_as_they_are_verified() {
    let binary = env!("CARGO_BIN_EXE_selvedge");
    let mut child = Command::new(binary).stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let first = lines.by_ref().take(2).map(|line| line.expect("it is UTF-8"));
    let first: Vec<String> = first.collect();
    assert!(child.try_wait().expect("it runs").is_none(), "all at once: {first:?}");
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.expect("there is kill").success());
    assert!(first[1].starts_with("vfio-ap/ap-perms "), "{first:?}");
    assert!(!child.wait().expect("it ends").success());
    assert!(lines.all(|line| !line.expect("it is UTF-8").contains("all as expected")));
}

/// On a terminal, what is written is about as much as without one, in lines that fit.
#[cfg(target_os = "linux")]
#[test]
fn progress_neither_floods_nor_wraps() {
    const COLUMNS: usize = 80;
    let verify = format!("{} verify --jobs 1 vfio-ap/matrix", env!("CARGO_BIN_EXE_selvedge"));
    let run = format!("stty cols {COLUMNS}; {verify}");
    let output = Command::new("script").args(["-qec", &run, "/dev/null"]).output();
    let output = output.expect("there is `script`, of bsdutils");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("all as expected"), "{text}");
    assert!(text.len() < 50_000, "{} bytes for a screen of text", text.len());
    let escapes = regex_automata::meta::Regex::new(r"\x1b\[[0-9;?]*[A-Za-z]").unwrap();
    for line in text.split(['\r', '\n']) {
        let escaped: usize = escapes.find_iter(line).map(|found| found.len()).sum();
        let width = line.chars().count() - escaped;
        assert!(width <= COLUMNS, "{width} columns: {line}");
    }
}

/// Checkpoints and shards are of sources, so the version has their number.
#[test]
fn the_version_has_the_sources() {
    let output = selvedge(&["--version"]);
    let version = concat!("selvedge ", env!("CARGO_PKG_VERSION"), " (sources ");
    assert!(stdout(&output).starts_with(version), "{}", stdout(&output));
}

/// What loom and shuttle print themselves is not ours.
#[test]
fn the_hosts_print_nothing() {
    for engine in ["loom", "shuttle"] {
        let output = selvedge(&["verify", "programs/abba", "--engine", engine, "--json"]);
        let record: Result<serde_json::Value, _> = serde_json::from_str(stdout(&output));
        assert_eq!(record.expect("it is one object")["found"], "refuted", "{engine}");
        assert_eq!(stderr(&output), "", "{engine}");
    }
}

#[test]
fn the_lines_of_the_kernel_are_shown_by_function() {
    let output = selvedge(&["sources", "vfio_ap_mdev_request"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        stdout(&output),
        "drivers/s390/crypto/vfio_ap_ops.c\n  \
         vfio_ap_mdev_request (from v6.15; read: 2026)\n      \
         get_update_locks_for_mdev() [ kvm->arch.crypto.crycb= ] release_update_locks_for_mdev()\n"
    );
    assert!(stdout(&selvedge(&["sources"])).contains("\nWithout an entry, by scenario"));
    let output = selvedge(&["sources", "vfio_ap_mdev_requests"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).ends_with("the nearest is vfio_ap_mdev_request\n"));
}

#[test]
fn a_kernel_tree_is_compared_with_the_entries() {
    let tree = tempfile::tempdir().unwrap();
    let folder = tree.path().to_str().unwrap();
    let compare = || selvedge(&["sources", "vfio_iommu_type1_*pin_pages", "--kernel", folder]);
    let output = compare();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("is no kernel tree: cannot read"));

    std::fs::write(tree.path().join("Makefile"), "VERSION = 6\nPATCHLEVEL = 1\n").unwrap();
    let output = compare();
    assert_eq!(output.status.code(), Some(1));
    let missing = "no such file, for vfio_iommu_type1_pin_pages\n";
    assert!(stdout(&output).contains(missing), "{}", stdout(&output));

    std::fs::create_dir_all(tree.path().join("drivers/vfio")).unwrap();
    let write = |text: &str| {
        std::fs::write(tree.path().join("drivers/vfio/vfio_iommu_type1.c"), text).unwrap();
    };
    let unpin = "void vfio_iommu_type1_unpin_pages(void) { mutex_lock(&x->lock); }\n";
    write(unpin);
    let output = compare();
    let missing = "no function vfio_iommu_type1_pin_pages\n2 functions, 1 difference.\n";
    assert!(stdout(&output).ends_with(missing), "{}", stdout(&output));

    let pin = "int vfio_iommu_type1_pin_pages(struct a *a)\n{\n\tmutex_lock(&a->lock); /* ok */\n";
    write(&format!("{unpin}{pin}}}\n"));
    let output = compare();
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).ends_with("2 functions, 0 differences.\n"));

    write(&format!("{unpin}{pin}\tspin_lock_irqsave(&a->fresh, flags);\n}}\n"));
    let output = compare();
    assert_eq!(output.status.code(), Some(1));
    let fresh = "vfio_iommu_type1_pin_pages has spin_lock(fresh), and its entry has not\n";
    assert!(stdout(&output).contains(fresh), "{}", stdout(&output));
}
