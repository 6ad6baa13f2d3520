//! Rows + the directory in force → the new directory, whole or not at all.
//!
//! An import is an upsert by identity: people and posts of the file are added or updated, nobody
//! else is touched, and a blank cell erases nothing (but a person's numbers are one field: where the
//! file gives several, or has a column for a second one, they are the new ones; else it speaks of the first). With [`ImportMode::Replace`] the file is the truth for
//! its area, in each form that it holds: posts it does not have end, people left without post or mention go, points without
//! anybody go. A duty rota is always the truth for its seats, from its first shift to its last.

use super::{
    Column, Form, SheetFault, duty,
    mentions::{self, Mentioned, Target},
    people::{self, People, Person},
    places::Places,
    points,
    rows::{End, SheetRow, SheetRows},
    table::Sheet,
};
use crate::core::{
    directory::{Directory, DivisionName, Place, Point, Post, Recipient, Role, Tier},
    directory_cover::Calling,
    directory_diff::{DirectoryDiff, diff},
    directory_index::DirectoryIndex,
    division::Division,
    ids::RecipientId,
    phone::Phone,
    role::RoleWords,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What happens to those who are not in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportMode {
    /// Nothing.
    #[default]
    Upsert,
    /// Their posts end.
    Replace,
}

/// How a file is applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    pub mode: ImportMode,
    /// The area the file is for: rows outside are refused, `Replace` ends posts inside only.
    /// `None`: everywhere.
    pub within: Option<Division>,
    /// It may leave places that had somebody to call without anybody.
    pub allow_uncovered: bool,
    /// `Replace` may remove more than [`MOST_GONE`] percent of the area's people.
    pub allow_shrink: bool,
    /// What sheets call the roles.
    pub roles: RoleWords,
    /// Decides whether a place still has somebody to call.
    pub calling: Calling,
}

/// A replacing sheet that removes more people than this, in percent of those in its area (and more than [`FEW`]), is more
/// likely half a sheet than the truth.
pub const MOST_GONE: usize = 20;
/// See [`MOST_GONE`].
pub const FEW: usize = 5;

/// What became of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportResult {
    /// The new directory; `None` when the import was refused. Its version is raised if it differs.
    pub directory: Option<Directory>,
    /// What changes (or would have, where only `allow_uncovered` was missing).
    pub diff: DirectoryDiff,
    /// Faults and findings, by sheet and row.
    pub faults: Vec<SheetFault>,
}
impl ImportResult {
    /// Refused before any row could be read.
    pub fn refused(faults: Vec<SheetFault>) -> ImportResult {
        ImportResult { directory: None, diff: DirectoryDiff::default(), faults }
    }
}

type Posts = BTreeMap<(Place, Role, RecipientId), Post>;

/// Merges rows into the directory in force. `divisions` becomes the new directory's list.
pub fn merge(current: &Directory, rows: SheetRows, divisions: &BTreeMap<Division, DivisionName>, options: &ImportOptions) -> ImportResult {
    let mut faults = rows.faults.clone();
    for row in &rows.rows {
        if let Some(area) = options.within.filter(|area| !area.contains(row.division)) {
            let message = format!("区划 {} 不在本次导入的范围 {area} 内；请移出此行，或扩大范围", row.division);
            faults.push(rows.fault(row, Column::Division, message, true));
        }
    }
    for row in &rows.points {
        if let Some(area) = options.within.filter(|area| !area.contains(row.division)) {
            let message = format!("点位 {} 在区划 {}，不在本次导入的范围 {area} 内；请移出此行", row.code, row.division);
            faults.push(rows.fault_at(row.at, Column::Division, message, true));
        }
    }
    for row in &rows.duty {
        if let Some(area) = options.within.filter(|area| !area.contains(row.seat.division)) {
            faults.push(duty::fault(row, format!("值班表的区划 {} 不在本次导入的范围 {area} 内；请移出", row.seat.division), true));
        }
    }
    // A clerk corrects in one go: what can be told of persons, points and rotas beside other faults is told too, but not
    // where somebody or a point could be missing only because its own row cannot be read.
    let unread_point = faults.iter().any(|f| f.fatal && rows.sheets.iter().any(|s| s.form == Form::Points && s.name == f.sheet));
    // A file without persons says nothing about persons.
    let of_people = if rows.has(Form::People) { options.mode } else { ImportMode::Upsert };
    let persons = ImportOptions { mode: of_people, ..options.clone() };
    let index = DirectoryIndex::new(current.clone());
    let mut people = people::group(&rows, &index);
    let mentioned = mentions::resolve(&rows, &mut people, &index, &mut faults);
    shared_numbers(&rows, &people, &index, &mut faults);

    let mut new = Directory {
        version: current.version,
        divisions: divisions.clone(),
        rotas: current.rotas.clone(),
        change: current.change,
        ..Directory::default()
    };
    let ids = recipients(current, &rows, &people, &persons, &mut new);
    let mut of_points = Vec::new();
    new.points = points::merge(current, &rows, &Places::new(divisions), options, &persons, &mut of_points);
    if !unread_point {
        faults.extend(of_points);
    }
    let posts = posts(current, &rows, &people, &mentioned, &ids, &persons, &new.points, &mut faults);
    new.posts = posts.into_values().collect();
    new.sort_posts();
    duty::merge(&rows, &mut new, &mut faults);
    if faults.iter().any(|f| f.fatal) {
        return ImportResult::refused(in_order(&rows, faults));
    }
    drop_the_unneeded(current, &people, &ids, &persons, &mut new);
    if options.mode == ImportMode::Replace {
        points::drop_the_unneeded(&rows, options.within, &mut new);
    }
    unused_duty_phones(&rows, &new, &mut faults);

    let changes = diff(current, &new, &options.calling);
    if !changes.is_empty() {
        new.version = current.version.saturating_add(1);
    }
    if let Some(message) = too_much(current, &changes, options) {
        let file = rows.sheets.first().map(|s| s.name.clone()).unwrap_or_default();
        faults.push(SheetFault::file(&file, message));
        return ImportResult { directory: None, diff: changes, faults: in_order(&rows, faults) };
    }
    ImportResult { directory: Some(new), diff: changes, faults: in_order(&rows, faults) }
}

