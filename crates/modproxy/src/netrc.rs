//! Passwords from .netrc, as cmd/go/internal/auth/netrc.go reads them (Go 1.21-1.27). Pure.

/// Logins by host.
#[derive(Clone, Default)]
pub struct Netrc(Vec<(String, String, String)>);

impl std::fmt::Debug for Netrc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Netrc({} logins)", self.0.len()) // no passwords
    }
}

impl Netrc {
    /// Reads the file's text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut logins = Vec::new();
        let mut lines = text.lines();
        let [mut machine, mut login, mut password] = [const { String::new() }; 3];
        while let Some(line) = lines.next() {
            let words: Vec<_> = line.split_whitespace().collect();
            for pair in words.chunks(2) {
                match *pair {
                    ["machine", name] => [machine, login, password] = [name.to_owned(), String::new(), String::new()],
                    ["login", name] => name.clone_into(&mut login),
                    ["password", word] => word.clone_into(&mut password),
                    // A macro ends at an empty line.
                    ["macdef", _] => lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop),
                    // It is for all other hosts; the go command ignores it.
                    ["default"] | ["default", _] => return Self(logins),
                    _ => {}
                }
                if !machine.is_empty() && !login.is_empty() && !password.is_empty() {
                    let [machine, login, password] = [&mut machine, &mut login, &mut password].map(std::mem::take);
                    logins.push((machine, login, password));
                }
            }
        }
        Self(logins)
    }

    /// User and password for a host, from its first entry.
    pub(crate) fn login(&self, host: &str) -> Option<(String, String)> {
        let (_, user, password) = self.0.iter().find(|(machine, ..)| machine == host)?;
        Some((user.clone(), password.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_found_by_host() {
        let text = "machine a.test login me password x\nmachine b.test\n  login you\n  password y\n\
            macdef init\nmachine no.test login a password b\n\nmachine a.test login late password z\n\
            default login any password one\nmachine after.test login a password b\n";
        let netrc = Netrc::parse(text);
        let login = |host| netrc.login(host);
        let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(login("a.test"), pair("me", "x"));
        assert_eq!(login("b.test"), pair("you", "y"));
        for none in ["no.test", "after.test", "other.test", "default"] {
            assert_eq!(login(none), None, "{none}");
        }
    }
}
