//! Sequence diagrams of Mermaid, which forges and editors show in Markdown.

use std::fmt::Write as _;

use crate::json::ExecutionRecord;

/// Returns the diagram: a participant for each thread, a note for each operation, and at the end
/// what each thread waits for.
pub(super) fn diagram(found: &ExecutionRecord) -> String {
    let mut text = format!("---\ntitle: \"{}\"\n---\nsequenceDiagram\n", quoted(&found.violation));
    for (number, name) in found.threads.iter().enumerate() {
        let _ = writeln!(text, "    participant T{number} as {}", label(name));
    }
    for (at, step) in found.steps.iter().enumerate() {
        if found.again_from == Some(at) {
            text.push_str("    loop for ever\n");
        }
        let before = at.checked_sub(1).map(|before| found.steps[before].thread);
        if let (Some(before), Some(switch)) = (before, &step.switch) {
            let (left, next, switch) = (before, step.thread, label(switch));
            let _ = writeln!(text, "    T{left}-->>T{next}: {switch}");
        }
        let operation = label(&step.operation);
        let _ = writeln!(text, "    Note over T{}: {}. {operation}", step.thread, at + 1);
    }
    if found.again_from.is_some() {
        text.push_str("    end\n");
    }
    let number = |name: &str| found.threads.iter().position(|thread| thread == name);
    for wait in &found.waits {
        let Some(thread) = number(&wait.thread) else { continue };
        let wants = label(&wait.wants);
        match wait.waits_for.iter().find_map(|other| number(other)) {
            Some(other) => {
                let _ = writeln!(text, "    T{thread}-xT{other}: waits for {wants}");
            }
            None => {
                let _ = writeln!(text, "    Note over T{thread}: waits for {wants}");
            }
        }
    }
    text
}

/// Returns a text without what Mermaid would take for syntax.
fn label(text: &str) -> String {
    let escaped = |c: char| match c {
        '#' => "#35;".to_owned(),
        ';' => "#59;".to_owned(),
        ':' => "#58;".to_owned(),
        '<' => "#lt;".to_owned(),
        // An arrow of C would be one of Mermaid.
        '>' => "#gt;".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
