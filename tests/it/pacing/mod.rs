//! Pacing: thousands of calls over few lines, played on the real engine under a clock that is moved by hand. Who is
//! called first, what an answer takes back, whether the forecast was right, what a restart loses.

mod crowd;
mod overtaking;
mod stage;
