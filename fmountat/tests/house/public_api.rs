// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Checks `docs/public-api.txt`: every public item with its signature, from rustdoc's JSON, so that
//! a diff shows a change to the interface. `.ci/api` creates the JSON and runs this test.
//! `FMOUNTAT_REGENERATE=1 .ci/api` writes the file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use std::collections::BTreeSet;

struct Api {
    index: Value,
    lines: BTreeSet<String>,
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn joined(value: &Value, separator: &str, show: impl Fn(&Value) -> String) -> String {
    list(value).map(show).collect::<Vec<_>>().join(separator)
}

/// Formats a type in Rust syntax, in enough detail that every change of the type changes the text.
fn ty(value: &Value) -> String {
    let Some((kind, inner)) = value.as_object().and_then(|map| map.iter().next()) else {
        return value.as_str().unwrap_or("()").to_owned();
    };
    match kind.as_str() {
        "resolved_path" => path(inner),
        "primitive" | "generic" => inner.as_str().unwrap().to_owned(),
        "borrowed_ref" => {
            let mutable = if inner["is_mutable"] == true { "mut " } else { "" };
            format!("&{mutable}{}", ty(&inner["type"]))
        }
        "slice" => format!("[{}]", ty(inner)),
        "array" => format!("[{}; {}]", ty(&inner["type"]), inner["len"].as_str().unwrap_or("_")),
        "tuple" => format!("({})", joined(inner, ", ", ty)),
        "impl_trait" => format!("impl {}", joined(inner, " + ", bound)),
        "dyn_trait" => format!("dyn {}", joined(&inner["traits"], " + ", |t| path(&t["trait"]))),
        "qualified_path" => format!("{}::{}", ty(&inner["self_type"]), inner["name"].as_str().unwrap()),
        "function_pointer" => signature(&inner["sig"]),
        other => format!("<{other}>"),
    }
}

fn path(value: &Value) -> String {
    let args = &value["args"]["angle_bracketed"]["args"];
    let args = joined(args, ", ", |arg| match arg.get("type") {
        Some(of_type) => ty(of_type),
        None => arg["lifetime"].as_str().unwrap_or("_").to_owned(),
    });
    let name = value["path"].as_str().or(value["name"].as_str()).unwrap_or("_");
    let called = &value["args"]["parenthesized"];
    if !called.is_null() {
        return format!("{name}({}) -> {}", joined(&called["inputs"], ", ", ty), ty(&called["output"]));
    }
    if args.is_empty() { name.to_owned() } else { format!("{name}<{args}>") }
}

fn bound(value: &Value) -> String {
    let of_trait = &value["trait_bound"]["trait"];
    if of_trait.is_null() { value["outlives"].as_str().unwrap_or("_").to_owned() } else { path(of_trait) }
}

fn signature(sig: &Value) -> String {
    let inputs = joined(&sig["inputs"], ", ", |input| {
        let name = input[0].as_str().unwrap_or("_");
        if name == "self" {
            ty(&input[1]).replace("Self", "self")
        } else {
            format!("{name}: {}", ty(&input[1]))
        }
    });
    let output = if sig["output"].is_null() { String::new() } else { format!(" -> {}", ty(&sig["output"])) };
    format!("({inputs}){output}")
}

impl Api {
    fn item(&self, id: &Value) -> Value {
        let id = id.as_u64().map_or_else(|| id.as_str().unwrap_or_default().to_owned(), |n| n.to_string());
        self.index[id].clone()
    }

    fn children(&mut self, ids: &Value, prefix: &str) {
        for id in list(ids) {
            let item = self.item(id);
            self.walk(&item, prefix);
        }
    }

    fn walk(&mut self, item: &Value, prefix: &str) {
        // Items of other crates are not in the index.
        let Some((kind, inner)) = item["inner"].as_object().and_then(|map| map.iter().next()) else { return };
        if !matches!(item["visibility"].as_str(), Some("public" | "default")) {
            return;
        }
        let name = item["name"].as_str().unwrap_or_default();
        let here = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
        match kind.as_str() {
            "module" => self.children(&inner["items"], &here),
            "use" => {
                let mut target = self.item(&inner["id"]);
                target["name"] = inner["name"].clone();
                self.walk(&target, prefix);
            }
            "function" => drop(self.lines.insert(format!("fn {here}{}", signature(&inner["sig"])))),
            "constant" => drop(self.lines.insert(format!("const {here}: {}", ty(&inner["type"])))),
            "assoc_const" => drop(self.lines.insert(format!("const {here}"))),
            "type_alias" => drop(self.lines.insert(format!("type {here} = {}", ty(&inner["type"])))),
            "struct_field" => drop(self.lines.insert(format!("field {here}: {}", ty(inner)))),
            "variant" => drop(self.lines.insert(format!("variant {here}"))),
            "struct" | "enum" | "trait" => {
                self.lines.insert(format!("{kind} {here}"));
                self.children(&inner["kind"]["plain"]["fields"], &here);
                self.children(&inner["kind"]["tuple"], &here);
                self.children(&inner["variants"], &here);
                for id in list(&inner["impls"]) {
                    let block = self.item(id)["inner"]["impl"].clone();
                    if block["trait"].is_null() {
                        self.children(&block["items"], &here);
                    } else if block["is_synthetic"] != true && block["blanket_impl"].is_null() {
                        self.lines.insert(format!("impl {} for {here}", path(&block["trait"])));
                    }
                }
            }
            _ => {}
        }
    }
}

#[test]
#[ignore = "needs rustdoc's JSON: .ci/api"]
fn the_interface_is_the_one_that_is_written_down() {
    let json = std::env::var_os("FMOUNTAT_API_JSON").expect("run by .ci/api");
    let doc: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let mut api = Api { index: doc["index"].clone(), lines: BTreeSet::new() };
    let root = api.item(&doc["root"]);
    api.walk(&root, "");
    let text = api.lines.into_iter().map(|line| line + "\n").collect::<String>();
    assert!(text.lines().count() > 100, "{text}");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/public-api.txt");
    if std::env::var_os("FMOUNTAT_REGENERATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap_or_default() == text, "docs/public-api.txt is out of date");
}
