//! Every operation of the HTTP side in one table: method, path, who may, what goes in, what comes
//! out. The router, the guard and the API document are all made from it, so that a path cannot
//! exist without a rule and a line of documentation.

use crate::config::Role;
use std::fmt;

/// The contract's limit for a warning, in bytes; the default for every other body too.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// A sheet of persons may be larger.
const SHEET_LIMIT: usize = 32 * 1024 * 1024;

/// Who may use an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody: nothing is told and nothing changed.
    Open,
    /// Whoever holds the unguessable token in the path: the person called.
    Recipient,
    /// The provider that was given the secret in the path.
    Provider,
    /// A token with one of the roles; with `issuer`, an issuer too (its own warnings only).
    Callers { roles: &'static [Role], issuer: bool },
}
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Open => f.write_str("everybody"),
            Who::Recipient => f.write_str("the person called"),
            Who::Provider => f.write_str("the provider"),
            Who::Callers { roles, issuer } => {
                let mut names: Vec<&str> = roles.iter().map(|r| r.as_str()).collect();
                if *issuer {
                    names.push("issuer");
                }
                f.write_str(&names.join(" or "))
            }
        }
    }
}

/// Which handler serves an operation; also the `operationId` of the API document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Id {
    PostWarning,
    ListWarnings,
    GetWarning,
    GetTally,
    GetForecast,
    ListCallouts,
    CancelWarning,
    ExtendWarning,
    AddPlaces,
    GetFeedback,
    PermitReturn,
    ExplainPolicy,
    ListPolicies,
    GetPolicy,
    SearchCallouts,
    GetCallout,
    Acknowledge,
    GiveFeedback,
    ListTasks,
    ClaimTask,
    CompleteTask,
    Events,
    ListRecipients,
    GetRecipient,
    AddRecipient,
    ChangeRecipient,
    RemoveRecipient,
    RecipientHistory,
    ListPosts,
    GetPost,
    AddPost,
    ChangePost,
    RemovePost,
    ListPoints,
    GetPoint,
    AddPoint,
    ChangePoint,
    RemovePoint,
    ListRotas,
    AddShift,
    ChangeShift,
    RemoveShift,
    ImportDirectory,
    ExportDirectory,
    DirectoryHistory,
    StartDrill,
    ListProviders,
    PinProvider,
    UnpinProvider,
    DisableProvider,
    EnableProvider,
    ListDrills,
    CallRoll,
    Roll,
    DrillReport,
    Coverage,
    CoverageSheet,
    ListCalled,
    ConfirmDirectory,
    Rehearse,
    CoveragePage,
    AnswerPage,
    Answer,
    AnswerFeedback,
    Callback,
    Health,
    Ready,
    Metrics,
    OpenApi,
    StatusPage,
    StatusScript,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub id: Id,
    /// `GET`, `POST`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// As axum and OpenAPI both write it: `/api/v1/warnings/{id}`.
    pub path: &'static str,
    pub who: Who,
    /// One line for the API document.
    pub summary: &'static str,
    /// Query parameters: name, meaning.
    pub query: &'static [(&'static str, &'static str)],
    /// Media type and schema of the body.
    pub body: &'static [(&'static str, &'static str)],
    /// Status and schema (or media type, where it holds a `/`) of success.
    pub success: &'static [(u16, &'static str)],
    /// Statuses of refusal beyond 401 and 403.
    pub refusals: &'static [u16],
    /// The longest body, bytes.
    pub limit: usize,
    /// For browsers: signing in is asked for in their way.
    pub page: bool,
}

impl Operation {
    /// Changes nothing.
    pub fn is_read(&self) -> bool {
        self.method == "GET"
    }
    /// Answers with a page for people; its faults are told in Chinese too.
    pub fn shows_pages(&self) -> bool {
        self.success.iter().any(|(_, what)| *what == "text/html")
    }
}

const VIEWER: Who = Who::Callers { roles: &[Role::Viewer], issuer: false };
const OPERATOR: Who = Who::Callers { roles: &[Role::Operator], issuer: false };
const ADMIN: Who = Who::Callers { roles: &[Role::Admin], issuer: false };
const MONITORING: Who = Who::Callers { roles: &[Role::Monitoring], issuer: false };
const ISSUER: Who = Who::Callers { roles: &[], issuer: true };
const VIEWER_OR_ISSUER: Who = Who::Callers { roles: &[Role::Viewer], issuer: true };
const OPERATOR_OR_ISSUER: Who = Who::Callers { roles: &[Role::Operator], issuer: true };

