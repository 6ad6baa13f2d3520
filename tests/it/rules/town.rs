//! A small county to plan in: one county, two towns, four villages, points, desks.

use jiaoying::core::{
    directory::{Directory, DivisionName, Place, Point, Post, Recipient, Role, Tier},
    division::Division,
    hazard::{HazardClass, HazardCode, Level},
    ids::RecipientId,
    phone::Phone,
    time::Time,
    warning::{Area, Content, MessageType, Shape, Status},
};
use std::collections::BTreeMap;

pub const CITY: &str = "140500";
pub const COUNTY: &str = "140521";
pub const OTHER_COUNTY: &str = "140522";
pub const LONGGANG: &str = "140521101";
pub const ZHONGCUN: &str = "140521102";
pub const LIANGZHUANG: &str = "140521101201";
pub const XIHE: &str = "140521101202";
pub const DONGGOU: &str = "140521102201";
pub const NANPO: &str = "140521102202";
/// A landslide at 梁庄 and a flash-flood valley at 东沟.
pub const SLOPE: &str = "DZ-140521-0001";
pub const VALLEY: &str = "SH-140521-0001";

pub fn code_of(class: HazardClass) -> &'static str {
    match class {
        HazardClass::Meteorological => "11B06",
        HazardClass::Flood => "11A01",
        HazardClass::Geological => "11B37",
        HazardClass::Fire => "11B41",
        HazardClass::Earthquake => "11C02",
        HazardClass::Other => "99",
    }
}

pub fn d(code: &str) -> Division {
    code.parse().unwrap()
}

pub fn area(shape: Shape) -> Area {
    Area { name: None, shape, level: None }
}
pub fn division(code: &str) -> Area {
    area(Shape::Division(d(code)))
}

pub fn content(hazard: HazardCode, level: Level, areas: Vec<Area>) -> Content {
    Content {
        identifier: "14052141600000_20260708140000".into(),
        sender: "qinshui-qixiang".into(),
        sent: Time::parse_rfc3339("2026-07-08T14:00:00+08:00").unwrap(),
        status: Status::Actual,
        message_type: MessageType::Alert,
        references: vec![],
        hazard,
        level,
        headline: "沁水县气象台发布预警".into(),
        description: String::new(),
        instruction: String::new(),
        effective: None,
        onset: None,
        expires: None,
        areas,
        event: None,
        stage: None,
        sender_name: None,
        parameters: BTreeMap::new(),
        restricted: false,
    }
}

/// Builds a directory post by post.
#[derive(Default)]
pub struct Builder(pub Directory);
impl Builder {
    pub fn empty() -> Builder {
        let mut b = Builder::default();
        for (code, name) in [
            (CITY, "晋城市"),
            (COUNTY, "沁水县"),
            (OTHER_COUNTY, "阳城县"),
            (LONGGANG, "龙港镇"),
            (ZHONGCUN, "中村镇"),
            (LIANGZHUANG, "梁庄村村委会"),
            (XIHE, "西河村村委会"),
            (DONGGOU, "东沟村村委会"),
            (NANPO, "南坡村村委会"),
        ] {
            b.0.divisions.insert(d(code), DivisionName { code: d(code), name: name.into(), clash: None });
        }
        b.point(SLOPE, "梁庄后山滑坡", "geological", LIANGZHUANG, [112.10, 35.60]);
        b.point(VALLEY, "东沟河谷", "flash_flood", DONGGOU, [112.30, 35.70]);
        b
    }

    pub fn point(&mut self, code: &str, name: &str, kind: &str, division: &str, at: [f64; 2]) {
        let p = Point { position: Some(at), ..Point::new(code, name, kind, d(division)) };
        self.0.points.insert(code.into(), p);
    }

    pub fn person(&mut self, name: &str) -> RecipientId {
        let id = RecipientId(self.0.recipients.len() as u32 + 1);
        let phones = Phone::parse(&format!("154{:08}", id.0)).into_iter().collect();
        self.0.recipients.insert(id, Recipient { id, name: name.into(), phones, email: None, im: None });
        id
    }

