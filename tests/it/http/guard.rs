//! Nothing is open by default.

use super::kit::*;
use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiaoying::{
    config::Role,
    http::operations::{OPERATIONS, Operation, Who},
};

fn path_of(operation: &Operation) -> String {
    operation
        .path
        .replace("{id}", if operation.path.contains("callouts/") { "w999-1" } else { "w999" })
        .replace("{token}", "no-such-token")
        .replace("{account}", "nobody")
        .replace("{secret}", "wrong")
}

fn key_of(role: Role) -> &'static str {
    match role {
        Role::Viewer => VIEWER,
        Role::Operator => OPERATOR,
        Role::Admin => ADMIN,
        Role::Auditor => AUDITOR,
        Role::Monitoring => MONITORING,
    }
}

pub async fn every_route_refuses_callers_without_a_key_and_with_every_wrong_role(room: Room) {
    let app = App::start(room).await;
    // A live stream never ends by itself; a gateway that stops ends it at once.
    app.stop.cancel();
    let mut refused = 0;
    for operation in OPERATIONS {
        let Who::Callers { roles, issuer } = operation.who else { continue };
        let path = path_of(operation);
        let call = async |key: &str| app.send(request(operation.method, &path, key).body(Body::empty()).unwrap()).await.status.as_u16();
        assert_eq!(call("").await, 401, "{} {path} without a key", operation.method);
        assert_eq!(call("an-unknown-key-0123456789").await, 401, "{} {path} with an unknown key", operation.method);
        for role in Role::ALL {
            let status = call(key_of(role)).await;
            if roles.contains(&role) {
                assert!(status != 401 && status != 403, "{} {path} as {role:?}: {status}", operation.method);
            } else {
                assert_eq!(status, 403, "{} {path} as {role:?}", operation.method);
                refused += 1;
            }
        }
        let status = call(ISSUER_KEY).await;
        assert_eq!(status == 403, !issuer, "{} {path} as issuer: {status}", operation.method);
    }
    assert!(refused > 80, "the table was walked");
}

pub async fn every_row_of_the_table_is_served(room: Room) {
    let app = App::start(room).await;
    app.stop.cancel();
    for operation in OPERATIONS {
        let reply = app.send(request(operation.method, &path_of(operation), ADMIN).body(Body::empty()).unwrap()).await;
        let text = reply.text();
        assert!(reply.status.as_u16() != 405 && reply.status.as_u16() != 500, "{} {}: {text}", operation.method, operation.path);
        // A wrong callback secret looks like a path that does not exist, on purpose.
        let hidden = operation.who == Who::Provider;
        assert_eq!(text.contains("no such path"), hidden, "{} {}: {text}", operation.method, operation.path);
    }
}

pub async fn a_path_or_method_that_does_not_exist_is_a_problem_too(room: Room) {
    let app = App::start(room).await;
    let reply = app.get("/api/v2/warnings", VIEWER).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (404, "application/problem+json"));
    let reply = app.send(request("DELETE", "/api/v1/warnings", ADMIN).body(Body::empty()).unwrap()).await;
    assert_eq!(reply.expect(405)["title"], "This path has no such method");
}

pub async fn a_browsers_password_opens_what_reads_and_nothing_that_writes(room: Room) {
    let app = App::start(room).await;
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("anything:{secret}")));
    let call = async |method: &str, path: &str, secret: &str| {
        let request = request(method, path, "").header("authorization", basic(secret)).header("content-type", "application/json");
        app.send(request.body(Body::from("{}")).unwrap()).await
    };
    let page = call("GET", "/status", VIEWER).await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.text());
    assert!(page.text().contains("叫应运行状态"));
    assert_eq!(call("GET", "/status", "wrong").await.status.as_u16(), 401);
    assert_eq!(call("POST", "/api/v1/warnings/w1/cancel", OPERATOR).await.status.as_u16(), 401, "another site's form would do the same");
    let asked = app.get("/status", "").await;
    assert!(asked.header("www-authenticate").starts_with("Basic "), "the browser asks");
    assert!(asked.text().contains("请先登录"));
}

pub async fn no_answer_may_be_cached_sniffed_framed_or_tell_its_address_elsewhere(room: Room) {
    let app = App::start(room).await;
    for path in ["/healthz", "/api/v1/warnings", "/a/no-such-token", "/status", "/nowhere"] {
        let reply = app.get(path, VIEWER).await;
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
        assert!(reply.header("content-security-policy").contains("default-src 'none'"), "{path}");
        assert!(reply.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
    }
}
