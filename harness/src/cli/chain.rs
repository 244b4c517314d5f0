//! chain serve: a cover over the service.

use std::cell::RefCell;

use super::args::{ChainCommand, ChainServe, Global};
use super::problem::CommandError;
use crate::exit::Exit;
use crate::host::Host;
use crate::services::{ChainEvent, ChainOptions, ChainReady, ServiceError, Services};

fn failed(error: ServiceError) -> CommandError {
    CommandError::ExecutionFailed {
        what: "the chain".to_owned(),
        error,
    }
}

/// `chrysalis chain`
///
/// # Errors
/// See [`CommandError`].
pub fn chain(
    services: &Services<'_>,
    host: &mut Host<'_>,
    global: &Global,
    command: &ChainCommand,
) -> Result<Exit, CommandError> {
    let ChainCommand::Serve(command) = command;
    let serve = services
        .serve
        .ok_or_else(|| failed(ServiceError::Unavailable("this build has no chain to serve".to_owned())))?;
    let options = options(host, command)?;
    let stop = host.stop;
    let host = RefCell::new(host);
    let mut tell = |event: ChainEvent<'_>| match event {
        ChainEvent::Ready(ready) => announce(&mut host.borrow_mut(), global, ready),
        ChainEvent::Line(line) => host.borrow_mut().say(line),
    };
    serve.chain(&options, &mut tell, stop).map_err(failed)?;
    // Ctrl-C is how it is meant to end.
    Ok(Exit::Pass)
}

fn options(host: &Host<'_>, command: &ChainServe) -> Result<ChainOptions, CommandError> {
    if !command.listen.ip().is_loopback() && !command.beyond_loopback {
        let why = format!(
            "{} is not a loopback address: everybody who reaches it could use this chain and its test coins; \
             `--beyond-loopback` says that this is meant",
            command.listen.ip()
        );
        return Err(failed(ServiceError::Input(why)));
    }
    Ok(ChainOptions {
        listen: command.listen,
        speed: command.speed,
        accounts: command.accounts,
        balance_nanoton: command.balance.into(),
        faucet_nanoton: command.faucet.map(u128::from),
        seed: command.seed,
        old_fees: command.old_fees,
        now_unix_s: command.now,
        state: command.state.as_deref().map(|path| host.resolve(path)),
        max_body_bytes: command.max_body_bytes,
    })
}

fn announce(host: &mut Host<'_>, global: &Global, ready: &ChainReady) {
    if global.json {
        host.data(&serde_json::json!(ready).to_string());
    } else {
        host.data(&format!("{}/api/v2/jsonRPC", ready.url));
        for account in &ready.accounts {
            host.data(&format!(
                "{}\t{}\t{}",
                account.address, account.wallet, account.secret_seed
            ));
        }
    }
    if global.quiet {
        return;
    }
    let state = if ready.is_restored {
        "taken up from its file"
    } else {
        "new"
    };
    host.say(&format!(
        "a simulated chain, {state}: {} (v2), {}/api/v3",
        ready.url, ready.url
    ));
    if !ready.accounts.is_empty() {
        host.say("test wallets (address, version, secret seed) are on stdout; their keys are public: test coins only");
    }
    if ready.has_faucet {
        host.say(&format!(
            "try: curl {}/faucet -d '{{\"address\":\"ADDRESS\",\"nanoton\":\"1000000000\"}}'",
            ready.url
        ));
    }
    host.say("serving; Ctrl-C ends it");
}
