//! Frames that are no requests but the bare tokens of an authentication (SaslHandshake v0).

use bytes::{BufMut, Bytes, BytesMut};

use crate::broker::Broker;
use crate::connection::ConnectionId;

impl Broker {
    pub(super) fn take_token(&mut self, conn: ConnectionId, token: &Bytes) {
        match self.cluster.take_token(Some(conn), token) {
            Some(Ok(answer)) => {
                let mut bytes = BytesMut::new();
                bytes.put_u32(u32::try_from(answer.bytes.len()).unwrap_or(u32::MAX));
                bytes.extend_from_slice(&answer.bytes);
                self.put_out(conn, [bytes.freeze()]);
                self.ready.insert(conn);
            }
            Some(Err(reason)) => self.close(conn, &reason),
            None => self.close(conn, "a token where none was expected"),
        }
    }
}
