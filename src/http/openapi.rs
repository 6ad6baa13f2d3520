//! The API document: made from the table of operations and the schemas beside this file, so that a
//! path cannot be missing in it and a path that does not exist cannot stand in it.

use super::operations::{OPERATIONS, Operation, Who};
use serde_json::{Map, Value, json};

const SCHEMAS: &str = include_str!("openapi/schemas.json");

/// The whole document, OpenAPI 3.1.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for op in OPERATIONS {
        let item = paths.entry(op.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(op.method.to_ascii_lowercase(), operation(op));
        }
    }
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "jiaoying 叫应",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Warnings in, every responsible person called until somebody answers. Times are RFC 3339 with an offset. Errors are application/problem+json (RFC 9457)."
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "An issuer's key or a token" },
                "webhook": { "type": "apiKey", "in": "header", "name": "webhook-signature",
                    "description": "Standard Webhooks: webhook-id, webhook-timestamp (five-minute window) and webhook-signature `v1,…`" }
            }
        }
    })
}

fn operation(op: &Operation) -> Value {
    let mut out = json!({
        "operationId": format!("{:?}", op.id),
        "summary": op.summary,
        "description": format!("For {}.", op.who),
        "parameters": parameters(op),
        "responses": responses(op),
        "security": security(op),
    });
    if !op.body.is_empty() {
        let content: Map<String, Value> =
            op.body.iter().map(|(media, schema)| (media.to_string(), json!({ "schema": reference(schema) }))).collect();
        out["requestBody"] = json!({ "required": true, "content": content });
    }
    out
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn parameters(op: &Operation) -> Vec<Value> {
    let in_path = op.path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
    let path = in_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let query = op
        .query
        .iter()
        .map(|(name, meaning)| json!({ "name": name, "in": "query", "description": meaning, "schema": { "type": "string" } }));
    path.chain(query).collect()
}

fn security(op: &Operation) -> Vec<Value> {
    match op.who {
        Who::Callers { issuer: true, .. } => vec![json!({ "key": [] }), json!({ "webhook": [] })],
        Who::Callers { .. } => vec![json!({ "key": [] })],
        _ => Vec::new(),
    }
}

fn responses(op: &Operation) -> Value {
    let mut out: Map<String, Value> = Map::new();
    for (status, what) in op.success {
        if *status == 204 {
            out.insert(status.to_string(), json!({ "description": "done" }));
            continue;
        }
        let content = if what.contains('/') { json!({ *what: {} }) } else { json!({ "application/json": { "schema": reference(what) } }) };
        out.insert(status.to_string(), json!({ "description": "done", "content": content }));
    }
    let guarded: &[u16] = if matches!(op.who, Who::Callers { .. }) { &[401, 403] } else { &[] };
    for status in guarded.iter().chain(op.refusals) {
        let problem = json!({ "application/problem+json": { "schema": reference("Problem") } });
        out.insert(status.to_string(), json!({ "description": meaning(*status), "content": problem }));
    }
    Value::Object(out)
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "the request cannot be read",
        401 => "no key, or one that is not known",
        403 => "not yours to do",
        404 => "there is no such thing",
        409 => "it stands otherwise already",
        412 => "it was changed since it was read (If-Match)",
        413 => "the body is too large",
        415 => "this Content-Type is not read here",
        422 => "some fields are at fault; `errors` says which",
        429 => "too many requests; see Retry-After",
        503 => "cannot be made durable now; nothing was kept; see Retry-After",
        _ => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn references(value: &Value, out: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                if let Some(r) = map.get("$ref").and_then(Value::as_str) {
                    out.insert(r.to_string());
                }
                map.values().for_each(|v| references(v, out));
            }
            Value::Array(items) => items.iter().for_each(|v| references(v, out)),
            _ => {}
        }
    }

    #[test]
    fn every_operation_is_in_the_document_and_nothing_else() {
        let doc = document();
        let mut listed = BTreeSet::new();
        for (path, item) in doc["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                listed.insert((method.to_ascii_uppercase(), path.clone()));
            }
        }
        let table: BTreeSet<_> = OPERATIONS.iter().map(|o| (o.method.to_string(), o.path.to_string())).collect();
        assert_eq!(listed, table);
    }

    #[test]
    fn every_reference_leads_to_a_schema_and_every_schema_is_used() {
        let doc = document();
        let mut found = BTreeSet::new();
        references(&doc, &mut found);
        let names: BTreeSet<String> =
            doc["components"]["schemas"].as_object().unwrap().keys().map(|n| format!("#/components/schemas/{n}")).collect();
        assert_eq!(found, names);
    }

    #[test]
    fn every_operation_says_what_it_is_for_and_what_success_is() {
        for op in OPERATIONS {
            assert!(!op.summary.is_empty() && !op.success.is_empty(), "{} {}", op.method, op.path);
        }
    }
}