/// What an import would take away without having been told to: an updating one ends a post by its last day, or takes
/// a number; only a replacing one removes people.
fn too_much(current: &Directory, changes: &DirectoryDiff, options: &ImportOptions) -> Option<String> {
    if !options.allow_uncovered && !changes.uncovered.is_empty() {
        let some: Vec<String> = changes.uncovered.iter().take(10).map(|p| format!("{}（{p}）", current.place_name(p))).collect();
        return Some(format!(
            "导入后有 {} 处地点在预警时（全部或部分灾种）将无人可叫，或都联系不上：{}{}；请补上这些地点的责任人，或确认允许（allow_uncovered）后重新导入",
            changes.uncovered.len(),
            some.join("、"),
            if changes.uncovered.len() > some.len() { " 等" } else { "" }
        ));
    }
    if options.mode != ImportMode::Replace {
        return None;
    }
    let inside = |p: &&Post| options.within.is_none_or(|area| area.contains(p.place.division));
    let before: BTreeSet<RecipientId> = current.posts.iter().filter(inside).map(|p| p.recipient).collect();
    let (gone, all) = (changes.gone.len(), before.len());
    (!options.allow_shrink && gone > FEW && gone * 100 > all * MOST_GONE).then(|| {
        format!("替换后将移除 {gone} 人，超过本区域 {all} 人的 {MOST_GONE}%；请检查表是否完整，或确认允许（allow_shrink）后重新导入")
    })
}

/// By sheet, then row, then column, as a clerk works through them; faults of the file first.
fn in_order(rows: &SheetRows, mut faults: Vec<SheetFault>) -> Vec<SheetFault> {
    let sheet: HashMap<&str, usize> = rows.sheets.iter().enumerate().rev().map(|(n, s)| (s.name.as_str(), n)).collect();
    faults.sort_by_cached_key(|f| {
        let cut = f.cell.find(|c: char| c.is_ascii_digit()).unwrap_or(f.cell.len());
        let (letters, row) = f.cell.split_at(cut);
        (sheet.get(f.sheet.as_str()).copied(), row.parse::<u32>().unwrap_or(0), letters.len(), letters.to_string())
    });
    faults
}

/// Gives every person of the file an id and puts everybody into `new`. Persons → ids.
fn recipients(current: &Directory, rows: &SheetRows, people: &People, options: &ImportOptions, new: &mut Directory) -> Vec<RecipientId> {
    new.recipients.clone_from(&current.recipients);
    new.next_id = current.next_id().0;
    let mut ids = Vec::with_capacity(people.persons.len());
    for person in &people.persons {
        let id = person.known.unwrap_or(RecipientId(new.next_id));
        if person.known.is_none() {
            new.next_id = new.next_id.saturating_add(1);
        }
        ids.push(id);
        let before = current.recipients.get(&id);
        let keep = |file: &Option<String>, old: Option<&Option<String>>| match options.mode {
            ImportMode::Upsert => file.clone().or_else(|| old.cloned().flatten()),
            ImportMode::Replace => file.clone(),
        };
        let phones = match before {
            Some(before) if options.mode == ImportMode::Upsert => numbers(person, before, rows),
            _ => person.phones.clone(),
        };
        let recipient = Recipient {
            id,
            name: person.name.clone(),
            phones,
            email: keep(&person.email, before.map(|b| &b.email)),
            im: keep(&person.im, before.map(|b| &b.im)),
        };
        new.recipients.insert(id, recipient);
    }
    ids
}

