//! Whether puts can be stored. One line in the log when that changes, however many puts it concerns.

use std::sync::Mutex;

use proto::control::Trouble;
use store::StoreError;

use crate::clock;
use crate::error::chain;
use crate::sync::lock;

/// Seconds without a failure after which the trouble is over.
const CALM: u64 = 10;

#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Guards nothing else; held for one change.
    trouble: Mutex<Option<Trouble>>,
}

impl Health {
    /// A put was stored. On a disk that is nearly full small ones are while large ones are not: the trouble is over only
    /// after a while without it.
    pub(crate) fn well(&self) {
        let over = lock(&self.trouble).take_if(|trouble| clock::unix(clock::now()).saturating_sub(trouble.last) > CALM);
        if let Some(trouble) = over {
            log::info!("puts are stored again, after {} that were not", trouble.failures);
        }
    }

    /// A put could not be stored.
    pub(crate) fn ill(&self, error: &StoreError) {
        let latest = chain(error);
        let first = {
            let mut trouble = lock(&self.trouble);
            let first = trouble.is_none();
            let trouble =
                trouble.get_or_insert_with(|| Trouble { since: clock::unix(clock::now()), ..Trouble::default() });
            trouble.failures += 1;
            trouble.last = clock::unix(clock::now());
            trouble.latest.clone_from(&latest);
            first
        };
        if first {
            log::error!("puts cannot be stored, the builds keep them for themselves: {latest}");
        }
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        lock(&self.trouble).clone()
    }
}
