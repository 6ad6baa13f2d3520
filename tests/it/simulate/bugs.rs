//! Planted bugs, one of each kind, at the seams: a careless store, a careless reader of callbacks, a
//! careless sender. The law that must catch each stands beside it.

use super::{laws::Law, rng::Rng};
use jiaoying::{
    channel::{CallbackItem, ReceiptResult},
    core::callout::state::CalloutState,
    store::{Commit, Head, Key, Record},
};
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// An open callout is stored without its clock.
    ForgetDue,
    /// A letter between two records is lost.
    LoseLetter,
    /// A person of the plan never becomes a row.
    LoseRow,
    TallyOffByOne,
    /// The countable face says something else than the state.
    WrongFace,
    /// The request leaves, its intent was never stored.
    UndurableIntent,
    /// A request of unknown fate is sent again at once.
    ResendUnknown,
    /// A lifted receiver is read as a key.
    ReceiptAsKey,
    /// Any text is read as an answer.
    TextAsAnswer,
    /// A desk's key counts as the holder's.
    DeskAnswers,
    /// The end is sent while an ask is still on its way.
    EndOvertakes,
    /// Those already told are not told the end.
    EndForgotten,
    UnmarkedDrill,
    /// A real warning leaves a drill running.
    DrillGoesOn,
    /// A test message of a bureau is read as an actual one.
    TestRings,
    /// A real warning is stored as if it were a drill.
    CountedAsDrill,
    /// The last writer wins, whatever he had read.
    NoHeadCheck,
    /// An answered callout is called again.
    Unanswer,
    /// Rungs move the deadline.
    MovedDeadline,
    /// A second call while one rings.
    SecondCall,
}

impl Bug {
    pub const ALL: [(Bug, Law); 20] = [
        (Bug::ForgetDue, Law::Clock),
        (Bug::LoseLetter, Law::Clock),
        (Bug::LoseRow, Law::Sum),
        (Bug::TallyOffByOne, Law::Sum),
        (Bug::WrongFace, Law::Sum),
        (Bug::UndurableIntent, Law::Intent),
        (Bug::ResendUnknown, Law::Intent),
        (Bug::ReceiptAsKey, Law::Evidence),
        (Bug::TextAsAnswer, Law::Evidence),
        (Bug::DeskAnswers, Law::Evidence),
        (Bug::EndOvertakes, Law::Order),
        (Bug::EndForgotten, Law::Order),
        (Bug::UnmarkedDrill, Law::Drill),
        (Bug::DrillGoesOn, Law::Drill),
        (Bug::TestRings, Law::Drill),
        (Bug::CountedAsDrill, Law::Drill),
        (Bug::NoHeadCheck, Law::Trail),
        (Bug::Unanswer, Law::Trail),
        (Bug::MovedDeadline, Law::Trail),
        (Bug::SecondCall, Law::OneCall),
    ];

    /// How often it shows itself.
    pub fn strikes(self, rng: &mut Rng) -> bool {
        match self {
            Bug::LoseLetter | Bug::ForgetDue | Bug::WrongFace => rng.chance(5),
            Bug::UndurableIntent | Bug::LoseRow => rng.chance(20),
            _ => true,
        }
    }

    /// Spoils a commit; true: it is lost although it is said to be done.
    pub fn spoils(self, c: &mut Commit) -> bool {
        let callout = matches!(c.key, Key::Callout(_));
        let open = c.face.as_ref().is_some_and(|f| f.state.is_open());
        match self {
            Bug::ForgetDue if open => c.due = None,
            Bug::LoseLetter => drop(c.send.pop()),
            Bug::DrillGoesOn => c.send.retain(|e| !text(&e.body).contains("演练停止")),
            Bug::CountedAsDrill if matches!(c.key, Key::Warning(_)) && !text(&c.body).contains(r#""issuer":"drill:"#) => {
                c.body = text(&c.body).replace(r#""drill":false"#, r#""drill":true"#).into_bytes();
            }
            Bug::LoseRow => return callout && c.expect == Head::NONE,
            Bug::WrongFace if open => {
                if let Some(f) = &mut c.face {
                    f.state = CalloutState::Closed;
                }
            }
            Bug::UndurableIntent => return callout && text(&c.journal).contains(r#""e":"sending""#),
            Bug::Unanswer if callout => c.body = text(&c.body).replace(r#""state":"reported""#, r#""state":"calling""#).into_bytes(),
            Bug::MovedDeadline if callout && text(&c.journal).contains(r#""e":"climbed","rung":1"#) => edit(&mut c.body, |v| {
                v["due_at"] = json!(v["due_at"].as_i64().unwrap_or(0) + 60_000);
            }),
            Bug::EndForgotten
                if callout && text(&c.journal).contains(r#""e":"ended""#) && !text(&c.journal).contains(r#""e":"sending""#) =>
            {
                edit(&mut c.journal, |v| {
                    let Some(all) = v.as_array_mut() else { return };
                    all.retain(|e| e["kind"] != "end");
                    all.iter_mut().filter(|e| e["e"] == "ended").for_each(|e| e["to_tell"] = json!([]));
                });
                edit(&mut c.body, |v| {
                    v["ending"].as_object_mut().map(|e| e.remove("to_tell"));
                    if let Some(a) = v["attempts"].as_array_mut() {
                        a.retain(|a| a["kind"] != "end");
                    }
                });
                c.send.retain(|e| !text(&e.body).contains(r#""kind":"end""#));
                c.head = c.expect.after(&c.journal);
            }
            _ => {}
        }
        false
    }

    pub fn misreads(self, r: &mut Record) {
        match (self, &r.key) {
            (Bug::EndOvertakes, Key::Callout(_)) if text(&r.body).contains(r#""ending":"#) => {
                r.body = text(&r.body).replace(r#""state":"sending""#, r#""state":"accepted""#).into_bytes();
            }
            (Bug::DeskAnswers, Key::Callout(_)) => {
                r.body = text(&r.body).replace(r#""relation":"duty_desk","person""#, r#""relation":"holder","person""#).into_bytes();
            }
            (Bug::TestRings, Key::Warning(_)) => {
                r.body = text(&r.body).replace(r#""status":"test""#, r#""status":"actual""#).into_bytes();
            }
            (Bug::SecondCall, Key::Line(_)) => edit(&mut r.body, |v| {
                v.as_object_mut().map(|o| o.remove("flights"));
            }),
            _ => {}
        }
    }

    pub fn misread_callback(self, item: &mut CallbackItem) {
        match (self, item) {
            (Bug::ReceiptAsKey, CallbackItem::Receipt { result: ReceiptResult::CallEnded { heard: true, .. }, keys, .. }) => {
                *keys = Some("1".into());
            }
            (Bug::TextAsAnswer, CallbackItem::Reply { text, .. }) => *text = "收到".into(),
            _ => {}
        }
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn edit(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Value)) {
    let mut v: Value = serde_json::from_slice(bytes).unwrap();
    change(&mut v);
    *bytes = serde_json::to_vec(&v).unwrap();
}
