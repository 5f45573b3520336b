//! The cases, by what they are about.

pub mod batch;
pub mod floor;
pub mod message;
pub mod records;
pub mod theirs;

#[cfg(test)]
mod tests {
    use milena_wire::Parts;

    use super::records::{Records, Shape};
    use super::{batch, floor, message, theirs};

    const SHAPES: [Shape; 3] = [Shape::SMALL, Shape::LARGE, Shape::HEADERS];

    #[test]
    fn all_three_write_the_same_records() {
        for shape in SHAPES {
            let records = Records::new(shape);
            let ours = batch::Encoder::new().encode(&records).to_bytes();
            let mut theirs = theirs::Encoder::new();
            assert!(ours == theirs.encode(&records), "{shape:?}");
            let mut slab = floor::Slab::new(&records);
            let floor = slab.encode(&records);
            assert_eq!(floor.len(), ours.len(), "{shape:?}");
            assert!(floor[61..] == ours[61..], "{shape:?}");
        }
    }

    #[test]
    fn all_three_read_the_same() {
        for shape in SHAPES {
            let bytes = batch::Encoder::new()
                .encode(&Records::new(shape))
                .to_bytes();
            let digest = batch::decode(&bytes);
            assert!(digest > 0);
            assert_eq!(digest, theirs::decode(&bytes), "{shape:?}");
            assert_eq!(digest, floor::decode(&bytes), "{shape:?}");
        }
    }

    #[test]
    fn requests_are_the_same_and_the_batch_in_ours_is_the_one_that_was_given() {
        let batch = batch::Encoder::new().encode(&Records::new(Shape::LARGE));
        let frame = message::encode_produce(&message::produce_request(batch.clone()));
        let mut theirs = bytes::BytesMut::new();
        theirs::encode_produce(&theirs::produce_request(&batch.to_bytes()), &mut theirs);
        assert!(frame.to_bytes()[4..] == theirs[..]);
        let addresses = |parts: Parts<'_>| parts.map(<[u8]>::as_ptr).collect::<Vec<_>>();
        let in_frame = addresses(frame.parts());
        // The batch's own header is 61 bytes that stay where the payload is.
        let records = addresses(batch.parts()).split_off(1);
        assert!(records.len() > 60, "a chunk each");
        for part in records {
            assert!(in_frame.contains(&part), "a part of the batch was copied");
        }
    }

    #[test]
    fn metadata_is_read_alike() {
        let frame = message::metadata_frame();
        let ours = message::decode_metadata(&frame);
        let theirs = message::decode_metadata_theirs(&frame);
        assert_eq!(ours.topics.len(), message::TOPICS);
        for (ours, theirs) in ours.topics.iter().zip(&theirs.topics) {
            assert_eq!(ours.name, theirs.name.as_ref().map(|name| &***name));
            let ours = ours.partitions.iter().map(|partition| partition.leader_id);
            let theirs = theirs
                .partitions
                .iter()
                .map(|partition| partition.leader_id.0);
            assert!(ours.eq(theirs));
        }
    }
}
