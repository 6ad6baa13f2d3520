//! Whose a column of a sheet of persons is: a telephone column belongs to the name column before it, and a row is one
//! person. What would make somebody else's number the holder's, or lose a person, is a fault of the header.

use super::{
    address,
    columns::{Column, Form, normal_title},
    table::Titles,
};

/// Whose a name column is.
#[derive(Clone, Copy, PartialEq)]
enum Owner {
    Holder,
    Deputy,
    Superior,
    /// Somebody for whom the sheet has no place: a second holder, a second deputy, a title nobody taught us.
    Other,
}

/// A column, what is wrong with it.
type HeaderFault = (usize, Column, String);

/// How titles of persons end.
const PERSONS: &[&str] = &["姓名", "责任人", "负责人", "联系人", "监测员", "巡查员", "预警员", "网格员", "信息员", "管护员"];

/// Gives each name and telephone column to its person; columns of persons a row has no room for are taken out.
/// `groups` is the row above the header.
pub(super) fn settle(titles: Titles, groups: &[String]) -> (Titles, Vec<HeaderFault>) {
    let group = |i: usize| groups.get(i).map_or("", String::as_str);
    let (mut out, mut faults): (Titles, Vec<HeaderFault>) = (Titles::new(), Vec::new());
    let mut names: Vec<(usize, Owner, String)> = Vec::new();
    for (i, column, title) in titles {
        // 姓名 under B角 is the deputy's.
        let column = match (column, Column::from_title(Form::People, group(i))) {
            (Some(Column::Name), Some(above @ (Column::Deputy | Column::Superior))) => Some(above),
            _ => column,
        };
        let new = |owner: Owner| !names.iter().any(|(_, o, _)| *o == owner);
        let owner = match column {
            Some(Column::Name) if new(Owner::Holder) => Some(Owner::Holder),
            Some(Column::Deputy) if new(Owner::Deputy) => Some(Owner::Deputy),
            Some(Column::Superior) if new(Owner::Superior) => Some(Owner::Superior),
            Some(Column::Name | Column::Deputy | Column::Superior) => Some(Owner::Other),
            None if PERSONS.iter().any(|p| normal_title(&title).ends_with(p)) => Some(Owner::Other),
            _ => None,
        };
        if let Some(owner) = owner {
            let above = group(i).chars().take(20).collect::<String>();
            let told = if above.is_empty() || above == title { title.clone() } else { format!("{above}·{title}") };
            names.push((i, owner, told));
        }
        if owner != Some(Owner::Other) || column.is_none() {
            out.push((i, column, title));
        } else if column != Some(Column::Name) {
            let title = column.map_or("", Column::title);
            let message = format!("“{title}”有两列；一行只能登记一位，请只留一列，其余另列一行登记");
            faults.push((i, column.unwrap_or(Column::Name), message));
        }
    }
    persons(&names, &out, &mut faults);
    phones(&names, &mut out, &mut faults);
    (out, faults)
}

/// Several holders in a row: whoever stands in the second column would never be called.
fn persons(names: &[(usize, Owner, String)], kept: &Titles, faults: &mut Vec<HeaderFault>) {
    let known = |i: usize| kept.iter().any(|(k, _, _)| *k == i);
    let more: Vec<&(usize, Owner, String)> = names.iter().filter(|(i, owner, _)| *owner == Owner::Other && !known(*i)).collect();
    let second: Vec<&(usize, Owner, String)> = more.into_iter().filter(|(i, ..)| !faults.iter().any(|(f, ..)| f == i)).collect();
    let Some((at, ..)) = second.first() else { return };
    let holder = names.iter().filter(|(_, owner, _)| *owner == Owner::Holder);
    let all: Vec<String> = holder.chain(second.iter().copied()).map(|(i, _, told)| format!("{}“{told}”", letters(*i))).collect();
    let message = format!(
        "一行写了 {} 位责任人（{}列）；每位请另起一行：姓名、电话各一列，职务或责任类别写明行政、技术、巡查等",
        all.len(),
        all.join("、")
    );
    faults.push((*at, Column::Name, message));
}

fn letters(column: usize) -> String {
    address(column, 1).trim_end_matches('1').to_string()
}

