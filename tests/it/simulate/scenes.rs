//! What bureaus post, what officers do, what breaks; and the calm at the end of the night.

use super::{
    acts::Act,
    play::Play,
    town::{COUNTY, SLOPE, TOWNS, division},
    world::{BUREAU, OTHER},
};
use jiaoying::{
    core::{
        callout::state::Relation,
        hazard::{HazardCode, Level},
        ids::{CalloutId, RecipientId, WarningId},
        time::{Span, Time},
        warning::{Area, Content, MessageType, Shape, Status},
        warning_life::{WarningEnd, WarningPhase},
    },
    engine::TokenAction,
};
use std::collections::{BTreeMap, BTreeSet};

const LEVELS: [Level; 5] = [Level::Red, Level::Red, Level::Orange, Level::Yellow, Level::Blue];

/// By this parameter the laws know a drill that was ordered; its identifier may be a real warning's.
pub const REHEARSAL: &str = "rehearsal";

pub fn content(identifier: &str, level: Level, areas: &[&str], sent: Time) -> Content {
    let area = |code: &&str| {
        let shape = if code.starts_with("DZ") { Shape::Point((*code).to_string()) } else { Shape::Division(division(code)) };
        Area { name: None, shape, level: None }
    };
    Content {
        identifier: identifier.into(),
        sender: BUREAU.into(),
        sent,
        status: Status::Actual,
        message_type: MessageType::Alert,
        references: vec![],
        hazard: HazardCode("11B03".into()),
        level,
        headline: "未来3小时雨量将超100毫米".into(),
        description: String::new(),
        instruction: String::new(),
        effective: None,
        onset: None,
        expires: None,
        areas: areas.iter().map(area).collect(),
        event: None,
        stage: None,
        sender_name: None,
        parameters: BTreeMap::new(),
        restricted: false,
    }
}

impl Play {
    /// Writes the night's plot.
    pub fn stage(&mut self) {
        let minutes = self.rng.between(25, 70);
        if self.rng.chance(30) {
            let mut content = self.some_content("drill");
            content.parameters.insert(REHEARSAL.into(), "before".into());
            self.after(Span::ZERO, Act::Drill { content: Box::new(content) });
        }
        if self.rng.chance(25) {
            // A bureau tries its line: nobody must be called.
            let mut test = self.some_content("test");
            test.status = *self.rng.pick(&[Status::Exercise, Status::System, Status::Test, Status::Draft, Status::Test]);
            self.laws.ledger.quiet.insert(test.identifier.clone());
            let t = self.rng.between(0, minutes * 60);
            self.post(t, BUREAU, test);
        }
        let first = self.some_content("first");
        let t = self.rng.between(0, 300);
        self.post(t, BUREAU, first.clone());
        let mut tip = first;
        for n in 0..self.rng.below(4) {
            let t = self.rng.between(20, minutes * 60);
            match self.rng.below(10) {
                0..3 => {
                    let mut next = self.some_content(&format!("update{n}"));
                    next.message_type = MessageType::Update;
                    next.references = vec![tip.identifier.clone()];
                    self.post(t, BUREAU, next.clone());
                    tip = next;
                }
                3 => self.post(t, BUREAU, tip.clone()),
                4 => {
                    let mut cancel = self.some_content(&format!("cancel{n}"));
                    cancel.message_type = MessageType::Cancel;
                    cancel.references = vec![tip.identifier.clone()];
                    cancel.areas.clear();
                    self.post(t, BUREAU, cancel);
                }
                5 => {
                    // The same identifier from another bureau joins the event.
                    if self.posted.iter().any(|p| p.0.sender == OTHER) {
                        continue;
                    }
                    let mut joined = self.some_content("first");
                    joined.sender = OTHER.into();
                    self.post(t, OTHER, joined);
                }
                6 => {
                    let mut other = self.some_content(&format!("other{n}"));
                    other.hazard = HazardCode((*self.rng.pick(&["11A01", "11B06", "11B37"])).into());
                    self.post(t, BUREAU, other);
                }
                7 => {
                    // The county starts its response: the second half of a double call.
                    let mut response = self.some_content(&format!("response{n}"));
                    response.stage = Some((*self.rng.pick(&["Ⅰ级响应", "II级应急响应", "防汛三级应急响应"])).into());
                    response.areas = content("response", response.level, &[COUNTY], self.w.now()).areas;
                    self.post(t, BUREAU, response);
                }
                8 => {
                    // The cancel comes before what it cancels.
                    let late = self.some_content(&format!("late{n}"));
                    let mut cancel = late.clone();
                    cancel.identifier = format!("early-cancel{n}");
                    cancel.message_type = MessageType::Cancel;
                    cancel.references = vec![late.identifier.clone()];
                    cancel.areas.clear();
                    self.post(t, BUREAU, cancel);
                    let later = t + self.rng.between(0, 60);
                    self.post(later, BUREAU, late);
                }
                _ => {
                    // A rehearsal of a real warning bears its identifier; two rehearsals have two.
                    let mut content = self.some_content(&if n == 0 { "first".to_string() } else { format!("drill{n}") });
                    content.parameters.insert(REHEARSAL.into(), n.to_string());
                    self.after(Span::secs(t), Act::Drill { content: Box::new(content) });
                }
            }
        }
        for _ in 0..self.rng.below(4) {
            let t = self.rng.between(0, minutes * 60_000);
            self.after(Span(t), Act::Crash);
        }
        self.after(Span::secs(45), Act::Officers);
        self.after(Span::mins(minutes), Act::Calm);
    }

