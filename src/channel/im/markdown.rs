//! The little markdown that our digests are written in (`**bold**`, `- items`), as each robot wants it.

/// Without its marks, for robots that take plain text.
pub(super) fn plain(text: &str) -> String {
    text.replace("**", "")
}

/// DingTalk joins lines unless they end in two spaces.
pub(super) fn hard_breaks(text: &str) -> String {
    text.lines().map(|l| if l.is_empty() { String::new() } else { format!("{l}  ") }).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines_and_words_stay_words() {
        assert_eq!(plain("**暴雨红色**\n- 龙港镇 2 人"), "暴雨红色\n- 龙港镇 2 人");
        assert_eq!(hard_breaks("**甲**\n\n- 乙\n- 丙"), "**甲**  \n\n- 乙  \n- 丙  ");
    }
}