/// What rows leave out.
const GET: Operation = Operation {
    id: Id::Health,
    method: "GET",
    path: "/",
    who: VIEWER,
    summary: "",
    query: &[],
    body: &[],
    success: &[],
    refusals: &[400, 404],
    limit: BODY_LIMIT,
    page: false,
};
const POST: Operation = Operation { method: "POST", who: OPERATOR, refusals: &[400, 404, 409, 413, 415, 422, 503], ..GET };
const PATCH: Operation =
    Operation { method: "PATCH", who: ADMIN, refusals: &[400, 404, 409, 412, 413, 415, 422, 503], query: &[FORCE], ..POST };
const DELETE: Operation = Operation { method: "DELETE", success: &[(204, "nothing")], refusals: &[400, 404, 409, 412, 503], ..PATCH };
const PAGE: Operation = Operation { success: &[(200, "text/html")], refusals: &[], ..GET };

const PAGING: (&str, &str) = ("limit", "how many items at most, 1 to 500; 100 if not given");
const CURSOR: (&str, &str) = ("cursor", "`next_cursor` of the page before");
const REVEAL: (&str, &str) = ("reveal", "`true`: phone numbers in full; operators and admins only, and it is recorded");
const FORCE: (&str, &str) = ("force", "`true`: also where a place is left without anybody to call");
const DIVISION: (&str, &str) = ("division", "inside this division, 2 to 12 digits");

const COVERAGE: &[(&str, &str)] = &[
    DIVISION,
    ("hazard", "only for this event code"),
    ("level", "only for this level: `red`, `orange`, `yellow`, `blue` or `unknown`"),
    ("kind", "only gaps of this kind, such as `nobody` or `dead_number`"),
    PAGING,
    CURSOR,
];

