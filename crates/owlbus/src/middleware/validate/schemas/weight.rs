//! What holding data to a schema can cost, known before any data is seen.
//!
//! A schema applies others to the same value (`$ref`, `allOf` and so on) and to the values in it (`properties`, `items` and so on). That
//! is a graph. A loop of the first kind of edge never ends; many of them make much of little; and through the second kind,
//! what is applied to values can multiply with the depth of the data. Here it is reckoned how often.

use std::collections::HashMap;

use jsonschema::{Draft, Registry, Uri};
use serde_json::{Map, Value};

/// How deep the data is that the cost is reckoned for.
const DEEPEST: usize = 128;

/// How many schemas may be applied to one value.
const MOST_AT_ONE: u64 = 10_000;

/// What one level of data can cost, or all down to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cost {
    /// How many schemas are applied to one value.
    looks: u64,
    /// How many of them are inside one another.
    height: u32,
}

/// What holding data to a schema can cost, by the depth of the data.
#[derive(Debug)]
pub(super) struct Weight {
    /// For data of depth 0, 1 and so on.
    costs: Vec<Cost>,
    /// Whether deeper data costs no more: the schema does not look there.
    ends: bool,
}

impl Weight {
    /// How many schemas are applied to one value of data of this depth, at most.
    pub(super) fn looks(&self, depth: usize) -> u64 {
        self.at(depth).looks
    }

    /// How many schemas inside one another are applied; `None` where the data is deeper than was reckoned for.
    pub(super) fn height(&self, depth: usize) -> Option<u32> {
        (depth < self.costs.len() || self.ends).then(|| self.at(depth).height)
    }

    fn at(&self, depth: usize) -> Cost {
        self.costs[depth.min(self.costs.len() - 1)]
    }
}

/// A schema, and what it applies.
#[derive(Default)]
struct Node {
    /// To the value itself.
    here: Vec<usize>,
    /// To values in it: to one of them no more than one of these.
    apart: Vec<usize>,
    /// To values in it: to one of them all of these.
    below: Vec<usize>,
    /// What it refers to.
    reference: Option<String>,
}

/// The schemas that can be reached from one.
struct Graph<'r> {
    registry: &'r Registry<'r>,
    nodes: Vec<Node>,
    known: HashMap<*const Value, usize>,
    /// Those that have not been looked into.
    next: Vec<(usize, &'r Value, Uri<String>, Draft)>,
}

/// What data can cost that is held to the schema at a reference; an error says why it is not to be held to it at all.
pub(super) fn weigh(
    registry: &Registry<'_>,
    contents: &Value,
    base: Uri<String>,
    draft: Draft,
) -> Result<Weight, String> {
    let mut graph = Graph { registry, nodes: Vec::new(), known: HashMap::new(), next: Vec::new() };
    graph.node(contents, &base, draft);
    while let Some((node, schema, base, draft)) = graph.next.pop() {
        graph.look_into(node, schema, &base, draft);
    }
    let order = graph.order()?;
    graph.reckon(&order)
}

impl<'r> Graph<'r> {
    fn node(&mut self, schema: &'r Value, base: &Uri<String>, draft: Draft) -> usize {
        if let Some(known) = self.known.get(&std::ptr::from_ref(schema)) {
            return *known;
        }
        let node = self.nodes.len();
        self.nodes.push(Node::default());
        self.known.insert(schema, node);
        self.next.push((node, schema, base.clone(), draft));
        node
    }

