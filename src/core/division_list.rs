//! The list of divisions as a file: `code,level,name,clash`. The level repeats what the code says,
//! for readers, and is checked against it, so that a shifted column cannot pass.

use super::{
    directory::DivisionName,
    division::{Division, DivisionLevel},
};
use std::collections::BTreeMap;

fn level_word(level: DivisionLevel) -> &'static str {
    match level {
        DivisionLevel::Province => "province",
        DivisionLevel::City => "city",
        DivisionLevel::County => "county",
        DivisionLevel::Township => "township",
        DivisionLevel::Village => "village",
    }
}

/// Reads a division list. Errors name every line that is wrong.
pub fn parse_division_list(text: &str) -> Result<BTreeMap<Division, DivisionName>, Vec<String>> {
    let mut list = BTreeMap::new();
    let mut faults = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() || line.starts_with('#') || (n == 0 && line.starts_with("code")) {
            continue;
        }
        let mut fields = line.split(',').map(str::trim);
        let (code, level, name) = (fields.next(), fields.next(), fields.next().unwrap_or(""));
        let clash = fields.next().filter(|c| !c.is_empty());
        let mut bad = |what: String| faults.push(format!("line {}: {what}; a line is code,level,name,clash", n + 1));
        let code: Division = match code.unwrap_or("").parse() {
            Ok(code) => code,
            Err(e) => {
                bad(e);
                continue;
            }
        };
        if level != Some(level_word(code.level())) {
            bad(format!("{code} is a {}, not `{}`", level_word(code.level()), level.unwrap_or("")));
        } else if name.is_empty() || fields.next().is_some() {
            bad("there must be a name, and at most four fields".into());
        } else if list.insert(code, DivisionName { code, name: name.into(), clash: clash.map(Into::into) }).is_some() {
            bad(format!("{code} stands twice"));
        }
    }
    if faults.is_empty() { Ok(list) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_or_every_wrong_line_named() {
        let good = "code,level,name,clash\n140500000000,city,晋城市,\n140522110000,township,演礼镇,白桑镇\n";
        let list = parse_division_list(good).unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!(list.values().nth(1).and_then(|d| d.clash.as_deref()), Some("白桑镇"));
        let bad =
            "140500000000,county,晋城市,\nx,city,y,\n140521000000,county,,\n140521000000,county,沁水县,\n140521000000,county,沁水县,\n";
        assert_eq!(parse_division_list(bad).unwrap_err().len(), 4);
    }
}
