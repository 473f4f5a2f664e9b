//! Cache programs that do what one should not, to see what each version of cmd/go makes of it: our client's ladder of
//! fallbacks leans on the answers (docs/explanation/never-fatal.md has the table).

use std::collections::HashMap;
use std::fs;
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::gocmd::{self, Command, Hit, Requests};
use proto::{ActionId, OutputId};

named! {
    /// What the program does.
    Manner {
        Good "good",
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

/// Requests after which a program ends that does so.
const LAST: usize = 20;

/// Serves cmd/go with its files below `dir`.
pub fn run(manner: Manner, dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all(dir)?;
    let mut puts: HashMap<ActionId, (OutputId, u64)> = HashMap::new();
    let mut requests = Requests::new(BufReader::new(std::io::stdin().lock()));
    say(gocmd::write_hello)?;
    for n in 0.. {
        let Some(request) = requests.read()? else { return Ok(()) };
        let (id, size) = (request.id, request.body_size);
        let mut bytes = Vec::new();
        let mut body = requests.body(size);
        let mut piece = [0; 4096];
        while let read @ 1.. = body.chunk(&mut piece)? {
            bytes.extend_from_slice(&piece[..read]);
        }
        if manner == Manner::Ends && n == LAST {
            return Ok(());
        }
        match request.command? {
            Command::Get(action) => get(manner, dir, id, puts.get(&action))?,
            Command::Put(action, output) => {
                let path = file(dir, &output);
                fs::write(&path, &bytes)?;
                puts.insert(action, (output, size));
                match manner {
                    Manner::PutsFail => say(|out| gocmd::write_error(out, id, "no"))?,
                    Manner::PutsWithoutPath => say(|out| out.extend(format!("{{\"ID\":{id}}}\n").bytes()))?,
                    Manner::PutsNowhere => say(|out| gocmd::write_stored(out, id, "/nowhere"))?,
                    _ => say(|out| gocmd::write_stored(out, id, &path.to_string_lossy()))?,
                }
            }
            Command::Close => return say(|out| gocmd::write_close(out, id)),
        }
    }
    Ok(())
}

fn get(manner: Manner, dir: &Path, id: i64, put: Option<&(OutputId, u64)>) -> Result<(), Box<dyn std::error::Error>> {
    let hit = |output, size, path: PathBuf| Hit {
        output,
        size,
        time: SystemTime::now(),
        path: path.to_string_lossy().into(),
    };
    match (manner, put) {
        (Manner::GetsFail, _) => say(|out| gocmd::write_error(out, id, "no")),
        (Manner::HitsWithoutFile, None) => {
            say(|out| gocmd::write_hit(out, id, &hit(OutputId::EMPTY, 9, dir.join("absent"))))
        }
        (Manner::HitsOfAnotherSize, None) => {
            fs::write(dir.join("short"), "short")?;
            say(|out| gocmd::write_hit(out, id, &hit(OutputId::EMPTY, 9, dir.join("short"))))
        }
        // What is put "nowhere" cannot be found again either.
        (Manner::GetsMiss | Manner::PutsNowhere, _) | (_, None) => say(|out| gocmd::write_miss(out, id)),
        (_, Some(&(output, size))) => say(|out| gocmd::write_hit(out, id, &hit(output, size, file(dir, &output)))),
    }
}

fn file(dir: &Path, output: &OutputId) -> PathBuf {
    dir.join(output.to_string())
}

fn say(write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Box<dyn std::error::Error>> {
    let mut line = Vec::new();
    write(&mut line);
    Ok(std::io::stdout().write_all(&line)?)
}
