//! Whether something takes connections in the build's network: a test may have asked it, and no log has what it answered. A sandbox has a
//! network of its own, so the build started what listens there. Where a build sees the machine's processes, those that see the build's files are its own.
//!
//! What tests of our go command open for themselves does not count, except at a port with a number that they chose: other tests may know it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::getppid;

/// Tables of sockets in `/proc/PID/net` (Linux, `net/ipv4/tcp_ipv4.c`, net/ipv4/udp.c; proc(5)). One that is not there has no sockets.
const INTERNET: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];
/// That of sockets with a path. Where it cannot be read, nothing is known.
const UNIX: &str = "unix";

/// The state of a TCP socket that listens (`TCP_LISTEN`).
const LISTENS: &str = "0A";
/// The flag of a unix socket that listens (`__SO_ACCEPTCON`).
const ACCEPTS: u32 = 0x1_0000;
/// The type of a unix socket that takes messages without a connection (`SOCK_DGRAM`).
const DATAGRAMS: &str = "0002";

/// The first port that the kernel chooses by itself, where its setting cannot be read.
const FIRST_FREE_PORT: u16 = 32_768;

/// A socket to which a program may send something.
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    inode: u64,
    /// `None` for a path.
    port: Option<u16>,
}

/// Whether there is a server, by the tables in this directory. True where that cannot be told.
pub(super) fn are_there(net: &Path) -> bool {
    let Some(before) = sockets(net) else { return true };
    if before.is_empty() {
        return false;
    }
    let (owners, first_free) = (Owners::look(), first_free_port());
    // One whose test ended meanwhile has no owner any more.
    let Some(now) = sockets(net) else { return true };
    before.iter().any(|socket| now.contains(socket) && owners.make_server(socket, first_free))
}

/// Who has sockets open.
#[derive(Debug, Default)]
struct Owners {
    /// Sockets of our go command and of what it runs.
    of_go: HashSet<u64>,
    /// Sockets of all processes of the build that can be seen; `None` where no others than the build's are here, as in a sandbox.
    of_build: Option<HashSet<u64>>,
}

impl Owners {
    fn look() -> Self {
        let pids = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
        let all: Vec<_> = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(pids).collect();
        let parents: HashMap<_, _> = all.iter().filter_map(|pid| Some((*pid, parent(*pid)?))).collect();
        let go = getppid().map(|go| go.as_raw_nonzero().get());
        let is_below_go = |pid: i32| {
            // Processes come and go while they are read: what is read of them may have a loop.
            let ancestors = std::iter::successors(Some(pid), |pid| parents.get(pid).copied());
            ancestors.take(all.len()).any(|pid| Some(pid) == go)
        };
        // The first process of a sandbox is the builder, which has the sandbox's files.
        let files = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        let our_files = files("self");
        let is_alone = our_files.is_some() && files("1") == our_files;
        let mut owners = Self { of_build: (!is_alone).then(HashSet::new), ..Self::default() };
        for &pid in &all {
            let is_of_go = is_below_go(pid);
            let of_build = owners.of_build.as_mut().filter(|_| files(&pid.to_string()) == our_files);
            if is_of_go || of_build.is_some() {
                let sockets = open_sockets(pid);
                of_build.into_iter().for_each(|all| all.extend(&sockets));
                owners.of_go.extend(sockets.iter().filter(|_| is_of_go));
            }
        }
        owners
    }

    fn make_server(&self, socket: &Socket, first_free: u16) -> bool {
        let is_of_build = self.of_build.as_ref().is_none_or(|all| all.contains(&socket.inode));
        let is_of_test = self.of_go.contains(&socket.inode) && socket.port.is_none_or(|port| port >= first_free);
        is_of_build && !is_of_test
    }
}