/// A person's numbers after a merging import. A sheet with room for one number a person says nothing of further ones: they
/// stay behind it, and only the first is replaced where it is a new one.
fn numbers(person: &Person, before: &Recipient, rows: &SheetRows) -> Vec<Phone> {
    let mut own = person.rows.iter().filter_map(|n| rows.rows.get(*n));
    let lists_all = |r: &SheetRow| r.phones.len() > 1 || rows.sheets.get(r.sheet).is_some_and(Sheet::has_second_number);
    if person.phones.is_empty() {
        return before.phones.clone();
    }
    if own.any(lists_all) {
        return person.phones.clone();
    }
    let replaced = usize::from(!person.phones.iter().any(|p| before.phones.contains(p)));
    let further = before.phones.iter().skip(replaced).filter(|p| !person.phones.contains(p));
    person.phones.iter().chain(further).cloned().collect()
}

/// Whether a post in force outlasts the file that does not name it.
pub(super) fn stays(post: &Post, options: &ImportOptions) -> bool {
    options.mode == ImportMode::Upsert || options.within.is_some_and(|area| !area.contains(post.place.division))
}

#[allow(clippy::too_many_arguments)] // one step of `merge`, which owns all of these
fn posts(
    current: &Directory,
    rows: &SheetRows,
    people: &People,
    mentioned: &Mentioned,
    ids: &[RecipientId],
    options: &ImportOptions,
    points: &BTreeMap<String, Point>,
    faults: &mut Vec<SheetFault>,
) -> Posts {
    let placed = |place: &Place| {
        let division = place.point.as_ref().and_then(|c| points.get(c)).map_or(place.division, |p| p.division);
        Place { division, point: place.point.clone() }
    };
    let mut posts: Posts = BTreeMap::new();
    for post in current.posts.iter().filter(|p| stays(p, options)) {
        let post = Post { place: placed(&post.place), ..post.clone() };
        posts.insert((post.place.clone(), post.role.clone(), post.recipient), post);
    }
    let id_of = |target: Option<Target>| match target? {
        Target::Sheet(at) => ids.get(at).copied(),
        Target::Known(id) => Some(id),
    };
    let mut written: HashMap<(Place, Role, RecipientId), u32> = HashMap::new();
    for (n, row) in rows.rows.iter().enumerate() {
        let Some(recipient) = people.of_row.get(n).and_then(|at| ids.get(*at)).copied() else { continue };
        let place = placed(&Place { division: row.division, point: row.object.as_ref().map(|o| o.code.clone()) });
        let deputy = id_of(mentioned.deputy.get(n).copied().flatten());
        let superior = id_of(mentioned.superior.get(n).copied().flatten());
        for role in &row.roles {
            let key = (place.clone(), role.clone(), recipient);
            let again = written.insert(key.clone(), row.number);
            if let Some(number) = again {
                let message = format!("与第 {number} 行重复（同一人、同一责任、同一地点），已合并");
                faults.push(rows.fault(row, Column::Name, message, false));
            }
            let post = posts.entry(key).or_insert_with(|| Post::new(recipient, role.clone(), Tier::Village, place.clone()));
            write(post, row, again.is_some());
            post.deputy = deputy.or(post.deputy);
            post.superior = superior.or(post.superior);
        }
    }
    posts
}

/// Writes a row's fields into its post; a blank cell leaves what is there.
fn write(post: &mut Post, row: &SheetRow, again: bool) {
    let text = |seat: &mut String, new: &String| {
        if !new.is_empty() {
            seat.clone_from(new);
        }
    };
    if again && !row.title.is_empty() && !post.title.is_empty() && post.title != row.title {
        post.title = format!("{}、{}", post.title, row.title);
    } else {
        text(&mut post.title, &row.title);
    }
    post.tier = if post.role.is_desk() { Tier::DutyDesk } else { row.tier };
    post.valid_from = row.valid_from.or(post.valid_from);
    match row.valid_to {
        Some(End::At(t)) => post.valid_to = Some(t),
        Some(End::Never) => post.valid_to = None,
        None => {}
    }
    if row.households > 0 {
        post.households = row.households;
    }
    if row.people > 0 {
        post.people = row.people;
    }
    text(&mut post.route, &row.route);
    text(&mut post.shelter, &row.shelter);
    text(&mut post.note, &row.note);
}

