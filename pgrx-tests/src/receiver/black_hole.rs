//! An address where connecting hangs: the kernel's queue of connections is full and nobody takes any.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A connection that is not made in this time is not going to be.
const PATIENCE: Duration = Duration::from_millis(300);
const MOST: usize = 16;

/// Holds the port for as long as it lives.
#[derive(Debug)]
pub struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl BlackHole {
    /// One on a free port of 127.0.0.1.
    pub async fn open() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let listener = socket.listen(1)?;
        let address = listener.local_addr()?;
        let mut waiting = Vec::new();
        while let Ok(connected) = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
            waiting.push(connected?);
            if waiting.len() > MOST {
                bail!("this kernel takes connections that nobody asked for");
            }
        }
        Ok(Self {
            address,
            _listener: listener,
            _waiting: waiting,
        })
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
