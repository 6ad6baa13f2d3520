//! The mappings that come with the gateway: `config/adapters`, by the names of their files.

use super::{Mapping, parse};

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        /// Name and text of each shipped mapping.
        pub const SHIPPED: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../config/adapters/", $name, ".toml")))),*];
    };
}
shipped!(
    "12379-list",
    "caiyun-alert",
    "cma-alarm",
    "earthquake-report",
    "fire-iot",
    "flash-flood",
    "gjzwfw-warn",
    "landslide-device",
    "lightning-fire",
    "nmc-alarm",
    "qweather-v1",
    "qweather-v7",
    "reservoir-level",
    "weathercn-detail",
    "weathercn-map",
    "wmo-hub",
);

/// A shipped mapping by its name.
///
/// # Errors
/// There is none of this name (says which there are), or, which the tests rule out, it has faults.
pub fn shipped(name: &str) -> Result<Mapping, Vec<String>> {
    match SHIPPED.iter().find(|(n, _)| *n == name) {
        Some((n, text)) => parse(n, text),
        None => {
            let all = SHIPPED.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
            Err(vec![format!("`{name}` is no shipped mapping ({all}); a file of your own is named by its path, ending in .toml")])
        }
    }
}
