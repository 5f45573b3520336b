//! Random histories of one partition: whatever is lost, refused, late or moved, the log has each acknowledged record once, in
//! the order of the sends, and none that was said not to be there.
//!
//! `MILENA_SEED=n` runs one seed, `MILENA_LONG=1` many.

mod broker;
mod world;

use self::world::World;

fn seeds() -> std::ops::Range<u64> {
    let set = |name| std::env::var(name).ok();
    if let Some(seed) = set("MILENA_SEED").and_then(|seed| seed.parse().ok()) {
        return seed..seed + 1;
    }
    0..if set("MILENA_LONG").is_some() {
        20_000
    } else {
        400
    }
}

/// Says which seed it was, also when the sender itself panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("MILENA_SEED={} fails", self.0);
        }
    }
}

fn explore(transactional: bool) -> World {
    let mut world = World::new(transactional, 0);
    for seed in seeds() {
        let told = Seed(seed);
        let before = world.seen;
        world = World::new(transactional, told.0);
        world.seen = before;
        world.run();
    }
    world
}

#[test]
fn idempotent_each_acknowledged_record_is_in_the_log_once_and_in_order() {
    let seen = explore(false).seen;
    if seeds().end > 100 {
        assert!(seen.bumps > 100 && seen.splits > 100, "{seen:?}");
        assert!(seen.acknowledged > 1_000 && seen.absent > 100, "{seen:?}");
        assert!(seen.doubtful > 100 && seen.recalled > 20, "{seen:?}");
    }
}

#[test]
fn transactional_a_commit_has_every_record_once_and_in_order() {
    let seen = explore(true).seen;
    if seeds().end > 100 {
        assert!(seen.commits > 100 && seen.aborts > 100, "{seen:?}");
        assert!(seen.unresolved > 20, "{seen:?}");
    }
}
