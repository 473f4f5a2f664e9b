//! Puts in transparent mode.

use std::sync::Arc;

use crate::gocmd::cache::Put;
use crate::put_body::Held;
use crate::daemon::in_flight::Ask;
use crate::share_policy;

use super::session::Remote;

/// The id of a request of our own: cmd/go, which counts up from 0, waits for no answer to it.
const NOBODY: i64 = -1;

impl Remote {
    /// A put in transparent mode: shared if it is compiled Go of which nothing was said, with that. cmd/go puts what was
    /// said first (cmd/go/internal/work/buildid.go `updateBuildID`, Go 1.21-1.27). Of an index the daemon knows whether it is.
    pub(super) fn put_plain(&self, id: i64, put: Put, body: Held) {
        let read = |bytes: &mut [u8], at| body.read_exact_at(bytes, at);
        if self.shared.hello.reads_goroot && share_policy::is_index(read) {
            return self.shared.ask(id, Ask::Put(put, Arc::new(body), None));
        }
        let said = share_policy::said(&put.action);
        let nothing = self.shared.own.find(&said).filter(|hit| hit.size == 0);
        let is_compiled_go = store::archive::is_compiled_go(put.size, read);
        let Some(nothing) = nothing.filter(|_| is_compiled_go) else { return self.shared.spool_put(id, &put, &body) };
        self.shared.ask(id, Ask::Put(put, Arc::new(body), None));
        let nothing = Put { action: said, output: nothing.output, size: 0 };
        self.shared.ask(NOBODY, Ask::Put(nothing, Arc::new(Held::of(b"")), None));
    }
}
