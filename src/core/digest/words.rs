//! Other people's words in a group's markdown: no mark of theirs takes effect, no number is shown whole.

/// Signs that mean something in a robot's markdown become their likes of full width; a line stays one line. A headline
/// with `<at id=all></at>` calls nobody up, and one with `[…](…)` is no link.
pub fn plain_md(text: &str) -> String {
    let like = |c: char| match c {
        '*' => '＊',
        '<' => '＜',
        '>' => '＞',
        '[' => '［',
        ']' => '］',
        '`' => '｀',
        '@' => '＠',
        '#' => '＃',
        '_' => '＿',
        '~' => '～',
        '\\' => '＼',
        '|' => '｜',
        c if c.is_control() => ' ',
        c => c,
    };
    masked(text.trim()).chars().map(like).collect()
}

/// Every run of 7 or more digits (hyphens and spaces between them included) keeps its first three and last two.
pub fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().chain(['\0']) {
        let joins = matches!(c, '-' | ' ') && run.ends_with(|l: char| l.is_ascii_digit());
        if c.is_ascii_digit() || joins {
            run.push(c);
            continue;
        }
        out.push_str(&hidden(&run));
        run.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

fn hidden(run: &str) -> String {
    let digits = run.chars().filter(char::is_ascii_digit).count();
    // Dates and times with their signs between are 8 and more digits as well, and begin with a year.
    let date = run.len() >= 8 && run.starts_with("20") && run.as_bytes().get(4) == Some(&b'-');
    if digits < 7 || date {
        return run.to_string();
    }
    let mut seen = 0;
    let mask = |c: char| {
        if !c.is_ascii_digit() {
            return c;
        }
        seen += 1;
        if seen <= 3 || seen > digits - 2 { c } else { '*' }
    };
    run.chars().map(mask).collect()
}
