//! A line for each family, written as soon as its last scenario is verified.

use std::io::{self, Write};
use std::mem;

use selvedge_core::Report;

use crate::json::VerdictRecord;
use crate::style::bad;
use crate::table::{time, write_preconditions, write_summary};

/// The parts of a scenario's name that are its family: the driver, and the subject or the version.
const PARTS: usize = 2;

/// The widest name of a family that moves no column.
const WIDTH: usize = 28;

/// The verdicts so far.
#[derive(Default)]
pub(crate) struct Families {
    family: Family,
    records: Vec<VerdictRecord>,
}

/// The family whose line is not complete.
#[derive(Default)]
struct Family {
    name: String,
    proved: usize,
    refuted: usize,
    inconclusive: usize,
    not_as_expected: usize,
    seconds: f64,
}

impl Families {
    /// Adds a verdict. One that is not as expected is written in full.
    pub(crate) fn add(
        &mut self,
        record: VerdictRecord,
        report: &Report,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let name = family(&record.scenario);
        if self.records.is_empty() {
            write_line(["family", "proved", "refuted", "inconclusive", "time"], "", out)?;
        }
        if name != self.family.name {
            self.end_family(out)?;
            name.clone_into(&mut self.family.name);
        }
        if !record.as_expected {
            writeln!(out, "{} on {}: {report}", record.scenario, record.engine)?;
            self.family.not_as_expected += usize::from(record.is_wrong());
        }
        self.family.seconds += record.seconds;
        *match record.found.as_str() {
            "refuted" => &mut self.family.refuted,
            "inconclusive" => &mut self.family.inconclusive,
            _ => &mut self.family.proved,
        } += 1;
        self.records.push(record);
        Ok(())
    }

    /// Writes the last family, the preconditions and the summary. So many scenarios have not been
    /// verified.
    pub(crate) fn end(mut self, not_verified: usize, out: &mut impl Write) -> io::Result<()> {
        self.end_family(out)?;
        write_preconditions(self.records.iter(), out)?;
        write_summary(self.records.iter(), not_verified, out)?;
        writeln!(out, "--verbose prints every row; `selvedge explain NAME` an interleaving.")
    }

    fn end_family(&mut self, out: &mut impl Write) -> io::Result<()> {
        let family = mem::take(&mut self.family);
        if family.name.is_empty() {
            return Ok(());
        }
        let count = |count: usize| if count == 0 { "-".to_owned() } else { count.to_string() };
        let cells = [
            family.name,
            count(family.proved),
            count(family.refuted),
            count(family.inconclusive),
            time(family.seconds),
        ];
        let note = match family.not_as_expected {
            0 => String::new(),
            count => bad(format!("{count} NOT AS EXPECTED")),
        };
        write_line(cells.each_ref().map(String::as_str), &note, out)?;
        out.flush()
    }
}

fn write_line(cells: [&str; 5], note: &str, out: &mut impl Write) -> io::Result<()> {
    let [name, proved, refuted, inconclusive, time] = cells;
    let line =
        format!("{name:WIDTH$} {proved:>7} {refuted:>8} {inconclusive:>13} {time:>9}  {note}");
    writeln!(out, "{}", line.trim_end())
}

pub(crate) fn family(scenario: &str) -> &str {
    let name = scenario.rsplit_once('/').map_or(scenario, |(family, _)| family);
    name.match_indices('/').nth(PARTS - 1).map_or(name, |(end, _)| &name[..end])
}

#[cfg(test)]
mod tests {
    use super::family;

    #[test]
    fn a_family_has_at_most_two_parts() {
        assert_eq!(family("vfio-ap/matrix/v6.0-set/pqap-upd"), "vfio-ap/matrix");
        assert_eq!(family("iommu/v6.2/flush-move"), "iommu/v6.2");
        assert_eq!(family("programs/big6"), "programs");
        assert_eq!(family("big6"), "big6");
    }
}
