
/// Whether a statement is there: all are but the one that `MUTANT` names. Notes in the file that
/// `REACHED` names that it was reached.
pub(crate) fn present(statement: usize) -> bool {
    use std::io::Write;
    use std::sync::{LazyLock, Mutex};
    static REACHED: LazyLock<Option<(std::path::PathBuf, Mutex<Vec<bool>>)>> =
        LazyLock::new(|| Some((std::env::var_os("REACHED")?.into(), Vec::new().into())));
    static ABSENT: LazyLock<usize> = LazyLock::new(|| {
        std::env::var("MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or(0)
    });
    if let Some((path, reached)) = &*REACHED {
        let mut reached = reached.lock().unwrap();
        if reached.len() <= statement {
            reached.resize(statement + 1, false);
        }
        if !std::mem::replace(&mut reached[statement], true) {
            let mut file = std::fs::File::options().append(true).create(true).open(path).unwrap();
            writeln!(file, "{statement}").unwrap();
        }
    }
    *ABSENT != statement
}
