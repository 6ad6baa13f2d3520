//! Duty rotas (值班表): who sits at a desk, or leads the shift (带班领导), from when to when.
//!
//! A desk has a number of its own and stays a person of the directory; the rota says who is there now. It is
//! kept beside the posts, not as posts: a year of shifts is a hundred times as many as there are desks.

use super::{
    directory::Role,
    division::Division,
    ids::RecipientId,
    time::{Span, Time},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// No shift is longer: a leader's week, a deputy's month.
pub const LONGEST: Span = Span::hours(31 * 24);

/// Which seat a rota is of: the 24-hour desk or the shift leader of a division.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat {
    pub division: Division,
    /// [`Role::DUTY`] or [`Role::SHIFT_LEADER`].
    pub role: Role,
}
impl Seat {
    pub fn desk(division: Division) -> Seat {
        Seat { division, role: Role::new(Role::DUTY) }
    }
    pub fn leader(division: Division) -> Seat {
        Seat { division, role: Role::new(Role::SHIFT_LEADER) }
    }
}
impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.division, self.role)
    }
}
impl FromStr for Seat {
    type Err = String;
    fn from_str(s: &str) -> Result<Seat, String> {
        let (division, role) = s.split_once('.').ok_or_else(|| format!("`{s}` is not a seat such as 140521000000.duty"))?;
        let role = Role::new(role);
        if !role.is_desk() {
            return Err(format!("`{s}`: only duty and shift_leader have rotas"));
        }
        Ok(Seat { division: division.parse()?, role })
    }
}
impl Serialize for Seat {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Seat {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Seat, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// One person at one seat for one stretch of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shift {
    pub from: Time,
    /// Past the last moment.
    pub to: Time,
    pub recipient: RecipientId,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}
impl Shift {
    pub fn holds(&self, at: Time) -> bool {
        self.from <= at && at < self.to
    }
    /// Longer than nothing, no longer than [`LONGEST`].
    pub fn is_sound(&self) -> bool {
        self.from < self.to && self.to - self.from <= LONGEST
    }
    /// The Beijing month it begins in, `2026-07`: what its document is named after.
    pub fn month(&self) -> String {
        self.from.beijing().strftime("%Y-%m").to_string()
    }
}

/// All rotas. Each list is sorted and has no shift twice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rotas(BTreeMap<Seat, Vec<Shift>>);

impl Rotas {
    /// Seats with their shifts, in order of time.
    pub fn iter(&self) -> impl Iterator<Item = (&Seat, &[Shift])> {
        self.0.iter().map(|(s, all)| (s, all.as_slice()))
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Every shift of a seat, in order of time.
    pub fn of(&self, seat: &Seat) -> &[Shift] {
        self.0.get(seat).map_or(&[], Vec::as_slice)
    }
    /// The shifts of a seat that hold at some moment of `from..to`.
    pub fn within(&self, seat: &Seat, from: Time, to: Time) -> impl Iterator<Item = &Shift> {
        let all = self.of(seat);
        // None is longer than LONGEST: what began before that is over.
        let first = all.partition_point(|s| s.from + LONGEST < from);
        let end = all.partition_point(|s| s.from < to);
        all.get(first..end.max(first)).unwrap_or_default().iter().filter(move |s| s.to > from)
    }
    /// Who is on duty; several where several share a shift.
    pub fn at(&self, seat: &Seat, now: Time) -> impl Iterator<Item = &Shift> {
        self.within(seat, now, now + Span::ms(1)).filter(move |s| s.holds(now))
    }
    /// Adds a shift; one of the same person at the same time is replaced.
    pub fn put(&mut self, seat: &Seat, shift: Shift) {
        let all = self.0.entry(seat.clone()).or_default();
        all.retain(|s| (s.from, s.to, s.recipient) != (shift.from, shift.to, shift.recipient));
        let at = all.partition_point(|s| *s < shift);
        all.insert(at, shift);
    }
    /// Makes these the truth of a seat for `from..to`: what begins there goes, what began earlier ends there, and goes on
    /// after it where it was longer.
    pub fn replace(&mut self, seat: &Seat, from: Time, to: Time, mut shifts: Vec<Shift>) {
        let all = self.0.entry(seat.clone()).or_default();
        let mut rest: Vec<Shift> = Vec::new();
        all.retain(|s| s.from < from || s.from >= to);
        for s in all.iter_mut().filter(|s| s.from < from && s.to > from) {
            if s.to > to {
                rest.push(Shift { from: to, ..s.clone() });
            }
            s.to = from;
        }
        all.append(&mut rest);
        all.append(&mut shifts);
        all.sort_unstable();
        all.dedup();
        self.tidy(seat);
    }
    /// Takes out the shifts that `gone` names. Answers how many.
    pub fn remove(&mut self, seat: &Seat, gone: impl Fn(&Shift) -> bool) -> usize {
        let Some(all) = self.0.get_mut(seat) else { return 0 };
        let before = all.len();
        all.retain(|s| !gone(s));
        let removed = before - all.len();
        self.tidy(seat);
        removed
    }
    /// Takes a person off every rota.
    pub fn forget(&mut self, id: RecipientId) {
        let seats: Vec<Seat> = self.0.keys().cloned().collect();
        for seat in seats {
            self.remove(&seat, |s| s.recipient == id);
        }
    }
    fn tidy(&mut self, seat: &Seat) {
        if self.0.get(seat).is_some_and(Vec::is_empty) {
            self.0.remove(seat);
        }
    }
    /// Everybody who stands in a rota.
    pub fn people(&self) -> impl Iterator<Item = RecipientId> {
        self.0.values().flatten().map(|s| s.recipient)
    }

    /// As documents: `140521000000.duty.2026-07` → the month's shifts.
    pub fn months(&self) -> BTreeMap<String, RotaMonth> {
        let mut out: BTreeMap<String, RotaMonth> = BTreeMap::new();
        for (seat, shifts) in &self.0 {
            for shift in shifts {
                let month =
                    out.entry(format!("{seat}.{}", shift.month())).or_insert_with(|| RotaMonth { seat: seat.clone(), shifts: Vec::new() });
                month.shifts.push(shift.clone());
            }
        }
        out
    }
    /// Takes a month's document in.
    pub fn take(&mut self, month: RotaMonth) {
        let all = self.0.entry(month.seat.clone()).or_default();
        all.extend(month.shifts);
        all.sort_unstable();
        all.dedup();
        self.tidy(&month.seat);
    }
}

/// The document of one seat and month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RotaMonth {
    pub seat: Seat,
    pub shifts: Vec<Shift>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        Time::parse_rfc3339(&format!("{text}+08:00")).unwrap()
    }
    fn shift(from: &str, to: &str, id: u32) -> Shift {
        Shift { from: at(from), to: at(to), recipient: RecipientId(id), note: String::new() }
    }
    fn on(rotas: &Rotas, now: &str) -> Vec<u32> {
        rotas.at(&Seat::desk("140521".parse().unwrap()), at(now)).map(|s| s.recipient.0).collect()
    }

