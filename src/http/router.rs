//! The router: every row of the operations table with its guard and its handler, and what lies
//! around all of them.

use super::{
    ack, api,
    auth::Caller,
    callback, coverage,
    error::Problem,
    events,
    operations::{Id, OPERATIONS, Operation},
    ops,
    state::{App, limit_of},
    status,
};
use crate::{config::Config, engine::Engine, telemetry::metrics::Metrics};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer};

/// No request but a live stream takes longer; past it the client is told to come again.
const LONGEST: Duration = Duration::from_secs(60);

/// The whole HTTP side.
///
/// # Errors
/// A page template or a mapping is broken; says where.
pub fn router(engine: Arc<Engine>, config: &Config, metrics: Metrics, stop: CancellationToken) -> Result<Router, String> {
    let app = App::new(engine, config, metrics, stop)?;
    let mut router = Router::new();
    for operation in OPERATIONS {
        let guarded = handler(operation).route_layer(middleware::from_fn_with_state((app.clone(), operation), guard));
        router = router.route(operation.path, guarded);
    }
    let always = |name: HeaderName, value: &'static str| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    Ok(router
        .fallback(|| async { Problem::not_found("no such path; see /openapi.json") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .with_state(app)
        .layer(CatchPanicLayer::custom(|_| Problem::internal().into_response()))
        .layer(always(header::CACHE_CONTROL, "no-store"))
        .layer(always(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(always(header::X_FRAME_OPTIONS, "DENY"))
        // Tokens stand in paths: no other site may learn them from a click.
        .layer(always(header::REFERRER_POLICY, "no-referrer"))
        .layer(always(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'")))
}

fn handler(operation: &Operation) -> MethodRouter<App> {
    let method = match operation.method {
        "POST" => MethodFilter::POST,
        "PATCH" => MethodFilter::PATCH,
        "DELETE" => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    };
    match operation.id {
        Id::PostWarning => on(method, api::post::post_warning),
        Id::StartDrill => on(method, api::drills::start),
        Id::ListDrills => on(method, api::drills::list_drills),
        Id::CallRoll => on(method, api::drills::call_roll),
        Id::Roll => on(method, api::drills::roll),
        Id::DrillReport => on(method, api::drills::report),
        Id::Coverage => on(method, api::readiness::coverage),
        Id::CoverageSheet => on(method, api::readiness::coverage_sheet),
        Id::ListCalled => on(method, api::readiness::called),
        Id::ConfirmDirectory => on(method, api::readiness::confirm),
        Id::Rehearse => on(method, api::readiness::rehearse),
        Id::CoveragePage => on(method, coverage::page),
        Id::ListWarnings => on(method, api::warnings::list),
        Id::GetWarning => on(method, api::warnings::get),
        Id::GetTally => on(method, api::warnings::tally),
        Id::GetForecast => on(method, api::warnings::forecast),
        Id::CancelWarning => on(method, api::warnings::cancel),
        Id::ExtendWarning => on(method, api::warnings::extend),
        Id::AddPlaces => on(method, api::warnings::add_place),
        Id::ListCallouts => on(method, api::callouts::list),
        Id::GetFeedback => on(method, api::feedback::rollup),
        Id::PermitReturn => on(method, api::feedback::permit_return),
        Id::ExplainPolicy => on(method, api::policy::explain),
        Id::ListPolicies => on(method, api::policy::versions),
        Id::GetPolicy => on(method, api::policy::version),
        Id::SearchCallouts => on(method, api::callouts::search),
        Id::GetCallout => on(method, api::callouts::get),
        Id::Acknowledge => on(method, api::callouts::acknowledge),
        Id::GiveFeedback => on(method, api::callouts::feedback),
        Id::ListTasks => on(method, api::tasks::list),
        Id::ClaimTask => on(method, api::tasks::claim),
        Id::CompleteTask => on(method, api::tasks::complete),
        Id::ListRecipients => on(method, api::directory::recipients),
        Id::GetRecipient => on(method, api::directory::recipient),
        Id::ListPosts => on(method, api::directory::posts),
        Id::AddRecipient => on(method, api::directory_edit::add_recipient),
        Id::ChangeRecipient => on(method, api::directory_edit::change_recipient),
        Id::RemoveRecipient => on(method, api::directory_edit::remove_recipient),
        Id::RecipientHistory => on(method, api::directory_read::person_history),
        Id::GetPost => on(method, api::directory_edit::post),
        Id::AddPost => on(method, api::directory_edit::add_post),
        Id::ChangePost => on(method, api::directory_edit::change_post),
        Id::RemovePost => on(method, api::directory_edit::remove_post),
        Id::ListPoints => on(method, api::directory_read::points),
        Id::GetPoint => on(method, api::directory_edit::point),
        Id::AddPoint => on(method, api::directory_edit::add_point),
        Id::ChangePoint => on(method, api::directory_edit::change_point),
        Id::RemovePoint => on(method, api::directory_edit::remove_point),
        Id::ListRotas => on(method, api::directory_read::rotas),
        Id::AddShift => on(method, api::directory_edit::add_shift),
        Id::ChangeShift => on(method, api::directory_edit::change_shift),
        Id::RemoveShift => on(method, api::directory_edit::remove_shift),
        Id::ExportDirectory => on(method, api::directory_read::export),
        Id::DirectoryHistory => on(method, api::directory_read::history),
        Id::ImportDirectory => on(method, api::directory::import),
        Id::ListProviders => on(method, api::providers::list),
        Id::PinProvider => on(method, api::providers::pin),
        Id::UnpinProvider => on(method, api::providers::unpin),
        Id::DisableProvider => on(method, api::providers::disable),
        Id::EnableProvider => on(method, api::providers::enable),
        Id::Events => on(method, events::events),
        Id::AnswerPage => on(method, ack::show),
        Id::Answer => on(method, ack::act),
        Id::AnswerFeedback => on(method, ack::feedback),
        Id::Callback => on(method, callback::receive),
        Id::Health => on(method, ops::health),
        Id::Ready => on(method, ops::ready),
        Id::Metrics => on(method, ops::metrics),
        Id::OpenApi => on(method, ops::openapi),
        Id::StatusPage => on(method, status::page),
        Id::StatusScript => on(method, status::script),
    }
}

/// Stands before every handler: who is it, may they, how long may the body be; and behind it:
/// refused posts are shown to the duty room, faults on pages are told in Chinese.
async fn guard(State((app, operation)): State<(App, &'static Operation)>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(limit_of(operation));
    let mut issuer: Option<String> = None;
    let response = match app.access.admit(operation, request, app.engine.now()).await {
        Err(problem) => problem.into_response(),
        Ok(request) => {
            if let Some(Caller::Issuer(known)) = request.extensions().get::<Caller>() {
                issuer = Some(known.id.0.clone());
            }
            match tokio::time::timeout(LONGEST, next.run(request)).await {
                Ok(response) => response,
                Err(_) => Problem::unavailable("this took too long; whether it was kept is not known, the same request may be sent again")
                    .into_response(),
            }
        }
    };
    let Some(problem) = response.extensions().get::<Problem>().cloned() else { return response };
    if operation.id == Id::PostWarning {
        record_refusal(&app, issuer.as_deref(), &problem).await;
    }
    if operation.shows_pages() { app.pages.error(&problem) } else { response }
}

async fn record_refusal(app: &App, issuer: Option<&str>, problem: &Problem) {
    // Nobody knows who an unknown caller is; a flood of them must not fill the duty room's screen.
    if issuer.is_none() && app.rates.take("refusals of unknown callers", 6, app.engine.now()).is_err() {
        return;
    }
    if problem.status == StatusCode::SERVICE_UNAVAILABLE {
        return;
    }
    let reason = if problem.errors.len() > 1 {
        problem.errors.iter().map(|e| format!("{}: {}", e.pointer, e.detail)).collect::<Vec<_>>().join("; ")
    } else {
        problem.detail.clone()
    };
    app.engine.record_refusal(issuer, problem.status.as_u16(), &reason).await;
}
