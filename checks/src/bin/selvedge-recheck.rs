//! Checks certificates: the proofs that `selvedge certify` writes, as tables and states.
//!
//! This program shares nothing with the search, and needs only the standard library, so that it can
//! be read in one sitting. `core/src/engine/native/certificate.rs` describes the lines of a
//! certificate. The tables are believed. What they say together with the states is checked:
//!
//! - Every step out of every state leads to a state of the list, which has the beginning.
//! - No step violates anything.
//! - From every state in which a thread waits, guaranteed steps lead to one in which it continues.
//!
//! So no execution violates anything, and no thread waits for good.

use std::collections::{HashMap, VecDeque};
use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::ExitCode;

/// The local states of the threads, and the values of the objects.
type State = (Vec<u32>, Vec<u32>);

/// A set of threads, a bit each.
type Threads = u128;

#[derive(Default)]
struct Certificate {
    scenario: String,
    /// For each local state: its thread, the object of its next operation if it has not ended, and
    /// whether it polls there.
    locals: HashMap<u32, (usize, Option<usize>, bool)>,
    /// The object of each value.
    values: HashMap<u32, usize>,
    sets: HashMap<(u32, u64), u32>,
    meetings: HashMap<(u32, u32), Meeting>,
    beginning: Option<State>,
    states: Vec<State>,
}

/// What can happen at the next operation of a thread.
struct Meeting {
    guaranteed: usize,
    outcomes: usize,
    idles: bool,
    leads: Vec<Lead>,
}

/// Where an outcome leads, from states of `size`, or from all.
struct Lead {
    outcome: usize,
    size: Option<(usize, usize)>,
    /// A local state, a value, and the other effects. Nothing, if it violates something.
    to: Option<(u32, u32, Vec<Effect>)>,
}

enum Effect {
    Set(usize, u64),
    Made(u32),
    Spawned(u32),
}

fn number<N: std::str::FromStr>(word: Option<&str>) -> Result<N, String> {
    let word = word.ok_or("a word is missing")?;
    word.parse().map_err(|_| format!("`{word}` is not the number that is expected"))
}

fn state(text: &str) -> Result<State, String> {
    let (locals, values) = text.split_once(" |").ok_or("a state has a `|`")?;
    let numbers = |text: &str| text.split_whitespace().map(|word| number(Some(word))).collect();
    let locals: Result<_, String> = numbers(locals);
    Ok((locals?, numbers(values)?))
}

impl Certificate {
    fn read(lines: impl BufRead) -> Result<Self, String> {
        let mut certificate = Self::default();
        let mut last = None;
        for (at, line) in lines.lines().enumerate() {
            let line = line.map_err(|error| error.to_string())?;
            let read = match (at, line.as_str()) {
                (0, "selvedge certificate 1") => Ok(()),
                (0, _) => Err("not a certificate of version 1".to_owned()),
                _ => certificate.read_line(&line, &mut last),
            };
            read.map_err(|why| format!("line {}: {why}", at + 1))?;
        }
        Ok(certificate)
    }

    fn read_line(&mut self, line: &str, last: &mut Option<(u32, u32)>) -> Result<(), String> {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut words = rest.split(' ');
        match kind {
            "scenario" => self.scenario = rest.to_owned(),
            "local" => {
                let (local, thread) = (number(words.next())?, number(words.next())?);
                let object = match words.next() {
                    Some("end") => None,
                    object => Some(number(object)?),
                };
                self.locals.insert(local, (thread, object, words.next_back() == Some("polls")));
            }
            "value" => {
                self.values.insert(number(words.next())?, number(words.next())?);
            }
            "set" => {
                let set = (number(words.next())?, number(words.next())?);
                if !rest.contains("violates") {
                    self.sets.insert(set, number(words.next())?);
                }
            }
            "meet" => {
                let key = (number(words.next())?, number(words.next())?);
                let (guaranteed, outcomes) = (number(words.next())?, number(words.next())?);
                let idles = words.next() == Some("idles");
                *last = Some(key);
                let meeting = Meeting { guaranteed, outcomes, idles, leads: Vec::new() };
                self.meetings.insert(key, meeting);
            }
            "to" => {
                let meeting = last.and_then(|last| self.meetings.get_mut(&last));
                meeting.ok_or("`to` has no `meet`")?.leads.push(Lead::read(rest)?);
            }
            "begin" => self.beginning = Some(state(rest)?),
            "state" => self.states.push(state(rest)?),
            _ => return Err(format!("no line begins with `{kind}`")),
        }
        Ok(())
    }