    #[test]
    fn who_is_on_duty_changes_with_the_shift_and_nobody_is_when_none_is_planned() {
        let mut r = Rotas::default();
        let seat = Seat::desk("140521".parse().unwrap());
        r.put(&seat, shift("2026-07-01T08:00:00", "2026-07-01T20:00:00", 1));
        r.put(&seat, shift("2026-07-01T08:00:00", "2026-07-01T20:00:00", 2));
        r.put(&seat, shift("2026-07-01T20:00:00", "2026-07-02T08:00:00", 3));
        assert_eq!(on(&r, "2026-07-01T07:59:59"), [0u32; 0]);
        assert_eq!(on(&r, "2026-07-01T08:00:00"), [1, 2]);
        assert_eq!(on(&r, "2026-07-01T20:00:00"), [3]);
        assert_eq!(on(&r, "2026-07-02T07:59:59"), [3]);
        assert_eq!(on(&r, "2026-07-02T08:00:00"), [0u32; 0]);
        // A week of July replaced leaves June's end alone.
        r.put(&seat, shift("2026-06-30T20:00:00", "2026-07-01T08:00:00", 9));
        r.replace(
            &seat,
            at("2026-07-01T00:00:00"),
            at("2026-07-08T00:00:00"),
            vec![shift("2026-07-01T08:00:00", "2026-07-08T08:00:00", 4)],
        );
        assert_eq!(r.of(&seat).len(), 2);
        assert_eq!(on(&r, "2026-07-05T03:00:00"), [4]);
        r.forget(RecipientId(4));
        r.forget(RecipientId(9));
        assert!(r.is_empty());
    }

    #[test]
    fn a_new_rota_cuts_earlier_shifts_that_reach_into_it_and_leaves_what_they_have_after_it() {
        let mut r = Rotas::default();
        let seat = Seat::desk("140521".parse().unwrap());
        // A deputy's month, the night before the new week, and a day of that week.
        r.put(&seat, shift("2026-07-01T08:00:00", "2026-08-01T08:00:00", 1));
        r.put(&seat, shift("2026-07-05T20:00:00", "2026-07-06T20:00:00", 2));
        r.put(&seat, shift("2026-07-08T08:00:00", "2026-07-09T08:00:00", 3));
        let (from, to) = ("2026-07-06T08:00:00", "2026-07-13T08:00:00");
        let week = || vec![shift(from, to, 4)];
        for _ in 0..2 {
            r.replace(&seat, at(from), at(to), week());
            assert_eq!(on(&r, "2026-07-06T07:59:59"), [1, 2]);
            assert_eq!(on(&r, "2026-07-06T08:00:00"), [4], "nobody else from the first shift on");
            assert_eq!(on(&r, "2026-07-08T12:00:00"), [4]);
            assert_eq!(on(&r, "2026-07-13T08:00:00"), [1], "the month goes on");
            assert_eq!(r.of(&seat).len(), 4, "and the same rota again changes nothing");
        }
        assert!(r.of(&seat).iter().all(Shift::is_sound));
    }

    #[test]
    fn months_read_back_as_the_same_rotas() {
        let mut r = Rotas::default();
        let seat = Seat::leader("140521101".parse().unwrap());
        r.put(&seat, shift("2026-06-30T20:00:00", "2026-07-01T08:00:00", 1));
        r.put(&seat, shift("2026-07-01T08:00:00", "2026-07-02T08:00:00", 2));
        let months = r.months();
        assert_eq!(months.keys().collect::<Vec<_>>(), ["140521101000.shift_leader.2026-06", "140521101000.shift_leader.2026-07"]);
        let mut back = Rotas::default();
        months.into_values().rev().for_each(|m| back.take(m));
        assert_eq!(back, r);
        assert!("140521.grid".parse::<Seat>().is_err());
        let json = serde_json::to_string(&r).unwrap();
        assert_eq!(serde_json::from_str::<Rotas>(&json).unwrap(), r);
    }
}
