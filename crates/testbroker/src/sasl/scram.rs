//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, 7677), the server's side as in Kafka's `ScramSaslServer`.
//!
//! Channel binding is not looked at, as in Kafka. No delegation tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::Digest;
use hmac::digest::core_api::BlockSizeUser;
use hmac::{Mac, SimpleHmac};
use sha2::{Sha256, Sha512};

use super::users::{ITERATIONS, ScramUsers};
use super::{Refusal, ScramMechanism, Step};

/// One authentication under way.
#[derive(Debug)]
pub(super) struct Exchange {
    mechanism: ScramMechanism,
    challenge: Option<Challenge>,
}

/// What the client's proof is held against.
#[derive(Debug)]
struct Challenge {
    user: String,
    nonce: String,
    /// Both messages so far, as they are signed.
    messages: String,
    salted_password: Vec<u8>,
}

impl Exchange {
    pub(super) fn new(mechanism: ScramMechanism) -> Self {
        let challenge = None;
        Self {
            mechanism,
            challenge,
        }
    }

    pub(super) fn evaluate(
        &mut self,
        users: &mut ScramUsers,
        token: &[u8],
    ) -> Result<Step, Refusal> {
        let message = std::str::from_utf8(token).map_err(|_| Refusal::Hidden)?;
        match self.challenge.take() {
            None => self.challenge(users, message),
            Some(challenge) => self.verify(&challenge, message),
        }
    }

    fn challenge(&mut self, users: &mut ScramUsers, message: &str) -> Result<Step, Refusal> {
        let first = ClientFirst::parse(message).ok_or(Refusal::Hidden)?;
        let server_nonce = users.nonce();
        let credential = users.salted(&first.user, self.mechanism);
        let credential = credential.ok_or(Refusal::Hidden)?;
        if first.authorization_id.is_some_and(|id| id != first.user) {
            return Err(Refusal::Said(super::OTHER_AUTHORIZATION_ID.to_owned()));
        }
        if credential.iterations < ITERATIONS {
            return Err(Refusal::Hidden);
        }
        let nonce = format!("{}{server_nonce}", first.nonce);
        let salt = STANDARD.encode(&credential.salt);
        let answer = format!("r={nonce},s={salt},i={}", credential.iterations);
        self.challenge = Some(Challenge {
            messages: format!("{},{answer}", first.bare),
            user: first.user,
            nonce,
            salted_password: credential.salted_password,
        });
        Ok(Step::Challenge(answer.into_bytes()))
    }

    fn verify(&self, challenge: &Challenge, message: &str) -> Result<Step, Refusal> {
        let last = ClientFinal::parse(message).ok_or(Refusal::Hidden)?;
        if last.nonce != challenge.nonce {
            return Err(Refusal::Hidden);
        }
        let signed = format!("{},{}", challenge.messages, last.without_proof());
        let salted = &challenge.salted_password;
        let signature = match self.mechanism {
            ScramMechanism::Sha256 => check::<Sha256>(salted, &signed, &last.proof),
            ScramMechanism::Sha512 => check::<Sha512>(salted, &signed, &last.proof),
        };
        let signature = signature.ok_or(Refusal::Hidden)?;
        Ok(Step::Done {
            token: format!("v={}", STANDARD.encode(signature)).into_bytes(),
            principal: challenge.user.clone(),
        })
    }
}

/// The hash of a password that a credential keeps.
pub(super) fn salt(
    mechanism: ScramMechanism,
    password: &str,
    salt: &[u8],
    iterations: i32,
) -> Vec<u8> {
    match mechanism {
        ScramMechanism::Sha256 => hi::<Sha256>(password.as_bytes(), salt, iterations),
        ScramMechanism::Sha512 => hi::<Sha512>(password.as_bytes(), salt, iterations),
    }
}

/// RFC 5802's `Hi`: PBKDF2 for one block.
fn hi<D: Digest + BlockSizeUser + Clone>(password: &[u8], salt: &[u8], iterations: i32) -> Vec<u8> {
    // The key is hashed into the state once, not at every turn.
    let keyed = keyed::<D>(password);
    let mut turn = keyed
        .clone()
        .chain_update(salt)
        .chain_update(1_u32.to_be_bytes())
        .finalize()
        .into_bytes();
    let mut sum = turn.to_vec();
    for _ in 1..iterations {
        turn = keyed.clone().chain_update(&turn).finalize().into_bytes();
        for (sum, byte) in sum.iter_mut().zip(&turn) {
            *sum ^= byte;
        }
    }
    sum
}

