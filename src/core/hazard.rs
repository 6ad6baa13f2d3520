//! Hazards and levels: event codes in the style of GB/T 35561 and the four colours.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

/// An event code such as `11B03` (暴雨). Any text is kept: provinces use codes beyond the standard,
/// and an unknown code must never stop a warning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HazardCode(pub String);

/// The class that policies fall back to when they do not name a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HazardClass {
    Meteorological,
    Flood,
    Geological,
    Fire,
    Earthquake,
    Other,
}

impl HazardClass {
    pub const ALL: [HazardClass; 6] = [
        HazardClass::Meteorological,
        HazardClass::Flood,
        HazardClass::Geological,
        HazardClass::Fire,
        HazardClass::Earthquake,
        HazardClass::Other,
    ];
}

impl HazardCode {
    /// The class by the family of the code. Fire danger and geological risk are issued by weather
    /// bureaus under 11B, yet call other people, so they are named one by one.
    pub fn class(&self) -> HazardClass {
        match self.0.as_str() {
            "11B25" | "11B26" | "11B41" => return HazardClass::Fire,
            "11B37" => return HazardClass::Geological,
            _ => {}
        }
        match self.0.get(..3) {
            Some("11A") => HazardClass::Flood,
            Some("11B") => HazardClass::Meteorological,
            Some("11C") => HazardClass::Earthquake,
            Some("11D") => HazardClass::Geological,
            Some("11G") => HazardClass::Fire,
            _ => HazardClass::Other,
        }
    }

    /// The Chinese name people read and hear; `None` for a code outside the table.
    pub fn name(&self) -> Option<&'static str> {
        // Source: the national event-code list as quoted in public code; see config/hazards.csv.
        HAZARD_NAMES.iter().find(|(code, _)| *code == self.0).map(|(_, name)| *name)
    }
}
impl fmt::Display for HazardCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A right to a hazard: a class, a code or a code's beginning.
#[derive(Clone, Debug, PartialEq)]
pub enum HazardRight {
    Class(HazardClass),
    Prefix(String),
}
impl HazardRight {
    pub fn covers(&self, hazard: &HazardCode) -> bool {
        match self {
            HazardRight::Class(class) => hazard.class() == *class,
            HazardRight::Prefix(prefix) => hazard.0.starts_with(prefix),
        }
    }
}
impl<'de> Deserialize<'de> for HazardRight {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let class = HazardClass::deserialize(de::value::StrDeserializer::<de::value::Error>::new(&text));
        if let Ok(class) = class {
            return Ok(HazardRight::Class(class));
        }
        let code = text.len() >= 2 && text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if code {
            Ok(HazardRight::Prefix(text))
        } else {
            Err(de::Error::custom(format!(
                "`{text}` is neither an event code such as 11B03, the beginning of one such as 11B, nor a class (meteorological, flood, geological, fire, earthquake, other)"
            )))
        }
    }
}

/// Codes that warnings in practice carry, with the short name used in messages.
pub const HAZARD_NAMES: &[(&str, &str)] = &[
    ("11A01", "洪水"),
    ("11A02", "内涝"),
    ("11A03", "水库重大险情"),
    ("11A04", "堤防重大险情"),
    ("11A05", "凌汛"),
    ("11A51", "山洪灾害"),
    ("11A52", "农业干旱"),
    ("11B01", "台风"),
    ("11B02", "龙卷风"),
    ("11B03", "暴雨"),
    ("11B04", "暴雪"),
    ("11B05", "寒潮"),
    ("11B06", "大风"),
    ("11B07", "沙尘暴"),
    ("11B08", "低温冻害"),
    ("11B09", "高温"),
    ("11B14", "雷电"),
    ("11B15", "冰雹"),
    ("11B16", "霜冻"),
    ("11B17", "大雾"),
    ("11B19", "霾"),
    ("11B20", "雷雨大风"),
    ("11B21", "道路结冰"),
    ("11B22", "干旱"),
    ("11B25", "森林火险"),
    ("11B26", "草原火险"),
    ("11B31", "强对流"),
    ("11B37", "地质灾害气象风险"),
    ("11B41", "森林草原火险"),
    ("11B58", "雷暴大风"),
    ("11B99", "气象灾害"),
    ("11C01", "人工地震"),
    ("11C02", "地震"),
    ("11D00", "地质灾害"),
    ("11D01", "滑坡"),
    ("11D02", "泥石流"),
    ("11D03", "山体崩塌"),
    ("11D04", "地面塌陷"),
    ("11D05", "地裂缝"),
    ("11D06", "地面沉降"),
    ("11G01", "森林火灾"),
    ("11G05", "草原火灾"),
];

/// The colour of a warning. Ordered by danger: `Red > Orange > Unknown > Yellow > Blue`; unknown
/// stands with orange because it is called as orange (contract, Words).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Red,
    Orange,
    Yellow,
    Blue,
    Unknown,
}

impl Level {
    /// Danger as a number, 4 red … 1 blue; unknown counts as orange.
    pub fn rank(self) -> u8 {
        match self {
            Level::Red => 4,
            Level::Orange | Level::Unknown => 3,
            Level::Yellow => 2,
            Level::Blue => 1,
        }
    }
    /// The level whose rules apply.
    pub fn called_as(self) -> Level {
        if self == Level::Unknown { Level::Orange } else { self }
    }
    pub fn name_zh(self) -> &'static str {
        match self {
            Level::Red => "红色",
            Level::Orange => "橙色",
            Level::Yellow => "黄色",
            Level::Blue => "蓝色",
            Level::Unknown => "未定级",
        }
    }
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Red => "red",
            Level::Orange => "orange",
            Level::Yellow => "yellow",
            Level::Blue => "blue",
            Level::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weather_bureaus_fire_and_landslide_codes_call_fire_and_landslide_people() {
        let class = |c: &str| HazardCode(c.into()).class();
        assert_eq!(class("11B03"), HazardClass::Meteorological);
        assert_eq!(class("11B37"), HazardClass::Geological);
        assert_eq!(class("11B41"), HazardClass::Fire);
        assert_eq!(class("11A51"), HazardClass::Flood);
        assert_eq!(class("暴雨"), HazardClass::Other);
        assert_eq!(class(""), HazardClass::Other);
    }
}