fn sockets(net: &Path) -> Option<Vec<Socket>> {
    let unix = fs::read_to_string(net.join(UNIX)).ok()?;
    let mut found: Vec<_> = unix.lines().skip(1).filter_map(unix_socket).collect();
    for name in INTERNET {
        match fs::read_to_string(net.join(name)) {
            Ok(table) => found.extend(table.lines().skip(1).filter_map(|row| internet_socket(row, name))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    Some(found)
}

/// `Num RefCount Protocol Flags Type St Inode Path`.
fn unix_socket(row: &str) -> Option<Socket> {
    let fields: Vec<_> = row.split_whitespace().collect();
    let listens = u32::from_str_radix(fields.get(3)?, 16).ok()? & ACCEPTS != 0;
    let takes_datagrams = *fields.get(4)? == DATAGRAMS && fields.len() > 7;
    (listens || takes_datagrams).then_some(())?;
    Some(Socket { inode: fields.get(6)?.parse().ok()?, port: None })
}

/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`; addresses are `ADDRESS:PORT` in hex.
fn internet_socket(row: &str, table: &str) -> Option<Socket> {
    let fields: Vec<_> = row.split_whitespace().collect();
    let port = |field: &str| u16::from_str_radix(field.rsplit_once(':')?.1, 16).ok();
    // A UDP socket that is bound to one peer takes from no other.
    let takes = if table.starts_with("tcp") { *fields.get(3)? == LISTENS } else { port(fields.get(2)?)? == 0 };
    takes.then_some(())?;
    Some(Socket { inode: fields.get(9)?.parse().ok()?, port: Some(port(fields.get(1)?)?) })
}

fn first_free_port() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|port| port.parse().ok()).unwrap_or(FIRST_FREE_PORT)
}

/// The parent of a process: the second field after its name, which may have blanks and parentheses.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn open_sockets(pid: i32) -> Vec<u64> {
    let inode = |path: PathBuf| path.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok()).filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, row: &str) -> Option<Socket> {
        if name == UNIX { unix_socket(row) } else { internet_socket(row, name) }
    }

    #[test]
    fn what_takes_connections_or_messages_is_found() {
        let tcp = |port: u16, state: &str| {
            format!("0: 0100007F:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 77 1 0")
        };
        let udp = |peer: &str| format!("7: 00000000:0035 {peer} 07 00000000:00000000 00:00000000 00000000 0 0 77 2 0");
        let unix = |flags: &str, kind: &str, path: &str| format!("0: 00000002 00000000 {flags} {kind} 01 77 {path}");
        for (name, row, port) in [
            ("tcp", tcp(80, LISTENS), Some(Some(80))),
            ("tcp6", tcp(40_000, LISTENS), Some(Some(40_000))),
            ("tcp", tcp(80, "01"), None),
            ("udp", udp("00000000:0000"), Some(Some(53))),
            ("udp6", udp("0100007F:0035"), None),
            ("unix", unix("00010000", "0001", "/tmp/s"), Some(None)),
            ("unix", unix("00010000", "0001", ""), Some(None)),
            ("unix", unix("00000000", "0002", "/dev/log"), Some(None)),
            ("unix", unix("00000000", "0002", ""), None),
            ("unix", unix("00000000", "0001", "/run/gocacheprog/socket"), None),
            ("unix", String::new(), None),
        ] {
            assert_eq!(read(name, &row), port.map(|port| Socket { inode: 77, port }), "{name}: {row}");
        }
        assert!(are_there(Path::new("/nonexistent")), "what cannot be told");
    }

    #[test]
    fn a_free_port_of_a_test_of_our_go_command_is_no_server_and_one_that_it_chose_is() {
        let socket = |inode, port| Socket { inode, port };
        let sandbox = Owners { of_go: [1].into(), of_build: None };
        let beside_others = Owners { of_go: [1].into(), of_build: Some([1, 2].into()) };
        for (inode, port, expected) in [
            (1, Some(40_000), [false, false]),
            (1, None, [false, false]),
            (1, Some(80), [true, true]),
            (2, Some(40_000), [true, true]),
            (3, None, [true, false]),
        ] {
            let servers = [&sandbox, &beside_others].map(|owners| owners.make_server(&socket(inode, port), 32_768));
            assert_eq!(servers, expected, "{inode} {port:?}");
        }
    }

    /// The parent here is cargo, whose child this process is, as tests are of the go command.
    #[test]
    fn sockets_of_this_process_are_those_of_a_test() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let own = open_sockets(std::process::id().try_into().unwrap());
        let owners = Owners::look();
        assert!(!own.is_empty() && own.iter().any(|inode| owners.of_go.contains(inode)));
        assert!(owners.of_build.is_none_or(|all| own.iter().any(|inode| all.contains(inode))));
        drop(listener);
    }

    #[test]
    fn the_tables_of_this_machine_are_read() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let found = sockets(Path::new("/proc/self/net")).unwrap();
        assert!(found.iter().any(|socket| socket.port == Some(port)), "{found:?}");
        drop(listener);
        assert!(!sockets(Path::new("/proc/self/net")).unwrap().iter().any(|socket| socket.port == Some(port)));
    }
}
