//! The function library (`library/`, the keys are described in `head.lua`) as a server gets it. Its name carries the data format and a digest of its
//! text: two versions of the gateway work side by side, each with functions of its own.

use sha2::{Digest, Sha256};

/// One text: what stands in a file may use the local functions of those before it.
const TEXT: &str = concat!(
    include_str!("library/head.lua"),
    include_str!("library/fence.lua"),
    include_str!("library/letters.lua"),
    include_str!("library/commit.lua"),
    include_str!("library/outbox.lua"),
    include_str!("library/claim.lua"),
    include_str!("library/control.lua"),
    include_str!("library/reading.lua"),
    include_str!("library/moves.lua"),
    include_str!("library/shelf.lua"),
    include_str!("library/spent.lua"),
);
/// The layout of keys and values. A store of another format is refused.
pub(super) const FORMAT: &str = "1";
/// In its place while a move fills the store: no gateway opens it.
pub(super) const MOVING: &str = "moving";

pub(super) struct Library {
    /// `jiaoying1_<digest>`.
    pub name: String,
    pub text: String,
}

impl Library {
    pub fn new() -> Library {
        let digest = Sha256::digest(TEXT.as_bytes());
        let digest: String = digest.iter().take(4).map(|b| format!("{b:02x}")).collect();
        let name = format!("jiaoying{FORMAT}_{digest}");
        Library { text: TEXT.replace("LIBRARY", &name), name }
    }
}
