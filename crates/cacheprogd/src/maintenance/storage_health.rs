//! Whether puts can be stored. One line in the log when that changes, however many puts it concerns.
//!
//! The status and the metrics show it; a put that fails is answered in session/handler/put.rs.

use std::sync::Mutex;

use proto::control::Trouble;
use proto::error::with_causes;
use store::StoreError;

use crate::clock;
use crate::limits::STORAGE_RECOVERY_SECONDS;
use crate::mutex::lock;

/// What is known of the storage.
#[derive(Debug, Default)]
pub(crate) struct StorageHealth {
    /// Guards nothing else; held for one change.
    trouble: Mutex<Option<Trouble>>,
}

impl StorageHealth {
    /// A put was stored. On a disk that is nearly full small puts succeed while large ones fail: the trouble is over only after a
    /// while without a failure.
    pub(crate) fn record_success(&self) {
        let is_over =
            |trouble: &mut Trouble| clock::unix(clock::now()).saturating_sub(trouble.last) > STORAGE_RECOVERY_SECONDS;
        let over = lock(&self.trouble).take_if(is_over);
        if let Some(trouble) = over {
            log::info!("puts are stored again, after {} failures", trouble.failures);
        }
    }

    /// A put could not be stored.
    pub(crate) fn record_failure(&self, error: &StoreError) {
        let latest = with_causes(error);
        let is_first = {
            let mut trouble = lock(&self.trouble);
            let is_first = trouble.is_none();
            let trouble =
                trouble.get_or_insert_with(|| Trouble { since: clock::unix(clock::now()), ..Trouble::default() });
            trouble.failures += 1;
            trouble.last = clock::unix(clock::now());
            trouble.latest.clone_from(&latest);
            is_first
        };
        if is_first {
            log::error!("cannot store puts: {latest}; they stay private to their builds; see cacheprogctl doctor");
        }
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        lock(&self.trouble).clone()
    }
}
