//! Rules can stand in a TOML file. They do what those from code do, and what is wrong in the file is told with its line and what may be
//! meant.

#![cfg(feature = "rules-file")]

use owlbus::rules::{Condition, Rule, Rules};
use owlbus::{Event, Priority};

fn shown(rules: &Rules) -> Vec<String> {
    let one = |rule: &Rule| format!("{rule:?}");
    rules.iter().map(one).collect()
}

#[test]
fn a_file_says_what_code_does() {
    let file = Rules::from_toml(
        r#"
        [[rule]]
        name = "large"
        on = "order.placed"
        except = ["order.test.**", "order.x"]
        when = [
            { field = "/total", range = { min = 1000, below = 2000.5 } },
            { field = "source", in = ["shop", "app"] },
            { field = "/mail", matches = "*@example.com", exists = true },
            { field = "metadata.trial", exists = false },
            { field = "/day", equals = 2026-01-31 },
        ]
        forward = "order.large.{1}"
        copy = ["audit.{topic}", "b"]
        priority = "high"
        key = "{/customer/id}"
        metadata = { list = [1, 2.5, true, { a = "b" }], region = "eu" }

        [[rule]]
        name = "sieve"
        on = ["a", "b.*"]
        drop = true
        "#,
    )
    .unwrap();
    let large = Rule::new("large")
        .on("order.placed")
        .except(["order.test.**", "order.x"])
        .when(Condition::range("/total", 1000..))
        .when(Condition::one_of("source", ["shop", "app"]))
        .when(Condition::exists("/mail"))
        .when(Condition::matches("/mail", "*@example.com"))
        .when(Condition::missing("metadata.trial"))
        .when(Condition::equals("/day", "2026-01-31"))
        .set_priority(Priority::High)
        .set_key("{/customer/id}")
        .set_metadata("list", serde_json::json!([1, 2.5, true, { "a": "b" }]))
        .set_metadata("region", "eu")
        .copy("audit.{topic}")
        .copy("b")
        .forward("order.large.{1}");
    let code = Rules::new([large, Rule::new("sieve").on(["a", "b.*"]).drop_event()]).unwrap();
    let (file, code) = (shown(&file), shown(&code));
    // Code has no way to write a range that ends before a float and begins with an integer.
    let file_0 = file[0].replace("Excluded(Number(2000.5))", "Unbounded");
    assert_eq!([&file_0, &file[1]], [&code[0], &code[1]]);
    assert!(file[0].contains("Excluded(Number(2000.5))"), "{}", file[0]);
}

#[test]
fn an_empty_file_has_no_rules() {
    assert!(Rules::from_toml("# none yet\n").unwrap().is_empty());
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let rule = |lines: &str| format!("[[rule]]\nname = \"r\"\n{lines}\n");
    let wrong = [
        ("[[rules]]\n".to_owned(), (1, 3), "there is no key `rules`; did you mean `rule`?"),
        (rule("forwrad = \"b\""), (3, 1), "there is no key `forwrad`; did you mean `forward`?"),
        (rule("colour = 1"), (3, 1), "there is no key `colour`; there are name, on"),
        (rule("when = [{ field = \"/a\", eqals = 1 }]"), (3, 25), "did you mean `equals`?"),
        (rule("when = [{ field = \"/a\", range = { mn = 1 } }]"), (3, 35), "did you mean `min`?"),
        (rule("drop = \"yes\""), (3, 8), "expected a boolean"),
        (rule("drop = true\ndrop = true"), (4, 1), "duplicate key"),
        (rule("drop = "), (3, 8), ""),
        (rule("on = 5"), (3, 6), "a text, or a list of texts"),
        (rule("on = []"), (3, 6), "rule `r`: a list is empty"),
        (rule("on = [\"a\",\n\"b..c\"]"), (4, 1), "rule `r`: `b..c` has an empty token"),
        (rule("forward = \"owlbus.x\""), (3, 11), "rule `r`: `forward`: topics that begin with `owlbus`"),
        (rule("copy = [\"a\", \"a b\"]"), (3, 14), "rule `r`: `copy`: "),
        (rule("key = \"{a}\""), (3, 7), "rule `r`: `key`: `a` is no field"),
        (rule("priority = \"urgent\""), (3, 12), "one of immediate, high, normal and deferred"),
        (rule("metadata = { id = 1 }"), (1, 1), "rule `r`: `metadata`: "),
        (
            rule("when = [\n  { field = \"/a\" },\n]"),
            (4, 3),
            "it asks nothing of `/a`; write one of `equals`",
        ),
        (rule("when = [{ field = \"age\", exists = true }]"), (3, 9), "`age` is no field"),
        (rule("when = [{ field = \"/a\", range = { min = 1, above = 1 } }]"), (3, 9), "not both"),
        (rule("when = [{ field = \"/a\", range = { min = 2, max = 1 } }]"), (3, 9), "is empty"),
        (rule("when = [{ field = \"/a\", range = {} }]"), (3, 9), "no end"),
        (rule(""), (1, 1), "rule `r`: it does nothing"),
        (rule("forward = \"b\"\ndrop = true"), (1, 1), "put it last, and only one of them"),
        ("[[rule]]\ndrop = true\n".to_owned(), (1, 1), "missing field `name`"),
        (format!("{}{}", rule("drop = true"), rule("drop = true")), (4, 1), "a rule of that name before it"),
    ];
    for (text, place, says) in wrong {
        let error = Rules::from_toml(&text).unwrap_err();
        assert_eq!(error.place, Some(place), "{text}{error}");
        assert!(error.to_string().contains(says), "{text}{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn rules_of_a_file_are_obeyed() {
    let text = "[[rule]]\nname = \"sieve\"\nwhen = [{ field = \"/n\", in = [1, 2] }]\ndrop = true\n";
    let bus = owlbus::Bus::builder().rules(Rules::from_toml(text).unwrap()).build().unwrap();
    for (n, dropped) in [(1, true), (2, true), (3, false)] {
        let event = Event::json("a", serde_json::json!({ "n": n })).unwrap();
        assert_eq!(bus.publish(event).await.unwrap().discarded_by.is_some(), dropped);
    }
}
