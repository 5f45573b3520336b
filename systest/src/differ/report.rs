//! What was compared and what was found, for a reader.

use std::fmt;
use std::time::Duration;

use milena_wire::ApiKey;

use super::compare::Difference;
use super::pair::Finding;
use super::rules::Tally;
use super::versions::Versions;

/// An answer in a report is cut here: the field that differs is told by itself.
const SHOWN_MAX: usize = 1200;

#[derive(Clone, Debug)]
pub(crate) struct Report {
    version: String,
    seed: u64,
    missing: Vec<String>,
    invented: Vec<String>,
    pub(crate) sequences: u64,
    pub(crate) tally: Tally,
    /// The first of each kind, and how often it was met.
    pub(crate) findings: Vec<(Finding, u64)>,
    /// Differences that a second run did not have.
    pub(crate) unsteady: Vec<Finding>,
    pub(crate) elapsed: Duration,
}

impl Report {
    pub(crate) fn new(version: &str, seed: u64, versions: &Versions) -> Self {
        Self {
            version: version.to_owned(),
            seed,
            missing: versions.missing.clone(),
            invented: versions.invented.clone(),
            sequences: 0,
            tally: Tally::default(),
            findings: Vec::new(),
            unsteady: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }

    /// Writes a finding down; whether it is the first of its kind.
    pub(crate) fn find(&mut self, finding: &Finding) -> bool {
        let known = self
            .findings
            .iter_mut()
            .find(|(known, _)| known.kind() == finding.kind());
        if let Some((_, count)) = known {
            *count += 1;
            return false;
        }
        eprintln!("{finding}");
        self.findings.push((finding.clone(), 1));
        true
    }

    /// The same finding, told with fewer steps.
    pub(crate) fn replace(&mut self, smaller: Finding) {
        let known = self
            .findings
            .iter_mut()
            .find(|(known, _)| known.kind() == smaller.kind());
        if let Some((known, _)) = known {
            *known = smaller;
        }
    }
}

impl Finding {
    /// Findings of one kind have one cause, most likely.
    pub(crate) fn kind(&self) -> String {
        let path: String = self
            .difference
            .path
            .chars()
            .filter(|c| !c.is_ascii_digit())
            .collect();
        let (real, ours) = (
            cut(&self.difference.real, 40),
            cut(&self.difference.ours, 40),
        );
        let is_code = self.difference.field.ends_with("error_code");
        let values = if is_code {
            format!(" {real}/{ours}")
        } else {
            String::new()
        };
        format!("{} {path}{values}", self.api.name())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            path, real, ours, ..
        } = &self.difference;
        writeln!(
            f,
            "seed {}, step {}: {} v{}: {path}",
            self.seed,
            self.step,
            self.api.name(),
            self.version
        )?;
        writeln!(f, "  real Kafka:  {}", cut(real, SHOWN_MAX))?;
        writeln!(f, "  test broker: {}", cut(ours, SHOWN_MAX))?;
        for line in &self.story {
            writeln!(f, "    {}", cut(line, 400))?;
        }
        writeln!(f, "  request: {}", cut(&self.request, SHOWN_MAX))?;
        writeln!(f, "  real Kafka answered:  {}", cut(&self.real, SHOWN_MAX))?;
        write!(f, "  test broker answered: {}", cut(&self.ours, SHOWN_MAX))
    }
}

fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev();
    let end = end.into_iter().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests: u64 = self.tally.answers.values().sum();
        writeln!(
            f,
            "Kafka {}: {} sequences from seed {}, {requests} answers compared in {:.0} s, {} of them with an error code",
            self.version,
            self.sequences,
            self.seed,
            self.elapsed.as_secs_f32(),
            self.tally.errors
        )?;
        self.apis(f)?;
        writeln!(f, "allowed differences:")?;
        for ((rule, api), count) in &self.tally.allowed {
            writeln!(f, "  {rule:<12} {api:<24} {count}")?;
        }
        for rule in self.tally.unused() {
            writeln!(f, "  {rule:<12} never needed")?;
        }
        writeln!(f, "lists in another order:")?;
        for ((api, field), count) in &self.tally.orders {
            writeln!(f, "  {api} {field}: {count}")?;
        }
        writeln!(f, "asked again (real Kafka, test broker):")?;
        for (api, (real, ours)) in &self.tally.asked_again {
            if real + ours > 0 {
                writeln!(f, "  {api}: {real}, {ours}")?;
            }
        }
        for line in &self.missing {
            writeln!(f, "not served alike: {line}")?;
        }
        for line in &self.invented {
            writeln!(f, "served by the test broker only: {line}")?;
        }
        self.found(f)
    }
}

impl Report {
    /// Each API with how many answers of each version were compared.
    fn apis(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for ((key, version), count) in &self.tally.answers {
            if last != Some(*key) {
                if last.is_some() {
                    writeln!(f)?;
                }
                write!(f, "  {:<24}", ApiKey(*key).name())?;
            }
            last = Some(*key);
            write!(f, " v{version}: {count}")?;
        }
        writeln!(f)
    }

    fn found(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} differences that a second run did not have",
            self.unsteady.len()
        )?;
        for finding in self.unsteady.iter().take(20) {
            let Difference { real, ours, .. } = &finding.difference;
            let (seed, kind) = (finding.seed, finding.kind());
            writeln!(
                f,
                "  seed {seed}: {kind}: {} / {}",
                cut(real, 60),
                cut(ours, 60)
            )?;
        }
        writeln!(f, "{} kinds of difference", self.findings.len())?;
        for (finding, count) in &self.findings {
            writeln!(f, "\n{count} times: {finding}")?;
        }
        Ok(())
    }
}
