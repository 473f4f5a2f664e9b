//! The source that the matrix builds: more than 100 packages of a few lines each, so that a command makes many requests.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Packages of its own; with those of the standard library it has about 130.
const PACKAGES: usize = 105;

/// Writes the module to `dir`.
pub fn write(dir: &Path) {
    fs::write(dir.join("go.mod"), "module example.test/many\n\ngo 1.21\n").unwrap();
    let mut imports = String::new();
    for n in 0..PACKAGES {
        let package = dir.join(format!("p{n}"));
        fs::create_dir_all(&package).unwrap();
        // A tree: three packages import each one, so that compilers can run in parallel.
        let source = match n {
            0 => {
                "package p0\n\nimport \"strings\"\n\nfunc Name() string { return strings.ToUpper(\"p0\") }\n".to_owned()
            }
            _ => {
                let below = (n - 1) / 3;
                format!(
                    "package p{n}\n\nimport \"example.test/many/p{below}\"\n\nfunc Name() string {{ return p{below}.Name() + \".{n}\" }}\n"
                )
            }
        };
        fs::write(package.join("name.go"), source).unwrap();
        writeln!(imports, "\t\"example.test/many/p{n}\"").unwrap();
    }
    let calls: String = (0..PACKAGES).map(|n| format!("\tprintln(p{n}.Name())\n")).collect();
    fs::write(dir.join("main.go"), format!("package main\n\nimport (\n{imports})\n\nfunc main() {{\n{calls}}}\n"))
        .unwrap();
    for n in [1, 50] {
        let test = format!(
            "package p{n}\n\nimport \"testing\"\n\nfunc TestName(t *testing.T) {{\n\tif Name() == \"\" {{\n\t\tt.Fatal()\n\t}}\n}}\n"
        );
        fs::write(dir.join(format!("p{n}/name_test.go")), test).unwrap();
    }
}
