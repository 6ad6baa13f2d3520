//! Cells that hold more than they should, or what is no number: never two made one, never anything thrown away without a word.

use super::sheets::*;
use jiaoying::ingest::sheet::ImportResult;
use std::collections::BTreeSet;

const HEADER: &str = "行政区划代码,姓名,责任类别,责任层级,责任对象编号,责任对象名称,手机1,B角\n";

fn row(text: &str) -> ImportResult {
    fresh("x.csv", format!("{HEADER}{text}\n").as_bytes())
}

#[test]
fn two_persons_in_a_name_cell_are_a_fault_that_says_one_row_each() {
    for name in ["张三、李四", "王五/赵六", "张三，李四", "张三；李四", "\"张三\n李四\"", "张三 李四", "张三（主任）、李四"]
    {
        let result = row(&format!("140521100200,{name},防汛,村,,,15400000001/15400000002,"));
        assert!(result.directory.is_none(), "{name}");
        assert_eq!(cells(&result, true), BTreeSet::from(["B2"]), "{name}: {:#?}", result.faults);
        assert!(fault(&result, "B2").message.contains("一行登记一人") && fault(&result, "B2").message.contains("请各另起一行"), "{name}");
    }
    for (name, want) in [
        ("张　三", "张三"),
        ("\"张\n三\"", "张三"),
        ("买买提·艾力", "买买提·艾力"),
        ("阿卜杜拉.买买提", "阿卜杜拉.买买提"),
        ("钱七（镇长、兼）", "钱七(镇长、兼)"),
        ("张三、", "张三"),
    ] {
        let result = row(&format!("140521100200,{name},防汛,村,,,15400000001/15400000002,"));
        assert_eq!(numbers(person(&applied(&result), want)), ["15400000001", "15400000002"], "{name}");
        assert_eq!(cells(&result, false), BTreeSet::new(), "{name}");
    }
    // One number, a space: perhaps one person, and told.
    let result = row("140521100200,欧阳 修文,防汛,村,,,15400000001,");
    assert!(applied(&result).by_name("欧阳修文").count() == 1 && fault(&result, "B2").message.contains("请各另起一行"));
    // A desk is no person; several deputies are told as before; who stands in a faulty row is not missed elsewhere.
    let desk = row("140521100000,防汛办/值班室,值班,值班,,,0356-0111111,");
    assert_eq!(applied(&desk).by_name("防汛办/值班室").count(), 1);
    let deputies = row("140521100200,张三,防汛,村,,,15400000001,孙八 15400000008、周九");
    assert!(deputies.directory.is_some() && fault(&deputies, "H2").message.contains("只能登记一人"));
    let missed = row("140521100200,张三、李四,防汛,村,,,15400000001,\n140521100200,王五,防汛,村,,,15400000003,李四");
    assert_eq!(missed.faults.len(), 1, "{:#?}", missed.faults);
}

#[test]
fn two_objects_in_a_cell_are_a_fault_that_says_one_row_each() {
    for codes in ["DZ1/DZ2", "DZ1、DZ2", "DZ1；DZ2", "\"DZ1,DZ2\"", "\"DZ1\nDZ2\"", "DZ1～DZ5"] {
        let result = row(&format!("140521100200,郑三,地灾,点,{codes},,15400000001,"));
        assert!(result.directory.is_none(), "{codes}");
        assert_eq!(cells(&result, true), BTreeSet::from(["E2"]), "{codes}: {:#?}", result.faults);
        assert!(fault(&result, "E2").message.contains("请各另起一行"), "{codes}");
        let points = format!("点位编号,点位名称,点位类型,行政区划代码\n{codes},后沟,滑坡,140521100200\n");
        assert_eq!(cells(&fresh("x.csv", points.as_bytes()), true), BTreeSet::from(["A2"]), "{codes}");
    }
    // One code with a mark behind it, and a name that holds one.
    let result = row("140521100200,郑三,地灾,点,DZ1、,王庄、李庄段,15400000001,");
    assert_eq!(applied(&result).points["DZ1"].name, "王庄、李庄段");
    // What was made of such a name comes back as itself.
    let result = row("140521100200,郑三,地灾,点,,王庄、李庄段,15400000001,");
    assert!(fault(&result, "E2").message.contains("若是几处"));
    let d = result.directory.unwrap();
    let made = d.points.keys().next().unwrap().clone();
    let again = read("x.csv", format!("{HEADER}140521100200,郑三,地灾,点,{made},,15400000001,\n").as_bytes(), &d);
    assert!(applied(&again).points.len() == 1 && again.diff.is_empty());
}

#[test]
fn the_desks_number_of_a_rota_is_never_thrown_away() {
    let rota = |number: &str| {
        format!(
            "沁水县中村镇2026年7月值班表\n日期,带班领导,电话,值班员,电话,值班电话\n7月1日,张带,15400000002,张值,15400000003,{number}\n7月2日,张带,,张值,,\n"
        )
    };
    let wrong = fresh("x.csv", rota("乱写").as_bytes());
    assert!(wrong.directory.is_some(), "it is kept nowhere, so it holds up no rota");
    assert_eq!((cells(&wrong, false), fault(&wrong, "F3").column.as_str()), (BTreeSet::from(["F3"]), "值班电话"));
    // No desk has it: where it belongs is told, once.
    let result = fresh("x.csv", rota("0356-0111111").as_bytes());
    assert_eq!((result.directory.is_some(), cells(&result, false)), (true, BTreeSet::from(["F3"])));
    let told = fault(&result, "F3");
    assert!(told.message.contains("值班室另列一行") && told.message.contains("值班员电话"), "{told}");
    // Another office's desk having it is no help; its own having it is.
    let desk = |division: &str| {
        let sheet = format!("行政区划代码,姓名,责任类别,责任层级,手机1,值班电话\n{division},值班室,值班,值班,,03560111111\n");
        fresh("x.csv", sheet.as_bytes()).directory.unwrap()
    };
    let after = |division: &str| cells(&read("x.csv", rota("0356-0111111").as_bytes(), &desk(division)), false).len();
    assert_eq!((after("140521100000"), after("140521101000")), (1, 0));
}

#[test]
fn an_error_value_in_a_number_cell_is_one_fault_with_the_right_words() {
    for value in ["#N/A", "#DIV/0!", "#REF!"] {
        let result = fresh("x.csv", format!("行政区划代码,姓名,责任类别,责任层级,手机1\n140521100200,张三,防汛,村,{value}\n").as_bytes());
        let fatal: Vec<_> = result.faults.iter().filter(|f| f.fatal).collect();
        assert_eq!(fatal.len(), 1, "{fatal:#?}");
        assert!(fatal[0].cell == "E2" && fatal[0].message.contains(&format!("公式错误 {value}")), "{}", fatal[0]);
        let rota = format!("沁水县龙港镇2026年7月值班表\n日期,带班领导,电话,值班电话\n7月1日,张带,{value},{value}\n");
        let result = fresh("x.csv", rota.as_bytes());
        let told: Vec<(&str, bool, bool)> =
            result.faults.iter().map(|f| (f.cell.as_str(), f.fatal, f.message.contains("公式错误"))).collect();
        for one in [("C3", true, true), ("D3", false, true)] {
            assert!(told.contains(&one), "{:#?}", result.faults);
        }
    }
}
