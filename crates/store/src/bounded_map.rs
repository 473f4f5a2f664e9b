//! A map by action that never grows beyond a bound: what a session remembers of the actions that it asked for.

use std::collections::HashMap;

use proto::ActionId;

/// Actions remembered, each some 100 bytes. A go command works on a few at a time; for what is forgotten an entry does not know
/// what it cost, no more.
const MOST: usize = 2048;

/// The latest actions and something about each.
#[derive(Debug)]
pub struct BoundedMap<V>(HashMap<ActionId, V>);

impl<V> Default for BoundedMap<V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<V> BoundedMap<V> {
    /// Remembers; all the others are forgotten where there is no more room.
    pub fn insert(&mut self, action: ActionId, value: V) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(action, value);
    }

    /// What is remembered of an action.
    #[must_use]
    pub fn get(&self, action: &ActionId) -> Option<&V> {
        self.0.get(action)
    }

    /// Takes what is remembered of an action.
    pub fn remove(&mut self, action: &ActionId) -> Option<V> {
        self.0.remove(action)
    }
}
