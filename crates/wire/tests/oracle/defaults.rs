//! What is in a message that nobody has written anything to.

use crate::java::Java;
use crate::session::{self, Answer};
use crate::shown::shown;
use crate::support::{Decoded, Model};

#[test]
fn messages_begin_as_kafkas_do() {
    let Some(java) = Java::find() else { return };
    let model = Model::load();
    let found = session::answers(java, &model.messages, 0, |questions, message| {
        questions.default(&message.name)
    });
    for (message, answer) in model.messages.iter().zip(found) {
        let default = model.default_struct(&message.name);
        let Answer::Read { values, .. } = answer else {
            panic!("{}: {answer:?}", message.name);
        };
        assert_eq!(values, shown(&model, &message.name, &default));
        let ours = Decoded::default_of(message).text();
        assert_eq!(ours, default.text(&model, &message.name));
    }
}
