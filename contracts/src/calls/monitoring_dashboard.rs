//! The calls of monitoring-dashboard. Its pages are not among them.

use super::Access;
use crate::Scope::{Operator, Viewer};
use crate::backup::Restored;
use crate::monitoring::{Archive, ArchiveDay, SignInLink, Sla, Stats};

const READERS: Access = Access::Scopes(&[Viewer, Operator]);
const OWNER: Access = Access::Scopes(&[Operator]);

calls! { MonitoringDashboard:
    /// Read today's figures; an owner that does not answer leaves a gap.
    Get ReadStats "/api/stats" {
        access: READERS,
        reply: Stats,
    }
    /// Read uptime, latency, accuracy and cost.
    Get ReadSla "/api/sla" {
        access: READERS,
        reply: Sla,
    }
    /// List the archived days, the newest first.
    Get ListArchive "/api/archive" {
        access: READERS,
        reply: Archive,
    }
    /// Read the metrics of one day.
    Get ReadArchiveDay "/api/archive/{day}" {
        access: READERS,
        refusals: [NotFound],
        params: String,
        reply: ArchiveDay,
    }
    /// Make a link that signs the owner in once, within ten minutes.
    Post MakeSignInLink "/api/sign-in-links" {
        access: OWNER,
        reply: SignInLink,
    }
    /// Put the archived metrics back.
    Post Restore "/api/restore" {
        access: OWNER,
        idempotent: true,
        reply: Restored,
    }
}
