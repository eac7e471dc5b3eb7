#!/bin/sh
# Last touch to the nodes' base system, by mmdebstrap: $1 is its root directory.
set -eu
root=$1

# Every node gets keys and a machine id of its own.
rm -f "$root"/etc/ssh/ssh_host_*
: > "$root/etc/machine-id"
: > "$root/etc/resolv.conf"

systemctl --quiet --root="$root" enable systemd-networkd.service ssh.service
# They would hold dpkg's lock at times of their own choosing.
systemctl --quiet --root="$root" mask apt-daily.timer apt-daily-upgrade.timer

cat > "$root/etc/apt/apt.conf.d/80lab" <<'CONF'
Acquire::Languages "none";
Acquire::Retries "5";
CONF
cat > "$root/etc/ssh/sshd_config.d/lab.conf" <<'CONF'
UseDNS no
CONF
