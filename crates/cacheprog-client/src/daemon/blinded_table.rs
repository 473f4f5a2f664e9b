//! The build's blinded table (proto: `blinded_table.rs`): gets that are answered without the daemon, also when it is gone.
//!
//! It is read where it lies, for each get: what the daemon takes out of it is not used any more. Where a file that it names is missing or
//! was written to, the daemon is asked.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use proto::blinded_table::{Head, SLOT};
use proto::gocmd::Hit;
use proto::wire::{Request, Toolchain};
use proto::{ActionId, limits};

/// The table of this build, or none.
#[derive(Debug, Default)]
pub(super) struct BlindedTable {
    table: Option<Table>,
    /// What was used, and the daemon was not told yet.
    used: Vec<ActionId>,
}

#[derive(Debug)]
struct Table {
    file: File,
    /// The directory of its outputs.
    links: String,
    /// Whose answers they must be.
    toolchain: Toolchain,
    /// `None` while the daemon still writes the table.
    head: Option<Head>,
}

impl BlindedTable {
    /// The table beside a build's socket, if there is one, for a go command with this toolchain.
    pub(super) fn open(socket: &Path, toolchain: &Toolchain) -> Self {
        let file = store::open_regular(&socket.with_file_name("table")).ok();
        let links = socket.parent().and_then(Path::to_str).filter(|dir| dir.starts_with('/'));
        let table = file.zip(links).map(|(file, dir)| Table {
            file,
            links: format!("{dir}/p"),
            toolchain: toolchain.clone(),
            head: None,
        });
        Self { table, used: Vec::new() }
    }

    /// The answer to a get, whose file is there.
    pub(super) fn find(&mut self, action: &ActionId) -> Option<Hit> {
        let table = self.table.as_mut()?;
        if table.head.is_none() {
            table.head = table.read_head();
            // It stays another toolchain's.
            self.table.take_if(|table| table.head.is_some_and(|head| !head.is_for(&table.toolchain)));
        }
        self.table.as_ref()?.find(action)
    }

    /// An answer was used; returns whether the daemon is to be told now.
    pub(super) fn note_use(&mut self, action: ActionId) -> bool {
        self.used.push(action);
        self.used.len().is_multiple_of(limits::USED)
    }

    /// The notices of what was used, and the daemon was not told yet.
    pub(super) fn take_used(&mut self) -> Vec<Request> {
        let used = std::mem::take(&mut self.used);
        used.chunks(limits::USED).map(|some| Request::Used(some.to_vec())).collect()
    }
}

impl Table {
    fn find(&self, action: &ActionId) -> Option<Hit> {
        let (answer, _) = self.head?.look_up(action, |slots, at| self.file.read_at(slots, at))?;
        let path = format!("{}/{}", self.links, answer.link.file_name());
        let hit = Hit { output: answer.output, time: answer.time, path };
        store::is_unmodified(Path::new(&hit.path), hit.output).then_some(hit)
    }

    fn read_head(&self) -> Option<Head> {
        let mut bytes = [0; SLOT];
        self.file.read_exact_at(&mut bytes, 0).ok()?;
        Head::read(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::Output;
    use std::path::PathBuf;

    const ACTION: ActionId = ActionId([1; 32]);

    /// A build with a table that has one answer.
    fn build(dir: &Path) -> (Output, PathBuf) {
        testkit::build_with_table(dir, &Toolchain::default(), ACTION, b"abc")
    }

    #[test]
    fn it_answers_with_files_that_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let (output, view) = build(dir.path());
        let mut table = BlindedTable::open(&view.join("sock"), &Toolchain::default());
        let hit = table.find(&ACTION).unwrap();
        assert_eq!((hit.output, std::fs::read(&hit.path).unwrap()), (output, b"abc".to_vec()));
        assert!(table.find(&ActionId([9; 32])).is_none());
        std::fs::remove_file(&hit.path).unwrap();
        assert!(table.find(&ACTION).is_none());
        std::fs::write(&hit.path, "abd").unwrap(); // of the same size
        assert!(table.find(&ACTION).is_none());
    }

    #[test]
    fn what_is_taken_out_of_the_file_is_not_used_by_a_go_command_that_runs() {
        let dir = tempfile::tempdir().unwrap();
        let (_, view) = build(dir.path());
        let mut table = BlindedTable::open(&view.join("sock"), &Toolchain::default());
        assert!(table.find(&ACTION).is_some());
        File::options().write(true).open(view.join("table")).unwrap().set_len(0).unwrap();
        assert!(table.find(&ACTION).is_none());
    }

    #[test]
    fn it_is_of_no_use_to_another_toolchain_or_while_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let (_, view) = build(dir.path());
        let socket = view.join("sock");
        let other = Toolchain { goroot: "/other".into(), ..Toolchain::default() };
        assert!(BlindedTable::open(&socket, &other).find(&ACTION).is_none());
        let whole = std::fs::read(view.join("table")).unwrap();
        std::fs::write(view.join("table"), "").unwrap();
        let mut table = BlindedTable::open(&socket, &Toolchain::default());
        assert!(table.find(&ACTION).is_none());
        std::fs::write(view.join("table"), whole).unwrap();
        assert!(table.find(&ACTION).is_some());
    }

    #[test]
    fn uses_are_told_in_pieces() {
        let mut table = BlindedTable::default();
        let due: Vec<_> = (1..=2 * limits::USED).filter(|_| table.note_use(ACTION)).collect();
        assert_eq!(due, [limits::USED, 2 * limits::USED], "while the daemon is gone it waits");
        table.note_use(ACTION);
        let length = |notice: &Request| if let Request::Used(used) = notice { used.len() } else { 0 };
        assert_eq!(table.take_used().iter().map(length).collect::<Vec<_>>(), [limits::USED, limits::USED, 1]);
        assert!(table.take_used().is_empty());
    }
}
