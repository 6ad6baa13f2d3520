//! What the demo is made of: keys, a configuration as a bureau would write it, the stand-in's
//! settings, and the warning.

#![expect(clippy::disallowed_methods, reason = "fresh keys and a folder of its own for every demo")]

use super::Options;
use crate::{
    app,
    channel::{FilingState, MessageKind, ProviderTemplate, Secret},
    config::{Config, Environment},
    core::{
        division::Division,
        hazard::{HazardCode, Level},
        send::Channel,
        time::Span,
        warning::{Area, Content, MessageType, Shape, Status},
    },
    engine::Engine,
    standin::{Behaviour, People, Robots, StandinSettings},
};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// Made anew at every start.
#[derive(Clone)]
pub(super) struct Secrets {
    pub issuer: String,
    pub token: String,
    pub callback: String,
    pub access_key: String,
    /// Of the three groups' robots.
    pub robot: String,
}
impl Secrets {
    pub fn new() -> io::Result<Secrets> {
        let one = || -> io::Result<String> {
            let mut bytes = [0u8; 16];
            getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
            Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
        };
        Ok(Secrets { issuer: one()?, token: one()?, callback: one()?, access_key: one()?, robot: one()? })
    }
}

/// The demo's folder; a temporary one goes when this is dropped.
pub(super) struct Folder {
    pub path: PathBuf,
    temporary: bool,
}
impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
pub(super) fn folder(asked: Option<&Path>) -> io::Result<Folder> {
    let (path, temporary) = match asked {
        Some(p) => (p.to_path_buf(), false),
        None => {
            let mut bytes = [0u8; 6];
            getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
            let name: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            (std::env::temp_dir().join(format!("jiaoying-demo-{name}")), true)
        }
    };
    std::fs::create_dir_all(&path)?;
    Ok(Folder { path, temporary })
}

/// Leaves the key of the captured requests beside them, so that others can judge the signatures. It is the
/// stand-in's, drawn anew for this run; nothing outside this process takes it.
pub(super) fn keep_key(s: &StandinSettings) -> io::Result<()> {
    let Some(capture) = &s.capture else { return Ok(()) };
    std::fs::create_dir_all(capture)?;
    std::fs::write(capture.join("access-key-secret"), s.access_key_secret.reveal())?;
    std::fs::write(capture.join("robot-secret"), s.robots.dingtalk_secret.reveal())
}

pub(super) fn standin(o: &Options, s: &Secrets, base: &str, folder: &Path) -> StandinSettings {
    StandinSettings {
        access_key_id: "demo".into(),
        access_key_secret: Secret::new(s.access_key.clone()),
        sms_callback: Some(format!("{base}/callbacks/aliyun-sms/{}", s.callback)),
        voice_callback: Some(format!("{base}/callbacks/aliyun-voice/{}", s.callback)),
        capture: o.data.as_ref().map(|_| folder.join("requests")),
        speed: o.speed,
        behaviour: Behaviour { seed: o.seed, dead_share: 0.01, latency: Span::ms(200), callee_limits: true, ..Behaviour::default() },
        people: People::lively(),
        robots: Robots { dingtalk_secret: Secret::new(s.robot.clone()), feishu_secret: Secret::new(s.robot.clone()), ..Robots::default() },
        ..StandinSettings::default()
    }
}

