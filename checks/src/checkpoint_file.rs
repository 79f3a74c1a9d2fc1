//! A file with a checkpoint of a search.
//!
//! After the checkpoint the file has the number of the sources that were explored. The engine
//! detects a changed scenario only where the resumed search revisits an explored step, which may be
//! late.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use selvedge_core::{Checkpoint, Progress};
use tempfile::NamedTempFile;

use crate::app::complain;
use crate::json::SOURCES;

/// The time between two checkpoints.
const EVERY: Duration = Duration::from_secs(60);

/// Writes checkpoints to a file.
pub(crate) struct CheckpointFile {
    file: PathBuf,
    last: Instant,
}

impl CheckpointFile {
    /// Creates a writer to `file`.
    ///
    /// # Errors
    ///
    /// If the folder of the file cannot be written to, or if the file is no regular file: it would
    /// be replaced, and a device must not be.
    pub(crate) fn new(file: &Path) -> Result<Self, String> {
        if fs::symlink_metadata(file).is_ok_and(|found| !found.is_file()) {
            return Err(format!(
                "{} is no regular file; --checkpoint takes a new file or an earlier checkpoint",
                file.display()
            ));
        }
        drop(beside(file).map_err(|error| format!("cannot write {}: {error}", file.display()))?);
        Ok(Self { file: file.to_owned(), last: Instant::now() })
    }

    /// Writes the file if it is time to.
    pub(crate) fn update(&mut self, progress: &Progress<'_>) {
        if (progress.stopping.is_some() || self.last.elapsed() >= EVERY)
            && let Some(checkpoint) = progress.checkpoint()
        {
            self.last = Instant::now();
            let file = self.file.display();
            match write(&self.file, &checkpoint) {
                Ok(()) if progress.stopping.is_some() => {
                    complain(&format!("checkpoint written to {file}; resume with --resume {file}"));
                }
                Ok(()) => {}
                Err(error) => complain(&format!("cannot write {file}: {error}")),
            }
        }
    }
}

/// Replaces the file as a whole: a process that is killed here leaves the one before.
fn write(file: &Path, checkpoint: &Checkpoint) -> io::Result<()> {
    let mut new = beside(file)?;
    new.write_all(&checkpoint.to_bytes())?;
    new.write_all(&SOURCES.to_le_bytes())?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}

fn beside(file: &Path) -> io::Result<NamedTempFile> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut new = tempfile::Builder::new();
    // As any file that the user writes: the umask decides.
    #[cfg(unix)]
    new.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    new.tempfile_in(folder.unwrap_or(Path::new(".")))
}

pub(crate) fn read(file: &Path) -> Result<Checkpoint, String> {
    let name = file.display();
    let bytes = fs::read(file).map_err(|error| format!("cannot read {name}: {error}"))?;
    let (search, sources) = bytes.split_last_chunk().unwrap_or((&bytes, &[0; 8]));
    let checkpoint = Checkpoint::from_bytes(search).map_err(|error| format!("{name}: {error}"))?;
    if *sources != SOURCES.to_le_bytes() {
        return Err(format!(
            "{name}: the sources of the models or of the engine have changed since; start the \
             search again"
        ));
    }
    Ok(checkpoint)
}
