//! What a session remembers of the actions it asked for, bounded.

use std::collections::HashMap;

use proto::ActionId;

/// Actions remembered, each some 100 bytes. A go command works on a few at a time; what is forgotten costs an entry its
/// price tag, no more.
const MOST: usize = 2048;

/// The latest actions and something about each.
#[derive(Debug)]
pub struct Recent<V>(HashMap<ActionId, V>);

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<V> Recent<V> {
    /// Remembers; all the others are forgotten where there is no more room.
    pub fn insert(&mut self, action: ActionId, value: V) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(action, value);
    }

    /// Takes what is remembered of an action.
    pub fn remove(&mut self, action: &ActionId) -> Option<V> {
        self.0.remove(action)
    }
}
