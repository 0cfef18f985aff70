//! A network in front of a server on which every new connection takes a while; what goes over it afterwards does not.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Forwards for as long as it lives.
#[derive(Debug)]
pub struct SlowNetwork {
    port: u16,
    accepting: JoinHandle<()>,
}

impl SlowNetwork {
    /// One in front of `port` of 127.0.0.1. Must be called inside a tokio runtime.
    pub async fn before(port: u16, to_connect: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let own = listener.local_addr()?.port();
        let accepting = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    tokio::time::sleep(to_connect).await;
                    if let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                        // Ends with either side; neither has anybody else to tell.
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        Ok(Self { port: own, accepting })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for SlowNetwork {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
