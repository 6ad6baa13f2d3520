//! The program. Everything is in the library; here only the allocator is chosen.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    jiaoying::cli::main()
}
