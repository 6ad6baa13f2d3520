//! Where a warning is, and how it comes back.

use super::{
    Archived, Forgetful, Taker, read_out,
    register::{Step, Work},
};
use crate::{
    core::ids::WarningId,
    store::{Key, StoreError, transfer::Piece},
};
use async_trait::async_trait;

/// Where the truth about a warning stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the live store, or nowhere at all.
    Live,
    /// On this gateway's shelf.
    Here,
    /// On other gateways' shelves alone.
    Elsewhere,
}

fn elsewhere(w: WarningId) -> StoreError {
    StoreError::Unavailable(format!("{w} is in the archive of another gateway and is being fetched from there: ask again in a minute"))
}

impl Archived {
    /// Whether a warning may have left. In memory: asked for every commit.
    pub(super) fn may_have_left(&self, w: WarningId) -> bool {
        self.kept().contains_key(&w) || self.register.contains(w)
    }

    /// # Errors
    /// As the live store's.
    pub(super) async fn place(&self, w: WarningId) -> Result<Place, StoreError> {
        if !self.may_have_left(w) || self.is_live(w).await? {
            return Ok(Place::Live);
        }
        self.register.refresh(&*self.live.store).await?;
        // A copy that is not registered is of another installation, or was never finished.
        if !self.register.contains(w) {
            return Ok(Place::Live);
        }
        Ok(if self.has_current_copy(w) { Place::Here } else { Place::Elsewhere })
    }

    /// The shelf here has the copy that is registered.
    pub(super) fn has_current_copy(&self, w: WarningId) -> bool {
        let registered = self.register.digest(w);
        registered.is_some() && self.kept().get(&w) == registered.as_ref()
    }

    pub(super) async fn is_live(&self, w: WarningId) -> Result<bool, StoreError> {
        Ok(self.live.store.load(&[Key::Warning(w)]).await?.into_iter().flatten().next().is_some())
    }

    /// The same, where one that is elsewhere is an error: it is fetched, and who asked asks again.
    pub(super) async fn place_at_hand(&self, w: WarningId) -> Result<Place, StoreError> {
        match self.place(w).await? {
            Place::Elsewhere => {
                self.want(w).await?;
                Err(elsewhere(w))
            }
            place => Ok(place),
        }
    }

    pub(super) async fn want(&self, w: WarningId) -> Result<(), StoreError> {
        let at = self.live.store.now();
        let work = Work { step: Step::Wanted, digest: String::new(), copies: Vec::new(), at };
        self.register.change(&*self.live.store, w, |old| old.is_none().then(|| Some(work.clone()))).await.map(drop)
    }

    /// Brings a warning back, where it has left: nothing of it is changed but in the live store.
    ///
    /// # Errors
    /// `Unavailable` when it could not be done now, or its copy is on another gateway.
    pub async fn bring_back(&self, w: WarningId) -> Result<(), StoreError> {
        if !self.may_have_left(w) {
            return Ok(());
        }
        let _one = self.carrying.lock().await;
        if self.place_at_hand(w).await? == Place::Live {
            return Ok(());
        }
        let digest = self.register.digest(w).unwrap_or_default();
        let at = self.live.store.now();
        // The intent first: whoever was about to forget stops, and if we die, another ends it.
        self.register
            .change(&*self.live.store, w, |old| {
                let copies = old.map(|o| o.copies).unwrap_or_default();
                Some(Some(Work { step: Step::Returning, digest: digest.clone(), copies, at }))
            })
            .await?;
        self.carry_back(w).await?;
        self.end(w, &Step::Returning).await?;
        tracing::info!(warning = %w, "a warning came back from the archive, because something happened to it");
        Ok(())
    }

    /// The intent is carried out.
    pub(super) async fn end(&self, w: WarningId, step: &Step) -> Result<(), StoreError> {
        self.register.change(&*self.live.store, w, |old| old.is_some_and(|o| o.step == *step).then_some(None)).await.map(drop)
    }

    /// The copy into the live store: callouts and places first, the warning's own record last.
    pub(super) async fn carry_back(&self, w: WarningId) -> Result<(), StoreError> {
        let mut back = Back { w, to: &*self.live.forgetful, last: Vec::new() };
        read_out(&*self.shelf, w, &mut back).await?;
        self.live.forgetful.take_in(w, back.last).await
    }
}

/// Into the live store with all but what must come last.
struct Back<'a> {
    w: WarningId,
    to: &'a dyn Forgetful,
    last: Vec<Piece>,
}

#[async_trait]
impl Taker for Back<'_> {
    async fn take(&mut self, pieces: Vec<Piece>) -> Result<(), StoreError> {
        let own = |p: &Piece| match p {
            Piece::Entity(e) => e.key == Key::Warning(self.w),
            Piece::Blob { key, .. } => *key == Key::Warning(self.w),
            Piece::Task(_) => true,
            _ => false,
        };
        let (held, now): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(own);
        self.last.extend(held);
        self.to.take_in(self.w, now).await
    }
}
