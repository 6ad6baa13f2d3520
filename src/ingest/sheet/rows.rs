//! Cells → one typed row per person × post × object. Says by cell what cannot be read.

use super::{
    Column, Form, SheetFault, address,
    cell::{self, BadPhone, formula_fault},
    places::{Names, Places},
    points::{self, PointRow},
    rota::{self, DeskPhone, DutyRow},
    siting::Village,
    table::{Row, Sheet, Table},
};
use crate::core::{
    directory::{DivisionName, Role, Tier},
    division::Division,
    phone::Phone,
    role::RoleWords,
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// A person as another row speaks of him: by name, number, or the serial number of his row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mention {
    pub name: String,
    pub phones: Vec<Phone>,
    /// 序号 of the row meant, where the cell holds nothing but a short number.
    pub serial: String,
}

/// The hazard point, reservoir … a row is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    pub code: String,
    pub name: String,
    /// Longitude, latitude.
    pub position: Option<[f64; 2]>,
}

/// 失效日期 as a row gives it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// The end of the post's last day.
    At(Time),
    /// 长期: it has none, also where it had one.
    Never,
}

/// A row that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct SheetRow {
    /// Index into [`SheetRows::sheets`].
    pub sheet: usize,
    /// As the spreadsheet counts.
    pub number: u32,
    pub serial: String,
    pub division: Division,
    pub village: Village,
    pub name: String,
    pub title: String,
    /// Never empty.
    pub roles: Vec<Role>,
    pub tier: Tier,
    pub object: Option<Object>,
    pub phones: Vec<Phone>,
    /// 值班电话 of a row that is not itself a desk's.
    pub duty_phones: Vec<Phone>,
    pub im: Option<String>,
    pub email: Option<String>,
    pub superior: Option<Mention>,
    pub deputy: Option<Mention>,
    pub households: u32,
    pub people: u32,
    pub route: String,
    pub shelter: String,
    pub valid_from: Option<Time>,
    /// `None`: nothing is said.
    pub valid_to: Option<End>,
    pub note: String,
}

/// Everything a file says, and everything that is wrong or odd about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SheetRows {
    /// The sheets without their cells: names and columns, for addresses.
    pub sheets: Vec<Sheet>,
    pub rows: Vec<SheetRow>,
    pub points: Vec<PointRow>,
    pub duty: Vec<DutyRow>,
    /// 值班电话 of the rotas.
    pub desk_phones: Vec<DeskPhone>,
    /// Who stands in rows that could not be read: that they are missing is not to be told of other rows.
    pub unread: BTreeSet<String>,
    pub faults: Vec<SheetFault>,
}
impl SheetRows {
    /// The fault of a row's column.
    pub fn fault(&self, row: &SheetRow, column: Column, message: impl Into<String>, fatal: bool) -> SheetFault {
        self.fault_at((row.sheet, row.number), column, message, fatal)
    }
    /// The fault of a column in a row, by (sheet, row number).
    pub(super) fn fault_at(&self, (sheet, number): (usize, u32), column: Column, message: impl Into<String>, fatal: bool) -> SheetFault {
        let Some(sheet) = self.sheets.get(sheet) else { return SheetFault { fatal, ..SheetFault::file("", message) } };
        let (column, at) = sheet.seats(column);
        SheetFault {
            sheet: sheet.name.clone(),
            cell: address(at.first().copied().unwrap_or(0), number),
            column: column.title_in(sheet.form).into(),
            message: message.into(),
            fatal,
        }
    }
    /// Whether a sheet of this form is in the file.
    pub fn has(&self, form: Form) -> bool {
        self.sheets.iter().any(|s| s.form == form)
    }
}

