//! `minimal`: the library without features builds, and stays small.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::{Step, Verdict};
use crate::project::Project;

pub(super) const STEP: Step = Step { name: "minimal", about: "the library without features is small", check };

/// The library promises about 35 packages, itself included; a few more are noise of the resolver, many are a mistake.
const MOST_PACKAGES: usize = 40;

fn check(project: &Project) -> Result<Verdict> {
    project.run(project.cargo("build -p owlbus --no-default-features --locked"))?;
    let tree = "tree -p owlbus --no-default-features -e normal --prefix none --locked";
    let tree = project.read(project.cargo(tree))?;
    let packages = packages(&tree);
    if packages.len() > MOST_PACKAGES {
        let names = packages.iter().copied().collect::<Vec<_>>().join("\n");
        let count = packages.len();
        bail!(
            "{names}\n{count} packages, and {MOST_PACKAGES} are the most: put what is heavy behind a feature"
        );
    }
    Ok(Verdict::Noted(format!("{} packages without features, of {MOST_PACKAGES} at most", packages.len())))
}

/// Name and version of each package once; cargo repeats a package it has shown, with `(*)` behind it.
fn packages(tree: &str) -> BTreeSet<&str> {
    tree.lines().filter(|line| !line.is_empty()).map(|line| line.split(" (").next().unwrap_or(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::packages;

    #[test]
    fn a_package_counts_once_and_each_of_its_versions_too() {
        let tree = "owlbus v0.1.0 (/somewhere)\nsyn v3.0.9\nderive v1.0.0 (proc-macro)\nsyn v3.0.9 (*)\nsyn v2.0.1\n";
        assert_eq!(packages(tree).len(), 4);
    }
}
