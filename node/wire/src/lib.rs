//! The protocol between client, proxy and worker: TL objects, frames, proof of work, HTTP in TL; no I/O
