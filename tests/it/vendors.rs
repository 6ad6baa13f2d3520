//! Providers against the stand-ins that speak their side of the wire, and signatures against
//! requests captured from independent implementations.

mod aliyun_batch;
mod aliyun_client;
mod aliyun_push;
mod generic;
mod kit;
mod odd_input;
mod others_client;
mod others_kit;
mod others_next;
mod others_odd;
mod others_push;
mod signatures;
mod smpp;
mod smtp;
