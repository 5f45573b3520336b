//! The `milena` program.

mod args;
mod demo;
mod output;

fn main() {
    match args::parse(std::env::args_os()) {
        Ok(_) => output::say(""),
        Err(args::NotRun::Wrong(sentence)) => output::complain(&sentence),
        Err(args::NotRun::Asked(help)) => output::say(&help.to_string()),
    }
}
