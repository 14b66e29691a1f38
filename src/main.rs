//! The `ahoy` program: everything is in the library.
fn main() -> std::process::ExitCode {
    ahoy::cli::main()
}
