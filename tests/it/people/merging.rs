//! A sheet against the directory in force: who is the same person, what a blank keeps, who is meant by a name, and that no place
//! loses its last person unless that is told.

use super::sheets::*;
use jiaoying::{
    core::{
        directory::{Directory, Recipient, Role, Tier},
        directory_cover::Calling,
        ids::RecipientId,
        time::Time,
    },
    ingest::sheet::{ImportMode, ImportOptions, import},
};
use std::collections::BTreeSet;

const HEADER: &str = "行政区划代码,姓名,职务,责任类别,责任层级,手机1,邮箱,代理人,代理人手机,关联户数\n";

fn first_import() -> Directory {
    let sheet = format!(
        "{HEADER}140521100200,甲,主任,防汛,村,15400000001,a@example.cn,丙,15400000003,30\n\
         140521100200,乙,网格员,网格,村,15400000002,,甲,,\n\
         140521100002,丁,主任,防汛,村,15400000004,,,,\n"
    );
    fresh("x.csv", sheet.as_bytes()).directory.unwrap()
}
fn id_of(d: &Directory, name: &str) -> Option<RecipientId> {
    d.recipients.values().find(|r| r.name == name).map(|r| r.id)
}

#[test]
fn an_import_updates_people_by_identity_and_a_blank_erases_nothing() {
    let old = first_import();
    // 甲 has a new number at the same post, 乙 a second one; 丁 is not in the file.
    let sheet = format!(
        "{HEADER}140521100200,甲,村主任,防汛,村,15400000009,,,,\n\
         140521100200,乙,网格员,网格,村,15400000002/15400000008,,,,\n\
         140521100200,戊,预警员,山洪,村,15400000007,,乙,,\n"
    );
    let result = read("x.csv", sheet.as_bytes(), &old);
    let new = applied(&result);
    assert_eq!(id_of(&new, "甲"), id_of(&old, "甲"), "a new number does not make a new person");
    let first = person(&new, "甲");
    assert_eq!((numbers(first), first.email.as_deref()), (vec!["15400000009"], Some("a@example.cn")));
    let post = new.posts_of(first.id).next().unwrap();
    assert_eq!((post.title.as_str(), post.households, post.deputy), ("村主任", 30, id_of(&old, "丙")));
    assert_eq!(numbers(person(&new, "乙")), ["15400000002", "15400000008"]);
    assert!(id_of(&new, "丁").is_some());
    assert_eq!(new.version, old.version + 1);
    let names = |list: &[jiaoying::core::directory_diff::PersonChange]| list.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&result.diff.added), ["戊"]);
    assert_eq!(names(&result.diff.changed), ["甲", "乙"]);
    assert_eq!(result.diff.changed[0].what, ["手机", "变更岗位 防汛@140521100200"]);
    assert_eq!((names(&result.diff.gone), result.diff.uncovered.len()), (vec![], 0));
    // The same file again changes nothing.
    let again = read("x.csv", sheet.as_bytes(), new.directory());
    assert!(again.diff.is_empty() && again.directory.as_ref() == Some(new.directory()));
}

#[test]
fn a_merging_sheet_with_room_for_one_number_keeps_the_others_and_each_number_lost_is_named() {
    let two = format!("{HEADER}140521100200,甲,主任,防汛,村,15400000001/15400000002,,,,\n");
    let old = fresh("x.csv", two.as_bytes()).directory.unwrap();
    let go = |sheet: &str| {
        let result = read("x.csv", sheet.as_bytes(), &old);
        let phones: Vec<String> = numbers(person(&applied(&result), "甲")).into_iter().map(String::from).collect();
        let lost: Vec<String> = result.diff.changed.iter().flat_map(|p| p.lost.clone()).collect();
        (phones, lost, result.diff.changed.first().map(|p| p.told_zh()).unwrap_or_default())
    };
    let row = |phone: &str| format!("{HEADER}140521100200,甲,主任,防汛,村,{phone},,,,\n");
    assert_eq!(go(&row("15400000001")), (vec!["15400000001".into(), "15400000002".into()], vec![], String::new()));
    assert_eq!(go(&row("15400000002")).0, ["15400000002", "15400000001"]);
    let (phones, lost, told) = go(&row("15400000009"));
    assert_eq!((phones, lost), (vec!["15400000009".to_string(), "15400000002".into()], vec!["154****0001".to_string()]));
    assert!(told.ends_with("：手机，失去号码 154****0001"), "{told}");
    // A column for it, blank here, or several in the cell: the sheet lists all.
    let (phones, lost, _) = go("行政区划代码,姓名,责任类别,责任层级,手机1,手机2\n140521100200,甲,防汛,村,15400000001,\n");
    assert_eq!((phones, lost), (vec!["15400000001".to_string()], vec!["154****0002".to_string()]));
    let (phones, lost, _) = go(&row("15400000001/15400000008"));
    assert_eq!((phones, lost), (vec!["15400000001".to_string(), "15400000008".into()], vec!["154****0002".to_string()]));
}

