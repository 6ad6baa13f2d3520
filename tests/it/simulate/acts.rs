//! What happens at a moment: how each act begins, and what it came to.

use super::{laws::Law, play::Play, poll::Task, world};
use jiaoying::{
    channel::CallbackItem,
    core::{
        callout::state::{Relation, Report},
        drill::DrillScope,
        ids::{CalloutId, WarningId},
        time::Span,
        warning::{Content, Parsed},
    },
    engine::{
        ActError, Officer, PostError, PostReply, TokenAction, Turn,
        dispatcher::{Done, LookupJob},
        limits::InFlight,
    },
    store::StoreError,
};

/// Something that happens at a moment.
pub enum Act {
    Outcome {
        epoch: u32,
        reference: String,
        done: Done,
        slot: Option<InFlight>,
    },
    Callback {
        account: String,
        items: Vec<CallbackItem>,
    },
    Lookup {
        epoch: u32,
        job: LookupJob,
    },
    Link {
        id: CalloutId,
        contact: u8,
        action: TokenAction,
    },
    Report {
        id: CalloutId,
        contact: u8,
    },
    Post {
        issuer: &'static str,
        content: Box<Content>,
    },
    Drill {
        content: Box<Content>,
    },
    Cancel {
        id: WarningId,
    },
    Extend {
        id: WarningId,
    },
    /// People may go back to these places.
    Return {
        id: WarningId,
        places: Vec<String>,
    },
    Claim {
        task: String,
        officer: &'static str,
    },
    Complete {
        task: String,
        officer: &'static str,
        outcome: &'static str,
        reached: Option<String>,
    },
    Manual {
        id: CalloutId,
    },
    /// Officers look at their list.
    Officers,
    Crash,
    /// The chaos is over: everybody answers, reports, does his work.
    Calm,
    /// Whoever has not answered, reported or worked does so now.
    Tidy,
}

/// What an act came to.
pub enum Came {
    Turn(Result<Turn, StoreError>),
    Done(Result<(), StoreError>),
    Act(Act, Result<(), ActError>),
    Post(Act, Result<PostReply, PostError>),
}

impl Play {
    /// Starts an act; what people do is written down as they do it.
    pub fn begin(&mut self, act: Act, tasks: &mut Vec<Task<Came>>) {
        let e = self.w.engine.clone();
        match act {
            Act::Outcome { epoch, reference, done, slot } => {
                drop(slot);
                if epoch == self.w.epoch {
                    self.outcome_known(&reference, &done);
                    tasks.push(Box::pin(async move { Came::Done(e.record(vec![done]).await) }));
                }
            }
            Act::Callback { account, items } => {
                self.witness(&items);
                tasks.push(Box::pin(async move {
                    let body = serde_json::to_vec(&items).unwrap_or_default();
                    let kept = e.park_callback(&account, Some("application/json"), &body).await.map(|_| ());
                    Came::Act(Act::Callback { account, items }, kept)
                }));
            }
            Act::Lookup { epoch, job } => {
                if epoch == self.w.epoch {
                    tasks.push(Box::pin(async move { Came::Done(e.look_up(job).await) }));
                }
            }
            Act::Link { id, contact, action } => {
                let whose = self.w.callout(id).and_then(|c| c.contacts.get(usize::from(contact)).map(|k| k.id));
                if let (Some(person), TokenAction::Answer) = (whose, action) {
                    self.laws.ledger.links.push((id, person));
                }
                let token = self.w.token(id, contact);
                tasks.push(Box::pin(async move {
                    let r = e.token_act(&token, action).await.map(|_| ());
                    Came::Act(Act::Link { id, contact, action }, r)
                }));
            }
            Act::Report { id, contact } => {
                let whose = self.w.callout(id).and_then(|c| c.contacts.get(usize::from(contact)).map(|k| k.id));
                if let Some(person) = whose {
                    self.laws.ledger.links.push((id, person));
                }
                let token = self.w.token(id, contact);
                let people = self.rng.below(40) as u32;
                let report = Report { on_post: self.rng.chance(80), to_move: people, moved: people / 2, ..Report::default() };
                // Some forget one of their places, until they are reminded.
                let all = self.rng.chance(70);
                tasks.push(Box::pin(async move {
                    let r = async {
                        let c = e.open_token(&token).await?.parts;
                        let places: Vec<String> = c.entry().into_iter().flat_map(|e| &e.posts).map(|p| p.place.id()).collect();
                        let missing = places.iter().position(|p| !c.callout.reports.contains_key(p)).unwrap_or(0);
                        for place in places.iter().skip(missing).take(if all { usize::MAX } else { 1 }) {
                            e.token_feedback(&token, Report { place: place.clone(), ..report.clone() }).await?;
                        }
                        Ok(())
                    };
                    Came::Act(Act::Report { id, contact }, r.await)
                }));
            }
            Act::Post { issuer, content } => tasks.push(Box::pin(async move {
                let from = world::issuer(issuer);
                let parsed = Parsed { content: (*content).clone(), findings: vec![] };
                let r = e.post_warning(&from, parsed, b"{}").await;
                Came::Post(Act::Post { issuer, content }, r)
            })),
            Act::Drill { content } => {
                self.laws.ledger.drills.extend(content.parameters.get(super::scenes::REHEARSAL).cloned());
                tasks.push(Box::pin(async move {
                    let r = e.start_drill_of("值班员", (*content).clone(), DrillScope::default(), true).await;
                    Came::Post(Act::Drill { content }, r)
                }));
            }
            Act::Cancel { id } => tasks.push(Box::pin(async move {
                let r = e.cancel_warning(id, "值班员", "雨停了").await;
                Came::Act(Act::Cancel { id }, r)
            })),
            Act::Extend { id } => {
                let until = self.w.now() + Span::mins(20);
                tasks.push(Box::pin(async move {
                    let r = e.extend_warning(id, "值班员", until).await;
                    Came::Act(Act::Extend { id }, r)
                }));
            }
            Act::Return { id, places } => tasks.push(Box::pin(async move {
                let r = e.permit_return(id, "值班员", &places, "已到现场复核").await;
                Came::Act(Act::Return { id, places }, r)
            })),
            Act::Claim { task, officer } => tasks.push(Box::pin(async move {
                let r = e.claim_task(&task, officer).await;
                Came::Act(Act::Claim { task, officer }, r)
            })),
            Act::Complete { task, officer, outcome, reached } => {
                self.officer_speaks(&task, reached.is_some());
                tasks.push(Box::pin(async move {
                    let r = e.complete_task(&task, Officer::at_screen(officer), outcome, reached.as_deref(), None).await;
                    Came::Act(Act::Complete { task, officer, outcome, reached }, r)
                }));
            }
            Act::Manual { id } => {
                self.laws.ledger.officers.push(id);
                tasks.push(Box::pin(async move {
                    let r = e.acknowledge(id, Officer::at_screen("值班员"), "电台", None, None).await.map(|_| ());
                    Came::Act(Act::Manual { id }, r)
                }));
            }
            Act::Officers => self.officers_look(),
            Act::Crash => {
                let (batches, applied) = (self.rng.below(12), self.rng.chance(50));
                self.w.store.light_fuse(batches, applied);
            }
            Act::Calm => self.calm_down(),
            Act::Tidy => self.tidy(),
        }
    }

