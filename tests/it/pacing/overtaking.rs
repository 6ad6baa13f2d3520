//! A red warning among others that were there first.

use super::stage::{Call, LINES, Stage, points, warning};
use crate::simulate::{rng::Rng, town::Builder};
use jiaoying::core::{hazard::Level, time::Span};

#[test]
fn a_red_warnings_calls_find_a_line_at_once_and_take_every_one_that_comes_free() {
    let mut rng = Rng::new(9);
    let mut b = Builder::county();
    let mut people = points(&mut b, 0, 300, true, &mut rng);
    let orange: Vec<String> = people.iter().map(|p| p.phone.clone()).collect();
    people.iter_mut().for_each(|p| p.picks_up = 2);
    people.extend(points(&mut b, 1, 100, false, &mut rng));
    let mut s = Stage::new(b.done(), people);
    let start = s.w.now();
    let mut first = warning("orange", 60.0, None);
    first.level = Level::Orange;
    s.post(&first);
    // Orange is rung after two minutes; a tenth of the lines stays free.
    s.until(start + Span::mins(3), &mut |_, _| {});
    let reserve = LINES / 10;
    assert!((LINES - reserve - 5..=LINES - reserve).contains(&(s.ringing.len() as u32)), "{} of 45 lines are busy", s.ringing.len());

    let mut second = warning("red", 60.0, Some((1, Level::Red)));
    second.areas.remove(0);
    s.post(&second);
    let posted = s.w.now();
    let red = |phone: &String| !orange.contains(phone);
    let mut begun = 0;
    let mut looks = |s: &Stage, call: &Call| {
        if red(&call.phone) {
            begun += 1;
            return;
        }
        let waits = s.people.keys().filter(|p| red(p)).any(|p| !s.rung.contains_key(p));
        assert!(!waits || call.at < posted + Span::secs(30), "{call:?} before a red one");
    };
    s.until(posted + Span::secs(31), &mut looks);
    assert!(s.calls.iter().filter(|c| red(&c.phone)).count() as u32 >= reserve, "the reserve is red's at once");
    s.until(posted + Span::mins(3), &mut looks);
    assert_eq!(s.calls.iter().filter(|c| red(&c.phone)).map(|c| &c.phone).collect::<std::collections::BTreeSet<_>>().len(), 100);
    assert!(begun >= 100);
    assert!(s.most_ringing as u32 <= LINES);
}