#[test]
fn a_replacing_import_does_not_leave_a_place_without_its_last_person_unless_told() {
    let old = first_import();
    let sheet = format!("{HEADER}140521100200,乙,网格员,网格,村,15400000002,,,,\n");
    let go = |options: ImportOptions| import("x.csv", sheet.as_bytes(), &old, &DIVISIONS, &options);
    let replace = ImportOptions { mode: ImportMode::Replace, ..ImportOptions::default() };

    let refused = go(replace.clone());
    assert!(refused.directory.is_none());
    assert_eq!(refused.diff.uncovered.iter().map(|p| p.division).collect::<Vec<_>>(), [code("140521100002")]);
    assert!(refused.faults.iter().any(|f| f.fatal && f.message.contains("宣化社区")));

    let told = go(ImportOptions { allow_uncovered: true, ..replace.clone() });
    let new = applied(&told);
    assert_eq!(new.recipients.values().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["乙"], "丙 was 甲's deputy only");
    assert_eq!(told.diff.gone.len(), 3);
    let next = id_of(&old, "乙").unwrap();
    assert!(new.next_id() > next && new.next_id() == old.next_id(), "ids of those who left are not given again");
    let later = read("x.csv", format!("{HEADER}140521100002,己,主任,防汛,村,15400000006,,,,\n").as_bytes(), new.directory());
    assert!(old.recipients.keys().all(|id| Some(*id) != id_of(&later.directory.clone().unwrap(), "己")));

    let within = go(ImportOptions { within: Some(code("140521100200")), ..replace });
    assert!(id_of(&within.directory.clone().unwrap(), "丁").is_some(), "outside the area of the file");
    assert!(id_of(&within.directory.unwrap(), "甲").is_none());
    let foreign = go(ImportOptions { within: Some(code("140522")), ..ImportOptions::default() });
    assert_eq!((foreign.directory, foreign.faults[0].cell.as_str()), (None, "A2"));
}

#[test]
fn an_updating_import_does_not_end_the_last_post_of_a_place_unless_told() {
    let old = first_import();
    let sheet = |last: &str| format!("行政区划代码,姓名,责任类别,责任层级,手机1,失效日期\n140521100002,丁,防汛,村,15400000004,{last}\n");
    let now = Time::parse_rfc3339("2026-06-10T08:00:00+08:00").unwrap();
    let go = |last: &str, allow_uncovered| {
        let options = ImportOptions { calling: Calling { now, ..Calling::default() }, allow_uncovered, ..ImportOptions::default() };
        import("x.csv", sheet(last).as_bytes(), &old, &DIVISIONS, &options)
    };
    let refused = go("2026-05-31", false);
    assert!(refused.directory.is_none() && refused.faults.iter().any(|f| f.fatal && f.message.contains("宣化社区")));
    assert_eq!(refused.diff.uncovered.len(), 1);
    applied(&go("2026-05-31", true));
    applied(&go("2026-12-31", false));
}

#[test]
fn a_post_that_has_ended_is_renewed_by_a_day_or_for_good_and_a_blank_leaves_its_end() {
    let sheet = |last: &str| format!("行政区划代码,姓名,责任类别,责任层级,手机1,失效日期\n140521100002,丁,防汛,村,15400000004,{last}\n");
    let old = fresh("x.csv", sheet("2026-05-31").as_bytes()).directory.unwrap();
    let ended = Time::parse_rfc3339("2026-06-01T00:00:00+08:00").unwrap();
    assert_eq!(old.posts[0].valid_to, Some(ended));
    let end = |last: &str| applied(&read("x.csv", sheet(last).as_bytes(), &old)).posts[0].valid_to;
    for word in ["长期", "长 期", "长期有效"] {
        assert_eq!(end(word), None, "{word}");
    }
    assert_eq!(end("2026-06-30"), Time::parse_rfc3339("2026-07-01T00:00:00+08:00").ok());
    for blank in ["", "无"] {
        assert_eq!(end(blank), Some(ended));
    }
}

