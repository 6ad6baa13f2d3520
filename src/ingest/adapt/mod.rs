//! Adapters without code: a small TOML file says where in a bureau's own JSON or XML the fields of a
//! warning stand, and the body becomes the one [`Content`](crate::core::warning::Content) that native JSON
//! and CAP become.
//!
//! `file` reads the mapping, `tree` the body, `apply` carries one out over the other, `template` and `value`
//! know texts. The shipped mappings (`config/adapters`) are the reference by example; all keys stand in
//! `config/adapters/README.md`. What comes out passes the same last check as every other source, and each
//! field remembers the line of the mapping and the path it came from ([`Step`]).

mod apply;
mod area;
mod file;
mod fill;
mod mapping;
mod shipped;
mod template;
mod tree;
mod value;

pub use apply::{Adapted, Came, Item, read};
pub use file::parse;
pub use fill::Step;
pub use mapping::Mapping;
pub use shipped::{SHIPPED, shipped};
pub use tree::Format;
