//! What milena costs.

fn main() {}
