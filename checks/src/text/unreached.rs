//! The lines that no execution has reached: what a proof does not speak of.

use std::collections::BTreeMap;

use super::program::{Does, Program, Steps, Value};

/// Returns a note on the lines of the scenario that no execution has reached, if there are any.
pub(super) fn remark(program: &Program) -> Option<String> {
    let mut statements = BTreeMap::new();
    let idle: Vec<usize> = program
        .classes
        .iter()
        .filter(|class| !class.is_started)
        .filter_map(|class| class.body)
        .collect();
    let bodies = program.bodies.iter().enumerate().filter(|(number, _)| !idle.contains(number));
    for body in bodies.map(|(_, body)| body).chain(&program.finally) {
        visit(&body.steps, &mut statements);
    }
    let mut lines: BTreeMap<u32, Vec<bool>> = BTreeMap::new();
    for ((line, _), reached) in statements {
        lines.entry(line).or_default().push(reached);
    }
    let lines: Vec<String> = lines
        .into_iter()
        .filter(|(_, reached)| reached.contains(&false))
        .map(|(line, reached)| match reached.contains(&true) {
            true => format!("all of line {line}"),
            false => format!("line {line}"),
        })
        .collect();
    (!lines.is_empty()).then(|| format!("no interleaving reaches {}", listed(&lines)))
}

/// Returns `line 3`, or `line 3, line 4 and all of line 5`.
fn listed(lines: &[String]) -> String {
    match lines {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Notes of each statement whether some execution of it was reached.
fn visit(steps: &Steps, statements: &mut BTreeMap<(u32, usize), bool>) {
    for step in steps {
        *statements.entry((step.line, step.at)).or_default() |= step.is_reached();
        for value in step.does.values() {
            functions(value, statements);
        }
        for block in step.does.blocks() {
            visit(block, statements);
        }
    }
}

/// Visits the functions of the text that a value calls.
fn functions(value: &Value, statements: &mut BTreeMap<(u32, usize), bool>) {
    match value {
        Value::Inline(inline) => {
            inline.arguments.iter().for_each(|(_, value)| functions(value, statements));
            visit(&inline.steps, statements);
        }
        Value::Call(call) => {
            call.arguments.iter().for_each(|value| functions(value, statements));
            if let Some(function) = &call.function {
                visit(&function.steps, statements);
            }
        }
        Value::Not(inner) | Value::Negative(inner) => functions(inner, statements),
        Value::Binary(_, sides) => {
            functions(&sides.0, statements);
            functions(&sides.1, statements);
        }
        Value::Number(_) | Value::Variable(_) | Value::Instance | Value::Load(_) => {}
    }
}

/// Returns whether the steps have a loop, or a wait for a condition, which is one.
pub(super) fn has_loops(steps: &Steps) -> bool {
    steps.iter().any(|step| {
        let is_loop = matches!(step.does, Does::While { .. } | Does::Loop { .. });
        is_loop
            || step.does.values().into_iter().any(waits)
            || step.does.blocks().into_iter().any(has_loops)
    })
}

fn waits(value: &Value) -> bool {
    match value {
        Value::Inline(inline) => has_loops(&inline.steps),
        Value::Call(call) => {
            let function = call.function.as_deref();
            call.row.name.starts_with("wait_event")
                || function.is_some_and(|function| has_loops(&function.steps))
        }
        Value::Not(inner) | Value::Negative(inner) => waits(inner),
        Value::Binary(_, sides) => waits(&sides.0) || waits(&sides.1),
        _ => false,
    }
}