/// Reads all rows of a table against the list of divisions in force. `file` is the file's name: a rota may say whose it is
/// nowhere else.
pub fn read_rows(file: &str, table: &Table, divisions: &BTreeMap<Division, DivisionName>, words: &RoleWords) -> SheetRows {
    let places = Places::new(divisions);
    let mut out = SheetRows { faults: table.findings.clone(), ..SheetRows::default() };
    for (index, sheet) in table.sheets.iter().enumerate() {
        let mut carried = Names::default();
        let mut duty = rota::Carried::new(file, sheet, &places);
        for row in &sheet.rows {
            let before = out.faults.len();
            let mut reader = Reader { sheet, row, places: &places, words, faults: &mut out.faults };
            if reader.is_footer() {
                continue;
            }
            match sheet.form {
                Form::People => out.rows.extend(reader.read(index, &mut carried)),
                Form::Points => out.points.extend(points::read(&mut reader, index, &mut carried)),
                Form::Rotas => rota::read(&mut reader, index, &mut duty, &mut out.duty, &mut out.desk_phones),
            }
            if out.faults.iter().skip(before).any(|f| f.fatal) {
                match sheet.form {
                    Form::People => out.unread.extend(names_in(sheet, row)),
                    Form::Rotas => out.unread.extend(duty.brought_in_by(row)),
                    Form::Points => {}
                }
            }
        }
        out.sheets.push(Sheet { rows: Vec::new(), ..sheet.clone() });
    }
    if out.rows.is_empty() && out.points.is_empty() && out.duty.is_empty() && !out.faults.iter().any(|f| f.fatal) {
        let name = out.sheets.first().map(|s| s.name.clone()).unwrap_or_default();
        out.faults.push(SheetFault::file(&name, "表头下面没有任何责任人、点位或值班安排；请检查文件"));
    }
    out
}

/// Everybody whom a row of persons brings in.
fn names_in(sheet: &Sheet, row: &Row) -> Vec<String> {
    let texts = [Column::Deputy, Column::Superior].into_iter().map(|c| sheet.text(row, c));
    let mentioned = texts.map(|t| cell::name_and_phones(t).0);
    let own = sheet.text(row, Column::Name);
    let holders = cell::persons(own).into_iter().chain(cell::spaced_names(own)).map(|t| cell::name_and_phones(&t).0);
    mentioned.chain(holders).filter(|n| !n.is_empty()).collect()
}

/// What ends a clerk's table: sums, signatures, remarks.
const FOOTERS: &[&str] = &[
    "合计",
    "总计",
    "小计",
    "共计",
    "填表人",
    "制表人",
    "审核人",
    "审批人",
    "填报人",
    "填报单位",
    "负责人签字",
    "单位负责人",
    "说明",
    "注",
    "备注",
];

/// One row being read.
pub(super) struct Reader<'a> {
    pub sheet: &'a Sheet,
    pub row: &'a Row,
    pub places: &'a Places<'a>,
    pub words: &'a RoleWords,
    pub faults: &'a mut Vec<SheetFault>,
}

