//! Providers against the stand-ins that speak their side of the wire, and signatures against
//! requests captured from independent implementations.

mod aliyun_client;
mod aliyun_push;
mod kit;
mod odd_input;
mod signatures;
mod smtp;
