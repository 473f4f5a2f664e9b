//! The help of the whole command line: the commands by task, in place of clap's single list. Each command has its help beside its
//! arguments.

use std::fmt::Write;

use clap::Command;

/// What people want to do, and the commands for it.
const TASKS: [(&str, &[&str]); 3] = [
    ("See what the cache does", &["status", "builds", "why", "top", "doctor"]),
    ("Work on a store", &["gc", "verify", "purge", "export", "remote"]),
    ("Set it up", &["install", "uninstall", "check"]),
];

/// The end of the short help.
pub(crate) const MORE: &str = "`cacheprogctl COMMAND --help` explains a command, `-h` lists its options.";

/// The end of the long help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cacheprogctl status                  hit rates, time saved, live builds
  cacheprogctl status --store          the same of your own store, without a daemon
  cacheprogctl why caddy               why the latest build of caddy missed
  cacheprogctl doctor                  what is missing on this machine
  cacheprogctl install --dry-run       what an installation would do

Exit status: 0 done, 1 something failed or is bad, 2 wrong command line, 3 no
daemon. A page with all of it: docs/reference/cli.md.";

/// Columns of a line of help at most, on a wide terminal.
const WIDTH: usize = 100;

/// The command line whose help lists its commands by task.
pub(crate) fn by_task(command: Command) -> Command {
    let mut tasks = String::new();
    for (task, names) in TASKS {
        // Writing to a String cannot fail.
        let _infallible = writeln!(tasks, "{task}:");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _infallible = writeln!(tasks, "  {name:<10} {about}");
        }
        tasks.push('\n');
    }
    let template =
        format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{tasks}Options:\n{{options}}{{after-help}}");
    command.help_template(template).max_term_width(WIDTH)
}
