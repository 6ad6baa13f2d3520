//! Roles (责任类别): what a post is about. The one table of keys, Chinese names and the words that
//! sheets use for them; which hazards a role answers for stands in the policy.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

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

/// Every role that is shipped, with the words of sheets (basis: domain notes 2.1). `config/policy.toml` has the same rows,
/// with the hazards each answers for; a policy may add roles and words of its own ([`RoleWords`]).
pub const ROLES: &[RoleName] = &[
    role("party_government", "党政", &["党政领导", "党政负责人", "党政主要领导", "第一责任人", "党政第一责任人"]),
    role(
        "flood_control",
        "防汛",
        &["防汛抗旱", "防汛责任人", "防汛指挥", "防汛指挥长", "防汛抗旱指挥", "防汛行政责任人", "防汛包保", "水旱", "水旱灾害", "三防"],
    ),
    role(
        "flash_flood",
        "山洪",
        &[
            "山洪灾害",
            "山洪灾害防御",
            "山洪预警",
            "山洪预警员",
            "山洪责任人",
            "山洪六落实",
            "山洪行政责任人",
            "山洪监测责任人",
            "山洪监测负责人",
            "山洪信息报送人",
            "山洪预警责任人",
            "山洪转移责任人",
        ],
    ),
    role(
        "geological",
        "地灾",
        &[
            "地质灾害",
            "地质",
            "群测群防",
            "群测群防员",
            "地灾群测群防员",
            "地灾责任人",
            "防灾责任人",
            "监测责任人",
            "地灾防灾责任人",
            "地灾监测责任人",
            "地灾巡查责任人",
            "面巡责任人",
            "专业监测员",
            "运维负责人",
            "风险区责任人",
            "地灾风险区责任人",
            "隐患点责任人",
        ],
    ),
    role(
        "reservoir",
        "水库",
        &[
            "水库大坝",
            "水库责任人",
            "大坝",
            "水库行政责任人",
            "水库技术责任人",
            "水库巡查责任人",
            "大坝安全责任人",
            "大坝安全政府责任人",
            "大坝安全主管部门责任人",
            "大坝安全管理单位责任人",
            "淤地坝",
            "淤地坝责任人",
            "淤地坝行政责任人",
            "淤地坝技术责任人",
            "淤地坝巡查责任人",
            "水利工程巡查员",
        ],
    ),
    role("river_chief", "河长", &["河长制", "河湖长", "河道", "市级河长", "县级河长", "乡级河长", "镇级河长", "村级河长"]),
    role("embankment", "堤防", &["堤防包保", "河道堤防", "堤防责任人", "堤防包保责任人", "堤防安全包保", "水利工程防汛责任人"]),
    role("forest_chief", "林长", &["林长制", "市级林长", "县级林长", "乡级林长", "镇级林长", "村级林长"]),
    role(
        "forest_fire",
        "森防",
        &[
            "森林防火",
            "森林草原防火",
            "防火",
            "防火责任人",
            "三级防火责任人",
            "县级防火责任人",
            "乡级防火责任人",
            "村级防火责任人",
            "护林",
            "护林员",
            "林草",
            "瞭望员",
        ],
    ),
    role(
        "contract",
        "包保",
        &[
            "包联",
            "包保责任人",
            "安全包保",
            "市领导包县",
            "县领导包乡",
            "乡领导包村",
            "村干部包户",
            "包县",
            "包乡",
            "包村",
            "包户",
            "结对",
            "明白人",
            "结对明白人",
        ],
    ),
    role(
        "grid",
        "网格",
        &["网格员", "网格长", "网格联户员", "避灾场所管理员", "危房联络员", "监测预警组", "人员转移组", "抢险救援组", "后勤保障组"],
    ),
    role("rescue", "专业队", &["抢险队", "救援队", "追雷队", "追雷小分队", "半专业队", "扑火队", "专业扑火队", "应急队伍"]),
    role("earthquake", "地震", &["灾情速报员", "地震灾情速报员", "防震减灾"]),
    role("field_chief", "田长", &["田长制", "县级田长", "乡级田长", "村级田长"]),
    role("department", "部门", &["部门责任人", "行业部门", "成员单位"]),
    role("duty", "值班", &["值班室", "值班电话", "24小时值班", "24小时值班电话", "值班员", "值守"]),
    role("shift_leader", "带班领导", &["带班", "值班领导"]),
];