impl Reader<'_> {
    /// A sum or a signature below the table, told as skipped: `合计`, `填表人：郑七`. Never a row that has what its form needs most.
    fn is_footer(&mut self) -> bool {
        let needed = match self.sheet.form {
            Form::People => Column::Role,
            Form::Points => Column::ObjectCode,
            Form::Rotas => Column::Date,
        };
        let needed = self.sheet.text(self.row, needed);
        let first = self.row.cells.iter().find(|t| !t.is_empty()).map(|t| cell::word(t)).unwrap_or_default();
        let begins = |text: &str| {
            let head = text.split([':', '：', '.', '、']).next().unwrap_or(text);
            FOOTERS.contains(&head)
        };
        let footer = begins(&first) && (needed.is_empty() || begins(&cell::word(needed)));
        if footer {
            let at = match self.sheet.form {
                Form::People => Column::Name,
                Form::Points => Column::ObjectCode,
                Form::Rotas => Column::Date,
            };
            self.say(at, format!("“{}”是表尾，已跳过", first.chars().take(20).collect::<String>()), false);
        }
        footer
    }

    /// Says something of a column; of its first cell that has something, where it stands several times.
    pub(super) fn say(&mut self, column: Column, message: impl Into<String>, fatal: bool) {
        let (column, all) = self.sheet.seats(column);
        let filled = all.iter().find(|i| self.row.cells.get(**i).is_some_and(|t| !t.is_empty()));
        self.say_at(filled.or(all.first()).copied().unwrap_or(0), column, message, fatal);
    }

    /// Says something of the cell in this place of the row.
    fn say_at(&mut self, at: usize, column: Column, message: impl Into<String>, fatal: bool) {
        self.faults.push(SheetFault {
            sheet: self.sheet.name.clone(),
            cell: address(at, self.row.number),
            column: column.title_in(self.sheet.form).into(),
            message: message.into(),
            fatal,
        });
    }

    /// Whether something was said of this column since the list of faults was `since` long.
    fn said(&self, since: usize, column: Column) -> bool {
        self.faults.iter().skip(since).any(|f| f.column == column.title_in(self.sheet.form))
    }

    /// A cell's text on one line; a spreadsheet's error value is a fault.
    pub(super) fn text(&mut self, column: Column) -> String {
        let text = self.sheet.text(self.row, column);
        if cell::is_formula_error(text) {
            self.say(column, formula_fault(text), true);
            return String::new();
        }
        let text = cell::line(text);
        if cell::is_blank(&text) { String::new() } else { text }
    }

    fn read(&mut self, index: usize, carried: &mut Names) -> Option<SheetRow> {
        let faults_before = self.faults.len();
        let mut name = cell::person_name(&self.text(Column::Name));
        if Column::from_title(Form::People, &name) == Some(Column::Name) {
            return None; // the header again, at the top of a printed page
        }
        let role_text = self.text(Column::Role);
        let phones = self.phones(&[Column::Phone1, Column::Phone2]);
        if name.is_empty() && role_text.is_empty() && phones.is_empty() {
            self.say(Column::Name, "此行没有姓名、责任类别和手机，已跳过", false);
            return None;
        }
        let (roles, title_word) = self.roles(&role_text);
        let object = self.object();
        let (division, tier, village) = self.place(carried, &roles, object.is_some());
        let is_desk = roles.iter().any(|r| r.0 == Role::DUTY);
        if !name.is_empty() && !is_desk {
            name = self.one_person(name, phones.len());
        }
        if name.is_empty() {
            match (is_desk, division) {
                (true, Some(division)) => {
                    name = format!("{}值班室", self.places.full_name(division));
                    self.say(Column::Name, format!("值班岗位没有姓名，已记为“{name}”"), false);
                }
                _ if self.said(faults_before, Column::Name) => {}
                _ => self.say(Column::Name, "没有姓名；请填写", true),
            }
        }
        let mut phones = phones;
        let mut duty_phones = self.phones(&[Column::DutyPhone]);
        if is_desk {
            let more: Vec<Phone> = duty_phones.drain(..).filter(|p| !phones.contains(p)).collect();
            phones.extend(more);
        }
        let unreadable = [Column::Phone1, Column::Phone2, Column::DutyPhone].iter().any(|c| self.said(faults_before, *c));
        if phones.is_empty() && !unreadable {
            self.say(Column::Phone1, format!("“{name}”没有可用号码：预警时叫不到本人，将直接叫代理人；请补号码"), false);
        }
        let email = self.email();
        let superior = self.mention(Column::Superior, None);
        let deputy = self.mention(Column::Deputy, Some(Column::DeputyPhone));
        let (households, people) = (self.count(Column::Households), self.count(Column::People));
        let valid_from = self.day(Column::ValidFrom, false);
        let valid_to = match cell::is_open_end(self.sheet.text(self.row, Column::ValidTo)) {
            true => Some(End::Never),
            false => self.day(Column::ValidTo, true).map(End::At),
        };
        if let (Some(from), Some(End::At(to))) = (valid_from, valid_to)
            && to <= from
        {
            self.say(Column::ValidTo, "失效日期早于生效日期；请改正", true);
        }
        let (division, tier) = (division?, tier?);
        let object = object.map(|o| self.code_of(o, division));
        if tier == Tier::Point && object.is_none() {
            self.say(Column::ObjectCode, "责任层级是“点”，却没有责任对象；已按所在行政区划登记，请补责任对象编号", false);
        }
        let row = SheetRow {
            sheet: index,
            number: self.row.number,
            serial: cell::word(&self.text(Column::Serial)),
            division,
            village,
            name,
            // 水库巡查责任人 under 责任类别 says what the post is, where 职务 does not.
            title: Some(self.text(Column::Title)).filter(|t| !t.is_empty()).unwrap_or(title_word),
            roles,
            tier,
            object,
            phones,
            duty_phones,
            im: Some(self.text(Column::Im)).filter(|s| !s.is_empty()),
            email,
            superior,
            deputy,
            households,
            people,
            route: self.text(Column::Route),
            shelter: self.text(Column::Shelter),
            valid_from,
            valid_to,
            note: self.text(Column::Note),
        };
        let clean = !self.faults.iter().skip(faults_before).any(|f| f.fatal);
        clean.then_some(row)
    }

    /// The one person of a name cell. Two would be one recipient with two numbers: the second never called by his own name,
    /// and one answer good for both.
    fn one_person(&mut self, name: String, phones: usize) -> String {
        let raw = self.sheet.text(self.row, Column::Name);
        let (several, spaced) = (cell::persons(raw), cell::spaced_names(raw));
        if several.len() > 1 {
            let message =
                format!("一格写了 {} 人（{}）；一行登记一人，请各另起一行，号码写在各自的行里", several.len(), several.join("、"));
            self.say(Column::Name, message, true);
        } else if !spaced.is_empty() && phones >= spaced.len() {
            let message =
                format!("“{}”看来是 {} 人；一行登记一人，请各另起一行；若是一人，请去掉中间的空格", spaced.join(" "), spaced.len());
            self.say(Column::Name, message, true);
        } else if !spaced.is_empty() {
            self.say(Column::Name, format!("“{}”已按一人“{name}”登记；若不是一人，请各另起一行", spaced.join(" ")), false);
        }
        several.into_iter().next().unwrap_or(name)
    }

    /// The roles of a cell, and the word that says more than its role's name.
    fn roles(&mut self, text: &str) -> (Vec<Role>, String) {
        let mut roles: Vec<Role> = Vec::new();
        let mut title = String::new();
        let words = cell::list(text);
        if words.is_empty() {
            self.say(Column::Role, format!("没有责任类别；请填写其中之一：{}", self.words.known()), true);
        }
        for word in words {
            match self.words.role(&word) {
                Some(role) if !roles.contains(&role) => {
                    if title.is_empty() && self.words.is_title(&word, &role) {
                        title.clone_from(&word);
                    }
                    roles.push(role);
                }
                Some(_) => {}
                None => self.say(Column::Role, format!("不认识的责任类别“{word}”；请改为其中之一：{}", self.words.known()), true),
            }
        }
        (roles, title)
    }

    /// Longitude and latitude, where both are given.
    pub(super) fn position(&mut self) -> Option<[f64; 2]> {
        let mut degrees = |column: Column, limit: f64| {
            let text = self.text(column);
            cell::degrees(&text, limit).unwrap_or_else(|()| {
                self.say(column, format!("“{text}”不是经纬度，已忽略；应为度数，如 112.2534"), false);
                None
            })
        };
        degrees(Column::Longitude, 180.0).zip(degrees(Column::Latitude, 90.0)).map(|(x, y)| [x, y])
    }

    fn object(&mut self) -> Option<Object> {
        let code = self.object_code();
        let name = self.text(Column::ObjectName);
        let position = self.position();
        (!code.is_empty() || !name.is_empty()).then_some(Object { code, name, position })
    }

    /// The one code of its cell: a warning for the second of two would find neither.
    pub(super) fn object_code(&mut self) -> String {
        let code = cell::word(&self.text(Column::ObjectCode));
        if code.is_empty() {
            return code;
        }
        let codes = cell::list(self.sheet.text(self.row, Column::ObjectCode));
        // What was made of a name may hold what its name holds: 140521100200-王庄、李庄段.
        let made = |c: &String| c.split_once('-').is_some_and(|(d, _)| d.len() == 12 && d.bytes().all(|b| b.is_ascii_digit()));
        match codes.as_slice() {
            [one] if !one.contains('~') => one.clone(),
            [first, more @ ..] if made(first) && !more.iter().any(made) => code,
            _ => {
                let message = format!("“{code}”不是一个编号；一行只写一个，几处请各另起一行，编号里不用 / 、 ， ； ~ 和换行");
                self.say(Column::ObjectCode, message, true);
                code
            }
        }
    }

    /// Gives an object without a code one that stays the same at the next import.
    fn code_of(&mut self, mut object: Object, division: Division) -> Object {
        if object.code.is_empty() {
            object.code = format!("{division}-{}", cell::word(&object.name).replace(['/', '?', '#', '%', '&'], ""));
            let several = if cell::list(&object.name).len() > 1 { "；若是几处，请各另起一行" } else { "" };
            let message = format!("责任对象“{}”没有编号，已按区划和名称记为 {}；请补正式编号{several}", object.name, object.code);
            self.say(Column::ObjectCode, message, false);
        }
        object
    }

    pub(super) fn phones(&mut self, columns: &[Column]) -> Vec<Phone> {
        let mut all = Vec::new();
        for column in columns {
            for at in self.sheet.columns.get(column).into_iter().flatten() {
                let (good, bad) = cell::phones(self.row.cells.get(*at).map_or("", String::as_str));
                for phone in good {
                    if !all.contains(&phone) {
                        all.push(phone);
                    }
                }
                self.bad_phones(*at, *column, bad);
            }
        }
        all
    }

    fn bad_phones(&mut self, at: usize, column: Column, bad: Vec<BadPhone>) {
        for fault in bad {
            self.say_at(at, column, fault.told_zh(), true);
        }
    }

    fn email(&mut self) -> Option<String> {
        let text = cell::word(&self.text(Column::Email));
        let (user, domain) = text.split_once('@').unwrap_or(("", ""));
        let good = !user.is_empty() && domain.contains('.') && !domain.contains('@') && !domain.starts_with('.') && !domain.ends_with('.');
        if !text.is_empty() && !good {
            self.say(Column::Email, format!("“{text}”不是邮箱地址，已忽略；请改正"), false);
        }
        good.then_some(text)
    }

    fn mention(&mut self, column: Column, phone_column: Option<Column>) -> Option<Mention> {
        let text = self.text(column);
        let mut mention = Mention::default();
        if !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit()) {
            mention.serial = text;
        } else if !text.is_empty() {
            let mut names = text.split(['、', '；', ';', '/', '，', ',']).filter(|n| !cell::is_blank(n));
            let (name, phones, bad) = cell::name_and_phones(names.next().unwrap_or(""));
            self.bad_phones(self.sheet.seats(column).1.first().copied().unwrap_or(0), column, bad);
            (mention.name, mention.phones) = (name, phones);
            if names.next().is_some() {
                self.say(column, format!("只能登记一人，已取第一人“{}”；其余请另行登记", mention.name), false);
            }
        }
        if let Some(column) = phone_column {
            let more: Vec<Phone> = self.phones(&[column]).into_iter().filter(|p| !mention.phones.contains(p)).collect();
            mention.phones.extend(more);
            if mention.name.is_empty() && mention.serial.is_empty() && !mention.phones.is_empty() {
                self.say(column, "有代理人手机而没有代理人姓名，已忽略；请补姓名", false);
            }
        }
        (!mention.name.is_empty() || !mention.serial.is_empty()).then_some(mention)
    }

    pub(super) fn count(&mut self, column: Column) -> u32 {
        let text = self.text(column);
        cell::count(&text).unwrap_or_else(|()| {
            self.say(column, format!("“{text}”不是数目，已记为 0；请填写数字"), false);
            0
        })
    }

    /// Beijing midnight of a day; of the day after where the day itself still counts.
    fn day(&mut self, column: Column, inclusive: bool) -> Option<Time> {
        let text = self.text(column);
        match cell::date(&text) {
            Ok(day) => cell::midnight(day?).map(|t| if inclusive { t + cell::DAY } else { t }),
            Err(()) => {
                self.say(column, format!("“{text}”不是日期；请写成 2026-04-20"), true);
                None
            }
        }
    }
}
