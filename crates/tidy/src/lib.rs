//! Holds no code: the rules of the project are checked by tests/tidy/.