#[test]
fn namesakes_are_told_apart_or_said_to_be_unclear() {
    let sheet = format!(
        "{HEADER}140521100200,张伟,主任,防汛,村,15400000001,,,,\n\
         140521100002,张伟,主任,防汛,村,15400000002,,,,\n\
         140521100200,李娜,网格员,网格,村,15400000003,,张伟,,\n\
         140521100003,王芳,网格员,网格,村,15400000004,,张伟,,\n\
         140521100003,赵敏,主任,防汛,村,15400000005,,张伟,15400000002,\n\
         140521100003,孙丽,主任,防汛,村,15400000006,,孙丽,,\n"
    );
    let result = fresh("x.csv", sheet.as_bytes());
    let d = applied(&result);
    let deputy = |name: &str| d.posts_of(person(&d, name).id).next().unwrap().deputy.map(|id| numbers(&d.recipients[&id])[0].to_string());
    assert_eq!(d.by_name("张伟").count(), 2);
    assert_eq!(deputy("李娜").as_deref(), Some("15400000001"), "the one of her own village");
    assert_eq!(deputy("王芳"), None, "two in the township, none in the village");
    assert_eq!(deputy("赵敏").as_deref(), Some("15400000002"));
    assert_eq!(deputy("孙丽"), None, "nobody deputises himself");
    assert_eq!(cells(&result, false), BTreeSet::from(["H5", "H7"]));
}

/// Header, then one row of 龙港镇's 南瑶村; who is the holder's deputy, and both with their numbers.
fn holder_and_deputy(header: &str, row: &str) -> (Vec<String>, Option<Vec<String>>) {
    let d = applied(&fresh("x.csv", format!("{header}\n{row}\n").as_bytes()));
    let of = |r: &Recipient| numbers(r).into_iter().map(String::from).collect::<Vec<_>>();
    let holder = person(&d, "甲");
    let deputy = d.posts_of(holder.id).next().unwrap().deputy.map(|id| of(&d.recipients[&id]));
    (of(holder), deputy)
}

#[test]
fn a_number_behind_the_deputys_name_is_the_deputys() {
    let (one, two) = ("15400000001", "15400000002");
    for (header, row) in [
        ("行政区划代码,责任类别,责任层级,姓名,电话,B角,电话", "140521100200,防汛,村,甲,15400000001,乙,15400000002"),
        ("行政区划代码,责任类别,责任层级,姓名,电话,B角姓名,电话", "140521100200,防汛,村,甲,15400000001,乙,15400000002"),
        (
            "行政区划代码,责任类别,责任层级,责任人,,B角,\n行政区划代码,责任类别,责任层级,姓名,电话,姓名,电话",
            "140521100200,防汛,村,甲,15400000001,乙,15400000002",
        ),
    ] {
        assert_eq!(holder_and_deputy(header, row), (vec![one.to_string()], Some(vec![two.to_string()])), "{header}");
    }
    let refused = fresh(
        "x.csv",
        "行政区划代码,责任类别,责任层级,姓名,电话,上级责任人,电话\n140521100200,防汛,村,甲,15400000001,乙,15400000002\n".as_bytes(),
    );
    assert!(refused.directory.is_none());
    assert!(fault(&refused, "G1").fatal && fault(&refused, "G1").message.contains("上级的号码"));
}

#[test]
fn a_sheet_of_several_persons_a_row_is_refused_with_how_to_write_it() {
    let sheet = "\
        水库名称,行政区划代码,责任类别,责任层级,行政责任人,,技术责任人,,巡查责任人,\n\
        水库名称,行政区划代码,责任类别,责任层级,姓名,电话,姓名,电话,姓名,电话\n\
        南瑶水库,140521100200,水库,点,甲,15400000001,乙,15400000002,丙,15400000003\n";
    let result = fresh("x.csv", sheet.as_bytes());
    assert!(result.directory.is_none());
    let told = fault(&result, "G2");
    assert!(told.fatal && ["技术责任人", "巡查责任人", "E“", "G“", "I“", "另起一行"].iter().all(|w| told.message.contains(w)), "{told}");
    assert_eq!(cells(&result, true), BTreeSet::from(["G2", "H2", "J2"]), "and nobody's number is the first one's");
}