/// The same configuration a bureau would write, with every address on loopback.
pub(super) fn config(o: &Options, s: &Secrets, base: &str, aliyun: &str, mail: &str, folder: &Path) -> Result<Config, String> {
    let head = format!(
        r#"
[server]
public_url = "{base}"
[store]
path = {path:?}
[messages]
signature = "晋城应急"
link = "never"
segments = 2
[clock]
speed = {speed:?}
[log]
level = "warn"
[[issuer]]
id = "jincheng-qixiang"
name = "晋城市气象台"
key = "{issuer}"
divisions = ["1405"]
[[token]]
name = "demo"
secret = "{token}"
roles = ["viewer", "operator", "admin", "auditor", "monitoring"]
[provider.mail]
kind = "email"
endpoint = "{mail}"
tls = "none"
from = "晋城应急叫应 <warning@example.cn>"
"#,
        path = folder.join("jiaoying.sqlite").display().to_string(),
        speed = o.speed,
        issuer = s.issuer,
        token = s.token,
    );
    let empty = Config::from_text("the demo", &head, &Environment::default()).map_err(|f| f.to_string())?;
    let renderer = app::renderer(&empty).map_err(|f| f.join("\n"))?;
    let templates = |channel: Channel, prefix: &str| -> BTreeMap<MessageKind, ProviderTemplate> {
        let spoken = |k: &MessageKind| renderer.approved_text(*k, channel, false).is_some();
        MessageKind::ALL
            .into_iter()
            .filter(spoken)
            .map(|k| {
                let code = format!("{prefix}_{}", k.as_str().to_uppercase());
                let approved = |code: String, variant: &str| ProviderTemplate {
                    code,
                    variables: renderer.wording_variables(k, variant, channel),
                    filing: FilingState::Approved,
                    ..ProviderTemplate::default()
                };
                let variants = renderer.variants(k, channel).into_iter().enumerate();
                let variants = variants.map(|(n, v)| (v.clone(), approved(format!("{code}_{}", n + 1), &v))).collect();
                (k, ProviderTemplate { variants, ..approved(code.clone(), "") })
            })
            .collect()
    };
    let account = |channel: Channel, kind: &str, prefix: &str| {
        let mut t = toml::Table::new();
        let mut put = |k: &str, v: toml::Value| t.insert(k.to_string(), v);
        put("kind", kind.into());
        put("endpoint", aliyun.into());
        put("access_key_id", "demo".into());
        put("access_key_secret", s.access_key.clone().into());
        put("callback_secret", s.callback.clone().into());
        let as_value = |m: &BTreeMap<MessageKind, ProviderTemplate>| toml::Value::try_from(m).map_err(|e| e.to_string());
        put("templates", as_value(&templates(channel, prefix))?);
        put("drill_templates", as_value(&templates(channel, &format!("{prefix}_DRILL")))?);
        Ok::<_, String>(t)
    };
    // Aliyun's limits per callee, in the demo's time.
    let window = |span: Span| Span::ms((span.0 as f64 / o.speed).ceil() as i64).to_string();
    let limits = |rules: &[(i64, Span)]| {
        let rules: Vec<toml::Value> = rules
            .iter()
            .map(|(count, span)| {
                toml::Value::Table(toml::Table::from_iter([("count".into(), (*count).into()), ("window".into(), window(*span).into())]))
            })
            .collect();
        toml::Table::from_iter([("per_callee".to_string(), toml::Value::Array(rules))])
    };
    let mut sms = account(Channel::Sms, "aliyun_sms", "SMS")?;
    sms.insert("sign_name".into(), "晋城应急".into());
    sms.insert("limits".into(), limits(&[(50, Span::hours(24))]).into());
    let mut voice = account(Channel::Voice, "aliyun_voice", "TTS")?;
    voice.insert("called_show_numbers".into(), toml::Value::Array(vec!["03560000000".into()]));
    let key = |k: &str, code: &str| {
        toml::Value::Table(toml::Table::from_iter([("key".to_string(), k.into()), ("code".to_string(), code.into())]))
    };
    voice.insert("menu".into(), toml::Value::Array(vec![key("1", "TTS_THANKS"), key("3", "TTS_OFFICER"), key("4", "TTS_DEPUTY")]));
    voice.insert("limits".into(), limits(&[(1, Span::mins(1)), (5, Span::hours(1)), (20, Span::hours(24))]).into());
    let providers = toml::Table::from_iter([(
        "provider".to_string(),
        toml::Value::Table(toml::Table::from_iter([("aliyun-sms".to_string(), sms.into()), ("aliyun-voice".to_string(), voice.into())])),
    )]);
    let text = format!("{head}\n{}\n{}", toml::to_string(&providers).map_err(|e| e.to_string())?, robots(o, s, aliyun));
    Config::from_text("the demo", &text, &Environment::default()).map_err(|f| f.to_string())
}

/// Three groups: the county's in each of the three programs that offices use, told in the demo's time.
fn robots(o: &Options, s: &Secrets, standin: &str) -> String {
    let scaled = |span: Span| Span::ms((span.0 as f64 / o.speed).ceil() as i64);
    let (minute, second) = (scaled(Span::mins(1)), scaled(Span::secs(1)));
    let one = |name: &str, kind: &str, own: &str, limits: &str| {
        format!(
            "[provider.{name}]\nkind = '{kind}'\nendpoint = '{standin}'\n{own}\nlimits.per_callee = [{limits}]\n[provider.{name}.group]\nevery = '{}'\ngap = '{}'\nat_all = ['red']\n",
            scaled(Span::mins(10)).max(Span::secs(1)),
            scaled(Span::secs(20)).max(Span::ms(100)),
        )
    };
    let twenty = format!("{{ count = 20, window = '{minute}' }}");
    let five = format!("{{ count = 5, window = '{second}' }}, {{ count = 100, window = '{minute}' }}");
    [
        one("dingtalk-group", "dingtalk_robot", &format!("access_token = 'testid'\nsecret = '{}'", s.robot), &twenty),
        one("feishu-group", "feishu_robot", &format!("hook = 'testid'\nsecret = '{}'", s.robot), &five),
        one("wecom-group", "wecom_robot", "key = 'testid'", &twenty),
    ]
    .concat()
}

/// A red rainstorm warning in the shape and words of a real one.
pub(super) fn warning(engine: &Engine, county: Division) -> Content {
    let now = engine.now();
    let name = engine.directory().division_name(county).unwrap_or("本县").to_string();
    let at = now.beijing();
    let stamp = at.strftime("%Y%m%d%H%M%S");
    let said = at.strftime("%Y年%m月%d日%H时%M分");
    Content {
        identifier: format!("14050041600000_{stamp}_1"),
        sender: "jincheng-qixiang".into(),
        sent: crate::core::time::Time(now.0 / 1000 * 1000),
        status: Status::Actual,
        message_type: MessageType::Alert,
        references: Vec::new(),
        hazard: HazardCode("11B03".into()),
        level: Level::Red,
        headline: "晋城市气象台发布暴雨红色预警[I级/特别严重]".into(),
        description: format!(
            "晋城市气象台{said}发布暴雨红色预警信号：预计未来3小时，{name}大部分乡镇降雨量将达100毫米以上，山洪、地质灾害风险极高。"
        ),
        instruction: "立即停止户外作业，转移危险区域群众，做好山洪、滑坡、泥石流等灾害的防御和抢险工作。".into(),
        effective: None,
        onset: None,
        expires: Some(crate::core::time::Time(now.0 / 1000 * 1000) + Span::hours(6)),
        areas: vec![Area { name: Some(name), shape: Shape::Division(county), level: None }],
        event: None,
        stage: None,
        sender_name: Some("晋城市气象台".into()),
        parameters: BTreeMap::new(),
        restricted: false,
    }
}
