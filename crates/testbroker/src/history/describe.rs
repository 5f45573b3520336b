//! Requests and answers in a line.

use std::fmt::Write;

use milena_wire::Payload;
use milena_wire::messages::{AnyRequest, AnyResponse, FetchRequest, FetchResponse, ProduceRequest};
use milena_wire::record::batches;

use super::Entry;

/// Longer lines are cut.
const LINE_MAX: usize = 600;

pub(super) fn request(entry: &Entry) -> String {
    let Some(name) = entry.request else {
        return String::new();
    };
    let Some(frame) = &entry.frame else {
        return format!("{} (its bytes were not kept)", name.api);
    };
    let text = match entry.decoded() {
        Some((_, AnyRequest::Produce(request))) => produce(&request),
        Some((_, AnyRequest::Fetch(request))) => fetch(&request),
        // The derived text has every field, and begins with the name of the variant.
        Some((_, request)) => bare(&format!("{request:?}")),
        None => format!("{} bytes that cannot be read", frame.len()),
    };
    cut(text)
}

pub(super) fn answer(entry: &Entry) -> String {
    let text = match entry.decoded_answer() {
        Some(AnyResponse::Fetch(answer)) => fetched(&answer),
        Some(answer) => bare(&format!("{answer:?}")),
        None => return String::new(),
    };
    cut(format!("=> {text}"))
}

fn produce(request: &ProduceRequest<'_>) -> String {
    let mut text = format!("acks={}", request.acks);
    if let Some(id) = request.transactional_id {
        let _ = write!(text, " transactional id {id}");
    }
    for topic in &request.topic_data {
        let name = topic_name(topic.name, topic.topic_id);
        for data in &topic.partition_data {
            let _ = write!(text, " {name}-{}:", data.index);
            text += &records(data.records.as_ref());
        }
    }
    text
}

fn fetch(request: &FetchRequest<'_>) -> String {
    let committed = ["read_uncommitted", "read_committed"];
    let isolation = committed[usize::from(request.isolation_level == 1)];
    let mut text = format!(
        "{isolation} wait {} ms for {} bytes, session {}/{}",
        request.max_wait_ms, request.min_bytes, request.session_id, request.session_epoch
    );
    for topic in &request.topics {
        let name = topic_name(topic.topic, topic.topic_id);
        for asked in &topic.partitions {
            let _ = write!(
                text,
                " {name}-{} from {} (leader epoch {}, last {})",
                asked.partition,
                asked.fetch_offset,
                asked.current_leader_epoch,
                asked.last_fetched_epoch
            );
        }
    }
    for topic in &request.forgotten_topics_data {
        let name = topic_name(topic.topic, topic.topic_id);
        for index in topic.partitions.iter() {
            let _ = write!(text, " without {name}-{index}");
        }
    }
    text
}

fn fetched(answer: &FetchResponse<'_>) -> String {
    let mut text = format!("session {} {}", answer.session_id, answer.error_code);
    for topic in &answer.responses {
        let name = topic_name(topic.topic, topic.topic_id);
        for data in &topic.partitions {
            let _ = write!(
                text,
                " {name}-{} {} high watermark {} stable {}:",
                data.partition_index, data.error_code, data.high_watermark, data.last_stable_offset
            );
            text += &records(data.records.as_ref());
        }
    }
    text
}

/// The batches: offsets, identity, sequence.
fn records(payload: Option<&Payload>) -> String {
    let mut text = String::new();
    for batch in batches(payload.map(Payload::to_bytes).unwrap_or_default()) {
        let Ok(batch) = batch else {
            text += " (a batch that cannot be read)";
            break;
        };
        let header = batch.header();
        let what = match (batch.is_control(), batch.is_transactional()) {
            (true, _) => " marker",
            (false, true) => " in a transaction",
            (false, false) => "",
        };
        let _ = write!(
            text,
            " [{}..={} producer {}/{} sequence {}{what}]",
            header.base_offset,
            batch.last_offset(),
            header.producer_id,
            header.producer_epoch,
            header.base_sequence
        );
    }
    text
}

fn topic_name(name: &str, id: milena_wire::Uuid) -> String {
    if name.is_empty() {
        return id.to_string();
    }
    name.to_owned()
}

/// `Name(NameRequest { a: 1, .. })` as `a: 1, ..`.
fn bare(debug: &str) -> String {
    let inner = debug.split_once("{ ").map(|(_, inner)| inner);
    let inner = inner.and_then(|inner| inner.rsplit_once(" }"));
    inner.map_or(debug, |(inner, _)| inner).to_owned()
}

fn cut(mut text: String) -> String {
    if text.len() > LINE_MAX {
        let end = (0..=LINE_MAX).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text += "...";
    }
    text
}
