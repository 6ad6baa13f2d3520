//! The HTTP side as outside programs meet it: the router, driven request by request, on an engine over
//! the memory store with a clock that stands still until it is moved and a carrier that takes everything.

mod answers;
mod guard;
mod intake;
mod kit;
mod live;
mod officers;
mod reading;