/// The server's signature, if the proof is right.
fn check<D: Digest + BlockSizeUser>(salted: &[u8], signed: &str, proof: &[u8]) -> Option<Vec<u8>> {
    let client_key = hmac::<D>(salted, b"Client Key");
    let stored_key = D::digest(&client_key);
    let client_signature = hmac::<D>(&stored_key, signed.as_bytes());
    if proof.len() != client_signature.len() {
        return None;
    }
    let pairs = proof.iter().zip(&client_signature);
    let shown: Vec<u8> = pairs.map(|(proof, signature)| proof ^ signature).collect();
    if D::digest(&shown) != stored_key {
        return None;
    }
    let server_key = hmac::<D>(salted, b"Server Key");
    Some(hmac::<D>(&server_key, signed.as_bytes()))
}

fn hmac<D: Digest + BlockSizeUser>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let keyed = keyed::<D>(key).chain_update(message);
    keyed.finalize().into_bytes().to_vec()
}

fn keyed<D: Digest + BlockSizeUser>(key: &[u8]) -> SimpleHmac<D> {
    SimpleHmac::new_from_slice(key).expect("a key of HMAC may have any length")
}

/// `n,[a=authzid],n=user,r=nonce[,extensions]`
struct ClientFirst<'a> {
    authorization_id: Option<String>,
    user: String,
    nonce: &'a str,
    /// Without the header, as it is signed.
    bare: &'a str,
}

impl<'a> ClientFirst<'a> {
    fn parse(message: &'a str) -> Option<Self> {
        let (authorization_id, bare) = message.strip_prefix("n,")?.split_once(',')?;
        let authorization_id = match authorization_id {
            "" => None,
            given => Some(name(given.strip_prefix("a=")?)?),
        };
        let mut parts = bare.split(',');
        let user = name(parts.next()?.strip_prefix("n=")?)?;
        let nonce = parts.next()?.strip_prefix("r=")?;
        let mut extensions = parts;
        // A delegation token is no user.
        let no_token = |part: &str| is_extension(part) && part != "tokenauth=true";
        (is_printable(nonce) && extensions.all(no_token)).then_some(Self {
            authorization_id,
            user,
            nonce,
            bare,
        })
    }
}

/// `c=channel,r=nonce[,extensions],p=proof`
struct ClientFinal<'a> {
    channel: &'a str,
    nonce: &'a str,
    proof: Vec<u8>,
}

impl<'a> ClientFinal<'a> {
    fn parse(message: &'a str) -> Option<Self> {
        let (rest, proof) = message.rsplit_once(",p=")?;
        let mut parts = rest.split(',');
        let channel = parts.next()?.strip_prefix("c=")?;
        STANDARD.decode(channel).ok()?;
        let nonce = parts.next()?.strip_prefix("r=")?;
        let proof = STANDARD.decode(proof).ok()?;
        (is_printable(nonce) && parts.all(is_extension)).then_some(Self {
            channel,
            nonce,
            proof,
        })
    }

    /// As Kafka signs it: extensions are left out.
    fn without_proof(&self) -> String {
        format!("c={},r={}", self.channel, self.nonce)
    }
}

/// A user's name with its commas and equals signs back.
fn name(escaped: &str) -> Option<String> {
    let legal = |c: char| c.is_ascii() && c != '\0' && c != ',';
    let left = escaped.replace("=2C", "").replace("=3D", "");
    let legal = !escaped.is_empty() && escaped.chars().all(legal) && !left.contains('=');
    legal.then(|| escaped.replace("=2C", ",").replace("=3D", "="))
}

