//! Every page with sample data, in every state it has.

use super::*;

fn pages() -> Pages {
    Pages::new("https://warning.example.org").unwrap()
}

fn sample() -> CalloutPage {
    CalloutPage {
        token: "tok3n".into(),
        w: WarningPart {
            level: "red".into(),
            level_name: "红色".into(),
            hazard: "暴雨".into(),
            headline: "沁水县发布暴雨红色预警<script>alert(1)</script>".into(),
            description: "未来3小时雨量将超100毫米".into(),
            instruction: "立即转移".into(),
            sender: "晋城市气象台".into(),
            sent: "7月8日 16:15".into(),
            onset: None,
            expires: Some("7月8日 22:15".into()),
            restricted: false,
        },
        you: YouPart {
            name: "张三".into(),
            relation: "holder".into(),
            holder: "张三".into(),
            deputies: vec!["李四".into()],
            ..YouPart::default()
        },
        posts: vec![PostPart { place: "端氏镇".into(), title: "镇长".into(), answered: false }],
        can_answer: true,
        due: Some("7月8日 16:20".into()),
        asks: vec!["到岗".into(), "转移".into()],
        places: vec![PlacePart { id: "140521101000".into(), name: "端氏镇".into() }],
        form: FormPart { closures: vec![ClosurePart::default(); 3], ..FormPart::default() },
        ..CalloutPage::default()
    }
}

async fn html(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn the_ask_has_three_buttons_that_post_and_escapes_what_issuers_write() {
    let page = html(pages().page(StatusCode::OK, "ack.html", sample())).await;
    for wanted in ["我已收到并到岗", "由代理人接办（李四）", "不是我本人", "张三", "端氏镇", "7月8日 16:20", "应答后请反馈：到岗、转移"]
    {
        assert!(page.contains(wanted), "{wanted} is missing in {page}");
    }
    assert!(!page.contains("<script>alert"), "{page}");
    assert_eq!(page.matches("<form method=\"post\" action=\"/a/tok3n\">").count(), 3);
    assert!(!page.contains("演练") && !page.contains("情况反馈") && !page.contains("内部信息"));
    let inner = CalloutPage { w: WarningPart { restricted: true, ..sample().w }, ..sample() };
    assert!(html(pages().page(StatusCode::OK, "ack.html", inner)).await.contains("内部信息"));
}

#[tokio::test]
async fn a_drill_is_marked_in_title_and_banner() {
    let page = html(pages().page(StatusCode::OK, "ack.html", CalloutPage { drill: true, ..sample() })).await;
    assert!(page.contains("<title>【演练】") && page.contains("这不是真实预警"));
}

#[tokio::test]
async fn an_answered_callout_offers_the_report_and_no_answer_button() {
    let answered = AnsweredPart { at: "7月8日 16:18".into(), by: "张三".into(), via: "链接".into(), late: true };
    let part =
        CalloutPage {
            answered: Some(answered), can_answer: false, can_report: true, faults: vec!["人数不能为负".into()], ..sample()
        };
    let page = html(pages().page(StatusCode::OK, "ack.html", part)).await;
    for wanted in ["已应答", "超时应答", "已到岗，一切正常", "拒不转移", "应关", "有险情", "断网", "下次报告时间", "人数不能为负"]
    {
        assert!(page.contains(wanted), "{wanted} is missing in {page}");
    }
    assert!(!page.contains("value=\"answer\""));
    assert_eq!(page.matches("name=\"closure_what\"").count(), 3);
}

#[tokio::test]
async fn an_ended_callout_tells_how_it_ended() {
    let ended =
        EndedPart { at: "7月8日 20:00".into(), reason: "预警已解除".into(), advice: Some("返回须听当地通知".into()) };
    let page = html(pages().page(StatusCode::OK, "ack.html", CalloutPage { ended: Some(ended), can_answer: false, ..sample() })).await;
    assert!(page.contains("本次叫应已结束：预警已解除") && page.contains("返回须听当地通知") && !page.contains("value=\"answer\""));
}

#[tokio::test]
async fn a_desk_takes_over_instead_of_answering() {
    let you =
        YouPart { name: "值班员".into(), relation: "duty_desk".into(), takes_over: true, holder: "张三".into(), deputies: vec![] };
    let page = html(pages().page(StatusCode::OK, "ack.html", CalloutPage { you, ..sample() })).await;
    assert!(page.contains("由我接办") && page.contains("尚未应答，请您接办") && !page.contains("我已收到并到岗"));
}

#[tokio::test]
async fn thanks_and_error_pages_render() {
    #[derive(Serialize)]
    struct Thanks {
        heading: &'static str,
        detail: Option<String>,
        good: bool,
        #[serde(flatten)]
        page: CalloutPage,
    }
    let part = Thanks { heading: "已收到您的应答", detail: None, good: true, page: CalloutPage { can_report: true, ..sample() } };
    let page = html(pages().page(StatusCode::OK, "thanks.html", part)).await;
    assert!(page.contains("已收到您的应答") && page.contains("情况反馈"));
    let response = pages().error(&Problem::not_found("x"));
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(html(response).await.contains("链接无效"));
}

#[test]
fn pages_allow_no_foreign_content_and_the_style_by_its_hash_only() {
    let response = pages().page(StatusCode::OK, "ack.html", sample());
    let csp = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(csp.contains("default-src 'none'") && csp.contains("style-src 'sha256-") && !csp.contains("unsafe"), "{csp}");
    for (name, source) in TEMPLATES {
        assert!(
            !source.contains("http://") && !source.contains("https://") && !source.contains("style=\"") && !source.contains("onclick"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn links_keep_the_path_a_proxy_serves_us_under() {
    let page = html(Pages::new("https://example.org/jy").unwrap().page(StatusCode::OK, "ack.html", sample())).await;
    assert!(page.contains("action=\"/jy/a/tok3n\""));
}

#[tokio::test]
async fn the_status_page_renders_empty_and_full() {
    let empty = || Vec::<u8>::new();
    let page = html(pages().page(
        StatusCode::OK,
        "status.html",
        context! { now => "16:15", division => (), warnings => empty(), tasks => empty(), more_tasks => false, callouts => empty(), more_callouts => false },
    ))
    .await;
    assert!(page.contains("目前没有预警") && page.contains("http-equiv=\"refresh\"") && page.contains("/static/status.js"));
}
