//! Whether our go command runs tests at this moment.

use std::fs;
use std::path::Path;

use crate::parent_process::parent_file;

/// Whether a child of our go command is a test's program: cmd/go calls them NAME.test (cmd/go/internal/test/test.go `builderTest`,
/// Go 1.21-1.27). False where the kernel does not tell.
pub(super) fn are_running() -> bool {
    let tasks = parent_file("task").and_then(|dir| fs::read_dir(dir).ok());
    let children =
        tasks.into_iter().flatten().flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    children.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).any(|pid| is_test(&pid))
}

fn is_test(pid: &str) -> bool {
    let program = fs::read_link(Path::new("/proc").join(pid).join("exe"));
    program.is_ok_and(|program| program.extension().is_some_and(|extension| extension == "test"))
}
