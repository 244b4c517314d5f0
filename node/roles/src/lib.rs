//! Client, proxy and worker of a confidential inference network, and the daemon that runs one of them
