//! Record batches: what is built is read back, what was damaged is noticed, and odd batches of real logs are understood.

mod built;
mod chunks;
mod damaged;
mod odd;
mod passed_on;
mod support;
