//! Options together with which of them were typed. A variable gives an option a value too; what is typed must not be ignored because of it.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

/// The options `A`, and the names of those that are on the command line.
#[derive(Debug, Clone)]
pub(crate) struct Typed<A> {
    pub(crate) options: A,
    names: Vec<String>,
}

impl<A> Typed<A> {
    /// Whether this option is on the command line.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|typed| typed == name)
    }
}

fn typed(matches: &ArgMatches) -> Vec<String> {
    let all = matches.ids().map(|id| id.as_str());
    all.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine)).map(str::to_owned).collect()
}

impl<A: FromArgMatches> FromArgMatches for Typed<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self { options: A::from_arg_matches(matches)?, names: typed(matches) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.names = typed(matches);
        self.options.update_from_arg_matches(matches)
    }
}

impl<A: Args> Args for Typed<A> {
    fn augment_args(command: Command) -> Command {
        A::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        A::augment_args_for_update(command)
    }
}