#[test]
fn a_name_alone_means_nobody_of_another_township_or_county() {
    let sheet = format!(
        "{HEADER}140522110000,远人,镇长,防汛,乡,15400000001,,,,\n\
         140521000000,县人,副县长,防汛,县,15400000002,,,,\n\
         140521100000,镇人,镇长,防汛,乡,15400000003,,远人,,\n\
         140521100200,村人,主任,防汛,村,15400000004,,镇人,,\n\
         140521100002,社人,主任,防汛,村,15400000005,,县人,,\n\
         140521101000,邻人,镇长,防汛,乡,15400000006,,村人,,\n\
         140521000000,局人,局长,防汛,县,15400000007,,邻人,,\n"
    );
    let result = fresh("x.csv", sheet.as_bytes());
    let d = applied(&result);
    let deputy = |name: &str| {
        let post = d.posts_of(person(&d, name).id).next().unwrap();
        post.deputy.map(|id| d.recipients[&id].name.clone())
    };
    assert_eq!(deputy("镇人"), None, "the only 远人 is another county's");
    assert_eq!(deputy("村人").as_deref(), Some("镇人"));
    assert_eq!(deputy("社人").as_deref(), Some("县人"), "who stands over the place");
    assert_eq!(deputy("邻人"), None, "a villager of the next township");
    assert_eq!(deputy("局人").as_deref(), Some("邻人"), "a county's own post looks round the county");
    assert_eq!(cells(&result, false), BTreeSet::from(["H4", "H6", "H7", "H8"]));
    assert!(["H4", "H7"].iter().all(|c| fault(&result, c).message.contains("找不到") && fault(&result, c).message.contains("请补手机")));
    assert!(["H6", "H8"].iter().all(|c| fault(&result, c).message.contains("请核对")));
    // In the directory in force as in the file.
    let again = read("x.csv", sheet.as_bytes(), d.directory());
    assert!(again.diff.is_empty(), "{:?}", again.diff);
    let later = format!("{HEADER}140521100200,新人,主任,防汛,村,15400000008,,远人,,\n");
    let later = applied(&read("x.csv", later.as_bytes(), d.directory()));
    assert_eq!(later.posts_of(person(&later, "新人").id).next().unwrap().deputy, None);
}

#[test]
fn a_rota_by_name_alone_means_people_of_the_desks_own_office() {
    let people = format!(
        "{HEADER}140521000000,县员,科员,防汛,县,15400000001,,,,\n\
         140521100000,镇员,科员,防汛,乡,15400000002,,,,\n\
         140521100200,村员,主任,防汛,村,15400000003,,,,\n\
         140521101000,邻员,科员,防汛,乡,15400000004,,,,\n"
    );
    let base = fresh("x.csv", people.as_bytes()).directory.unwrap();
    let go = |office: &str, name: &str| {
        let rota = format!("{office}2026年7月值班表\n日期,值班员,电话\n7月1日,{name},\n");
        let result = read("x.csv", rota.as_bytes(), &base);
        assert_eq!(result.directory.is_some(), cells(&result, true).is_empty());
        result.directory.is_some()
    };
    assert!(go("沁水县", "县员"));
    assert!(!go("沁水县", "镇员") && !go("沁水县", "村员"), "no staff of the county's desk");
    assert!(["镇员", "村员", "县员"].iter().all(|name| go("沁水县龙港镇", name)));
    assert!(!go("沁水县龙港镇", "邻员"));
}

#[test]
fn a_desk_keeps_its_tier_and_role_whatever_level_the_sheet_gives_it() {
    let sheet = format!(
        "{HEADER}140521000000,沁水县应急值班室,值班,值班,县,0356-0555555,,,,\n140521000000,钱局长,副县长,带班领导,值班,15400000001,,,,\n"
    );
    let d = applied(&fresh("x.csv", sheet.as_bytes()));
    let posts: Vec<(&str, Tier)> = d.posts.iter().map(|p| (p.role.0.as_str(), p.tier)).collect();
    assert_eq!(posts, [(Role::DUTY, Tier::DutyDesk), (Role::SHIFT_LEADER, Tier::DutyDesk)]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_make_the_import_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let _ = fresh("x.csv", &bytes);
        let _ = fresh("x.xlsx", &[b"PK\x03\x04".as_slice(), &bytes].concat());
    }

    #[test]
    fn no_cells_make_the_import_panic(rows in proptest::collection::vec(proptest::collection::vec("[\\PC0-9０-９,./;（）E+ ]{0,14}", 10), 1..8)) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(HEADER.trim().split(',')).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let result = fresh("x.csv", &writer.into_inner().unwrap());
        proptest::prop_assert!(result.directory.is_some() != result.faults.iter().any(|f| f.fatal));
    }
}
