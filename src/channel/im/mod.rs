//! Group robots: one digest a group, not one message a person. They answer HTTP 200 with a code in the body, tell no
//! receipt, know no query and take nothing in, so what leaves and is not answered stays `unknown` for good.
//!
//! What is said, and when, is the core's (`core::digest`); a robot only carries it.

pub mod dingtalk;
pub mod feishu;
mod group;
mod markdown;
mod reply;
pub mod wecom;
