//! Reading on past a fault: the guilty entry is replaced by one that can be read there, or taken out, so that one run
//! tells all faults of a table. Nothing is ever run by what is left.

use super::file::Step;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// What stands in for a value at fault: the first that can be read in its place. What an entry asks for is not known here,
/// only whether it is content.
const STAND_INS: &str = r#"v = ["", [], "1s", "start", 1, true, "holder", "county_desk"]"#;

/// The way to the innermost entry that covers `offset`; empty where that is the value itself.
pub(super) fn way_to(value: &Spanned<DeValue<'_>>, offset: usize) -> Vec<Step> {
    let mut way = Vec::new();
    descend(value, offset, &mut way);
    way
}

/// Whether an entry below `value` covers `offset`; leaves the way to the innermost in `way`.
fn descend(value: &Spanned<DeValue<'_>>, offset: usize, way: &mut Vec<Step>) -> bool {
    let entries: Vec<(Step, bool, &Spanned<DeValue<'_>>)> = match value.get_ref() {
        DeValue::Table(t) => {
            let covers = |k: std::ops::Range<usize>, v: &Spanned<DeValue<'_>>| k.contains(&offset) || v.span().contains(&offset);
            t.iter().map(|(k, v)| (Step::Key(k.get_ref().to_string()), covers(k.span(), v), v)).collect()
        }
        DeValue::Array(items) => (0..).zip(items.iter()).map(|(i, v)| (Step::Index(i), v.span().contains(&offset), v)).collect(),
        _ => return false,
    };
    for (step, _, v) in &entries {
        way.push(step.clone());
        if descend(v, offset, way) {
            return true;
        }
        way.pop();
    }
    let Some((step, _, _)) = entries.into_iter().find(|(_, covers, _)| *covers) else { return false };
    way.push(step);
    true
}

/// The entry at the end of a way.
fn at<'v, 'i>(value: &'v mut Spanned<DeValue<'i>>, way: &[Step]) -> Option<&'v mut Spanned<DeValue<'i>>> {
    let Some((step, rest)) = way.split_first() else { return Some(value) };
    let next = match (value.get_mut(), step) {
        (DeValue::Table(t), Step::Key(name)) => t.iter_mut().find(|(k, _)| k.get_ref() == name)?.1,
        (DeValue::Array(items), Step::Index(n)) => items.get_mut(*n)?,
        _ => return None,
    };
    at(next, rest)
}

/// The value with something else at the end of the way that `reads` there; `None` where nothing does.
pub(super) fn with_stand_in<'i>(
    value: &Spanned<DeValue<'i>>,
    way: &[Step],
    reads: impl Fn(&Spanned<DeValue<'_>>) -> bool,
) -> Option<Spanned<DeValue<'i>>> {
    let (list, _) = DeTable::parse_recoverable(STAND_INS);
    let list = list.into_inner().into_iter().next()?.1.into_inner();
    let DeValue::Array(stand_ins) = list else { return None };
    if way.is_empty() {
        return None;
    }
    for stand_in in stand_ins.into_iter() {
        let mut mended = value.clone();
        let place = at(&mut mended, way)?;
        *place = Spanned::new(place.span(), stand_in.into_inner());
        if reads(&mended) {
            return Some(mended);
        }
    }
    None
}

/// Takes the entry at the end of the way out.
pub(super) fn take_out(value: &mut Spanned<DeValue<'_>>, way: &[Step]) {
    let Some((last, above)) = way.split_last() else { return };
    let Some(holder) = at(value, above) else { return };
    match (holder.get_mut(), last) {
        (DeValue::Table(t), Step::Key(name)) => {
            if let Some(key) = t.keys().find(|k| k.get_ref() == name).cloned() {
                t.remove(&key);
            }
        }
        (DeValue::Array(items), Step::Index(n)) => {
            *items = items.iter().enumerate().filter(|(i, _)| i != n).map(|(_, v)| v.clone()).collect();
        }
        _ => {}
    }
}