/// Takes out people whom nothing holds any more: under `Replace` those of the area who are not in
/// the file, and always those who stood there only as somebody's deputy or superior.
fn drop_the_unneeded(current: &Directory, people: &People, ids: &[RecipientId], options: &ImportOptions, new: &mut Directory) {
    let held = |d: &Directory| -> BTreeSet<RecipientId> { d.posts.iter().map(|p| p.recipient).collect() };
    let mentioned = |d: &Directory| -> BTreeSet<RecipientId> { d.posts.iter().flat_map(|p| [p.deputy, p.superior]).flatten().collect() };
    let (held_before, mentioned_before) = (held(current), mentioned(current));
    let mut needed = held(new);
    needed.extend(mentioned(new));
    needed.extend(new.rotas.people());
    let on_duty_before: BTreeSet<RecipientId> = current.rotas.people().collect();
    needed.extend(people.persons.iter().zip(ids).filter(|(p, _)| !p.rows.is_empty()).map(|(_, id)| *id));
    new.recipients.retain(|id, _| {
        let only_named = mentioned_before.contains(id) || on_duty_before.contains(id);
        let fell_out = match options.mode {
            ImportMode::Upsert => only_named && !held_before.contains(id),
            ImportMode::Replace => only_named || held_before.contains(id),
        };
        needed.contains(id) || (current.recipients.contains_key(id) && !fell_out)
    });
}

/// Two people on one number are two people; somebody should know.
fn shared_numbers(rows: &SheetRows, people: &People, current: &DirectoryIndex, faults: &mut Vec<SheetFault>) {
    let in_file: BTreeSet<RecipientId> = people.persons.iter().filter_map(|p| p.known).collect();
    let mut first: HashMap<&Phone, &str> = HashMap::new();
    for person in &people.persons {
        for phone in &person.phones {
            let other = match first.get(phone) {
                Some(name) => Some((*name).to_string()),
                None => {
                    first.insert(phone, &person.name);
                    current.by_phone(phone).find(|r| !in_file.contains(&r.id)).map(|r| r.name.clone())
                }
            };
            let row = person.rows.first().and_then(|n| rows.rows.get(*n));
            if let (Some(other), Some(row)) = (other, row) {
                let message = format!("{phone} 与“{other}”同号，按两人登记；短信须回复各自的数字才算应答，请核对号码");
                faults.push(rows.fault(row, Column::Phone1, message, false));
            }
        }
    }
}

/// A 24-hour number written beside a person is the desk's, not his: it is called only where a desk
/// has a row of its own.
fn unused_duty_phones(rows: &SheetRows, new: &Directory, faults: &mut Vec<SheetFault>) {
    let desk_ids: BTreeSet<RecipientId> = new.posts.iter().filter(|p| p.role.0 == Role::DUTY).map(|p| p.recipient).collect();
    let desks: BTreeSet<&Phone> = desk_ids.iter().filter_map(|id| new.recipients.get(id)).flat_map(|r| &r.phones).collect();
    let mut of_rotas: BTreeSet<(Division, &Phone)> = BTreeSet::new();
    let at = |division: Division| new.posts.iter().filter(move |p| p.role.0 == Role::DUTY && p.place.division == division);
    for row in &rows.desk_phones {
        let has = |p: &Post| new.recipients.get(&p.recipient).is_some_and(|r| r.phones.contains(&row.phone));
        if !at(row.division).any(has) && of_rotas.insert((row.division, &row.phone)) {
            let message = "值班电话不在该单位值班室名下，未记入：预警升级时叫不到它；请在责任人表为该值班室另列一行，责任类别写“值班”。\
                若是值班员本人的号码，请把列名改为“值班员电话”";
            faults.push(rows.fault_at(row.at, Column::DutyPhone, message, false));
        }
    }
    let mut told: BTreeSet<&Phone> = BTreeSet::new();
    for row in &rows.rows {
        for phone in row.duty_phones.iter().filter(|p| !desks.contains(p)) {
            if told.insert(phone) {
                let message = "值班电话属于值班室，未记入本人；请为该值班室另列一行，责任类别写“值班”";
                faults.push(rows.fault(row, Column::DutyPhone, message, false));
            }
        }
    }
}
