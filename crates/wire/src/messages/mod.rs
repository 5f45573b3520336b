//! The messages, one API a file, each struct and field named as in Kafka's schema. All of them are re-exported here.
//!
//! Where two APIs have a struct of the same name, ours are called after their API too. A nullable field that the schema gives no default
//! is `None` by default here.

pub mod add_offsets_to_txn;
pub mod add_partitions_to_txn;
pub mod api_versions;
pub mod create_topics;
pub mod delete_topics;
pub mod end_txn;
pub mod fetch;
pub mod find_coordinator;
pub mod init_producer_id;
pub mod list_offsets;
pub mod metadata;
pub mod offset_fetch;
pub mod produce;
pub mod txn_offset_commit;

pub use add_offsets_to_txn::*;
pub use add_partitions_to_txn::*;
pub use api_versions::*;
pub use create_topics::*;
pub use delete_topics::*;
pub use end_txn::*;
pub use fetch::*;
pub use find_coordinator::*;
pub use init_producer_id::*;
pub use list_offsets::*;
pub use metadata::*;
pub use offset_fetch::*;
pub use produce::*;
pub use txn_offset_commit::*;