    pub fn post(&mut self, recipient: RecipientId, role: &str, tier: Tier, place: Place) -> &mut Post {
        self.0.posts.push(Post {
            recipient,
            role: Role(role.into()),
            title: String::new(),
            tier,
            place,
            deputy: None,
            superior: None,
            valid_from: None,
            valid_to: None,
            households: 0,
            people: 0,
            route: String::new(),
            shelter: String::new(),
            note: String::new(),
        });
        self.0.posts.last_mut().unwrap()
    }

    /// A new person with one post at a division or, where the code names one, a point.
    pub fn add(&mut self, name: &str, role: &str, tier: Tier, place: &str) -> RecipientId {
        let id = self.person(name);
        let place = self.place(place);
        let title = name.to_string();
        self.post(id, role, tier, place).title = title;
        id
    }

    pub fn place(&self, code: &str) -> Place {
        match self.0.points.get(code) {
            Some(p) => Place { division: p.division, point: Some(code.into()) },
            None => Place { division: d(code), point: None },
        }
    }

    pub fn done(mut self) -> Directory {
        self.0.posts.sort_by(|a, b| (&a.place, &a.role, a.recipient).cmp(&(&b.place, &b.role, b.recipient)));
        self.0
    }
}

/// One person of every kind the shipped policy tells apart, each called by what he is.
pub fn everybody() -> Directory {
    use Tier::{City, County, DutyDesk, Point, Township, Village};
    let mut b = Builder::empty();
    b.add("市长", "party_government", City, CITY);
    b.add("市值班室", "duty", DutyDesk, CITY);
    b.add("市带班领导", "shift_leader", DutyDesk, CITY);
    b.add("县长", "party_government", County, COUNTY);
    b.add("分管副县长", "party_government", County, COUNTY);
    b.add("水利局", "department", County, COUNTY);
    b.add("县河长", "river_chief", County, COUNTY);
    b.add("县林长", "forest_chief", County, COUNTY);
    b.add("县值班室", "duty", DutyDesk, COUNTY);
    b.add("县带班领导", "shift_leader", DutyDesk, COUNTY);
    b.add("镇长", "party_government", Township, LONGGANG);
    b.add("镇领导包西河村", "contract", Township, XIHE);
    b.add("县领导包龙港镇", "contract", County, LONGGANG);
    b.add("镇林长", "forest_chief", Township, LONGGANG);
    b.add("镇值班室", "duty", DutyDesk, LONGGANG);
    b.add("梁庄支书（有地灾点）", "party_government", Village, LIANGZHUANG);
    b.add("西河支书（无点位）", "party_government", Village, XIHE);
    b.add("西河网格员", "grid", Village, XIHE);
    b.add("西河村河长", "river_chief", Village, XIHE);
    b.add("西河护林员", "forest_fire", Village, XIHE);
    b.add("西河灾情速报员", "earthquake", Village, XIHE);
    b.add("西河山洪预警员", "flash_flood", Village, XIHE);
    b.add("滑坡群测群防员", "geological", Point, SLOPE);
    b.add("河谷山洪预警员", "flash_flood", Point, VALLEY);
    b.point("SK-140521-0001", "南坡水库", "reservoir", NANPO, [112.4, 35.5]);
    b.add("水库巡查责任人", "reservoir", Point, "SK-140521-0001");
    b.point("DF-140521-0001", "沁河堤防", "embankment", NANPO, [112.4, 35.5]);
    b.add("堤防包保责任人", "embankment", Point, "DF-140521-0001");
    b.point("LW-140521-0001", "瞭望塔", "forest_fire", NANPO, [112.4, 35.5]);
    b.add("瞭望员", "forest_fire", Point, "LW-140521-0001");
    b.add("镇抢险队", "rescue", Township, LONGGANG);
    b.done()
}
