//! DescribeAcls, CreateAcls, DeleteAcls v1-3, answered as by Kafka without an authorizer.

use milena_wire::ErrorCode;
use milena_wire::messages::{
    AclCreationResult, CreateAclsRequest, CreateAclsResponse, DeleteAclsFilterResult,
    DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest, DescribeAclsResponse,
};

use crate::cluster::Cluster;
use crate::request::{Context, Reply};

pub(crate) mod describe {
    pub(crate) use super::describe_acls as handle;
}

pub(crate) mod create {
    pub(crate) use super::create_acls as handle;
}

pub(crate) mod delete {
    pub(crate) use super::delete_acls as handle;
}

const NO_AUTHORIZER: &str = "No Authorizer is configured.";

pub(crate) fn describe_acls(
    _cluster: &mut Cluster,
    context: &Context<'_>,
    _request: &DescribeAclsRequest<'_>,
) -> Reply {
    context.answer(&DescribeAclsResponse {
        throttle_time_ms: context.throttle_time_ms,
        error_code: refusal(context),
        error_message: Some("No Authorizer is configured on the broker"),
        ..Default::default()
    })
}

pub(crate) fn create_acls(
    _cluster: &mut Cluster,
    context: &Context<'_>,
    request: &CreateAclsRequest<'_>,
) -> Reply {
    let results = request.creations.iter().map(|_| AclCreationResult {
        error_code: refusal(context),
        error_message: Some(NO_AUTHORIZER),
    });
    context.answer(&CreateAclsResponse {
        throttle_time_ms: context.throttle_time_ms,
        results: results.collect(),
    })
}

pub(crate) fn delete_acls(
    _cluster: &mut Cluster,
    context: &Context<'_>,
    request: &DeleteAclsRequest<'_>,
) -> Reply {
    let filter_results = request.filters.iter().map(|_| DeleteAclsFilterResult {
        error_code: refusal(context),
        error_message: Some(NO_AUTHORIZER),
        matching_acls: Vec::new(),
    });
    context.answer(&DeleteAclsResponse {
        throttle_time_ms: context.throttle_time_ms,
        filter_results: filter_results.collect(),
    })
}

fn refusal(context: &Context<'_>) -> ErrorCode {
    context
        .check()
        .err()
        .unwrap_or(ErrorCode::SECURITY_DISABLED)
}