    fn look_into(&mut self, node: usize, schema: &'r Value, base: &Uri<String>, draft: Draft) {
        let Some(schema_members) = schema.as_object() else { return };
        let draft = draft.detect(schema);
        let id = if draft == Draft::Draft4 { "id" } else { "$id" };
        let id = schema_members.get(id).and_then(Value::as_str).filter(|id| !id.starts_with('#'));
        let within = id.and_then(|id| self.registry.resolve_uri(&base.borrow(), id).ok());
        let base = within.as_deref().unwrap_or(base);

        let mut found = Node::default();
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let Some(reference) = schema_members.get(keyword).and_then(Value::as_str) else { continue };
            // Where it leads nowhere, whoever compiles the schema says so.
            let Ok(resolved) = self.registry.resolver(base.clone()).lookup(reference) else { continue };
            let its_base = (*resolved.resolver().base_uri()).clone();
            let (contents, _, its_draft) = resolved.into_inner();
            found.here.push(self.node(contents, &its_base, its_draft));
            found.reference.get_or_insert_with(|| reference.to_owned());
        }
        let refers_only = schema_members.contains_key("$ref")
            && matches!(draft, Draft::Draft4 | Draft::Draft6 | Draft::Draft7);
        if !refers_only {
            self.look_at_keywords(&mut found, schema_members, base, draft);
        }
        self.nodes[node] = found;
    }

    fn look_at_keywords(
        &mut self,
        found: &mut Node,
        members: &'r Map<String, Value>,
        base: &Uri<String>,
        draft: Draft,
    ) {
        for (keyword, value) in members {
            let applied = match keyword.as_str() {
                "not" | "if" | "then" | "else" | "allOf" | "anyOf" | "oneOf" | "dependentSchemas"
                | "dependencies" => &mut found.here,
                "properties" | "prefixItems" => &mut found.apart,
                "items" if value.is_array() => &mut found.apart,
                "items"
                | "additionalItems"
                | "unevaluatedItems"
                | "contains"
                | "patternProperties"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "propertyNames" => &mut found.below,
                _ => continue,
            };
            let in_object = matches!(
                keyword.as_str(),
                "dependentSchemas" | "dependencies" | "properties" | "patternProperties"
            );
            let mut apply = |schema| applied.push(self.node(schema, base, draft));
            match value {
                Value::Array(schemas) => schemas.iter().for_each(apply),
                Value::Object(schemas) if in_object => schemas.values().for_each(apply),
                _ => apply(value),
            }
        }
    }

    /// The schemas in an order in which each comes behind those it applies to the value itself.
    fn order(&self) -> Result<Vec<usize>, String> {
        let mut waiting: Vec<usize> = self.nodes.iter().map(|node| node.here.len()).collect();
        let mut appliers = vec![Vec::new(); self.nodes.len()];
        for (node, of) in self.nodes.iter().enumerate() {
            of.here.iter().for_each(|&applied| appliers[applied].push(node));
        }
        let mut order: Vec<usize> = (0..self.nodes.len()).filter(|&node| waiting[node] == 0).collect();
        let mut at = 0;
        while let Some(&node) = order.get(at) {
            at += 1;
            for &applier in &appliers[node] {
                waiting[applier] -= 1;
                if waiting[applier] == 0 {
                    order.push(applier);
                }
            }
        }
        match waiting.iter().position(|&waiting| waiting > 0) {
            None => Ok(order),
            Some(node) => Err(self.loop_at(node, &waiting)),
        }
    }

    /// Names the loop that keeps a schema waiting.
    fn loop_at(&self, mut node: usize, waiting: &[usize]) -> String {
        let mut path = Vec::new();
        while !path.contains(&node) {
            path.push(node);
            let next = self.nodes[node].here.iter().find(|&&applied| waiting[applied] > 0);
            node = *next.unwrap_or(&node);
        }
        let round = path.iter().skip_while(|&&one| one != node);
        let references: Vec<_> = round
            .filter_map(|&one| self.nodes[one].reference.as_deref())
            .map(|one| format!("`{one}`"))
            .collect();
        format!("{} leads back to itself without going into the data", references.join(", then "))
    }

    /// What data costs, level by level: the costs of a depth follow from those of the depth above it.
    fn reckon(&self, order: &[usize]) -> Result<Weight, String> {
        let mut costs: Vec<Cost> = Vec::new();
        let mut below = vec![Cost::default(); self.nodes.len()];
        for depth in 0..=DEEPEST {
            let mut now = vec![Cost::default(); self.nodes.len()];
            for &node in order {
                now[node] = self.cost(node, depth, &now, &below);
                if depth == 0 && now[node].looks > MOST_AT_ONE {
                    return Err(format!("it applies more than {MOST_AT_ONE} schemas to one value"));
                }
            }
            if depth > 0 && now.iter().all(|cost| cost.looks == 0) {
                return Ok(Weight { costs, ends: true });
            }
            let above = costs.last().copied().unwrap_or_default();
            costs
                .push(Cost { looks: above.looks.max(now[0].looks), height: above.height.max(now[0].height) });
            below = now;
        }
        Ok(Weight { costs, ends: false })
    }

    /// What a schema costs of values that are so many levels below its own.
    fn cost(&self, node: usize, depth: usize, now: &[Cost], below: &[Cost]) -> Cost {
        let Node { here, apart, below: inside, .. } = &self.nodes[node];
        let itself = u64::from(depth == 0);
        let add = |sum: u64, cost: &Cost| sum.saturating_add(cost.looks);
        let here_looks = here.iter().map(|&one| &now[one]).fold(itself, add);
        let apart_looks = apart.iter().map(|&one| below[one].looks).max().unwrap_or(0);
        let looks = inside.iter().map(|&one| &below[one]).fold(here_looks.saturating_add(apart_looks), add);
        let of_now = here.iter().map(|&one| now[one].height);
        let of_below = apart.iter().chain(inside).map(|&one| below[one].height);
        Cost { looks, height: 1 + of_now.chain(of_below).max().unwrap_or(0) }
    }
}
