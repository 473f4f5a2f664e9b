# Part of case `booted-system`: the hardening of nixos/hardening.nix by effect. A probe runs inside the unit, before the daemon and
# under all that the unit says, and tries what is forbidden; beside it runs the same probe without the unit, where each try
# must succeed, so that none fails for another reason.
# shellcheck shell=bash disable=SC2016

# drop_in NAME LINE...: lines for the service's [Service] section.
drop_in() {
    local name=$1
    shift
    mkdir -p "$MACHINE/etc/systemd/system/nix-gocacheprog.service.d"
    { echo '[Service]'; printf '%s\n' "$@"; } > "$MACHINE/etc/systemd/system/nix-gocacheprog.service.d/$name.conf"
    on_machine systemctl daemon-reload
}

echo "=== hardening"
as alice sleep 1000 &
echo secret > "$MACHINE/home/alice/secret"
chmod 644 "$MACHINE/home/alice/secret"
chmod 755 "$MACHINE/home/alice"
for ((tries = 0; tries < 50; tries++)); do
    alices=$(on_machine pgrep -u alice -x sleep || true)
    [ -z "$alices" ] || break
    sleep 0.1
done
mkdir -p "$MACHINE/usr/local/libexec" "$MACHINE/var/open"
chmod 777 "$MACHINE/var/open" # by its mode anyone may write there
cat > "$MACHINE/usr/local/libexec/probe" << 'PROBE'
#!/bin/bash
# probe ALICES-PROCESS DIRECTORY
try() { local what=$1; shift; if "$@" > /dev/null 2>&1; then echo "could: $what"; else echo "could not: $what"; fi; }
{
    try "write into its own directory" touch "$2/mine"
    try "write elsewhere" touch /var/open/x
    try "write to /tmp as others see it" bash -c 'touch /tmp/shared-probe && [ -e /tmp/seen-by-all ]'
    try "read what is in a home" cat /home/alice/secret
    try "see a process of another user" cat "/proc/$1/cmdline"
    try "open a network socket" bash -c 'exec 3<> /dev/udp/127.0.0.1/9'
    try "have another network than its own" bash -c '[ "$(grep -c : /proc/net/dev)" -gt 1 ]'
    try "make a user namespace" unshare --user true
    try "read the kernel's log" bash -c 'exec 3< /dev/kmsg'
    try "see devices" test -e /dev/fuse
    try "set a setuid bit" bash -c 'cp /bin/true "$0/suid" && chmod u+s "$0/suid"' "$2"
    try "change a kernel setting" bash -c 'echo x > /proc/sys/kernel/domainname'
    try "change a control group" mkdir /sys/fs/cgroup/systemd/probe
    grep -E '^(NoNewPrivs|Seccomp|CapEff|CapBnd|Uid):' /proc/self/status
} > "$2/probe"
PROBE
chmod 755 "$MACHINE/usr/local/libexec/probe"
drop_in probe "ExecStartPre=/usr/local/libexec/probe $alices \${CACHE_DIRECTORY}"
touch "$MACHINE/tmp/seen-by-all" 2> /dev/null || true
on_machine touch /tmp/seen-by-all
on_machine systemctl restart nix-gocacheprog.service
probed=$MACHINE/var/cache/private/nix-gocacheprog/probe
expect "it may write into its own directory" grep -qx 'could: write into its own directory' "$probed"
mkdir "$MACHINE/var/control"
on_machine /usr/local/libexec/probe "$alices" /var/control
not_shown=()
while read -r what; do
    if grep -qx "could not: $what" "$probed"; then
        # Refused here too, to root without any unit: then it shows nothing of the unit.
        if grep -qx "could: $what" "$MACHINE/var/control/probe"; then echo "ok: it may not: $what"; else not_shown+=("$what"); fi
    else
        not_shown+=("$what (it could)")
    fi
done < <(sed -n 's/^could[^:]*: //p' "$probed" | grep -v 'into its own')
printf '    not shown in this container: %s\n' "${not_shown[@]}"
for what in "write elsewhere" "read what is in a home" "see a process of another user" "open a network socket"; do
    expect "shown: $what" test -z "$(printf '%s\n' "${not_shown[@]}" | grep -F "$what")"
done
expect "no new privileges" grep -q 'NoNewPrivs:.1' "$probed"
expect "a filter of system calls" grep -q 'Seccomp:.2' "$probed"
expect "no capabilities" grep -q 'CapBnd:.0000000000000000' "$probed"
expect "not root" refused grep -qE 'Uid:.0' "$probed"
on_machine rm -r /etc/systemd/system/nix-gocacheprog.service.d /usr/local/libexec/probe /var/control /var/open
on_machine rm -f /var/cache/private/nix-gocacheprog/{probe,mine,suid} /tmp/shared-probe /tmp/seen-by-all
on_machine systemctl daemon-reload
on_machine systemctl restart nix-gocacheprog.service
on_machine kill "$alices" || true
on_machine systemd-analyze --no-pager security nix-gocacheprog.service | tail -n 1
nix_small bob hardened > /dev/null
expect "a build under all this hits" counts small-hardened hits -gt 500
