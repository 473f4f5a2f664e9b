//! Cache programs that break the rules of the protocol, to find out what each version of cmd/go does with them: the fallbacks of
//! our client rest on the result (docs/explanation/never-fatal.md has the table).

use std::collections::HashMap;
use std::fs;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::gocmd::{self, Command, Hit, Requests};
use proto::{ActionId, Output, OutputId};

named_enum! {
    /// The rule that the program breaks.
    Misbehavior {
        None "good",
        GetsMiss "gets-miss",
        GetsFail "gets-fail",
        HitsWithoutFile "hits-without-file",
        HitsOfAnotherSize "hits-of-another-size",
        PutsNowhere "puts-nowhere",
        PutsFail "puts-fail",
        PutsWithoutPath "puts-without-path",
        Ends "ends",
    }
}

/// Requests after which the program of `Ends` ends.
const LAST_REQUEST: usize = 20;

/// Serves cmd/go with its files below `dir`.
pub fn run(misbehavior: Misbehavior, dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all(dir)?;
    let mut puts: HashMap<ActionId, Output> = HashMap::new();
    let mut requests = Requests::new(BufReader::new(std::io::stdin().lock()));
    send(gocmd::write_hello)?;
    for n in 0.. {
        let Some(request) = requests.read()? else { return Ok(()) };
        let (id, size) = (request.id, request.body_size);
        let mut bytes = Vec::new();
        let mut body = requests.body(size);
        let mut buffer = [0; 4096];
        while let read @ 1.. = body.chunk(&mut buffer)? {
            bytes.extend_from_slice(&buffer[..read]);
        }
        if misbehavior == Misbehavior::Ends && n == LAST_REQUEST {
            return Ok(());
        }
        match request.command? {
            Command::Get(action) => get(misbehavior, dir, id, puts.get(&action))?,
            Command::Put(action, output) => {
                let path = file(dir, &output);
                fs::write(&path, &bytes)?;
                puts.insert(action, Output { id: output, size });
                match misbehavior {
                    Misbehavior::PutsFail => send(|out| gocmd::write_error(out, id, "no"))?,
                    Misbehavior::PutsWithoutPath => send(|out| out.extend(format!("{{\"ID\":{id}}}\n").bytes()))?,
                    Misbehavior::PutsNowhere => send(|out| gocmd::write_stored(out, id, "/nowhere"))?,
                    _ => send(|out| gocmd::write_stored(out, id, &path.to_string_lossy()))?,
                }
            }
            Command::Close => return send(|out| gocmd::write_close(out, id)),
        }
    }
    Ok(())
}

fn get(misbehavior: Misbehavior, dir: &Path, id: i64, put: Option<&Output>) -> Result<(), Box<dyn std::error::Error>> {
    let hit = |output, path: PathBuf| Hit { output, time: SystemTime::now(), path: path.to_string_lossy().into() };
    let other = Output { id: OutputId::EMPTY, size: 9 };
    match (misbehavior, put) {
        (Misbehavior::GetsFail, _) => send(|out| gocmd::write_error(out, id, "no")),
        (Misbehavior::HitsWithoutFile, None) => send(|out| gocmd::write_hit(out, id, &hit(other, dir.join("absent")))),
        (Misbehavior::HitsOfAnotherSize, None) => {
            fs::write(dir.join("short"), "short")?;
            send(|out| gocmd::write_hit(out, id, &hit(other, dir.join("short"))))
        }
        // An output that was put nowhere cannot be found again.
        (Misbehavior::GetsMiss | Misbehavior::PutsNowhere, _) | (_, None) => send(|out| gocmd::write_miss(out, id)),
        (_, Some(&output)) => send(|out| gocmd::write_hit(out, id, &hit(output, file(dir, &output.id)))),
    }
}

fn file(dir: &Path, output: &OutputId) -> PathBuf {
    dir.join(output.to_string())
}

fn send(write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Box<dyn std::error::Error>> {
    let mut line = Vec::new();
    write(&mut line);
    Ok(std::io::stdout().write_all(&line)?)
}