/// The table.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        id: Id::PostWarning,
        path: "/api/v1/warnings",
        who: ISSUER,
        summary: "Take in a warning; 202 once it is durable, 200 if it was taken in before",
        body: &[("application/json", "Warning"), ("application/cap+xml", "text"), ("application/xml", "text"), ("text/xml", "text")],
        success: &[(202, "PostReply"), (200, "PostReply")],
        refusals: &[400, 409, 413, 415, 422, 429, 503],
        ..POST
    },
    Operation {
        id: Id::ListWarnings,
        path: "/api/v1/warnings",
        summary: "Warnings, newest first, each with its tally",
        query: &[
            ("state", "`accepted`, `active` or `closed`"),
            ("hazard", "an event code or its beginning"),
            ("level", "`red`, `orange`, `yellow`, `blue` or `unknown`"),
            DIVISION,
            ("drill", "`true`: drills only; `false`: without drills"),
            PAGING,
            CURSOR,
        ],
        success: &[(200, "WarningPage")],
        ..GET
    },
    Operation {
        id: Id::GetWarning,
        path: "/api/v1/warnings/{id}",
        who: VIEWER_OR_ISSUER,
        summary: "One warning, its policy and its tally",
        success: &[(200, "WarningView")],
        ..GET
    },
    Operation {
        id: Id::GetTally,
        path: "/api/v1/warnings/{id}/tally",
        who: VIEWER_OR_ISSUER,
        summary: "The tally, whole and by group",
        query: &[(
            "by",
            "`county`, `township`, `village`, `tier`, `hazard`, `role` or `line` (双叫应); in a relay with the rate of those below",
        )],
        success: &[(200, "Tallies")],
        ..GET
    },
    Operation {
        id: Id::GetForecast,
        path: "/api/v1/warnings/{id}/forecast",
        summary: "When SMS and calls will be done, whom no call reaches before the deadline, and what it costs, from now on",
        success: &[(200, "Forecast")],
        ..GET
    },
    Operation {
        id: Id::ListCallouts,
        path: "/api/v1/warnings/{id}/callouts",
        summary: "The callouts of a warning",
        query: &[
            ("state", "a callout's state"),
            DIVISION,
            ("tier", "`city`, `county`, `township`, `village`, `point` or `duty_desk`"),
            ("open", "`true`: only those nobody has answered"),
            PAGING,
            CURSOR,
            REVEAL,
        ],
        success: &[(200, "CalloutPage")],
        ..GET
    },
    Operation {
        id: Id::CancelWarning,
        path: "/api/v1/warnings/{id}/cancel",
        who: OPERATOR_OR_ISSUER,
        summary: "End a warning; whoever was called is told",
        body: &[("application/json", "Cancel")],
        success: &[(200, "WarningView")],
        ..POST
    },
    Operation {
        id: Id::ExtendWarning,
        path: "/api/v1/warnings/{id}/extend",
        summary: "Move a warning's expiry",
        body: &[("application/json", "Extend")],
        success: &[(200, "WarningView")],
        ..POST
    },
    Operation {
        id: Id::AddPlaces,
        path: "/api/v1/warnings/{id}/places",
        summary: "Call the people of one more place",
        body: &[("application/json", "AddPlaces")],
        success: &[(202, "WarningView")],
        ..POST
    },
    Operation {
        id: Id::GetFeedback,
        path: "/api/v1/warnings/{id}/feedback",
        who: VIEWER_OR_ISSUER,
        summary: "What was reported, summed up; the newest report of a place counts; next and overdue reports",
        query: &[("by", "`county`, `township` or `village` (then with the reports that count)")],
        success: &[(200, "FeedbackRollup")],
        ..GET
    },
    Operation {
        id: Id::PermitReturn,
        path: "/api/v1/warnings/{id}/return",
        summary: "After the end: people may go back to these places; whoever answers for them is told",
        body: &[("application/json", "PermitReturn")],
        success: &[(202, "WarningView")],
        ..POST
    },
    Operation {
        id: Id::ExplainPolicy,
        path: "/api/v1/policy/explain",
        summary: "What the policy in force does with such a warning, in plain Chinese",
        query: &[
            ("hazard", "an event code, such as `11B03`"),
            ("level", "`red`, `orange`, `yellow`, `blue` or `unknown`"),
            ("stage", "a stage, such as `T-2h` or `立即转移`"),
            ("hour", "accepted at this hour of the day, `23` or `23:30`; now if not given"),
            ("tier", "`city`, `county`, `township`, `village`, `point` or `duty_desk`"),
        ],
        success: &[(200, "PolicyExplained")],
        ..GET
    },
    Operation {
        id: Id::ListPolicies,
        path: "/api/v1/policy/versions",
        summary: "Every policy that was in force here: since when, given by whom",
        success: &[(200, "PolicyVersionPage")],
        ..GET
    },
    Operation {
        id: Id::GetPolicy,
        path: "/api/v1/policy/versions/{hash}",
        summary: "One version of the policy with its text; with `against`, what it changes of that version",
        query: &[("against", "the hash of another version")],
        success: &[(200, "PolicyVersion")],
        ..GET
    },
    Operation {
        id: Id::SearchCallouts,
        path: "/api/v1/callouts",
        who: OPERATOR,
        summary: "A person's callouts over all warnings, by number or name (somebody rings back)",
        query: &[
            ("phone", "any of the person's numbers"),
            ("name", "the person's name"),
            ("open", "`true`: only those nobody has answered"),
            PAGING,
            CURSOR,
            REVEAL,
        ],
        success: &[(200, "CalloutPage")],
        ..GET
    },
    Operation {
        id: Id::GetCallout,
        path: "/api/v1/callouts/{id}",
        summary: "One callout with attempts, receipts and timeline",
        query: &[REVEAL],
        success: &[(200, "Callout")],
        ..GET
    },
    Operation {
        id: Id::Acknowledge,
        path: "/api/v1/callouts/{id}/acknowledge",
        summary: "An officer enters an answer",
        body: &[("application/json", "Acknowledge")],
        success: &[(200, "Callout")],
        ..POST
    },
    Operation {
        id: Id::GiveFeedback,
        path: "/api/v1/callouts/{id}/feedback",
        summary: "An officer enters feedback on a person's behalf",
        body: &[("application/json", "Feedback")],
        success: &[(200, "Callout")],
        ..POST
    },
    Operation {
        id: Id::ListTasks,
        path: "/api/v1/tasks",
        who: OPERATOR,
        summary: "Tasks of the duty room, the most urgent first",
        query: &[("warning", "of this warning only"), ("open", "`false`: the closed ones too"), PAGING, CURSOR],
        success: &[(200, "TaskPage")],
        ..GET
    },
    Operation {
        id: Id::ClaimTask,
        path: "/api/v1/tasks/{id}/claim",
        summary: "Take a task; it lapses after five minutes",
        success: &[(200, "Task")],
        ..POST
    },
    Operation {
        id: Id::CompleteTask,
        path: "/api/v1/tasks/{id}/complete",
        summary: "Sign a task off; naming who was reached is an answer",
        body: &[("application/json", "Complete")],
        success: &[(200, "Task")],
        ..POST
    },
    Operation {
        id: Id::Events,
        path: "/api/v1/events",
        summary: "Live changes as server-sent events; `Last-Event-ID` resumes",
        query: &[("warning", "of this warning only"), ("last_event_id", "resume after this, where the header cannot be set")],
        success: &[(200, "text/event-stream")],
        ..GET
    },
    Operation {
        id: Id::ListRecipients,
        path: "/api/v1/recipients",
        who: ADMIN,
        summary: "Responsible persons",
        query: &[("name", "whose name holds this"), DIVISION, PAGING, CURSOR, REVEAL],
        success: &[(200, "RecipientPage")],
        ..GET
    },
    Operation {
        id: Id::GetRecipient,
        path: "/api/v1/recipients/{id}",
        who: ADMIN,
        summary: "One responsible person with the posts held",
        query: &[REVEAL],
        success: &[(200, "Recipient")],
        ..GET
    },
    Operation {
        id: Id::AddRecipient,
        path: "/api/v1/recipients",
        who: ADMIN,
        summary: "Add a responsible person, with the posts held",
        query: &[FORCE],
        body: &[("application/json", "RecipientEdit")],
        success: &[(201, "Recipient")],
        ..POST
    },
    Operation {
        id: Id::ChangeRecipient,
        path: "/api/v1/recipients/{id}",
        summary: "Change a person; `If-Match` with the tag read before keeps others' changes",
        body: &[("application/json", "RecipientEdit")],
        success: &[(200, "Recipient")],
        ..PATCH
    },
    Operation { id: Id::RemoveRecipient, path: "/api/v1/recipients/{id}", summary: "Remove a person with all posts and shifts", ..DELETE },
    Operation {
        id: Id::RecipientHistory,
        path: "/api/v1/recipients/{id}/history",
        who: ADMIN,
        summary: "Who changed this person when, how he stood before, and every number with its days",
        query: &[REVEAL],
        success: &[(200, "RecipientHistory")],
        ..GET
    },
    Operation { id: Id::GetPost, path: "/api/v1/posts/{id}", who: ADMIN, summary: "One post", success: &[(200, "Post")], ..GET },
    Operation {
        id: Id::AddPost,
        path: "/api/v1/posts",
        who: ADMIN,
        summary: "Give a person a post",
        query: &[FORCE],
        body: &[("application/json", "PostEdit")],
        success: &[(201, "Post")],
        ..POST
    },
    Operation {
        id: Id::ChangePost,
        path: "/api/v1/posts/{id}",
        summary: "Change a post; person, role and place make it what it is and stay",
        body: &[("application/json", "PostEdit")],
        success: &[(200, "Post")],
        ..PATCH
    },
    Operation { id: Id::RemovePost, path: "/api/v1/posts/{id}", summary: "End a post", ..DELETE },
    Operation {
        id: Id::ListPoints,
        path: "/api/v1/points",
        who: ADMIN,
        summary: "Points: hazard points, risk areas, reservoirs, valleys, fire points",
        query: &[DIVISION, ("kind", "of this role only"), PAGING, CURSOR],
        success: &[(200, "PointPage")],
        ..GET
    },
    Operation {
        id: Id::GetPoint,
        path: "/api/v1/points/{id}",
        who: ADMIN,
        summary: "One point, with what lies downstream",
        success: &[(200, "Point")],
        ..GET
    },
    Operation {
        id: Id::AddPoint,
        path: "/api/v1/points",
        who: ADMIN,
        summary: "Add a point",
        query: &[FORCE],
        body: &[("application/json", "PointEdit")],
        success: &[(201, "Point")],
        ..POST
    },
    Operation {
        id: Id::ChangePoint,
        path: "/api/v1/points/{id}",
        summary: "Change a point; its code stays",
        body: &[("application/json", "PointEdit")],
        success: &[(200, "Point")],
        ..PATCH
    },
    Operation { id: Id::RemovePoint, path: "/api/v1/points/{id}", summary: "Remove a point with the posts at it", ..DELETE },
    Operation {
        id: Id::ListRotas,
        path: "/api/v1/rotas",
        who: ADMIN,
        summary: "Shifts of the duty rotas: who sits at a desk or leads the shift",
        query: &[
            DIVISION,
            ("role", "`duty` or `shift_leader`"),
            ("from", "shifts that end after this"),
            ("to", "shifts that begin before this"),
            ("at", "who is on duty at this moment"),
            PAGING,
            CURSOR,
            REVEAL,
        ],
        success: &[(200, "ShiftPage")],
        ..GET
    },
    Operation {
        id: Id::AddShift,
        path: "/api/v1/rotas",
        who: ADMIN,
        summary: "Add a shift to a rota",
        query: &[FORCE],
        body: &[("application/json", "ShiftEdit")],
        success: &[(201, "Shift")],
        ..POST
    },
    Operation {
        id: Id::ChangeShift,
        path: "/api/v1/rotas/{id}",
        summary: "Put another shift in this one's place",
        body: &[("application/json", "ShiftEdit")],
        success: &[(200, "Shift")],
        ..PATCH
    },
    Operation { id: Id::RemoveShift, path: "/api/v1/rotas/{id}", summary: "Take a shift out", ..DELETE },
    Operation {
        id: Id::ExportDirectory,
        path: "/api/v1/directory/export",
        who: ADMIN,
        summary: "The directory as the sheets that the import reads; numbers masked unless revealed",
        query: &[
            ("format", "`xlsx` (if not given) or `csv`"),
            ("what", "`people`, `points` or `rotas`; all in one workbook if not given"),
            REVEAL,
        ],
        success: &[(200, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")],
        refusals: &[400],
        ..GET
    },
    Operation {
        id: Id::DirectoryHistory,
        path: "/api/v1/directory/history",
        who: ADMIN,
        summary: "Every change of the directory, newest first: who, when, how, how much",
        query: &[PAGING, CURSOR],
        success: &[(200, "DirectoryHistory")],
        refusals: &[400],
        ..GET
    },
    Operation {
        id: Id::ListPosts,
        path: "/api/v1/posts",
        who: ADMIN,
        summary: "Posts: who answers for what",
        query: &[DIVISION, ("role", "of this kind only"), ("recipient", "of this person only"), PAGING, CURSOR],
        success: &[(200, "PostPage")],
        ..GET
    },
    Operation {
        id: Id::ImportDirectory,
        path: "/api/v1/directory/import",
        who: ADMIN,
        summary: "Take in sheets of responsible persons, points and duty rotas; with `dry_run=true` only say what would change",
        query: &[
            ("dry_run", "`true`: change nothing"),
            (
                "mode",
                "`merge` (if not given; also `upsert`): nobody else is touched, a blank cell erases nothing; `replace`: the file is the \
                 whole truth of the forms it holds, within the token's division: what it does not have ends",
            ),
            ("allow_uncovered", "`true`: places may be left without anybody to call"),
            ("allow_shrink", "`true`: more than a fifth of the people may be removed"),
        ],
        body: &[
            ("text/csv", "text"),
            ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "binary"),
            ("application/octet-stream", "binary"),
        ],
        success: &[(200, "ImportReport")],
        limit: SHEET_LIMIT,
        ..POST
    },
    Operation {
        id: Id::StartDrill,
        path: "/api/v1/drills",
        summary: "Start a drill: real phones ring, marked everywhere, counted apart",
        query: &[
            ("tier", "only these tiers, split by commas: `city`, `county`, `township`, `village`, `point`, `duty_desk`"),
            ("channel", "only these channels, split by commas: `sms`, `voice`, `email`"),
            ("at_night", "`true`: it may ring at night although the policy holds drills until morning"),
            ("beside_real", "`true`: start it even while a real warning runs; otherwise that is 409"),
        ],
        body: &[("application/json", "Warning")],
        success: &[(202, "Receipt")],
        ..POST
    },
    Operation {
        id: Id::ListProviders,
        path: "/api/v1/providers",
        summary: "Provider accounts: state, weight, health, why and since when, what operators ordered, the last test calls",
        success: &[(200, "ProviderPage")],
        refusals: &[],
        ..GET
    },
    Operation {
        id: Id::PinProvider,
        path: "/api/v1/providers/{account}/pin",
        summary: "Send everything of its channel by this account, whatever weights and health say; `until` ends it by itself",
        body: &[("application/json", "Pin")],
        success: &[(200, "Provider")],
        ..POST
    },
    Operation {
        id: Id::UnpinProvider,
        path: "/api/v1/providers/{account}/unpin",
        summary: "Let weights and health choose again",
        success: &[(200, "Provider")],
        ..POST
    },
    Operation {
        id: Id::DisableProvider,
        path: "/api/v1/providers/{account}/disable",
        summary: "Send nothing more by this account; 409 for the last one of a channel",
        success: &[(200, "Provider")],
        ..POST
    },
    Operation {
        id: Id::EnableProvider,
        path: "/api/v1/providers/{account}/enable",
        summary: "Send by this account again",
        success: &[(200, "Provider")],
        ..POST
    },
    Operation {
        id: Id::ListDrills,
        path: "/api/v1/drills",
        summary: "Drills, newest first, each with figures of its own",
        query: &[PAGING, CURSOR],
        success: &[(200, "DrillPage")],
        ..GET
    },
    Operation {
        id: Id::CallRoll,
        path: "/api/v1/drills/roll-call",
        summary: "Call the roll (点名): the numbers whose turn it is, such that each is proved once a quarter",
        body: &[("application/json", "RollCall")],
        success: &[(202, "Receipt"), (200, "NothingDue")],
        ..POST
    },
    Operation {
        id: Id::Roll,
        path: "/api/v1/drills/roll-call",
        summary: "How many numbers are proved this quarter, which are not, and the schedules of drills",
        query: &[DIVISION, PAGING],
        success: &[(200, "Roll")],
        ..GET
    },
    Operation {
        id: Id::DrillReport,
        path: "/api/v1/drills/{id}/report",
        summary: "What came of a drill: a row a person and channel",
        query: &[("format", "`json` (if not given), `csv` or `xlsx`")],
        success: &[(200, "DrillReport")],
        ..GET
    },
    Operation {
        id: Id::Coverage,
        path: "/api/v1/directory/coverage",
        summary: "What is missing: places with nobody to call, dead numbers, no deputy, stale filing, empty roles, desks, people whom nothing calls",
        query: COVERAGE,
        success: &[(200, "CoveragePage")],
        refusals: &[400],
        ..GET
    },
    Operation {
        id: Id::CoverageSheet,
        path: "/api/v1/directory/coverage.xlsx",
        summary: "The same as a workbook",
        query: COVERAGE,
        success: &[(200, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")],
        refusals: &[400],
        ..GET
    },
    Operation {
        id: Id::ListCalled,
        path: "/api/v1/directory/called",
        summary: "Whom a hazard and level would call now, in the order of calling, and through which doors",
        query: &[
            ("hazard", "an event code; must be given"),
            ("level", "`red`, `orange`, `yellow`, `blue` or `unknown`; must be given"),
            ("stage", "a stage such as `T-2h`"),
            DIVISION,
            PAGING,
            CURSOR,
        ],
        success: &[(200, "CalledPage")],
        refusals: &[400],
        ..GET
    },
    Operation {
        id: Id::ConfirmDirectory,
        path: "/api/v1/directory/confirmations",
        who: ADMIN,
        summary: "Confirm that the directory of these divisions is right (the yearly filing)",
        body: &[("application/json", "Confirmation")],
        success: &[(200, "Confirmed")],
        ..POST
    },
    Operation {
        id: Id::Rehearse,
        path: "/api/v1/rehearsals",
        who: VIEWER,
        summary: "A warning that is not sent: who would be called, when, by what, at what cost, when voice would be done",
        query: &[
            ("at", "a time (RFC 3339) it is taken to be accepted at, or `sent`: today at the hour it was sent; now if not given"),
            ("persons", "how many persons are listed with their rungs, 0 to 20000; 100 if not given"),
        ],
        body: &[("application/json", "Warning"), ("application/cap+xml", "text"), ("application/xml", "text"), ("text/xml", "text")],
        success: &[(200, "Rehearsal")],
        ..POST
    },
    Operation {
        id: Id::CoveragePage,
        path: "/coverage",
        summary: "What is missing in the directory, as a page",
        query: COVERAGE,
        refusals: &[400],
        page: true,
        ..PAGE
    },
    Operation {
        id: Id::AnswerPage,
        path: "/a/{token}",
        who: Who::Recipient,
        summary: "The page a person called sees; shows and changes nothing",
        refusals: &[404],
        ..PAGE
    },
    Operation {
        id: Id::Answer,
        method: "POST",
        path: "/a/{token}",
        who: Who::Recipient,
        summary: "Answer, hand to the deputy, or say `not me`",
        body: &[("application/x-www-form-urlencoded", "AnswerForm")],
        refusals: &[400, 404, 413, 503],
        limit: 64 * 1024,
        ..PAGE
    },
    Operation {
        id: Id::AnswerFeedback,
        method: "POST",
        path: "/a/{token}/feedback",
        who: Who::Recipient,
        summary: "Report what was done; a report of nothing is a report",
        body: &[("application/x-www-form-urlencoded", "FeedbackForm"), ("application/json", "Feedback")],
        refusals: &[400, 404, 413, 422, 503],
        limit: 64 * 1024,
        ..PAGE
    },
    Operation {
        id: Id::Callback,
        method: "POST",
        path: "/callbacks/{account}/{secret}",
        who: Who::Provider,
        summary: "Receipts, replies and keypresses, in the provider's own shape and with the answer it wants",
        body: &[("application/json", "text")],
        success: &[(200, "text/plain")],
        refusals: &[404, 413, 503],
        ..GET
    },
    Operation {
        id: Id::Health,
        path: "/healthz",
        who: Who::Open,
        summary: "The process runs",
        success: &[(200, "text/plain")],
        refusals: &[],
        ..GET
    },
    Operation {
        id: Id::Ready,
        path: "/readyz",
        who: Who::Open,
        summary: "The gateway can take warnings in: its store answers",
        success: &[(200, "text/plain")],
        refusals: &[503],
        ..GET
    },
    Operation {
        id: Id::Metrics,
        path: "/metrics",
        who: MONITORING,
        summary: "Prometheus metrics",
        success: &[(200, "text/plain")],
        refusals: &[],
        ..GET
    },
    Operation {
        id: Id::OpenApi,
        path: "/openapi.json",
        who: MONITORING,
        summary: "This document",
        success: &[(200, "application/json")],
        refusals: &[],
        ..GET
    },
    Operation { id: Id::StatusPage, path: "/status", summary: "A plain page: warnings, open callouts, tasks", page: true, ..PAGE },
    Operation {
        id: Id::StatusScript,
        path: "/static/status.js",
        who: Who::Open,
        summary: "The status page's script",
        success: &[(200, "text/javascript")],
        ..PAGE
    },
];

/// The row of an operation.
pub fn operation(id: Id) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|o| o.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_operation_stands_twice() {
        let ids: BTreeSet<Id> = OPERATIONS.iter().map(|o| o.id).collect();
        let paths: BTreeSet<(&str, &str)> = OPERATIONS.iter().map(|o| (o.method, o.path)).collect();
        assert_eq!((ids.len(), paths.len()), (OPERATIONS.len(), OPERATIONS.len()));
    }

    #[test]
    fn only_health_and_a_script_are_open_and_nothing_open_changes_anything() {
        let open: Vec<&str> = OPERATIONS.iter().filter(|o| o.who == Who::Open).map(|o| o.path).collect();
        assert_eq!(open, ["/healthz", "/readyz", "/static/status.js"]);
        assert!(OPERATIONS.iter().filter(|o| o.who == Who::Open).all(Operation::is_read));
    }

    #[test]
    fn what_changes_things_is_not_for_viewers() {
        // A rehearsal is posted because of its body; it changes nothing.
        for o in OPERATIONS.iter().filter(|o| !o.is_read() && o.id != Id::Rehearse) {
            if let Who::Callers { roles, .. } = o.who {
                assert!(!roles.contains(&Role::Viewer) && !roles.contains(&Role::Monitoring), "{} {}", o.method, o.path);
            }
        }
    }
}
