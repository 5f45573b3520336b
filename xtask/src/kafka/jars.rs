//! The jars of one Kafka version, fetched once through Maven and kept outside the repository.

use crate::failure::{Context, Failure, Result};
use crate::process;
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The broker, its tools, and for 4.x (which brings log4j but no binding to it) what makes the broker's log visible.
const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>milena.xtask</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${kv}</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${kv}</version></dependency>
    BINDING
  </dependencies>
</project>
"#;
const BINDING: &str = "<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.4</version></dependency>";

/// A Kafka version on disk, ready to run.
pub(crate) struct Jars {
    pub(crate) version: String,
    directory: PathBuf,
    java: PathBuf,
}

impl Jars {
    /// Whether this is Kafka 4.0 or later: log4j 2 instead of reload4j, and finalized transaction versions.
    pub(crate) fn is_4_or_later(&self) -> bool {
        is_4_or_later(&self.version)
    }

    pub(crate) fn class_path(&self) -> String {
        format!("{}/*", self.directory.display())
    }

    /// `java` with the class path set; heap, class and arguments are the caller's.
    pub(crate) fn java(&self) -> Command {
        let mut command = Command::new(&self.java);
        command.arg("-cp").arg(self.class_path());
        command
    }
}

pub(crate) fn is_4_or_later(version: &str) -> bool {
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    major.is_some_and(|major: u32| major >= 4)
}

/// The jars of `version`, from the cache or from Maven.
pub(crate) fn fetch(version: &str) -> Result<Jars> {
    check_version(version)?;
    let java = java()?;
    let cache = cache_directory()?;
    let directory = cache.join(format!("kafka-{version}"));
    if !directory.is_dir() {
        fs::create_dir_all(&cache).context(|| format!("create {}", cache.display()))?;
        // Two test binaries may want the same version at the same moment: the second waits and finds it.
        let lock = File::create(cache.join("lock")).context(|| "create the cache's lock".into())?;
        lock.lock().context(|| "lock the cache".into())?;
        if !directory.is_dir() {
            copy_with_maven(version, &cache, &directory)?;
        }
    }
    Ok(Jars {
        version: version.to_owned(),
        directory,
        java,
    })
}

fn check_version(version: &str) -> Result<()> {
    let plain = version.split('.').count() == 3
        && version
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if plain {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{version} is not a Kafka version such as 4.3.1"
    )))
}

fn java() -> Result<PathBuf> {
    let java = match env::var_os("JAVA_HOME") {
        Some(home) if !home.is_empty() => Path::new(&home).join("bin/java"),
        _ => PathBuf::from("java"),
    };
    if process::is_installed(&java, "-version") {
        return Ok(java);
    }
    Err(Failure::new(
        "java is missing: real Kafka needs a Java runtime, version 17 or later, on PATH or in JAVA_HOME",
    ))
}

fn cache_directory() -> Result<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty());
    let cache = cache.map(PathBuf::from).or_else(|| {
        let home = env::var_os("HOME").filter(|path| !path.is_empty())?;
        Some(Path::new(&home).join(".cache"))
    });
    cache.map(|cache| cache.join("milena")).ok_or_else(|| {
        Failure::new("neither XDG_CACHE_HOME nor HOME is set: no place to keep Kafka's jars")
    })
}

/// Into a folder beside it first, then renamed: a folder with the right name is always whole.
fn copy_with_maven(version: &str, cache: &Path, directory: &Path) -> Result<()> {
    if !process::is_installed(Path::new("mvn"), "-version") {
        return Err(Failure::new(
            "mvn is missing: Kafka's jars are fetched with Apache Maven, version 3.6 or later, on PATH",
        ));
    }
    eprintln!("fetching the jars of Kafka {version} with Maven (once)");
    let work = cache.join(format!("fetch-{version}"));
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).context(|| format!("create {}", work.display()))?;
    let binding = if is_4_or_later(version) { BINDING } else { "" };
    let pom = work.join("pom.xml");
    fs::write(&pom, POM.replace("BINDING", binding)).context(|| "write the pom".into())?;
    let jars = work.join("jars");
    let mut failure = None;
    // -U from the second time on: Maven remembers a failed look-up and would only repeat it.
    for refresh in [false, true, true] {
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "-f"]).arg(&pom);
        maven
            .arg(format!("-Dkv={version}"))
            .arg(format!("-DoutputDirectory={}", jars.display()))
            .arg("-DincludeScope=runtime");
        if refresh {
            maven.arg("-U");
        }
        maven.arg("dependency:copy-dependencies");
        match process::output(&mut maven, &format!("fetching Kafka {version} with mvn")) {
            Ok(_) => {
                fs::rename(&jars, directory).context(|| "move the jars in place".into())?;
                let _ = fs::remove_dir_all(&work);
                return Ok(());
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.expect("the loop ran, and every turn that did not return left its failure"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_three_numbers() {
        assert!(check_version("4.3.1").is_ok());
        for wrong in ["4.3", "4.3.x", "../etc", "4.3.1.1", ""] {
            assert!(check_version(wrong).is_err(), "{wrong}");
        }
        assert!(is_4_or_later("4.0.2"));
        assert!(!is_4_or_later("3.9.2"));
    }
}
