//! Installing and uninstalling in a temporary directory, without systemd.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::CommandFactory;

use super::destination::Destination;
use super::documents::{in_few_lines, plan_removal, plan_writing};
use super::modproxy;
use super::next_step::{next_step, replaced};
use super::plan::{GROUP, plan_install, plan_uninstall, without_settings};
use super::question::Choice;
use super::steps::{Step, carry_out};
use super::{UninstallArgs, caches, removes_cache};
use crate::cli::Args;
use crate::generate::documents;

fn destination(dir: &Path, runtime: Option<&str>) -> Destination {
    Destination {
        programs: "/opt/programs".into(),
        units: dir.join("units"),
        settings: dir.join("settings"),
        daemon_settings: runtime.is_none().then(|| dir.join("daemon.toml")),
        nix_conf: dir.join("nix.conf"),
        caches: vec![dir.join("cache")],
        module_caches: vec![dir.join("modules")],
        runtime: runtime.map(Into::into),
        sockets: dir.join("run"),
        has_systemd: false,
        share: Some(dir.join("share")),
    }
}

/// All files below a directory with their texts, and links with their targets.
fn files(dir: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
        } else {
            let to = fs::read_link(&path).map(|to| to.display().to_string());
            found.push((name, to.unwrap_or_else(|_| fs::read_to_string(&path).unwrap())));
        }
    }
    found.sort();
    found
}

#[test]
fn uninstall_removes_what_install_added_and_both_can_be_repeated() {
    for (runtime, before) in [(None, "cores = 2"), (None, ""), (Some("/run/user/7"), "a = b\n")] {
        let dir = tempfile::tempdir().unwrap();
        let destination = destination(dir.path(), runtime);
        if !before.is_empty() {
            fs::write(&destination.nix_conf, before).unwrap();
            fs::set_permissions(&destination.nix_conf, Permissions::from_mode(0o640)).unwrap();
        }
        let said = carry_out(&plan_install(&destination, None).unwrap(), true).unwrap();
        assert!(said.contains("add `pre-build-hook = ") && !destination.units.exists(), "{said}");
        assert_eq!(carry_out(&plan_install(&destination, None).unwrap(), false).unwrap(), said);
        let all = files(dir.path());
        assert_eq!(carry_out(&plan_install(&destination, None).unwrap(), false).unwrap(), "");
        assert_eq!(files(dir.path()), all);
        let text = |name: &str| &all.iter().find(|(known, _)| known == name).unwrap().1;
        assert!(text("units/nix-gocacheprog.service").contains("ExecStart=/opt/programs/cacheprogd serve "));
        assert_eq!(text("settings/hook"), "/opt/programs/prebuild-hook");
        assert_eq!(text("settings/go-env"), proto::control::GO_ENV);
        assert_eq!(text("settings/hook.toml").contains("/run/user/7"), runtime.is_some());
        assert!(text("nix.conf").starts_with(before), "{}", text("nix.conf"));
        fs::create_dir_all(dir.path().join("cache/objects")).unwrap(); // what a daemon keeps
        assert!(!carry_out(&plan_uninstall(&destination, false), false).unwrap().is_empty());
        assert!(dir.path().join("cache/objects").exists());
        let said = carry_out(&plan_uninstall(&destination, true), false).unwrap();
        assert_eq!(said, format!("remove {}\n", dir.path().join("cache").display()), "a cache that was kept");
        assert!(!dir.path().join("cache").exists());
        assert_eq!(carry_out(&plan_uninstall(&destination, true), false).unwrap(), "");
        let left = files(dir.path());
        assert_eq!(left.len(), usize::from(!before.is_empty()), "{left:?}");
        if let [(name, text)] = &left[..] {
            assert_eq!((name.as_str(), text.trim_end()), ("nix.conf", before.trim_end()));
            assert_eq!(fs::metadata(&destination.nix_conf).unwrap().permissions().mode() & 0o777, 0o640);
        }
    }
}

#[test]
fn settings_that_are_kept_stay_as_they_were_edited() {
    for runtime in [None, Some("/run/user/7")] {
        let dir = tempfile::tempdir().unwrap();
        let destination = destination(dir.path(), runtime);
        carry_out(&plan_install(&destination, None).unwrap(), false).unwrap();
        fs::write(destination.setting("hook.toml"), "mode = \"transparent\"").unwrap();
        fs::write(destination.setting(modproxy::SETTINGS), "GOSUMDB=off").unwrap();
        let mut steps = modproxy::plan_uninstall(&destination, true);
        steps.extend(plan_uninstall(&destination, true));
        let said = carry_out(&without_settings(&destination, steps), false).unwrap();
        assert!(!said.lines().any(|line| line.ends_with("settings")), "{said}");
        let left: Vec<_> = files(dir.path()).into_iter().map(|(name, _)| name).collect();
        let expected = ["daemon.toml", "settings/hook.toml", "settings/modproxy.env"];
        assert_eq!(left, expected[usize::from(runtime.is_some())..]);
        assert_eq!(fs::read_to_string(destination.setting("hook.toml")).unwrap(), "mode = \"transparent\"");
    }
}

