//! The standard streams and signals of this process, as cmd/go expects them of its child (docs/facts/go.md,
//! "Rules for a cache program").

use std::fs::File;
use std::io;

use nix::sys::signal::{SigSet, Signal};

/// Takes standard output for the protocol alone: any other write to descriptor 1 goes to /dev/null, and no child
/// can hold the pipe open, for whose end cmd/go waits without limit.
pub(crate) fn take_stdout() -> io::Result<File> {
    let pipe = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    let null = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    block_interrupts();
    // cmd/go passes standard error on to the user, who can do nothing about a panic.
    std::panic::set_hook(Box::new(|_| ()));
    Ok(pipe.into())
}

/// `go run` and `go test` outlive a Ctrl-C to let the program finish, and report "exited pre-Close" if this process does not.
/// (Rust's runtime ignores SIGPIPE.) The signals are blocked and not ignored: that needs no unsafe code, and has the same effect.
fn block_interrupts() {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGINT);
    mask.add(Signal::SIGQUIT);
    // Only a bad argument can fail here.
    let _blocked = mask.thread_block();
}
