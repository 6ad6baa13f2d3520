//! What a commit of a warning on a chain that is no more says that people were told: an end that was ordered, what
//! officers did. What the warning decided then is decided anew.

use super::{callout::state::Task, time::Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An act that was told as done, in words that the warning as it stands now understands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum LostAct {
    Extended {
        who: String,
        expires: Time,
    },
    PlaceAdded {
        who: String,
        place: String,
    },
    ReturnPermitted {
        who: String,
        places: Vec<String>,
        note: String,
    },
    /// A task as its officer left it.
    Task {
        task: Task,
    },
    /// Something that somebody has to read.
    Read {
        title: String,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub enum Lost {
    /// The order of its end, as it stood in the warning.
    End(Value),
    Act(LostAct),
}

/// `state`: the warning right after the lost commit; `entries`: its journal.
pub fn lost(state: &Value, entries: &[Value]) -> Vec<Lost> {
    entries.iter().flat_map(|e| of_entry(state, e)).collect()
}

fn of_entry(state: &Value, entry: &Value) -> Vec<Lost> {
    let end = || state.get("end").filter(|end| !end.is_null()).cloned().map(Lost::End);
    match entry["e"].as_str().unwrap_or_default() {
        "end_ordered" => end().into_iter().collect(),
        "task" => {
            let Ok(task) = serde_json::from_value::<Task>(entry["task"].clone()) else { return Vec::new() };
            // The officer's word that ends the warning.
            let ends = if task.closed.as_deref() == Some("end") { end() } else { None };
            [Lost::Act(LostAct::Task { task })].into_iter().chain(ends).collect()
        }
        "reply_unmatched" => {
            let at = entry["task"].as_u64().and_then(|n| usize::try_from(n.checked_sub(1)?).ok());
            let title = at.and_then(|at| state["tasks"][at]["title"].as_str());
            title.map(|title| Lost::Act(LostAct::Read { title: title.to_string() })).into_iter().collect()
        }
        // The entry and the act have the same fields.
        "extended" | "place_added" | "return_permitted" => {
            let mut act = entry.clone();
            if let Some(fields) = act.as_object_mut()
                && let Some(name) = fields.remove("e")
            {
                fields.insert("act".to_string(), name);
            }
            serde_json::from_value(act).ok().map(Lost::Act).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task(closed: Option<&str>) -> Value {
        json!({"n": 2, "kind": "decide", "title": "延长还是结束？", "opened": 1, "due": 9, "claimed_by": "李", "closed": closed})
    }

    #[test]
    fn every_act_of_an_officer_is_found_in_what_was_written_of_it() {
        let state = json!({"end": {"reason": "expired"}, "tasks": [{"title": "阅读来信"}]});
        let entries = [
            json!({"e": "extended", "expires": 5, "who": "王"}),
            json!({"e": "place_added", "place": "140521", "who": "王"}),
            json!({"e": "return_permitted", "places": ["a"], "who": "王", "note": "已排查"}),
            json!({"e": "reply_unmatched", "task": 1}),
            json!({"e": "task", "task": task(None)}),
            json!({"e": "task", "task": task(Some("end"))}),
            json!({"e": "end_ordered", "end": {}}),
            json!({"e": "rows", "to": 100}),
        ];
        let all = lost(&state, &entries);
        let acts: Vec<String> = all
            .iter()
            .map(|l| match l {
                Lost::End(order) => order["reason"].to_string(),
                Lost::Act(act) => serde_json::to_value(act).unwrap()["act"].to_string(),
            })
            .collect();
        let named = ["extended", "place_added", "return_permitted", "read", "task", "task", "expired", "expired"];
        assert_eq!(acts, named.map(|n| format!("\"{n}\"")));
        assert_eq!(all[0], Lost::Act(LostAct::Extended { who: "王".into(), expires: Time(5) }));
        assert_eq!(all[3], Lost::Act(LostAct::Read { title: "阅读来信".into() }));
    }

    #[test]
    fn what_says_nothing_gives_nothing() {
        for entry in [json!({}), json!({"e": "task", "task": 7}), json!({"e": "reply_unmatched", "task": 0}), json!({"e": "end_ordered"})] {
            assert_eq!(lost(&json!({"end": null}), std::slice::from_ref(&entry)), [], "{entry}");
        }
    }
}
