//! Which HTTP proxy leads to a host: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` as the go command reads them
//! (golang.org/x/net/http/httpproxy), which is not as the HTTP library does. Pure.

use std::net::IpAddr;

/// What the environment says of HTTP proxies.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    http: Option<String>,
    https: Option<String>,
    except: Vec<Except>,
}

/// One word of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Except {
    All,
    /// An address, the bits of it that count, a port.
    Net(IpAddr, u32, Option<u16>),
    /// `.name`, whether the name itself is meant too, a port.
    Domain(String, bool, Option<u16>),
}

impl Routes {
    /// From the variables' values; empty where they are not set.
    pub(crate) fn new(http: &str, https: &str, no_proxy: &str) -> Self {
        let proxy = |text: &str| {
            let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
            (!text.is_empty()).then_some(with_scheme)
        };
        Self { http: proxy(http), https: proxy(https), except: no_proxy.split(',').filter_map(except).collect() }
    }

    /// The proxy for a host, if one is to be used.
    pub(crate) fn to(&self, is_https: bool, host: &str, port: u16) -> Option<&str> {
        let proxy = if is_https { &self.https } else { &self.http }.as_deref()?;
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let is_here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let is_excepted = self.except.iter().any(|except| except.holds(&host, address, port));
        (!is_here && !is_excepted).then_some(proxy)
    }
}

fn except(word: &str) -> Option<Except> {
    let word = word.trim().to_ascii_lowercase();
    if word == "*" {
        return Some(Except::All);
    }
    if let Some((net, bits)) = word.split_once('/')
        && let (Ok(net), Ok(bits)) = (net.parse::<IpAddr>(), bits.parse())
    {
        return Some(Except::Net(net, bits, None));
    }
    let (host, port) = match word.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (word.as_str(), None),
    };
    let host = host.trim_matches(['[', ']']);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(Except::Net(address, if address.is_ipv4() { 32 } else { 128 }, port));
    }
    let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
    match host.strip_prefix('.') {
        _ if host.is_empty() => None,
        Some(_) => Some(Except::Domain(host.to_owned(), false, port)),
        None => Some(Except::Domain(format!(".{host}"), true, port)),
    }
}

impl Except {
    fn holds(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let is_port = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Self::All => true,
            Self::Net(net, bits, wanted) => is_port(wanted) && address.is_some_and(|a| is_in(a, *net, *bits)),
            Self::Domain(name, itself, wanted) => {
                is_port(wanted) && (host.ends_with(name.as_str()) || *itself && host == &name[1..])
            }
        }
    }
}

fn is_in(address: IpAddr, net: IpAddr, bits: u32) -> bool {
    match (address, net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= bits,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= bits,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_has_its_proxy() {
        let routes = Routes::new("plain.test:3128", "https://me:x@tls.test", "");
        assert_eq!(routes.to(false, "a.test", 80), Some("http://plain.test:3128"));
        assert_eq!(routes.to(true, "a.test", 443), Some("https://me:x@tls.test"));
        for here in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert_eq!(routes.to(true, here, 443), None, "{here}");
        }
        assert_eq!(Routes::new("plain.test", "", "").to(true, "a.test", 443), None);
    }

    #[test]
    fn no_proxy_is_read_as_the_go_command_reads_it() {
        let routes = |words: &str, host: &str, port| Routes::new("", "p.test", words).to(true, host, port).is_none();
        for (words, host, port, direct) in [
            ("a.test", "a.test", 443, true),
            ("a.test", "sub.A.test", 443, true),
            ("a.test", "nota.test", 443, false),
            (".a.test", "a.test", 443, false),
            (".a.test", "sub.a.test", 443, true),
            ("*.a.test", "sub.a.test", 443, true),
            ("*", "b.test", 443, true),
            ("x, b.test:8443", "b.test", 8443, true),
            ("b.test:8443", "b.test", 443, false),
            ("10.0.0.0/8", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "11.1.2.3", 443, false),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("fd00::/8,[fd01::1]:443", "[fd00::5]", 443, true),
            ("[2001:db8::1]:443", "2001:db8::1", 443, true),
            ("", "a.test", 443, false),
        ] {
            assert_eq!(routes(words, host, port), direct, "{words} {host}:{port}");
        }
    }
}