/// Each telephone column to the name before it. The holder's own may stand after all names (姓名, B角, 电话): where no
/// other is his, it is the first.
fn phones(names: &[(usize, Owner, String)], titles: &mut Titles, faults: &mut Vec<HeaderFault>) {
    let before = |i: usize| names.iter().rev().find(|(at, ..)| *at < i);
    let is_phone = |c: &Option<Column>| matches!(c, Some(Column::Phone1 | Column::Phone2));
    let owner = |i: usize| before(i).map_or(Owner::Holder, |(_, owner, _)| *owner);
    let all: Vec<(usize, Option<Column>)> = titles.iter().filter(|(_, c, _)| is_phone(c)).map(|(i, c, _)| (*i, *c)).collect();
    let mut own: Vec<usize> = all.iter().map(|(i, _)| *i).filter(|i| owner(*i) == Owner::Holder).collect();
    if let (true, Some((first, _))) = (own.is_empty(), all.first())
        && owner(*first) != Owner::Other
    {
        let name = before(*first).map(|(at, ..)| *at);
        let second = |(i, c): &&(usize, Option<Column>)| *c == Some(Column::Phone2) && before(*i).map(|(at, ..)| *at) == name;
        own = std::iter::once(*first).chain(all.iter().skip(1).take_while(second).map(|(i, _)| *i)).collect();
    }
    let deputy_has_his = titles.iter().any(|(_, c, _)| *c == Some(Column::DeputyPhone));
    for (i, column, title) in titles.iter_mut().filter(|(i, c, _)| is_phone(c) && !own.contains(i)) {
        let name = before(*i).map_or("", |(_, _, told)| told.as_str());
        match owner(*i) {
            Owner::Deputy if !deputy_has_his => *column = Some(Column::DeputyPhone),
            Owner::Superior => {
                let message = format!("“{title}”在“{name}”之后，是上级的号码；请写在上级姓名之后同一格（如 李四 15400000002），并删去此列");
                faults.push((*i, Column::Phone1, message));
            }
            _ => {
                let message = format!("“{title}”在“{name}”之后，看不出是谁的号码；请把号码列移到本人姓名之后，他人另起一行登记");
                faults.push((*i, Column::Phone1, message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns as settled, `组/名` for a title under a group, and the columns with faults.
    fn settled(header: &str) -> (Vec<Option<Column>>, Vec<usize>) {
        let cells: Vec<(&str, &str)> = header.split(',').map(|t| t.split_once('/').unwrap_or(("", t))).collect();
        let titles = cells.iter().enumerate().map(|(i, (_, t))| (i, Column::from_title(Form::People, t), t.to_string())).collect();
        let groups: Vec<String> = cells.iter().map(|(g, _)| g.to_string()).collect();
        let (titles, faults) = settle(titles, &groups);
        (titles.into_iter().map(|(_, c, _)| c).collect(), faults.into_iter().map(|(i, ..)| i).collect())
    }

    #[test]
    fn a_telephone_column_belongs_to_the_name_before_it() {
        use Column::{Deputy, DeputyPhone, Name, Phone1, Phone2, Superior};
        for (header, want) in [
            ("姓名,电话,备用电话,B角,电话", vec![Name, Phone1, Phone2, Deputy, DeputyPhone]),
            ("姓名,电话,B角姓名,电话", vec![Name, Phone1, Deputy, DeputyPhone]),
            ("姓名,B角,电话,电话", vec![Name, Deputy, Phone1, DeputyPhone]),
            ("姓名,B角,手机1,手机2", vec![Name, Deputy, Phone1, Phone2]),
            ("姓名,电话,联系电话", vec![Name, Phone1, Phone1]),
            ("姓名,手机1,手机2,上级责任人,代理人,代理人手机", vec![Name, Phone1, Phone2, Superior, Deputy, DeputyPhone]),
            ("责任人/姓名,责任人/电话,B角/姓名,B角/电话", vec![Name, Phone1, Deputy, DeputyPhone]),
            ("B角/姓名,B角/电话,责任人/姓名,责任人/电话", vec![Deputy, DeputyPhone, Name, Phone1]),
        ] {
            let (columns, faults) = settled(header);
            assert_eq!((columns, faults), (want.into_iter().map(Some).collect(), vec![]), "{header}");
        }
    }

    #[test]
    fn numbers_and_persons_without_a_place_are_faults() {
        for (header, want) in [
            ("姓名,电话,上级责任人,电话", vec![3]),
            ("姓名,电话,联系人,电话", vec![2, 3]),
            ("行政责任人/姓名,行政责任人/职务,技术责任人/姓名,巡查责任人/姓名", vec![2]),
            ("姓名,电话,技术责任人,电话", vec![3]),
            ("姓名,电话,B角,B角电话,电话", vec![4]),
            ("姓名,电话,B角,电话,B角,电话", vec![4, 5]),
        ] {
            assert_eq!(settled(header).1, want, "{header}");
        }
    }
}