    fn post(&mut self, seconds: i64, issuer: &'static str, content: Content) {
        if !self.posted.iter().any(|p| p.0 == content) {
            self.posted.push((content.clone(), None));
        }
        self.after(Span::secs(seconds), Act::Post { issuer, content: Box::new(content) });
    }

    fn some_content(&mut self, name: &str) -> Content {
        let village = self.rng.pick(&self.town.villages).clone();
        let level = *self.rng.pick(&LEVELS);
        let areas: Vec<&str> = match self.rng.below(6) {
            0 | 1 => vec![COUNTY],
            2 | 3 => vec![*self.rng.pick(&TOWNS)],
            4 if self.town.directory.points.contains_key(SLOPE) => vec![SLOPE],
            _ => vec![&village],
        };
        let mut c = content(name, level, &areas, self.w.now());
        if self.rng.chance(20) {
            c.expires = Some(self.w.now() + Span::mins(self.rng.between(10, 60)));
        }
        c
    }

    /// Officers take up some of their tasks, finish some, let some lapse.
    pub fn officers_look(&mut self) {
        let again = self.rng.between(20, 80);
        self.after(Span::secs(again), Act::Officers);
        let tasks = super::poll::now(self.w.store.inner.tasks(None, true, 50)).unwrap_or_default();
        for t in tasks {
            let officer = *self.rng.pick(&["甲", "乙"]);
            if !self.calm && !self.rng.chance(self.officers_work / 2) {
                continue;
            }
            if t.kind == "decide" {
                let act = match t.warning {
                    Some(id) if self.rng.chance(40) && !self.calm => Act::Extend { id },
                    _ => Act::Complete { task: t.id, officer, outcome: "end", reached: None },
                };
                self.after(Span::secs(1), act);
                continue;
            }
            self.after(Span::secs(1), Act::Claim { task: t.id.clone(), officer });
            if !self.calm && self.rng.chance(20) {
                continue;
            }
            let reached = match self.rng.below(5) {
                _ if t.kind == "read" => None,
                0 | 1 => None,
                2 => Some("holder".to_string()),
                3 => Some("村民老李".to_string()),
                _ => t.callout.and_then(|c| self.somebody(c)).map(|p| p.to_string()),
            };
            let outcome = if reached.is_some() { "reached" } else { "not_reached" };
            let wait = self.rng.between(3, 400);
            self.after(Span::secs(wait), Act::Complete { task: t.id, officer, outcome, reached });
        }
        if !self.calm && self.rng.chance(6) {
            let open: Vec<CalloutId> = self.laws.all_callouts().filter(|c| c.state.is_open()).map(|c| c.id).collect();
            if !open.is_empty() {
                let id = *self.rng.pick(&open);
                self.after(Span::secs(2), Act::Manual { id });
            }
        }
    }

    /// The places of a warning's callouts.
    fn places_called(&mut self, id: WarningId) -> BTreeSet<String> {
        let ids: Vec<CalloutId> = self.laws.all_callouts().map(|c| c.id).filter(|c| c.warning == id).collect();
        let plans = ids.into_iter().filter_map(|c| self.laws.plan(&self.w, c));
        plans.flat_map(|p| p.entry().posts.iter().map(|post| post.place.id()).collect::<Vec<_>>()).collect()
    }

    fn somebody(&mut self, id: CalloutId) -> Option<RecipientId> {
        let contacts = self.laws.shadow(id)?.contacts.clone();
        Some(self.rng.pick(&contacts).id)
    }

    pub fn officer_speaks(&mut self, task: &str, reached: bool) {
        let owner = task.strip_prefix("t-").and_then(|t| t.rsplit_once('-')).and_then(|(owner, _)| owner.parse::<CalloutId>().ok());
        if let (Some(id), true) = (owner, reached) {
            self.laws.ledger.officers.push(id);
        }
    }

    pub fn calm_down(&mut self) {
        self.calm = true;
        self.queue.retain(|_, a| !matches!(a, Act::Crash));
        self.after(Span::secs(1), Act::Tidy);
    }

    /// Everybody who has not yet does what is asked of him; then the warnings are ended.
    pub fn tidy(&mut self) {
        let callouts: Vec<_> = self.laws.all_callouts().cloned().collect();
        for c in &callouts {
            if c.state.is_open() && !c.told_only {
                let act = match self.rng.below(3) {
                    0 => Act::Manual { id: c.id },
                    _ => Act::Link { id: c.id, contact: 0, action: TokenAction::Answer },
                };
                self.after(Span::secs(1), act);
            } else if c.feedback_owed() {
                let contact = self.contact_of(c.id, Relation::Holder).unwrap_or(0);
                self.after(Span::secs(1), Act::Report { id: c.id, contact });
            }
        }
        for w in self.w.warnings() {
            let answered = w.phase == WarningPhase::Closed && w.closed_reason == Some(WarningEnd::Answered);
            if w.is_over() && w.returns.is_empty() && w.plan.entries > 0 && self.rng.chance(30) {
                let places: Vec<String> = self.places_called(w.id).into_iter().filter(|_| self.rng.chance(60)).collect();
                self.after(Span::secs(1), Act::Return { id: w.id, places });
            }
            let tired = w.phase == WarningPhase::Active && self.rng.chance(10);
            if (answered || tired) && w.end.is_none() && w.plan.entries > 0 {
                self.after(Span::secs(5), Act::Cancel { id: w.id });
            }
        }
        self.after(Span::secs(30), Act::Tidy);
    }
}