/// The words of sheets and the roles they mean: the table [`ROLES`], and what a policy adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleWords {
    words: BTreeMap<String, Role>,
    /// Names by key, in the order they were added.
    names: Vec<(String, String)>,
}
impl Default for RoleWords {
    fn default() -> RoleWords {
        let mut all = RoleWords { words: BTreeMap::new(), names: Vec::new() };
        for r in ROLES {
            all.add(r.key, std::iter::once(r.name_zh).chain(r.words.iter().copied()));
        }
        all
    }
}
impl RoleWords {
    /// Adds words of a role, the first its name. What a word means already it goes on meaning.
    pub fn add<'a>(&mut self, key: &'a str, words: impl IntoIterator<Item = &'a str>) {
        for word in words.into_iter().chain([key]) {
            if !self.names.iter().any(|(k, _)| k == key) {
                self.names.push((key.to_string(), word.to_string()));
            }
            self.words.entry(word.to_string()).or_insert_with(|| Role::new(key));
        }
    }
    /// The role a word (spaces already removed) or key means.
    pub fn role(&self, word: &str) -> Option<Role> {
        self.words.get(word).cloned()
    }
    /// The role's name; its key where it has none.
    pub fn name<'a>(&'a self, role: &'a Role) -> &'a str {
        self.names.iter().find(|(k, _)| *k == role.0).map_or(role.0.as_str(), |(_, name)| name.as_str())
    }
    /// Whether a word says more than the role's name: `水库巡查责任人`, not `水库`.
    pub fn is_title(&self, word: &str, role: &Role) -> bool {
        word != role.0 && word != self.name(role)
    }
    /// `党政、防汛、…`: for the error that must say which words are known.
    pub fn known(&self) -> String {
        self.names.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join("、")
    }
}

impl Role {
    /// The 24-hour desk that ladders climb to.
    pub const DUTY: &'static str = "duty";
    /// 带班领导, rung when a task stays unclaimed.
    pub const SHIFT_LEADER: &'static str = "shift_leader";

    pub fn new(key: &str) -> Role {
        Role(key.to_string())
    }

    /// The Chinese name; the key itself for a role that only a policy knows.
    pub fn name_zh(&self) -> &str {
        ROLES.iter().find(|r| r.key == self.0).map_or(self.0.as_str(), |r| r.name_zh)
    }

    /// The desk and its leader: not people of a place, but who the ladder climbs to.
    pub fn is_desk(&self) -> bool {
        self.0 == Role::DUTY || self.0 == Role::SHIFT_LEADER
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
    fn the_shipped_policy_has_the_same_roles_under_the_same_names() {
        let policy = crate::core::policy::parse_policy(crate::core::policy::SHIPPED).unwrap();
        for r in ROLES {
            let names = policy.roles.get(r.key).map(|p| p.names.clone()).unwrap_or_default();
            let ours: Vec<&str> = std::iter::once(r.name_zh).chain(r.words.iter().copied()).collect();
            assert_eq!(names, ours, "{}", r.key);
        }
        assert_eq!(policy.roles.len(), ROLES.len());
        assert_eq!(policy.role_words(), RoleWords::default());
    }

    #[test]
    fn sheet_words_and_keys_are_read() {
        let mut words = RoleWords::default();
        assert_eq!(words.role("防汛"), Some(Role::new("flood_control")));
        assert_eq!(words.role("群测群防员"), Some(Role::new("geological")));
        assert_eq!(words.role("shift_leader"), Some(Role::new(Role::SHIFT_LEADER)));
        assert_eq!(words.role("舆情"), None);
        words.add("rumour", ["舆情", "防汛"]);
        assert_eq!((words.role("舆情"), words.role("防汛")), (Some(Role::new("rumour")), Some(Role::new("flood_control"))));
        assert!(words.known().ends_with("带班领导、舆情") && words.name(&Role::new("rumour")) == "舆情");
        assert!(words.is_title("水库巡查责任人", &Role::new("reservoir")) && !words.is_title("水库", &Role::new("reservoir")));
        assert_eq!(Role::new("duty").name_zh(), "值班");
    }
}
