//! Where a service of the chain's listens.

use std::{
    fmt, io,
    net::{SocketAddr, ToSocketAddrs as _},
    str::FromStr,
};

/// `https://host[:port][/prefix]`, or `http://` for a service on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainUrl {
    is_tls: bool,
    host: String,
    port: u16,
    prefix: String,
}

/// Why a text is no [`ChainUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainUrlError {
    /// Not a URL, or without a host.
    #[error("not a URL: https://host[:port][/path]")]
    Syntax,
    /// Another protocol.
    #[error("the scheme must be https, or http for a service on this machine")]
    Scheme,
    /// Whoever stands between could change what the chain says.
    #[error("http is for a service on this machine only (127.0.0.1, [::1], localhost): use https")]
    Plain,
    /// User name, password, query or fragment.
    #[error("a URL of a chain service has no user name and no query")]
    Extra,
}

impl FromStr for ChainUrl {
    type Err = ChainUrlError;

    fn from_str(text: &str) -> Result<Self, ChainUrlError> {
        let uri: hyper::Uri = text.parse().map_err(|_| ChainUrlError::Syntax)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(ChainUrlError::Scheme),
            None => return Err(ChainUrlError::Syntax),
        };
        let authority = uri.authority().ok_or(ChainUrlError::Syntax)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(ChainUrlError::Extra);
        }
        let bracketed = authority.host();
        let host = bracketed
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(bracketed);
        let port = match authority.port_u16() {
            Some(port) => port,
            // "host:" and "host:99999" have a port part that is no port.
            None if authority.as_str() != bracketed => return Err(ChainUrlError::Syntax),
            None if is_tls => 443,
            None => 80,
        };
        let is_here = host.eq_ignore_ascii_case("localhost")
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.to_canonical().is_loopback());
        if !(is_tls || is_here) {
            return Err(ChainUrlError::Plain);
        }
        Ok(Self {
            is_tls,
            host: host.to_owned(),
            port,
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for ChainUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

impl ChainUrl {
    /// Whether the service shows a certificate.
    pub const fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Name or address, as certificates have it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Value of the `Host` header.
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Request target of a method.
    pub fn target(&self, method: &str) -> String {
        format!("{}/{method}", self.prefix)
    }

    /// Looks the name up. This waits for the network: for the start of a process.
    ///
    /// # Errors
    /// The name has no address.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        (self.host.as_str(), self.port)
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| io::Error::other("the name has no address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ChainUrl, ChainUrlError> {
        text.parse()
    }

    #[test]
    fn urls_of_services() {
        let url = parse("https://testnet.example.org/api/v2/").unwrap();
        assert_eq!(url.target("jsonRPC"), "/api/v2/jsonRPC");
        assert_eq!(
            (url.is_tls(), url.authority().as_str()),
            (true, "testnet.example.org:443")
        );
        assert_eq!(url.to_string(), "https://testnet.example.org:443/api/v2");
        let here = parse("http://127.0.0.1:8081").unwrap();
        assert_eq!((here.target("jsonRPC").as_str(), here.is_tls()), ("/jsonRPC", false));
        assert_eq!(here.resolve().unwrap(), "127.0.0.1:8081".parse().unwrap());
        assert_eq!(parse("http://[::1]:80").unwrap().authority(), "[::1]:80");
        assert!(parse("http://localhost:1").is_ok());
    }

    #[test]
    fn what_is_refused() {
        for (text, error) in [
            ("ftp://a", ChainUrlError::Scheme),
            ("a", ChainUrlError::Syntax),
            ("https://a:", ChainUrlError::Syntax),
            ("https://a:99999", ChainUrlError::Syntax),
            ("https://user@a", ChainUrlError::Extra),
            ("https://a/?key=1", ChainUrlError::Extra),
            ("http://a.example.org", ChainUrlError::Plain),
            ("http://192.168.1.1", ChainUrlError::Plain),
            ("http://localhost.example.org", ChainUrlError::Plain),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }
}
