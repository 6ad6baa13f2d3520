//! Pages people see: rendered on the server, embedded in the program, whole in one response, with
//! no script needed and nothing fetched from anywhere else.

use super::error::Problem;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context, value::Serde};
use serde::Serialize;
use sha2::{Digest, Sha256};

const CSS: &str = include_str!("../../templates/static/page.css");
/// The status page's script.
pub const STATUS_JS: &str = include_str!("../../templates/static/status.js");

const TEMPLATES: &[(&str, &str)] = &[
    ("base.html", include_str!("../../templates/pages/base.html")),
    ("warning.html", include_str!("../../templates/pages/warning.html")),
    ("details.html", include_str!("../../templates/pages/details.html")),
    ("ack.html", include_str!("../../templates/pages/ack.html")),
    ("feedback.html", include_str!("../../templates/pages/feedback.html")),
    ("thanks.html", include_str!("../../templates/pages/thanks.html")),
    ("error.html", include_str!("../../templates/pages/error.html")),
    ("status.html", include_str!("../../templates/pages/status.html")),
    ("coverage.html", include_str!("../../templates/pages/coverage.html")),
];

/// What of the warning a page shows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct WarningPart {
    /// `red` …: the colour class.
    pub level: String,
    /// 红色 …
    pub level_name: String,
    /// 暴雨 …
    pub hazard: String,
    pub headline: String,
    pub description: String,
    pub instruction: String,
    pub sender: String,
    /// As people read it: 7月8日 16:15.
    pub sent: String,
    pub onset: Option<String>,
    pub expires: Option<String>,
    /// Not for the public: the page says so to those called.
    pub restricted: bool,
}

/// Whom a page is for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct YouPart {
    pub name: String,
    /// `holder`, `deputy`, `superior`, `duty_desk`.
    pub relation: String,
    /// A superior or desk: their button takes over, it does not answer.
    pub takes_over: bool,
    pub holder: String,
    /// Who may answer in the holder's place.
    pub deputies: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PostPart {
    pub place: String,
    pub title: String,
    pub answered: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct AnsweredPart {
    pub at: String,
    pub by: String,
    pub via: String,
    pub late: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct EndedPart {
    pub at: String,
    pub reason: String,
    pub advice: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PlacePart {
    pub id: String,
    pub name: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct LastReportPart {
    pub at: String,
    pub by: String,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct ClosurePart {
    pub what: String,
    pub due: u32,
    pub done: u32,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct DangerPart {
    pub present: bool,
    pub kind: String,
    pub r#where: String,
}

/// The report form as filled in so far.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FormPart {
    pub place: String,
    pub on_post: bool,
    pub to_move: u32,
    pub moved: u32,
    pub refused: u32,
    pub returned: u32,
    /// One row each; empty rows are for filling in.
    pub closures: Vec<ClosurePart>,
    pub danger: DangerPart,
    pub outage: Vec<String>,
    pub note: String,
    /// `2024-07-08T18:00`, Beijing time.
    pub next_report_at: Option<String>,
}

/// Everything the answer page shows; `ack.html` and `thanks.html` share it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CalloutPage {
    pub drill: bool,
    /// People may go back to a place of this callout.
    pub may_return: bool,
    pub token: String,
    pub w: WarningPart,
    pub you: YouPart,
    pub posts: Vec<PostPart>,
    pub answered: Option<AnsweredPart>,
    pub ended: Option<EndedPart>,
    pub can_answer: bool,
    pub can_report: bool,
    pub due: Option<String>,
    pub overdue: bool,
    /// What the feedback is to tell: 到岗, 转移 …
    pub asks: Vec<String>,
    pub places: Vec<PlacePart>,
    /// Names of those that still want a report while others have theirs.
    pub missing: Vec<String>,
    pub last_report: Option<LastReportPart>,
    pub form: FormPart,
    /// Faults of a report that was sent, in Chinese.
    pub faults: Vec<String>,
    /// Something to be told on `ack.html`.
    pub notice: Option<String>,
}

/// What the form offers as outages.
pub const OUTAGES: [&str; 4] = ["断路", "断电", "断网", "断水"];

/// The renderer.
pub struct Pages {
    env: Environment<'static>,
    /// Path part of the public address, in front of every link.
    base: String,
    csp: HeaderValue,
}

impl Pages {
    /// `public_url` gives the path that a proxy serves us under; usually none.
    pub fn new(public_url: &str) -> Result<Pages, minijinja::Error> {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        env.set_fuel(Some(2_000_000));
        env.set_auto_escape_callback(|_| AutoEscape::Html);
        for (name, source) in TEMPLATES {
            env.add_template(name, source)?;
        }
        let base = url::Url::parse(public_url).map(|u| u.path().trim_end_matches('/').to_string()).unwrap_or_default();
        let style = STANDARD.encode(Sha256::digest(CSS.as_bytes()));
        // The one style sheet by its hash, scripts from here only, forms to here only, no frames.
        let csp = format!(
            "default-src 'none'; style-src 'sha256-{style}'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        let csp = HeaderValue::from_str(&csp).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Ok(Pages { env, base, csp })
    }

    /// Renders a page. A template that fails is our fault: a plain Chinese line instead of nothing.
    pub fn page(&self, status: StatusCode, name: &str, part: impl Serialize) -> Response {
        let frame = context! { css => CSS, base => Value::from_safe_string(self.base.clone()), outages => Value::from(Serde(OUTAGES)), drill => false };
        let whole = context! { ..Value::from(Serde(&part)), ..frame };
        match self.env.get_template(name).and_then(|t| t.render(whole)) {
            Ok(html) => self.html(status, html),
            Err(error) => {
                tracing::error!(template = name, %error, "a page could not be rendered");
                self.html(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "<!doctype html><meta charset=\"utf-8\"><p>页面暂时无法显示，请回复短信或拨打值班电话。".into(),
                )
            }
        }
    }

    /// A page that says what went wrong, in Chinese.
    pub fn error(&self, problem: &Problem) -> Response {
        let (heading, detail) = match problem.status {
            StatusCode::NOT_FOUND => ("链接无效", "没有找到对应的叫应。请核对短信中的链接是否完整，或直接回复短信。"),
            StatusCode::UNAUTHORIZED => ("请先登录", "用户名填令牌名称，密码填令牌。"),
            StatusCode::FORBIDDEN => ("没有权限", "当前账号无权查看此页面。"),
            StatusCode::SERVICE_UNAVAILABLE => ("系统繁忙", "您的操作尚未保存，请稍后再点一次；也可以直接回复短信。"),
            StatusCode::INTERNAL_SERVER_ERROR => ("系统出错", "您的操作可能尚未保存，请再点一次；也可以直接回复短信。"),
            _ => ("提交的内容无法识别", "请返回上一页重新提交。"),
        };
        let mut response = self.page(problem.status, "error.html", context! { heading, detail });
        if let Some(challenge) = problem.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }

    fn html(&self, status: StatusCode, html: String) -> Response {
        let mut response = (status, html).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static("zh-CN"));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.csp.clone());
        response
    }
}

#[cfg(test)]
mod tests;
