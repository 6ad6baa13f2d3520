//! Roles (责任类别): what a post is about. The one table of keys, Chinese names and the words that
//! sheets use for them; which hazards a role answers for stands in the policy.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a post is about, such as `flood_control` 防汛 or `duty` 值班. Any key is kept: a policy may
/// add roles of its own; the sheet import accepts the words of [`ROLES`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Role(pub String);

/// A row of the table of roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleName {
    pub key: &'static str,
    /// The word of the sheet and of all screens.
    pub name_zh: &'static str,
    /// Other words clerks write for it.
    pub words: &'static [&'static str],
}

const fn role(key: &'static str, name_zh: &'static str, words: &'static [&'static str]) -> RoleName {
    RoleName { key, name_zh, words }
}

/// Every role the sheet import knows.
pub const ROLES: &[RoleName] = &[
    role("party_government", "党政", &["党政领导", "党政负责人", "党政主要领导"]),
    role("flood_control", "防汛", &["防汛抗旱", "防汛责任人", "防汛指挥", "水旱", "水旱灾害"]),
    role("flash_flood", "山洪", &["山洪灾害", "山洪预警", "山洪预警员", "山洪责任人"]),
    role("geological", "地灾", &["地质灾害", "地质", "群测群防", "群测群防员", "地灾责任人"]),
    role("reservoir", "水库", &["水库大坝", "淤地坝", "水库责任人", "大坝"]),
    role("river_chief", "河长", &["河长制", "河湖长", "河道"]),
    role("forest_chief", "林长", &["林长制"]),
    role("forest_fire", "森防", &["森林防火", "森林草原防火", "防火", "护林", "护林员", "林草"]),
    role("contract", "包保", &["包联", "包保责任人", "安全包保", "包村", "包乡", "包户", "结对"]),
    role("grid", "网格", &["网格员", "网格长"]),
    role("department", "部门", &["部门责任人", "行业部门", "成员单位"]),
    role("duty", "值班", &["值班室", "值班电话", "24小时值班", "值守"]),
    role("shift_leader", "带班领导", &["带班", "值班领导"]),
];

impl Role {
    /// The 24-hour desk that ladders climb to.
    pub const DUTY: &'static str = "duty";
    /// 带班领导, rung when a task stays unclaimed.
    pub const SHIFT_LEADER: &'static str = "shift_leader";

    pub fn new(key: &str) -> Role {
        Role(key.to_string())
    }

    /// From a word of the sheet (spaces already removed) or a key; `None` when it is none of them.
    pub fn from_word(word: &str) -> Option<Role> {
        ROLES.iter().find(|r| r.name_zh == word || r.key == word || r.words.contains(&word)).map(|r| Role::new(r.key))
    }

    /// The Chinese name; the key itself for a role that only a policy knows.
    pub fn name_zh(&self) -> &str {
        ROLES.iter().find(|r| r.key == self.0).map_or(self.0.as_str(), |r| r.name_zh)
    }

    /// The desk and its leader: not people of a place, but who the ladder climbs to.
    pub fn is_desk(&self) -> bool {
        self.0 == Role::DUTY || self.0 == Role::SHIFT_LEADER
    }

    /// `党政、防汛、…`: for the error that must say which words are known.
    pub fn known_words() -> String {
        ROLES.iter().map(|r| r.name_zh).collect::<Vec<_>>().join("、")
    }
}
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_means_one_role_only() {
        let mut all: Vec<&str> = ROLES.iter().flat_map(|r| r.words.iter().chain([&r.name_zh, &r.key])).copied().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "a word stands in two rows");
    }

    #[test]
    fn sheet_words_and_keys_are_read() {
        assert_eq!(Role::from_word("防汛"), Some(Role::new("flood_control")));
        assert_eq!(Role::from_word("群测群防员"), Some(Role::new("geological")));
        assert_eq!(Role::from_word("shift_leader"), Some(Role::new(Role::SHIFT_LEADER)));
        assert_eq!(Role::from_word("舆情"), None);
        assert_eq!(Role::new("duty").name_zh(), "值班");
    }
}
