//! Which messages of past files are rehearsed: what calls nobody in the run is left out, counted and told.

use crate::core::warning::{Content, MessageType, Status};

/// What a message is to a rehearsal of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Rehearsed,
    Cancel,
    /// An exercise, a test, a draft: it rings nobody.
    NotActual,
}
impl Part {
    /// `alone`: it is the only one given, and meant.
    pub fn of(content: &Content, alone: bool) -> Part {
        match (content.message_type, content.status) {
            (MessageType::Cancel, _) => Part::Cancel,
            (_, Status::Actual) => Part::Rehearsed,
            _ if alone => Part::Rehearsed,
            _ => Part::NotActual,
        }
    }
}

/// How many messages are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub rehearsed: usize,
    pub cancels: usize,
    pub not_actual: usize,
    /// Rehearsed updates of a message before them: whom that called already is only sent the new text.
    pub renewals: usize,
    /// Renewals whose persons are not told apart, so that they are in no sum.
    pub not_summed: usize,
    /// Rehearsed updates of nothing among what was given, counted as new warnings.
    pub updates_alone: usize,
}
impl LeftOut {
    pub fn count<'c>(all: impl ExactSizeIterator<Item = &'c Content>) -> LeftOut {
        let alone = all.len() == 1;
        let mut out = LeftOut::default();
        for content in all {
            match Part::of(content, alone) {
                Part::Rehearsed => out.rehearsed += 1,
                Part::Cancel => out.cancels += 1,
                Part::NotActual => out.not_actual += 1,
            }
        }
        out
    }

    /// A line each for people.
    pub fn told(self) -> Vec<String> {
        let say = |n: usize, text: &str| (n > 0).then(|| format!("{n} 条{text}"));
        let all = [
            say(self.cancels, "解除报文不叫人，未计"),
            say(self.not_actual, "演练、测试、草稿等非正式报文不叫人，未计"),
            say(self.renewals, "更新只计新叫到的人；级别未提高的，已叫应过的人只发一条新文本（计入费用）"),
            say(self.not_summed, "更新与前一条同级或更低，已叫应过的人只会收到一条新文本；其中谁是新叫到的，此处不能分开，不计入合计"),
            say(self.updates_alone, "更新的前一条不在所给报文中（或已解除、已到期），按新预警计"),
        ];
        all.into_iter().flatten().collect()
    }
}
