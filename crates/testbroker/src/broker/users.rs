//! Who may authenticate.

use super::Broker;

impl Broker {
    /// A user of every SASL mechanism from now on, or a new password for one; false if there are too
    /// many. Whoever is authenticated stays so until its session ends.
    pub fn set_sasl_user(&mut self, name: &str, password: &str) -> bool {
        self.cluster.put_sasl_user(name, password)
    }

    /// Forgets a user; false if there was none.
    pub fn remove_sasl_user(&mut self, name: &str) -> bool {
        self.cluster.remove_sasl_user(name)
    }
}
