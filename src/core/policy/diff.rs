//! Two texts of a policy side by side: what a newer one takes away and adds, with the lines around it.

/// Lines shown around a change.
const AROUND: usize = 2;

/// A unified view: lines of both with a space, of the old alone with `-`, of the new alone with `+`; `…` where
/// unchanged lines are left out. Empty where the texts are the same. Cost: lines of one × lines of the other.
pub fn diff(old: &str, new: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let script = script(&a, &b);
    let near = |i: usize| {
        let around = script.get(i.saturating_sub(AROUND)..script.len().min(i + AROUND + 1)).unwrap_or_default();
        around.iter().any(|(mark, _)| *mark != ' ')
    };
    let mut out = String::new();
    let mut skipped = false;
    for (i, (mark, line)) in script.iter().enumerate() {
        if !near(i) {
            skipped = true;
            continue;
        }
        if std::mem::take(&mut skipped) {
            out.push_str("…\n");
        }
        out.push(*mark);
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// By the longest common subsequence of lines.
fn script<'t>(a: &[&'t str], b: &[&'t str]) -> Vec<(char, &'t str)> {
    let width = b.len() + 1;
    let mut longest = vec![0u32; (a.len() + 1) * width];
    let at = |table: &[u32], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or(0);
    for (i, x) in a.iter().enumerate().rev() {
        for (j, y) in b.iter().enumerate().rev() {
            let best = if x == y { at(&longest, i + 1, j + 1) + 1 } else { at(&longest, i + 1, j).max(at(&longest, i, j + 1)) };
            if let Some(cell) = longest.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::with_capacity(a.len().max(b.len()));
    loop {
        match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) if x == y => {
                out.push((' ', *x));
                (i, j) = (i + 1, j + 1);
            }
            (Some(x), y) if y.is_none() || at(&longest, i + 1, j) >= at(&longest, i, j + 1) => {
                out.push(('-', *x));
                i += 1;
            }
            (_, Some(y)) => {
                out.push(('+', *y));
                j += 1;
            }
            _ => return out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::diff;

    #[test]
    fn what_was_taken_away_and_added_is_shown_with_the_lines_around_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\ni\n";
        assert_eq!(diff(old, new), "…\n c\n d\n-e\n+E\n f\n g\n h\n+i\n");
        assert_eq!(diff(old, old), "");
        assert_eq!(diff("", "x"), "+x\n");
        assert_eq!(diff("x", ""), "-x\n");
    }
}
