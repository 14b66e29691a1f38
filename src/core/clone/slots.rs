//! Room at the service for one more voice.

use crate::base::{Wall, limits};

/// What an account may hold, as the service tells it. `None` = it does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slots {
    /// Whether the plan has cloning.
    pub may_clone: Option<bool>,
    /// Voices that it holds, ours and others'.
    pub used: Option<u64>,
    /// Voices that it may hold.
    pub limit: Option<u64>,
    /// Voices made or changed in this period.
    pub edits: Option<u64>,
    /// Voices that may be made or changed in one.
    pub most_edits: Option<u64>,
}

/// A clone of ours that could make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its row in the ledger.
    pub id: i64,
    /// When it was last used.
    pub used_at: Wall,
}

/// What is to be done for a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    /// There is one.
    Free,
    /// This clone of ours goes first.
    Evict(i64),
    /// There is none, and why nothing can be done about it.
    Full(String),
    /// The plan has no cloning at all.
    NoCloning,
}

/// Decides. `evict`: whether the owner lets clones of ours be deleted for it. A clone that may still speak in a call stays.
pub fn room(slots: &Slots, evict: bool, ours: &[Candidate], now: Wall) -> Room {
    if slots.may_clone == Some(false) {
        return Room::NoCloning;
    }
    if let (Some(edits), Some(most)) = (slots.edits, slots.most_edits)
        && edits >= most
    {
        // Deleting one would not help: the count is of this period.
        return Room::Full(format!("{edits} of {most} changes of voices are used up in this period"));
    }
    let (Some(used), Some(limit)) = (slots.used, slots.limit) else { return Room::Free };
    if used < limit {
        return Room::Free;
    }
    if !evict {
        return Room::Full(format!("{used} of {limit} voices, and `evict` is not set"));
    }
    let idle = ours.iter().filter(|it| it.used_at + limits::CLONE_IN_USE <= now);
    match idle.min_by_key(|it| (it.used_at, it.id)) {
        Some(oldest) => Room::Evict(oldest.id),
        None => Room::Full(format!("{used} of {limit} voices, and none of ours is out of use")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_account_gives_up_only_what_the_owner_lets_go_and_nobody_uses() {
        let hour = |n: i64| Wall(n * 3_600_000);
        let slots = |used, limit| Slots { used: Some(used), limit: Some(limit), ..Slots::default() };
        let ours = [
            Candidate { id: 1, used_at: hour(9) },
            Candidate { id: 2, used_at: hour(2) },
            Candidate { id: 3, used_at: hour(5) },
        ];
        let now = hour(10);
        assert_eq!(room(&slots(9, 10), false, &[], now), Room::Free);
        assert!(matches!(room(&slots(10, 10), false, &ours, now), Room::Full(why) if why.contains("evict")));
        assert_eq!(room(&slots(10, 10), true, &ours, now), Room::Evict(2), "used the longest ago");
        assert!(matches!(room(&slots(11, 10), true, &ours[..1], now), Room::Full(why) if why.contains("out of use")));
        assert!(matches!(room(&slots(11, 10), true, &[], now), Room::Full(_)), "others' voices are theirs");
        assert_eq!(
            room(&Slots::default(), false, &[], now),
            Room::Free,
            "a service that tells nothing will say no itself"
        );
        let spent = Slots { edits: Some(30), most_edits: Some(30), ..slots(1, 10) };
        assert!(matches!(room(&spent, true, &ours, now), Room::Full(why) if why.contains("period")));
        assert_eq!(room(&Slots { may_clone: Some(false), ..slots(0, 10) }, true, &ours, now), Room::NoCloning);
    }
}
