//! A port on loopback behind which a node's proof of work is done already, so that ordinary TLS tools reach its TLS:
//! `openssl s_client` shows the certificate with its evidence, and how a peer without evidence is refused.

use chrysalis_env::{AbortOnDrop, Env, Stream, tokio_engine::TokioNode};
use chrysalis_node::secure::{self, SecureError};
use chrysalis_wire::proof_of_work::Difficulty;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

/// Receives one line about each connection that could not be carried through.
pub type Complaints = Arc<dyn Fn(String) + Send + Sync>;

/// A tunnel; it ends when it is dropped.
#[derive(Debug)]
pub struct Tunnel {
    /// Where TLS tools connect.
    pub address: SocketAddr,
    _task: AbortOnDrop,
}

impl Tunnel {
    /// Opens a port on loopback. Each connection to it becomes one to `target`, after the proof of work.
    ///
    /// # Errors
    /// No port can be opened.
    pub async fn start(target: SocketAddr, complaints: Complaints) -> io::Result<Self> {
        let env = TokioNode {
            name: "tunnel".to_owned(),
            // It keeps no files.
            data_directory: std::env::temp_dir(),
            sink: Arc::new(|_, _, _| {}),
        }
        .into_env();
        let mut listener = env.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let address = listener.local_address();
        let accepting = {
            let env = env.clone();
            async move {
                while let Ok(near) = listener.accept().await {
                    let (complaints, connection) = (complaints.clone(), carry(env.clone(), near, target));
                    env.spawn("connection", async move {
                        if let Err(error) = connection.await {
                            complaints(format!("{target}: {error}"));
                        }
                    });
                }
            }
        };
        let task = env.spawn("tunnel", accepting).abort_on_drop();
        Ok(Self { address, _task: task })
    }
}

async fn carry(env: Env, mut near: Stream, target: SocketAddr) -> Result<(), SecureError> {
    let mut far = env.connect(target).await?;
    secure::pay(&env, &mut far, Difficulty::DEFAULT_MAX_PAID).await?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
