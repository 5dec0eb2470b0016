#!/bin/bash
# Starts systemd on a copy of this host that forgets everything: an overlay over /, in memory. To
# be run in new mount, PID, IPC, host name, network and cgroup namespaces; the arguments are an empty
# folder to mount on, and one that the copy shows as /packages. The copy has no services but those
# that a test starts, and no network but loopback.
set -euo pipefail
folder=$1
packages=$2
root=$folder/root
mount -t tmpfs -o mode=755 none "$folder"
mkdir "$folder"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 none "$root/run"
mount -t tmpfs -o mode=1777 none "$root/tmp"
mkdir "$root/packages"
mount --bind "$packages" "$root/packages"
mount -t tmpfs -o mode=755 none "$root/dev"
for device in null zero full random urandom tty; do
	touch "$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root"/dev/{pts,shm}
mount -t tmpfs -o mode=1777 none "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

# Nothing of a Vcycle that the host has, and no policy that keeps packages from starting services
# or from bringing their manual pages, as images of containers have.
rm -f "$root/usr/sbin/policy-rc.d" "$root"/etc/dpkg/dpkg.cfg.d/*
rm -rf "$root"/{etc,opt,var/lib,var/log}/vcycle* "$root"/usr/{bin,sbin}/vcycle*

# Of the host's services none but the journal: some would change the kernel that it shares.
rm -rf "$root"/{etc,lib}/systemd/system/*.wants
echo >"$root/etc/fstab"
printf '[Unit]\nDescription=Nothing\nWants=systemd-journald.service\n' >"$root/etc/systemd/system/nothing.target"
echo packages.example.org >"$root/etc/hostname"
echo '127.0.0.1 localhost packages.example.org' >"$root/etc/hosts"
ip link set lo up 2>/dev/null || ifconfig lo up

# Not by chroot: who is in one may make no user namespaces, and machines are to.
cd "$root"
pivot_root . mnt
exec env -i container=packages PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c '
	umount -l /mnt
	exec /lib/systemd/systemd --unit=nothing.target --log-target=journal --show-status=false'