#[test]
fn the_system_alone_has_units_and_a_group_for_a_remote_store() {
    for runtime in [None, Some("/run/user/7")] {
        let dir = tempfile::tempdir().unwrap();
        let destination = destination(dir.path(), runtime);
        let is_system = runtime.is_none();
        let steps = plan_install(&destination, None).unwrap();
        let is_added = steps.contains(&Step::AddGroup { name: GROUP, has_systemd: false });
        assert_eq!(is_added, is_system);
        carry_out(&steps, false).unwrap();
        let unit = |name: &str| fs::read_to_string(destination.units.join(name)).unwrap_or_default();
        let [socket, remote] = ["socket", "service"].map(|kind| unit(&format!("nix-gocacheprog-remote.{kind}")));
        assert_eq!(socket.contains(&format!("\nSocketGroup={GROUP}\n")), is_system, "{socket}");
        assert_eq!(remote.contains("\nExecStart=/opt/programs/cacheprog-remote serve "), is_system, "{remote}");
        assert_eq!(unit("nix-gocacheprog.service").contains(&format!("\nSupplementaryGroups={GROUP}\n")), is_system);
        let is_removed =
            plan_uninstall(&destination, true).contains(&Step::RemoveGroup { name: GROUP, has_systemd: false });
        assert_eq!(is_removed, is_system);
    }
}

#[test]
fn units_that_an_earlier_version_did_not_have_are_not_disabled() {
    let dir = tempfile::tempdir().unwrap();
    let destination = destination(dir.path(), None);
    let disabled = || {
        let words = plan_uninstall(&destination, true).into_iter().filter_map(|step| match step {
            Step::Systemctl { words, .. } if words[0] == "disable" || words[0] == "stop" => Some(words.join(" ")),
            _ => None,
        });
        words.collect::<Vec<_>>().join("; ") // sockets, then services
    };
    assert_eq!(disabled(), "");
    carry_out(&plan_install(&destination, None).unwrap(), false).unwrap();
    let all = disabled();
    for name in ["nix-gocacheprog-remote.socket", "nix-gocacheprog-remote.service"] {
        assert!(all.contains(name), "{all}");
        fs::remove_file(destination.units.join(name)).unwrap();
    }
    assert_eq!(
        disabled(),
        "disable --now nix-gocacheprog.socket nix-gocacheprog-status.socket; stop nix-gocacheprog.service"
    );
}

#[test]
fn the_users_settings_and_another_hook_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let destination = destination(dir.path(), None);
    fs::create_dir(&destination.settings).unwrap();
    fs::write(destination.settings.join("hook.toml"), "mode = 'transparent'").unwrap();
    carry_out(&plan_install(&destination, None).unwrap(), false).unwrap();
    assert_eq!(fs::read_to_string(destination.settings.join("hook.toml")).unwrap(), "mode = 'transparent'");
    fs::write(&destination.nix_conf, "# x\n pre-build-hook=/opt/other\n").unwrap();
    let said = plan_install(&destination, None).unwrap_err().to_string();
    assert!(said.contains("`pre-build-hook=/opt/other`") && said.contains("chain = [\"/opt/other\"]"), "{said}");
    fs::write(&destination.nix_conf, "#pre-build-hook = /x\npre-build-hook =\n").unwrap();
    assert!(plan_install(&destination, None).is_ok());
}

