//! `jiaoying check`: every fault in one run, each with file, line and what to do.

use super::Failure;
use crate::{
    app,
    channel::{Day, filing},
    config::Config,
    core::send::Channel,
    store::{
        StoreError,
        clock::{Clock, SystemClock},
    },
};
use std::path::Path;

/// What every SMS costs, and how the filing (报备) of each account stands.
fn shown(config: &Config) -> Result<(), Failure> {
    let plain = |f: Vec<String>| Failure::Usage(f.join("\n"));
    let (policy, notes) = app::policy_noted(config).map_err(plain)?;
    println!("规则：{}（{}），{} 条", policy.source(), policy.origin.hash, policy.rules.len());
    for note in notes {
        println!("注意：{note}");
    }
    let renderer = app::renderer(config).map_err(plain)?;
    println!("短信长度（含签名；一条 70 字，更长的每条 67 字）：");
    for c in renderer.costs() {
        println!("  {}：通常 {} 字，最长 {} 字，{} 条", c.file, c.usual, c.longest, c.parts);
    }
    let today = Day::of(SystemClock::new().now());
    for p in app::providers(config).map_err(plain)? {
        let filings = p.filings();
        if filings.is_empty() {
            continue;
        }
        println!("报备 {}：", p.account());
        for f in &filings {
            println!("  {}：{}", f.what, f.standing());
        }
        for concern in filing::concerns(p.account(), &filings, today) {
            println!("注意：{concern}");
        }
        if p.channel() == Channel::Sms && config.messages.segments > 1 && p.refuses_long_sms() {
            println!(
                "注意：{}：messages.segments = {}，但该账号不发长短信（long_sms = \"refuse\"）",
                p.account(),
                config.messages.segments
            );
        }
    }
    Ok(())
}

pub(super) async fn run(config: Option<&Path>) -> Result<(), Failure> {
    let config = app::load_config(config)?;
    let mut faults = app::faults(&config);
    let stores = app::open_store(&config).await;
    match stores {
        // What a gateway that runs holds was checked when it started.
        Err(StoreError::InUse(_)) => {
            let path = config.store.path.display();
            println!("注意：{path} 正由运行中的网关使用，这里没有检查其中的名册；请用 jiaoying coverage --url 查看");
        }
        Err(e) => faults.push(format!("store: {e}")),
        Ok(stores) if faults.is_empty() => {
            let engine = app::engine(&config, stores).await?;
            let directory = engine.directory();
            let gaps = crate::core::directory_gaps::gaps(&directory, engine.now());
            println!(
                "名册：{} 人，{} 个岗位，{} 个点位，{} 个行政区划",
                directory.recipients.len(),
                directory.posts.len(),
                directory.points.len(),
                directory.divisions.len()
            );
            if let Ok(outlines) = app::outlines(&config)
                && !outlines.is_empty()
            {
                let strangers = outlines.iter().filter(|o| !directory.divisions.contains_key(&o.division)).count();
                println!("轮廓：{} 个，其中 {strangers} 个不在名册的行政区划内", outlines.len());
            }
            println!(
                "缺口：无号码 {}，无手机 {}，号码重复 {}，无代理人 {}，无人负责的村 {}，无人负责的点位 {}，无值班电话 {}",
                gaps.no_number.len(),
                gaps.no_mobile.len(),
                gaps.shared_numbers.len(),
                gaps.no_deputy.len(),
                gaps.empty_villages.len(),
                gaps.empty_points.len(),
                gaps.no_desk.len()
            );
        }
        Ok(_) => {}
    }
    if faults.is_empty() {
        shown(&config)?;
    }
    if faults.is_empty() {
        println!("配置、规则、模板无误");
        return Ok(());
    }
    for f in &faults {
        println!("{f}");
    }
    Err(Failure::Usage(format!("{} faults", faults.len())))
}
