//! Who may authenticate, and what the broker knows of them.

use std::collections::BTreeMap;

use super::ScramMechanism;
use crate::config::BrokerConfig;
use crate::limits::SCRAM_USERS_MAX;

/// How often a password is hashed unless somebody says otherwise: the fewest that Kafka allows.
pub(crate) const ITERATIONS: i32 = 4_096;
const SALT_BYTES: usize = 16;

/// The SCRAM credentials of the cluster: one a user and mechanism.
#[derive(Debug)]
pub(crate) struct ScramUsers {
    users: BTreeMap<(String, ScramMechanism), Credential>,
    random: fastrand::Rng,
}

#[cfg_attr(
    not(feature = "sasl"),
    expect(dead_code, reason = "kept to be listed; nobody authenticates")
)]
#[derive(Debug)]
struct Credential {
    salt: Vec<u8>,
    iterations: i32,
    secret: Secret,
}

#[cfg_attr(
    not(feature = "sasl"),
    expect(dead_code, reason = "kept to be listed; nobody authenticates")
)]
#[derive(Debug)]
enum Secret {
    /// As AlterUserScramCredentials brings it.
    Salted(Vec<u8>),
    /// Hashed at its first use: that takes longer than the rest of a cluster's start.
    Password(String),
}

/// What one exchange needs of a credential.
#[cfg(feature = "sasl")]
#[derive(Debug)]
pub(super) struct Salted {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: i32,
    pub(super) salted_password: Vec<u8>,
}

impl ScramUsers {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            users: BTreeMap::new(),
            random: fastrand::Rng::with_seed(seed ^ 0x0073_6372_616d),
        }
    }

    /// With the users that a cluster begins with.
    pub(crate) fn of_config(config: &BrokerConfig) -> Self {
        let mut users = Self::new(config.seed);
        for (name, password) in &config.sasl_users {
            for mechanism in ScramMechanism::ALL {
                users.put_password(name, mechanism, password);
            }
        }
        users
    }

    /// Sets a credential as AlterUserScramCredentials does; false if there are too many.
    pub(crate) fn put(
        &mut self,
        name: &str,
        mechanism: ScramMechanism,
        salt: &[u8],
        salted_password: &[u8],
        iterations: i32,
    ) -> bool {
        let secret = Secret::Salted(salted_password.to_vec());
        self.insert(name, mechanism, salt.to_vec(), iterations, secret)
    }

    /// Sets a credential by a password, with a salt of the cluster's choice.
    pub(crate) fn put_password(
        &mut self,
        name: &str,
        mechanism: ScramMechanism,
        password: &str,
    ) -> bool {
        let salt = (0..SALT_BYTES).map(|_| self.random.u8(..)).collect();
        let secret = Secret::Password(password.to_owned());
        self.insert(name, mechanism, salt, ITERATIONS, secret)
    }

    fn insert(
        &mut self,
        name: &str,
        mechanism: ScramMechanism,
        salt: Vec<u8>,
        iterations: i32,
        secret: Secret,
    ) -> bool {
        let key = (name.to_owned(), mechanism);
        if self.users.len() >= SCRAM_USERS_MAX && !self.users.contains_key(&key) {
            return false;
        }
        let credential = Credential {
            salt,
            iterations,
            secret,
        };
        self.users.insert(key, credential);
        true
    }

    /// Removes a credential; false if there was none.
    pub(crate) fn remove(&mut self, name: &str, mechanism: ScramMechanism) -> bool {
        self.users.remove(&(name.to_owned(), mechanism)).is_some()
    }

    /// Name, mechanism and iterations of each credential, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, ScramMechanism, i32)> {
        let users = self.users.iter();
        users.map(|((name, mechanism), it)| (name.as_str(), *mechanism, it.iterations))
    }

    #[cfg(feature = "sasl")]
    pub(super) fn salted(&mut self, name: &str, mechanism: ScramMechanism) -> Option<Salted> {
        let credential = self.users.get_mut(&(name.to_owned(), mechanism))?;
        if let Secret::Password(password) = &credential.secret {
            let salt = &credential.salt;
            let salted = super::scram::salt(mechanism, password, salt, credential.iterations);
            credential.secret = Secret::Salted(salted);
        }
        let Secret::Salted(salted_password) = &credential.secret else {
            return None;
        };
        Some(Salted {
            salt: credential.salt.clone(),
            iterations: credential.iterations,
            salted_password: salted_password.clone(),
        })
    }

    /// A nonce for a server: printable, without a comma.
    #[cfg(feature = "sasl")]
    pub(super) fn nonce(&mut self) -> String {
        (0..26).map(|_| self.random.alphanumeric()).collect()
    }
}