#[test]
fn those_whom_nix_trusts_are_writers_in_new_settings() {
    for (nix_conf, writers) in [
        ("", r#"["root"]"#),
        ("trusted-users = alice @wheel root\n", r#"["root","alice","@wheel"]"#),
        ("trusted-users = *\n!include more.conf\n", r#"["root","*","bob"]"#),
        ("trusted-users = a,b D\\x\n", r#"["root","D\\x"]"#),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let destination = destination(dir.path(), None);
        let path = dir.path().join("daemon.toml");
        fs::write(&destination.nix_conf, nix_conf).unwrap();
        fs::write(dir.path().join("more.conf"), "extra-trusted-users = bob").unwrap();
        carry_out(&plan_install(&destination, None).unwrap(), false).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(&format!("\nwriters = {writers}\n")), "{text}");
        settings::read(Some(&path)).unwrap();
        // As the administrator wants it.
        let all = ["max-size", "max-age", "min-free", "http"];
        let uncommented =
            all.iter().fold(text.clone(), |text, key| text.replace(&format!("\n#{key}"), &format!("\n{key}")));
        assert_eq!(uncommented.len() + all.len(), text.len(), "{uncommented}");
        for changed in
            [uncommented, text.replace("[trust]\n", "max-age = \"9d\"\n[trust]\n"), "max-size = \"1GiB\"\n".to_owned()]
        {
            fs::write(&path, &changed).unwrap();
            carry_out(&plan_install(&destination, None).unwrap(), false).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), changed);
            settings::read(Some(&path)).unwrap();
        }
        carry_out(&plan_uninstall(&destination, true), false).unwrap();
        assert!(path.exists());
    }
}

#[test]
fn man_pages_and_completions_are_written_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let destination = destination(dir.path(), None);
    let documents = || documents(&Args::command()).unwrap();
    assert!(!carry_out(&plan_writing(&destination, documents()), false).unwrap().is_empty());
    for place in [
        "man/man1/cacheprogctl-status.1",
        "man/man8/cacheprogd.8",
        "man/man5/nix-gocacheprog.toml.5",
        "bash-completion/completions/cacheprogctl",
        "zsh/site-functions/_cacheprogctl",
        "fish/vendor_completions.d/cacheprogctl.fish",
    ] {
        assert!(dir.path().join("share").join(place).is_file(), "{place}");
    }
    assert_eq!(carry_out(&plan_writing(&destination, documents()), false).unwrap(), "");
    carry_out(&plan_removal(&destination, &documents()), false).unwrap();
    assert!(files(dir.path()).is_empty());
}

#[test]
fn man_pages_and_completions_are_a_line_each() {
    let dir = tempfile::tempdir().unwrap();
    let destination = destination(dir.path(), None);
    let steps = plan_writing(&destination, documents(&Args::command()).unwrap());
    let said = in_few_lines(&carry_out(&steps, true).unwrap());
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.starts_with("write ") && said.contains(" man pages\n") && said.contains("completion"), "{said}");
    assert_eq!(in_few_lines(""), "");
}

#[test]
fn at_its_end_install_names_the_overlay_who_shares_and_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let programs = dir.path().join("usr/libexec/nix-gocacheprog");
    let overlay = dir.path().join("usr/share/nix-gocacheprog/overlay.nix");
    let destination = Destination { programs, ..destination(dir.path(), None) };
    let told = next_step(&destination, None);
    assert!(told.contains("nixGocacheprogHook of the overlay in its"), "{told}");
    assert!(told.contains("mode = \"transparent\" in ") && !told.contains("http://"), "{told}");
    assert!(told.contains("builds of root are shared with all users"), "{told}");
    fs::create_dir_all(overlay.parent().unwrap()).unwrap();
    fs::write(&overlay, "").unwrap();
    fs::write(destination.daemon_settings.as_deref().unwrap(), "trust.writers = ['root', '@wheel']").unwrap();
    let told = next_step(&destination, Some("127.0.0.1:9417"));
    assert!(told.contains(overlay.to_str().unwrap()) && told.contains("http://127.0.0.1:9417/metrics"), "{told}");
    assert!(told.contains("builds of root, @wheel are shared with all users"), "{told}");
}

#[test]
fn another_installation_that_is_replaced_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let destination = destination(dir.path(), None);
    assert_eq!(replaced(&destination), "");
    carry_out(&plan_install(&destination, None).unwrap(), false).unwrap();
    assert_eq!(replaced(&destination), "");
    let other = Destination { programs: "/usr/libexec/nix-gocacheprog".into(), ..destination };
    assert_eq!(replaced(&other), "this replaces the installation of the programs in /opt/programs\n");
}

#[test]
fn a_package_has_its_man_pages_itself() {
    let dir = tempfile::tempdir().unwrap();
    let destination = Destination { share: None, ..destination(dir.path(), None) };
    assert!(plan_writing(&destination, documents(&Args::command()).unwrap()).is_empty());
}

