//! How people write the names of divisions: towns without 镇, villages without their committee.

use super::division::Division;

/// Ends of village names by the kind of their committee, longest first, and what people write instead.
const VILLAGE_ENDS: &[(&str, &str)] = &[
    ("社区居民委员会", "社区"),
    ("社区居委会", "社区"),
    ("村民委员会", "村"),
    ("居民委员会", "社区"),
    ("居委会", "社区"),
    ("村委会", "村"),
];

/// Ends of township names, longest first. What stands before is what a list of towns shortens to.
const TOWN_ENDS: &[&str] = &["街街道", "街道办事处", "街道办", "街道", "苗族乡", "回族乡", "民族乡", "镇", "乡"];

/// How people write a division's name: the name itself, a village without its committee, a township
/// without `镇` or `乡` (where two characters are left).
pub fn spoken_names(code: Division, name: &str) -> Vec<String> {
    use super::division::DivisionLevel::*;
    let mut all = vec![name.to_string()];
    match code.level() {
        Village => {
            if let Some((end, short)) = VILLAGE_ENDS.iter().find(|(end, _)| name.ends_with(end)) {
                let stem = name.strip_suffix(end).unwrap_or(name);
                all.push(format!("{stem}{short}"));
                // 中村村委会 is spoken of as 中村村, and as 中村.
                if stem.ends_with(short) && stem != *short {
                    all.push(stem.to_string());
                }
            }
        }
        Township => {
            if let Some(stem) = TOWN_ENDS.iter().find_map(|end| name.strip_suffix(end)).filter(|s| s.chars().count() >= 2) {
                all.push(stem.to_string());
            }
        }
        City | County | Province => {}
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_also_what_people_make_of_it() {
        let names = |code: &str, name: &str| spoken_names(code.parse().unwrap(), name);
        assert_eq!(names("140521101", "中村镇"), ["中村镇", "中村"]);
        assert_eq!(names("140521102201", "中村村委会"), ["中村村委会", "中村村", "中村"]);
        assert_eq!(names("140581001", "北城街街道"), ["北城街街道", "北城"]);
        assert_eq!(names("511528202", "大雪山镇"), ["大雪山镇", "大雪山"]);
        assert_eq!(names("511528203", "联合苗族乡"), ["联合苗族乡", "联合"]);
        assert_eq!(names("140521", "沁水县"), ["沁水县"]);
    }
}
