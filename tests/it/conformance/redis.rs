//! What only a store on Redis can show.

use super::*;
