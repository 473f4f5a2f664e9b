//! What a child of cmd/go must see to before anything else (docs/facts/go.md, "Rules for a cache program").

use std::fs::File;
use std::io;

use nix::sys::signal::{SigSet, Signal};

/// Takes standard output for the protocol alone: whatever else writes to descriptor 1 writes to /dev/null, and no child
/// can hold the pipe open, for whose end cmd/go waits without limit.
pub(crate) fn take_stdout() -> io::Result<File> {
    let own = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let null = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    ignore_interrupts();
    // cmd/go passes standard error on to the user, who can do nothing about it.
    std::panic::set_hook(Box::new(|_| ()));
    Ok(own.into())
}

/// `go run` and `go test` outlive a Ctrl-C to let the program finish, and report "exited pre-Close" if we do not.
/// (SIGPIPE is ignored by Rust's runtime.) Blocked rather than ignored: that needs no unsafe, and comes to the same.
fn ignore_interrupts() {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGINT);
    mask.add(Signal::SIGQUIT);
    // Only a bad argument can fail here.
    let _blocked = mask.thread_block();
}