    /// Returns every state that a step out of `state` leads to, with whether the step is
    /// guaranteed, and adds the threads that wait to `waits`.
    fn steps(&self, state: &State, waits: &mut Threads) -> Result<Vec<(bool, State)>, String> {
        let mut steps = Vec::new();
        for (thread, local) in state.0.iter().enumerate() {
            let (of, object, polls) = self.locals.get(local).ok_or("an unknown local state")?;
            if *of != thread {
                return Err(format!("thread {thread} is in a local state of thread {of}"));
            }
            let Some(object) = *object else { continue };
            let value = *state.1.get(object).ok_or("a thread is at an unknown object")?;
            let meeting = self.meetings.get(&(*local, value));
            let missing = || format!("thread {thread} at object {object} is in no table");
            let Meeting { guaranteed, outcomes, idles, leads } = meeting.ok_or_else(missing)?;
            if !idles && (*guaranteed == 0 || *polls) {
                *waits |= 1 << thread;
            }
            for outcome in 0..*outcomes {
                let size = (state.0.len(), state.1.len());
                let here = |lead: &&Lead| {
                    lead.outcome == outcome && lead.size.is_none_or(|only| only == size)
                };
                let lead = leads.iter().find(here).ok_or_else(missing)?;
                let step = self.step(state, thread, object, lead);
                let step =
                    step.map_err(|why| format!("outcome {outcome} of thread {thread}: {why}"));
                steps.push((outcome < *guaranteed, step?));
            }
        }
        Ok(steps)
    }

    fn step(&self, from: &State, thread: usize, object: usize, by: &Lead) -> Result<State, String> {
        let (local, value, effects) = by.to.as_ref().ok_or("it violates something")?;
        let (mut locals, mut values) = from.clone();
        (locals[thread], values[object]) = (*local, *value);
        for effect in effects {
            match effect {
                Effect::Set(object, word) => {
                    let value = values.get_mut(*object).ok_or("it sets an unknown object")?;
                    let becomes = self.sets.get(&(*value, *word));
                    *value = *becomes.ok_or("what it sets an object to violates something")?;
                }
                Effect::Made(value) => values.push(*value),
                Effect::Spawned(local) => locals.push(*local),
            }
        }
        Ok((locals, values))
    }

    /// Checks that the states are those of a proof. Returns the number of steps.
    fn check(&self) -> Result<usize, String> {
        let known: HashMap<&State, usize> =
            self.states.iter().enumerate().map(|(at, state)| (state, at)).collect();
        let mut before = vec![Vec::new(); self.states.len()];
        let mut waiting = vec![0; self.states.len()];
        let mut count = 0;
        let beginning = self.beginning.as_ref().ok_or("there is no beginning")?;
        if !known.contains_key(beginning) {
            return Err("the beginning is not in the list".to_owned());
        }
        for (at, state) in self.states.iter().enumerate() {
            let here = |why: String| format!("state {at}: {why}");
            if state.0.len() > Threads::BITS as usize {
                return Err(here("there are more than 128 threads".to_owned()));
            }
            if state.1.iter().enumerate().any(|(o, value)| self.values.get(value) != Some(&o)) {
                return Err(here("an object has a value of another one".to_owned()));
            }
            for (guaranteed, next) in self.steps(state, &mut waiting[at]).map_err(here)? {
                let not = || here("a step leads to a state that is not in the list".to_owned());
                let next = *known.get(&next).ok_or_else(not)?;
                count += 1;
                if guaranteed {
                    before[next].push(at);
                }
            }
        }
        // Each state waits for what it waits for on every path from there.
        let mut to_do: VecDeque<usize> = (0..self.states.len()).collect();
        while let Some(at) = to_do.pop_front() {
            for earlier in &before[at] {
                let less = waiting[*earlier] & waiting[at];
                if less != waiting[*earlier] {
                    waiting[*earlier] = less;
                    to_do.push_back(*earlier);
                }
            }
        }
        match waiting.iter().position(|threads| *threads != 0) {
            Some(at) => {
                Err(format!("state {at}: thread {} waits for good", waiting[at].trailing_zeros()))
            }
            None => Ok(count),
        }
    }
}

impl Lead {
    fn read(text: &str) -> Result<Self, String> {
        let mut words = text.split(' ').peekable();
        let (outcome, mut size) = (number(words.next())?, None);
        if words.next_if_eq(&"beside").is_some() {
            size = Some((number(words.next())?, number(words.next())?));
        }
        if words.peek() == Some(&"violates") {
            return Ok(Self { outcome, size, to: None });
        }
        let (local, value) = (number(words.next())?, number(words.next())?);
        let mut effects = Vec::new();
        while let Some(effect) = words.next() {
            effects.push(match effect {
                "set" => Effect::Set(number(words.next())?, number(words.next())?),
                "made" => Effect::Made(number(words.next())?),
                "spawned" => Effect::Spawned(number(words.next())?),
                _ => return Err(format!("`{effect}` is no effect")),
            });
        }
        Ok(Self { outcome, size, to: Some((local, value, effects)) })
    }
}

fn recheck(file: &str) -> Result<String, String> {
    let lines = File::open(file).map(BufReader::new).map_err(|error| error.to_string())?;
    let certificate = Certificate::read(lines)?;
    let steps = certificate.check()?;
    let Certificate { scenario, states, .. } = &certificate;
    Ok(format!("{scenario}: confirmed, {} states and {steps} steps", states.len()))
}

fn main() -> ExitCode {
    let files: Vec<String> = env::args().skip(1).collect();
    if files.is_empty() || files.iter().any(|file| file.starts_with('-')) {
        eprintln!("usage: selvedge-recheck FILE..\n\nChecks what `selvedge certify` has written.");
        return ExitCode::from(2);
    }
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match recheck(&file) {
            Ok(line) => println!("{line}"),
            Err(why) => {
                eprintln!("{file}: {why}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
