//! Starts a proxy: for one build (the setup hook calls `beside`, which returns when the proxy listens; the proxy ends with
//! the build's shell), or for the users of the host (`serve`).

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use proto::id::hex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::ProxyError;
use crate::proxy::Proxy;
use crate::server;
use crate::settings::Settings;

/// How long the proxy in the background may take until it listens. It first runs `go env`, which takes about 10 ms.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of the random part of its URL.
const SECRET_SIZE: usize = 16;

/// Starts a proxy for the shell with this process id in the background, and prints the GOPROXY to use once it listens.
///
/// # Errors
/// A [`ProxyError`] where no proxy was started; then nothing was printed.
pub(crate) fn start_for_build(shell: i32) -> Result<(), ProxyError> {
    let system = |what| move |e| ProxyError::System(what, e);
    let exe = std::env::current_exe().map_err(system("finding this program"))?;
    let mut background = Command::new(exe);
    background.args(["attached", &shell.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = background.spawn().map_err(system("starting the proxy"))?;
    let line = child.stdout.take().and_then(first_line).ok_or_else(|| end_child(&mut child))?;
    io::stdout().write_all(line.as_bytes()).map_err(system("printing"))
}

fn end_child(child: &mut Child) -> ProxyError {
    // It may have ended by itself, with an error message.
    let status = child.kill().and_then(|()| child.wait());
    log::debug!("the proxy ended: {status:?}");
    ProxyError::NotReady
}

fn first_line(output: ChildStdout) -> Option<String> {
    let timeout = Timespec { tv_sec: START_TIMEOUT.as_secs().cast_signed(), tv_nsec: 0 };
    let mut ready = [PollFd::new(&output, PollFlags::IN)];
    if !retry_on_intr(|| poll(&mut ready, Some(&timeout))).is_ok_and(|n| n > 0) {
        return None;
    }
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).ok().filter(|_| line.ends_with('\n'))?;
    Some(line)
}

/// The proxy in the background: prints the GOPROXY to use, then serves until the shell ends.
///
/// # Errors
/// A [`ProxyError`] where it cannot start.
pub(crate) fn serve_build(shell: i32) -> Result<(), ProxyError> {
    let system = |what| move |e| ProxyError::System(what, e);
    let shell = Pid::from_raw(shell).ok_or_else(|| system("finding the shell")(io::ErrorKind::InvalidInput.into()))?;
    // Before anything else: once the shell has ended, its number may belong to another process.
    let shell = pidfd_open(shell, PidfdFlags::empty()).map_err(|e| system("watching the shell")(e.into()))?;
    let settings = Settings::for_build()?;
    let list = settings.list.clone();
    let proxy = Arc::new(Proxy::new(settings)?);
    let listener = listen((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = listener.local_addr().map_err(system("listening"))?;
    let secret = secret().map_err(system("making a secret"))?;
    let line = format!("http://{address}/{secret}|{list}\n");
    io::stdout().write_all(line.as_bytes()).map_err(system("printing"))?;
    // The hook waits until our standard output is closed.
    let null = File::options().write(true).open("/dev/null").map_err(system("opening /dev/null"))?;
    rustix::stdio::dup2_stdout(&null).map_err(|e| system("closing standard output")(e.into()))?;
    server::serve(&listener, &proxy, &secret, Some(&shell)).map_err(system("waiting for connections"))
}

/// Serves the users of this host until the process is killed.
///
/// # Errors
/// A [`ProxyError`].
pub(crate) fn serve_host(address: SocketAddr, settings: Settings) -> Result<(), ProxyError> {
    if !address.ip().is_loopback() {
        return Err(ProxyError::NotLoopback(address));
    }
    let url_file = settings.url_file.clone();
    let proxy = Arc::new(Proxy::new(settings)?);
    let listener = listen(address)?;
    let address = listener.local_addr().map_err(|e| ProxyError::Listen(address, e))?;
    if proxy.lists_local_port(address.port()) {
        return Err(ProxyError::Loop);
    }
    // With port 0 the system has chosen the port: the caller reads it here.
    let url = format!("http://{address}");
    writeln!(io::stdout(), "{url}").map_err(|e| ProxyError::System("printing", e))?;
    if let Some(file) = &url_file {
        fs::write(file, url + "\n").unwrap_or_else(|e| {
            log::warn!("{}: {e}; `cacheprogctl status` will not find this proxy", file.display());
        });
    }
    server::serve(&listener, &proxy, "", None).map_err(|e| ProxyError::System("waiting for connections", e))
}

fn listen(address: SocketAddr) -> Result<TcpListener, ProxyError> {
    TcpListener::bind(address).map_err(|e| ProxyError::Listen(address, e))
}

/// A secret in the URL: builds with network share the host's network, and no other process can guess it.
fn secret() -> io::Result<String> {
    let mut bytes = [0; SECRET_SIZE];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex(&bytes))
}
