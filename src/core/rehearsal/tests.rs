//! What a rehearsal tells of places whose people cannot be reached in time.

use super::*;

const VILLAGE: &str = "140521101201";

fn person(name: &str, rule: AnswerRule) -> PersonPlan {
    PersonPlan {
        order: 0,
        recipient: RecipientId(1),
        name: name.into(),
        phone: None,
        tier: Tier::Village,
        level: Level::Red,
        place: Place { division: VILLAGE.parse().unwrap(), point: None },
        place_name: "梁庄村".into(),
        title: String::new(),
        places: BTreeMap::from([(VILLAGE.to_string(), rule)]),
        ladder: "L1".into(),
        answer: true,
        due_at: Time(300_000),
        unreachable: false,
        rungs: Arc::default(),
        contacts: Vec::new(),
        late: false,
        silent: 0.5,
        first_call: None,
    }
}

/// Why the village is missed, where so many of its people are rung in time, too late, and never.
fn why(rule: AnswerRule, in_time: usize, late: usize, never: usize) -> Option<String> {
    let of = |n: usize, late, unreachable| (0..n).map(move |_| PersonPlan { late, unreachable, ..person("某", rule) });
    let all: Vec<PersonPlan> = of(in_time, false, false).chain(of(late, true, false)).chain(of(never, true, true)).collect();
    let missed = misses(&all);
    assert!(missed.len() < 2 && missed.iter().all(|m| m.name == "梁庄村" && m.persons == all.len()));
    missed.into_iter().next().map(|m| m.why)
}

#[test]
fn a_place_is_missed_where_its_answer_rule_cannot_hold_in_time() {
    use AnswerRule::{Any, Each, N};
    for rule in [Each, Any, N(2)] {
        assert_eq!(why(rule, 3, 0, 0), None, "{rule:?}");
        assert_eq!(why(rule, 0, 2, 0).as_deref(), Some("2人在时限前都轮不到电话"), "{rule:?}");
        assert_eq!(why(rule, 0, 0, 2).as_deref(), Some("2人都没有可用的联系方式"), "{rule:?}");
    }
    assert_eq!(why(Each, 4, 1, 0).as_deref(), Some("1人在时限前轮不到电话（5人，人人都要应答）"));
    assert_eq!(why(Each, 1, 1, 1).as_deref(), Some("1人没有可用的联系方式，1人在时限前轮不到电话（3人，人人都要应答）"));
    assert_eq!(why(Any, 1, 3, 0), None, "one is enough");
    assert_eq!(why(N(2), 2, 0, 1), None);
    assert_eq!(why(N(2), 1, 0, 1).as_deref(), Some("1人没有可用的联系方式（2人，须有2人应答）"));
    assert_eq!(why(N(2), 1, 0, 0), None, "nobody there is missing: who answers is all there are");
}

#[test]
fn of_two_lines_that_meet_at_a_place_each_keeps_its_own_rule() {
    let both = [person("甲", AnswerRule::Each), PersonPlan { late: true, ..person("乙", AnswerRule::Any) }];
    assert!(misses(&both).is_empty(), "the second is let off by the first");
    let both = [PersonPlan { late: true, ..person("甲", AnswerRule::Each) }, person("乙", AnswerRule::Any)];
    assert_eq!(misses(&both).len(), 1, "the first is let off by nobody");
}
