//! The `milena` program.

mod args;
mod broker;
mod demo;
mod failure;
mod json_lines;
mod output;
mod properties;
mod system;

use std::process::ExitCode;

use args::{Cli, Command, NotRun};
use clap::error::ErrorKind;
use tokio::runtime;

fn main() -> ExitCode {
    let command = match args::parse(std::env::args_os()) {
        Ok(Cli { command }) => command,
        Err(NotRun::Wrong(sentence)) => {
            output::complain(&sentence);
            return failure::WRONG_INPUT.into();
        }
        Err(NotRun::Asked(help)) => {
            // Its own printing ignores a closed pipe, and colours where there are colours.
            let _ = help.print();
            return match help.kind() {
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => failure::WRONG_INPUT.into(),
                _ => ExitCode::SUCCESS,
            };
        }
    };
    let runtime = match runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(&format!("cannot start: {error}"));
            return failure::FAILED.into();
        }
    };
    let status = runtime.block_on(run(command));
    // What still runs in the background has nothing left to say, and must not keep the program.
    runtime.shutdown_background();
    status.into()
}

async fn run(command: Command) -> u8 {
    let stop = || system::Stop::new(interrupted());
    let ended = match command {
        Command::Demo(args) => return demo::run(args, interrupted()).await,
        Command::Broker(args) => broker::run(args, stop()).await,
        Command::VerifiableProducer(args) => system::verifiable_producer::run(args, stop()).await,
        Command::TransactionalCopier(args) => system::transactional_copier::run(args, stop()).await,
        Command::Consume(args) => system::consume::run(args, stop()).await,
    };
    match ended {
        Ok(status) => status,
        Err(failure) => {
            output::complain(failure.sentence());
            failure.exit_status()
        }
    }
}

/// Resolves at the first Ctrl-C, or when the program is asked to end.
async fn interrupted() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // No handler can be installed: the system ends the program without us, then.
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                () = ctrl_c => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    ctrl_c.await;
}
