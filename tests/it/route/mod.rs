//! Which account carries an attempt: a real gateway over a store in memory, accounts that do as they are told, a clock
//! that is turned by hand.

mod canary;
mod choosing;
mod dies;
mod house;
