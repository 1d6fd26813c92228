//! Every crate says under which licence it is.

use super::{File, Finding};

pub(super) fn check(file: &File) -> Vec<Finding> {
    let is_manifest = file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml");
    let mut package = file.lines().skip_while(|(_, line)| line.trim() != "[package]");
    let (true, Some((number, _))) = (is_manifest, package.next()) else {
        return Vec::new();
    };
    let named = |line: &str| line.split(['.', '=', ' ']).next() == Some("license");
    if package.take_while(|(_, line)| !line.starts_with('[')).any(|(_, line)| named(line)) {
        return Vec::new();
    }
    vec![file.finding(number, "the crate has no licence: add `license.workspace = true`")]
}

#[cfg(test)]
mod tests {
    use super::{super::samples::lines, check};

    #[test]
    fn a_crate_without_a_licence_is_found() {
        let text = "[package]\nname = \"a\"\n\n[dependencies]\nlicense = \"1\"\n";
        assert_eq!(lines(check, "a/Cargo.toml", text), [1]);
    }

    #[test]
    fn a_licence_may_come_from_the_workspace() {
        assert_eq!(lines(check, "a/Cargo.toml", "[package]\nlicense.workspace = true\n"), [0; 0]);
        assert_eq!(lines(check, "Cargo.toml", "[workspace]\nmembers = []\n"), [0; 0]);
    }
}