fn is_printable(nonce: &str) -> bool {
    !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_extension(part: &str) -> bool {
    part.split_once('=').is_some_and(|(key, value)| {
        let legal = |byte: u8| byte.is_ascii() && byte != 0;
        !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_alphabetic())
            && !value.is_empty()
            && value.bytes().all(legal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677, section 3.
    #[test]
    fn the_exchange_of_the_rfc_is_accepted_and_signed_as_there() {
        let salt_bytes = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let salted = salt(ScramMechanism::Sha256, "pencil", &salt_bytes, 4_096);
        let first = ClientFirst::parse("n,,n=user,r=rOprNGfwEbeRWgbNEkqO").expect("it is one");
        assert_eq!(
            (first.user.as_str(), first.nonce),
            ("user", "rOprNGfwEbeRWgbNEkqO")
        );
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let challenge = Challenge {
            user: first.user,
            nonce: nonce.to_owned(),
            messages: format!("{},r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", first.bare),
            salted_password: salted,
        };
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let exchange = Exchange::new(ScramMechanism::Sha256);
        let Ok(Step::Done { token, principal }) = exchange.verify(&challenge, &last) else {
            panic!("the proof is right");
        };
        assert_eq!(token, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(principal, "user");
        let wrong = last.replace("dHzb", "dHzc");
        assert!(exchange.verify(&challenge, &wrong).is_err());
    }

    /// The client's side, by the same formulas read the other way.
    fn prove<D: Digest + BlockSizeUser + Clone>(
        password: &str,
        first: &str,
        server: &str,
    ) -> String {
        let field = |key: &str| {
            let mut parts = server.split(',');
            parts
                .find_map(|part| part.strip_prefix(key))
                .expect("a field")
        };
        let salt = STANDARD.decode(field("s=")).expect("base64");
        let iterations = field("i=").parse().expect("a number");
        let salted = hi::<D>(password.as_bytes(), &salt, iterations);
        let without_proof = format!("c=biws,r={}", field("r="));
        let signed = format!(
            "{},{server},{without_proof}",
            first.trim_start_matches("n,,")
        );
        let client_key = hmac::<D>(&salted, b"Client Key");
        let signature = hmac::<D>(&D::digest(&client_key), signed.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(signature)
            .map(|(a, b)| a ^ b)
            .collect();
        format!("{without_proof},p={}", STANDARD.encode(proof))
    }

    fn attempt(
        users: &mut ScramUsers,
        mechanism: ScramMechanism,
        name: &str,
        password: &str,
    ) -> bool {
        let mut exchange = Exchange::new(mechanism);
        let first = format!("n,,n={name},r=abc");
        let Ok(Step::Challenge(server)) = exchange.evaluate(users, first.as_bytes()) else {
            return false;
        };
        let server = String::from_utf8(server).expect("text");
        let last = match mechanism {
            ScramMechanism::Sha256 => prove::<Sha256>(password, &first, &server),
            ScramMechanism::Sha512 => prove::<Sha512>(password, &first, &server),
        };
        matches!(
            exchange.evaluate(users, last.as_bytes()),
            Ok(Step::Done { .. })
        )
    }

    #[test]
    fn both_hashes_know_the_right_password_from_a_wrong_one_and_a_user_from_nobody() {
        let mut users = ScramUsers::new(7);
        for mechanism in [ScramMechanism::Sha256, ScramMechanism::Sha512] {
            users.put_password("a,b=c", mechanism, "secret");
            assert!(attempt(&mut users, mechanism, "a=2Cb=3Dc", "secret"));
            assert!(attempt(&mut users, mechanism, "a=2Cb=3Dc", "secret"));
            assert!(!attempt(&mut users, mechanism, "a=2Cb=3Dc", "wrong"));
            assert!(!attempt(&mut users, mechanism, "nobody", "secret"));
        }
        assert!(users.remove("a,b=c", ScramMechanism::Sha256));
        assert!(!attempt(
            &mut users,
            ScramMechanism::Sha256,
            "a=2Cb=3Dc",
            "secret"
        ));
        assert!(attempt(
            &mut users,
            ScramMechanism::Sha512,
            "a=2Cb=3Dc",
            "secret"
        ));
    }

    #[test]
    fn a_credential_with_too_few_iterations_opens_nothing() {
        let mut users = ScramUsers::new(7);
        let salted = salt(ScramMechanism::Sha256, "secret", b"salt", 4_095);
        users.put("ann", ScramMechanism::Sha256, b"salt", &salted, 4_095);
        assert!(!attempt(
            &mut users,
            ScramMechanism::Sha256,
            "ann",
            "secret"
        ));
    }

    #[test]
    fn what_is_no_first_message_is_refused() {
        for message in [
            "",
            "n",
            "n,",
            "n,,",
            "y,,n=user,r=abc",
            "p=tls-unique,,n=user,r=abc",
            "n,,n=user",
            "n,,n=,r=abc",
            "n,,n=us=er,r=abc",
            "n,,n=user,r=",
            "n,,n=user,r=a b",
            "n,,m=x,n=user,r=abc",
            "n,,n=user,r=abc,tokenauth=true",
            "n,,n=user,r=abc,x",
            "n,b=user,n=user,r=abc",
            "n,,n=us\u{e9}r,r=abc",
        ] {
            assert!(ClientFirst::parse(message).is_none(), "{message:?}");
        }
        assert!(ClientFirst::parse("n,a=user,n=user,r=abc,ext=1").is_some());
    }
}