#[test]
fn an_address_is_written_to_new_settings_with_the_network_that_it_needs() {
    for (at, network) in [
        ("127.0.0.1:9417", Some("\nIPAddressAllow=localhost\n")),
        ("localhost:9417", Some("\nIPAddressAllow=localhost\n")),
        ("[::1]:9417", Some("\nIPAddressAllow=localhost\n")),
        ("0.0.0.0:9417", Some("\nIPAddressDeny=\n")),
        ("127.example.org:80", Some("\nIPAddressDeny=\n")),
        ("/var/cache/nix-gocacheprog/http.sock", None),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let destination = destination(dir.path(), None);
        let install = |at| plan_install(&destination, Some(at)).map(|steps| carry_out(&steps, false).unwrap());
        install(at).unwrap();
        assert_eq!(install(at).unwrap(), "");
        let http = settings::read(destination.daemon_settings.as_deref()).unwrap().http;
        assert_eq!(http, Some(at.parse().unwrap()));
        let drop_in = destination.units.join("nix-gocacheprog.service.d");
        let text = fs::read_to_string(drop_in.join("http.conf")).unwrap_or_default();
        assert_eq!(network.map(|line| text.contains(line)), network.map(|_| true), "{at}: {text}");
        assert_eq!(text.is_empty(), network.is_none());
        let refused = install("127.0.0.1:1").unwrap_err().to_string();
        assert!(refused.contains("write `http = \"127.0.0.1:1\"` into it"), "{refused}");
        carry_out(&plan_uninstall(&destination, true), false).unwrap();
        assert!(!drop_in.exists());
    }
}

#[test]
fn at_a_socket_the_network_of_an_earlier_address_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let destination = destination(dir.path(), None);
    let install = |at| carry_out(&plan_install(&destination, Some(at)).unwrap(), false).unwrap();
    install("127.0.0.1:9417");
    let drop_in = destination.units.join("nix-gocacheprog.service.d/http.conf");
    assert!(drop_in.exists());
    fs::write(destination.daemon_settings.as_deref().unwrap(), "http = \"/run/x/http.sock\"\n").unwrap();
    assert_eq!(install("/run/x/http.sock"), format!("remove {}\n", drop_in.display()));
    assert!(!drop_in.exists());
}

#[test]
fn the_service_of_the_module_proxy_is_written_and_removed() {
    for runtime in [None, Some("/run/user/7")] {
        let dir = tempfile::tempdir().unwrap();
        let destination = Destination { programs: dir.path().join("programs"), ..destination(dir.path(), runtime) };
        let list = ["https://a.test,direct".to_owned(), "sum.test".to_owned()];
        let missing = modproxy::plan_install(&destination, &list).unwrap_err().to_string();
        assert!(missing.contains("there is no modproxy in "), "{missing}");
        fs::create_dir(&destination.programs).unwrap();
        fs::write(destination.programs.join("modproxy"), "").unwrap();
        let install = || carry_out(&modproxy::plan_install(&destination, &list).unwrap(), false).unwrap();
        assert!(!install().is_empty());
        assert_eq!(install(), "");
        let unit = fs::read_to_string(destination.units.join(modproxy::UNIT)).unwrap();
        assert!(unit.contains(&format!("\nExecStart={}/programs/modproxy serve ", dir.path().display())), "{unit}");
        assert_eq!(unit.contains("\nDynamicUser=true\n"), runtime.is_none());
        let settings = fs::read_to_string(destination.setting(modproxy::SETTINGS)).unwrap();
        assert!(settings.contains("\nGOPROXY=https://a.test,direct\nGOSUMDB=sum.test\n"), "{settings}");
        assert!(!destination.nix_conf.exists());
        let uninstall = || carry_out(&modproxy::plan_uninstall(&destination, true), false).unwrap();
        assert!(!uninstall().is_empty());
        assert_eq!(uninstall(), "");
        assert!(!destination.settings.exists() && fs::read_dir(&destination.units).unwrap().next().is_none());
    }
}

#[test]
fn a_cache_is_removed_by_yes_or_an_answer_and_never_with_keep_cache() {
    let removes = |[yes, keep_cache, dry_run]: [bool; 3], caches: &str, answer| {
        let common = super::Args { dry_run, user: false, modproxy: false };
        removes_cache(&UninstallArgs { common, yes, keep_cache, keep_settings: false }, caches, |_| answer)
    };
    for caches in ["", "/cache"] {
        assert!(!removes([false, true, false], caches, Choice::Remove), "--keep-cache, {caches:?}");
        assert!(removes([true, false, true], caches, Choice::Keep), "--yes, {caches:?}");
    }
    assert!(removes([false, false, false], "/cache", Choice::Remove));
    assert!(!removes([false, false, false], "/cache", Choice::Keep));
    assert!(!removes([false, false, true], "/cache", Choice::Remove), "a dry run does not ask");
}

#[test]
fn a_cache_behind_a_link_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let destination = destination(dir.path(), None);
    assert_eq!(caches(&destination, false), "");
    std::os::unix::fs::symlink("/another/disk", dir.path().join("cache")).unwrap();
    assert_eq!(caches(&destination, false), dir.path().join("cache").display().to_string());
    assert_eq!(caches(&destination, true), "");
}