    pub fn ended(&mut self, came: Came, killed: bool) {
        match came {
            Came::Turn(Ok(turn)) => {
                for job in turn.jobs {
                    self.carry(job, killed);
                }
            }
            // The turn of a killed gateway: what it had claimed is leased and comes back.
            Came::Turn(Err(e)) | Came::Done(Err(e)) => {
                self.laws.demand(Law::Clock, killed, || format!("the engine fails: {e}"));
            }
            Came::Done(Ok(())) => {}
            Came::Act(act, Err(ActError::Store(e))) => {
                self.laws.demand(Law::Clock, killed, || format!("the engine fails: {e}"));
                // Nobody was told that it was kept: providers, people and officers try again.
                self.after(Span::secs(2), act);
            }
            Came::Act(Act::Link { id, contact, action: TokenAction::Answer }, result) => self.answered(id, contact, result),
            Came::Act(_, _) => {}
            Came::Post(act, Err(PostError::Store(e))) => {
                self.laws.demand(Law::Clock, killed, || format!("the engine fails: {e}"));
                self.after(Span::secs(2), act);
            }
            Came::Post(Act::Post { content, .. } | Act::Drill { content }, result) => match result {
                Ok(reply) => {
                    if let Some(p) = self.posted.iter_mut().find(|p| p.0 == *content) {
                        p.1 = Some(reply.id);
                        self.warnings_changed = true;
                    }
                }
                Err(e) => self.laws.demand(Law::Clock, false, || format!("{} is refused: {e}", content.identifier)),
            },
            Came::Post(_, Ok(_)) => {}
            Came::Post(_, Err(e)) => self.laws.demand(Law::Clock, false, || format!("refused: {e}")),
        }
    }

    /// These were answered: it must show.
    pub fn owe(&mut self, ids: impl IntoIterator<Item = CalloutId>) {
        let by = self.w.now() + Span::secs(60);
        self.owed.extend(ids.into_iter().map(|id| (id, by)));
    }

    fn answered(&mut self, id: CalloutId, contact: u8, result: Result<(), ActError>) {
        let relation = self.w.callout(id).and_then(|c| c.contacts.get(usize::from(contact)).map(|k| k.relation));
        match result {
            Ok(()) if relation == Some(Relation::Holder) => {
                self.counts.answered += 1;
                self.owe([id]);
            }
            Ok(()) => {}
            Err(e) => self.laws.demand(Law::Clock, false, || format!("the button of {id} is refused: {e}")),
        }
    }
}
