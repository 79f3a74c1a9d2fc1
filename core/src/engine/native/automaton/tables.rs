//! The automaton as text, a line for each entry of its tables.

use std::fmt::{self, Write};

use crate::op::ObjectId;

use super::state::parts;
use super::{Automaton, Continuation, NumberedEffect, State, Transition};

impl Automaton {
    /// Writes the tables of an automaton that treats no two threads as the same. The
    /// [certificate](crate::engine::native::certificate) describes the lines.
    pub(in crate::engine::native) fn write_tables(&self, out: &mut String) -> fmt::Result {
        for (number, local) in self.threads.iter().enumerate() {
            write!(out, "local {number} {}", local.thread.index())?;
            match local.next.pending {
                Some((object, op)) => write!(out, " {}", at(object, &op.kind))?,
                None => out.push_str(" end"),
            }
            writeln!(out, "{}", if local.next.polls { " polls" } else { "" })?;
        }
        for (number, state) in self.objects.iter().enumerate() {
            writeln!(out, "value {number} {}", state.object.index())?;
        }
        let mut sets: Vec<_> = self.assignments.iter().collect();
        sets.sort_unstable_by_key(|(set, _)| **set);
        for ((object, value), becomes) in sets {
            match becomes {
                Ok(becomes) => writeln!(out, "set {object} {value} {becomes}")?,
                Err(fault) => writeln!(out, "set {object} {value} violates {fault}")?,
            }
        }
        let mut meetings: Vec<_> = self.transitions.keys().copied().collect();
        meetings.sort_unstable();
        meetings.into_iter().try_for_each(|meeting| self.write_meeting(meeting, out))
    }

    fn write_meeting(&self, meeting: u64, out: &mut String) -> fmt::Result {
        let transitions = &self.transitions[&meeting];
        let (thread, object) = (meeting >> 32, meeting & u64::from(u32::MAX));
        let (guaranteed, all) = (transitions.ready.guaranteed, transitions.outcomes.len());
        let idles = if transitions.idles { " idles" } else { "" };
        writeln!(out, "meet {thread} {object} {guaranteed} {all}{idles}")?;
        for (outcome, (transition, _)) in transitions.outcomes.iter().enumerate() {
            match *transition {
                Transition::Continues { object, thread } => {
                    writeln!(out, "to {outcome} {thread} {object}")?;
                }
                Transition::Does { object, continuation } => {
                    write!(out, "to {outcome}")?;
                    self.write_continuation(continuation, object, out)?;
                }
                Transition::Creates { object, creator } => {
                    let mut by_size: Vec<_> = self.creators[creator as usize].iter().collect();
                    by_size.sort_unstable_by_key(|(size, _)| size.0);
                    for (size, continuation) in by_size {
                        write!(out, "to {outcome} beside {} {}", size.threads(), size.objects())?;
                        self.write_continuation(*continuation, object, out)?;
                    }
                }
                Transition::Faults(fault) => writeln!(out, "to {outcome} violates {fault}")?,
                // A checker that needs it misses it.
                Transition::Unseen => {}
            }
        }
        Ok(())
    }

    fn write_continuation(&self, number: u32, object: u32, out: &mut String) -> fmt::Result {
        let Continuation { next, effects, violated, .. } = &self.continuations[number as usize];
        if let Some(violated) = violated {
            return writeln!(out, " violates {violated}");
        }
        write!(out, " {next} {object}")?;
        for effect in effects {
            match effect {
                NumberedEffect::Set(object, value) => {
                    write!(out, " set {} {value}", object.index())?;
                }
                NumberedEffect::Made(object) => write!(out, " made {object}")?,
                NumberedEffect::Spawned(thread) => write!(out, " spawned {thread}")?,
            }
        }
        writeln!(out)
    }

    /// Writes a line that begins with `word` and has a state.
    pub(in crate::engine::native) fn write_state(
        word: &str,
        state: &State,
        out: &mut String,
    ) -> fmt::Result {
        let (_, threads, objects) = parts(state);
        out.push_str(word);
        threads.iter().try_for_each(|thread| write!(out, " {thread}"))?;
        out.push_str(" |");
        objects.iter().try_for_each(|object| write!(out, " {object}"))?;
        writeln!(out)
    }
}

fn at(object: ObjectId, op: &impl fmt::Display) -> String {
    format!("{} {}", object.index(), op.to_string().replace(' ', "_"))
}
