//! Whether the hub judges. It pauses by disabling what takes accounts off the queue of folds: facts keep arriving and are routed, since their
//! stream holds them for 24 hours only, and the messages wait in the queue, which holds them for 14 days.
//!
//! A reserved concurrency of none would be no pause: Lambda goes on receiving messages, gives each back, and after a thousand times it is a
//! dead letter.

use std::time::Duration;

use serde::Serialize;

use super::{
    Hub,
    functions::{FOLD_FINDINGS, Functions, Mapping},
};
use crate::error::{CallError, ErrorKind};

/// Whether accounts are taken off the queue of folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Judging {
    /// They are.
    Runs,
    /// They aren't: somebody paused it.
    Paused,
    /// It is on the way to one of the two.
    Changes,
}

/// Looks after a change until it is there, and the time between two of them. Lambda takes up to a minute.
const LOOKS: (u32, Duration) = (120, Duration::from_secs(1));

impl Judging {
    fn of(mappings: &[Mapping]) -> Self {
        let all_are = |state: &str| mappings.iter().all(|mapping| mapping.state == state);
        match () {
            () if all_are("Enabled") => Judging::Runs,
            () if all_are("Disabled") => Judging::Paused,
            () => Judging::Changes,
        }
    }
}

impl Hub {
    /// Whether accounts are judged.
    pub async fn judging(&self) -> Result<Judging, CallError> {
        Ok(Judging::of(&mappings(&self.functions()?).await?))
    }

    /// Has accounts judged, or no longer, and waits until that is so. Doing it again changes nothing.
    pub async fn set_judging(&self, runs: bool) -> Result<Judging, CallError> {
        let functions = self.functions()?;
        let wanted = if runs { Judging::Runs } else { Judging::Paused };
        let mut judging = Judging::Changes;
        for look in 0..LOOKS.0 {
            if look > 0 {
                self.aws.sleep(LOOKS.1).await;
            }
            let found = mappings(&functions).await?;
            judging = Judging::of(&found);
            if judging == wanted {
                break;
            }
            // One that is on its way can't be changed; it is when it has arrived.
            let changing = found.iter().filter(|mapping| mapping.state == if runs { "Disabled" } else { "Enabled" });
            for mapping in changing {
                functions.set_enabled(mapping, runs).await?;
            }
        }
        Ok(judging)
    }

    pub(super) fn functions(&self) -> Result<Functions, CallError> {
        Functions::new(&self.aws)
    }
}

async fn mappings(functions: &Functions) -> Result<Vec<Mapping>, CallError> {
    let found = functions.mappings(FOLD_FINDINGS).await?;
    if found.is_empty() {
        let why = format!("nothing takes messages for {FOLD_FINDINGS}: is that the hub's account and Region?");
        return Err(CallError::new("look at event source mappings", ErrorKind::NotFound, why));
    }
    Ok(found)
}
