//! Any provider by a file: `kind = "generic_sms"` or `"generic_voice"` with `file = "config/providers/….toml"`,
//! so that a county's own carrier or gateway needs no code.
//!
//! The file says how a request is filled and signed, what a reply proves, how receipts, replies and keys are
//! read and answered; the account's table has the secrets. All keys stand in `config/providers/README.md`, the
//! shipped files are the reference by example.
//!
//! * `file`: the keys of a file; `plan`: the same made ready; `parse`: from one to the other, every fault with its line;
//! * `fill`: texts with `{{places}}`; `sign`: hashes and signatures; `request`: the whole request;
//! * `tree`: bodies as trees; `answer`: replies → outcomes; `callback`: pushes → items, and their check;
//! * `provider`: the seam. A file never makes a request go twice, and what it does not know is `unknown`.

mod answer;
mod callback;
mod file;
mod fill;
mod parse;
mod plan;
mod provider;
mod request;
mod settings;
mod sign;
#[cfg(test)]
mod tests;
mod tree;

pub use provider::Generic;
pub use settings::Settings;
