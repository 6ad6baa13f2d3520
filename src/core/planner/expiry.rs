//! How long a warning runs that does not say when it ends.

use crate::core::{
    hazard::{HazardClass, HazardCode, Level},
    time::Span,
};

/// From the acceptance of the warning. Long enough that calling does not stop while the danger lasts,
/// short enough that an officer is asked the same day whether to extend or end. Convective weather is
/// forecast for hours; a day is what published signals carry; slow hazards are renewed every few days.
pub fn default_expiry(hazard: &HazardCode, level: Level) -> Span {
    match hazard.0.as_str() {
        // 龙卷风 雷电 冰雹 雷雨大风 强对流 雷暴 雷暴大风 短历时强降水 短时强降水
        "11B02" | "11B12" | "11B14" | "11B15" | "11B20" | "11B31" | "11B43" | "11B58" | "11B63" | "11B64" => Span::hours(6),
        // 干旱、农业干旱
        "11A52" | "11A53" | "11A54" | "11B22" => Span::hours(7 * 24),
        // 台风 寒潮 高温 霾
        "11B01" | "11B05" | "11B09" | "11B19" => Span::hours(48),
        _ => match (hazard.class(), level.called_as()) {
            // After rain a slope may still move: 雨后滞后.
            (HazardClass::Geological, Level::Red | Level::Orange) => Span::hours(36),
            _ => Span::hours(24),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_squall_runs_for_hours_a_drought_for_days_and_anything_unknown_for_one() {
        let of = |code: &str, level| default_expiry(&HazardCode(code.into()), level);
        assert_eq!(of("11B15", Level::Red), Span::hours(6));
        assert_eq!(of("11B22", Level::Yellow), Span::hours(168));
        assert_eq!(of("11D01", Level::Red), Span::hours(36));
        assert_eq!(of("没听说过", Level::Unknown), Span::hours(24));
    }
}
