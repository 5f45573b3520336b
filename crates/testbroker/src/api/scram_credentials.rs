//! DescribeUserScramCredentials and AlterUserScramCredentials v0.

use std::collections::BTreeMap;

use milena_wire::ErrorCode;
use milena_wire::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    AlterUserScramCredentialsResult, CredentialInfo, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse, DescribeUserScramCredentialsResult,
    ScramCredentialUpsertion,
};

use crate::cluster::Cluster;
use crate::refusal::{Refusal, parts};
use crate::request::{Context, Reply};
use crate::sasl::ScramMechanism;

pub(crate) mod describe {
    pub(crate) use super::describe_credentials as handle;
}

pub(crate) mod alter {
    pub(crate) use super::alter_credentials as handle;
}

/// Within these Kafka takes a credential (`ScramMechanism`).
const ITERATIONS_MIN: i32 = 4_096;
const ITERATIONS_MAX: i32 = 16_384;

/// What becomes of a user's credential.
#[derive(Clone, Copy)]
enum Change<'a, 'b> {
    Delete(ScramMechanism),
    Put(ScramMechanism, &'b ScramCredentialUpsertion<'a>),
}

type Changes<'a, 'b> = BTreeMap<&'a str, Result<Change<'a, 'b>, Refusal>>;

pub(crate) fn describe_credentials(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DescribeUserScramCredentialsRequest<'_>,
) -> Reply {
    if let Err(error_code) = context.check() {
        return context.answer(&DescribeUserScramCredentialsResponse {
            throttle_time_ms: context.throttle_time_ms,
            error_code,
            ..Default::default()
        });
    }
    let mut by_user: BTreeMap<&str, Vec<CredentialInfo>> = BTreeMap::new();
    for (name, mechanism, iterations) in cluster.scram.iter() {
        let mechanism = mechanism.id();
        let info = CredentialInfo {
            mechanism,
            iterations,
        };
        by_user.entry(name).or_default().push(info);
    }
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    match request.users.as_ref().filter(|users| !users.is_empty()) {
        None => times.extend(by_user.keys().map(|name| (*name, 1))),
        Some(users) => {
            for user in users {
                *times.entry(user.name).or_default() += 1;
            }
        }
    }
    let described = times.into_iter().map(|(name, times)| {
        let known = by_user.remove(name);
        let result = match known {
            _ if times > 1 => Err(Refusal::new(
                ErrorCode::DUPLICATE_RESOURCE,
                format!(
                    "Cannot describe SCRAM credentials for the same user twice in a single request: \
                     {name}"
                ),
            )),
            Some(infos) => Ok(infos),
            None => Err(Refusal::new(
                ErrorCode::RESOURCE_NOT_FOUND,
                format!("Attempt to describe a user credential that does not exist: {name}"),
            )),
        };
        (name, result)
    });
    let described: Vec<_> = described.collect();
    let results = described.iter().map(|(user, result)| {
        let (error_code, error_message) = parts(result);
        DescribeUserScramCredentialsResult {
            user,
            error_code,
            error_message: error_message.or(Some("")),
            credential_infos: result.as_ref().ok().cloned().unwrap_or_default(),
        }
    });
    context.answer(&DescribeUserScramCredentialsResponse {
        throttle_time_ms: context.throttle_time_ms,
        results: results.collect(),
        ..Default::default()
    })
}

pub(crate) fn alter_credentials(
    cluster: &mut Cluster,
    context: &Context<'_>,
    request: &AlterUserScramCredentialsRequest<'_>,
) -> Reply {
    let mut results: Vec<(&str, Result<(), Refusal>)> = Vec::new();
    for (user, change) in changes(cluster, request) {
        let forced = context.check().map_err(Refusal::forced);
        let result = forced.and(change).and_then(|change| {
            let scram = &mut cluster.scram;
            let done = match change {
                Change::Delete(mechanism) => scram.remove(user, mechanism),
                Change::Put(mechanism, put) => {
                    let salted = put.salted_password;
                    scram.put(user, mechanism, put.salt, salted, put.iterations)
                }
            };
            let full = "the test broker has no room for more credentials";
            done.then_some(())
                .ok_or_else(|| Refusal::new(ErrorCode::POLICY_VIOLATION, full))
        });
        results.push((user, result));
    }
    let results = results.iter().map(|(user, result)| {
        let (error_code, error_message) = parts(result);
        AlterUserScramCredentialsResult {
            user,
            error_code: context.shown(error_code),
            error_message,
        }
    });
    context.answer(&AlterUserScramCredentialsResponse {
        throttle_time_ms: context.throttle_time_ms,
        results: results.collect(),
    })
}

/// One change a user, or what is wrong with it (`ScramControlManager.alterCredentials`).
fn changes<'a, 'b>(
    cluster: &Cluster,
    request: &'b AlterUserScramCredentialsRequest<'a>,
) -> Changes<'a, 'b> {
    let mut changes: Changes<'a, 'b> = BTreeMap::new();
    for deletion in &request.deletions {
        let known = mechanism_of(deletion.name, deletion.mechanism).and_then(|mechanism| {
            let mut all = cluster.scram.iter();
            let found = all.any(|(name, of, _)| name == deletion.name && of == mechanism);
            let missing = "Attempt to delete a user credential that does not exist";
            if found {
                Ok(Change::Delete(mechanism))
            } else {
                Err(Refusal::new(ErrorCode::RESOURCE_NOT_FOUND, missing))
            }
        });
        add(&mut changes, deletion.name, known);
    }
    for upsertion in &request.upsertions {
        let mechanism = mechanism_of(upsertion.name, upsertion.mechanism);
        let change = mechanism.and_then(|mechanism| {
            let unacceptable = |message| Refusal::new(ErrorCode::UNACCEPTABLE_CREDENTIAL, message);
            match upsertion.iterations {
                ..ITERATIONS_MIN => Err(unacceptable("Too few iterations")),
                ITERATIONS_MIN..=ITERATIONS_MAX => Ok(Change::Put(mechanism, upsertion)),
                _ => Err(unacceptable("Too many iterations")),
            }
        });
        add(&mut changes, upsertion.name, change);
    }
    changes
}

fn add<'a, 'b>(
    changes: &mut Changes<'a, 'b>,
    user: &'a str,
    change: Result<Change<'a, 'b>, Refusal>,
) {
    let change = match changes.get(user) {
        None => change,
        Some(Ok(_)) => Err(Refusal::new(
            ErrorCode::DUPLICATE_RESOURCE,
            "A user credential cannot be altered twice in the same request",
        )),
        Some(Err(_)) => return,
    };
    changes.insert(user, change);
}

fn mechanism_of(user: &str, id: i8) -> Result<ScramMechanism, Refusal> {
    if user.is_empty() {
        let message = "Username must not be empty";
        return Err(Refusal::new(ErrorCode::UNACCEPTABLE_CREDENTIAL, message));
    }
    let unknown = || {
        let code = ErrorCode::UNSUPPORTED_SASL_MECHANISM;
        Refusal::new(code, "Unknown SCRAM mechanism")
    };
    ScramMechanism::of_id(id).ok_or_else(unknown)
}
