//! Providers against the stand-ins that speak their side of the wire, and signatures against
//! requests captured from independent implementations.

mod aliyun_batch;
mod aliyun_client;
mod aliyun_push;
mod callbacks;
mod code_lists;
mod codes;
mod codes_reference;
mod filing;
mod follows;
mod generic;
mod kit;
mod odd_input;
mod others_client;
mod others_kit;
mod others_next;
mod others_odd;
mod others_push;
mod robots;
mod robots_codes;
mod routes;
mod signatures;
mod smpp;
mod smpp_codes;
mod smtp;
mod smtp_real;
