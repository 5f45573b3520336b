//! How long to wait before trying again.

use std::time::Duration;

/// Growing waits: `initial`, then `multiplier` times as long after each attempt, up to `max`, each made `jitter` longer or
/// shorter by chance so that clients which failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// The wait after the first failure. Default: 100 ms.
    pub initial: Duration,
    /// No wait is longer, jitter included. Default: 1 s.
    pub max: Duration,
    /// How much longer each wait is than the one before; below 1 counts as 1. Default: 2.
    pub multiplier: f64,
    /// The share of a wait that is left to chance, 0 to 1. Default: 0.2, that is 20 % up or down.
    pub jitter: f64,
}

/// Enough for any growth that is worth the name, and an end for those that are not (a multiplier that is not a number).
const STEPS_MAX: u32 = 1_000;

impl Backoff {
    /// The wait after failure number `attempt`, counted from 0.
    pub fn delay(&self, attempt: u32, rng: &mut fastrand::Rng) -> Duration {
        let max = self.max.as_secs_f64();
        let mut seconds = self.initial.as_secs_f64();
        // Multiplied step by step instead of by `powi`, whose last bit differs between platforms: the same seed must give
        // the same run everywhere.
        for _ in 0..attempt.min(STEPS_MAX) {
            if seconds >= max || self.multiplier <= 1.0 {
                break;
            }
            seconds *= self.multiplier;
        }
        let jitter = self.jitter.clamp(0.0, 1.0);
        let factor = 1.0 + jitter * (2.0 * rng.f64() - 1.0);
        Duration::try_from_secs_f64(seconds.min(max) * factor)
            .map_or(self.max, |delay| delay.min(self.max))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(1),
            multiplier: 2.0,
            jitter: 0.2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng() -> fastrand::Rng {
        fastrand::Rng::with_seed(7)
    }

    #[test]
    fn waits_double_up_to_the_maximum() {
        let backoff = Backoff {
            jitter: 0.0,
            ..Backoff::default()
        };
        let waits: Vec<u128> = (0..6)
            .map(|attempt| backoff.delay(attempt, &mut rng()).as_millis())
            .collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn jitter_stays_within_its_share_and_below_the_maximum() {
        let backoff = Backoff::default();
        let mut rng = rng();
        let first: Vec<Duration> = (0..1000).map(|_| backoff.delay(0, &mut rng)).collect();
        assert!(
            first
                .iter()
                .all(|wait| (80..=120).contains(&wait.as_millis()))
        );
        assert!(
            first.iter().any(|wait| wait.as_millis() < 90)
                && first.iter().any(|wait| wait.as_millis() > 110)
        );
        assert!((0..1000).all(|_| backoff.delay(20, &mut rng) <= backoff.max));
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = || {
            let mut rng = rng();
            (0..20)
                .map(|attempt| Backoff::default().delay(attempt, &mut rng))
                .collect::<Vec<_>>()
        };
        assert_eq!(waits(), waits());
    }

    #[test]
    fn senseless_settings_neither_panic_nor_wait_for_ever() {
        let max = Duration::from_secs(2);
        for multiplier in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1.0, 1e300] {
            for jitter in [f64::NAN, -3.0, 9.0] {
                let backoff = Backoff {
                    max,
                    multiplier,
                    jitter,
                    ..Backoff::default()
                };
                assert!(backoff.delay(u32::MAX, &mut rng()) <= max, "{backoff:?}");
            }
        }
    }
}
