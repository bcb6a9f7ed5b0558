#!/bin/sh
# Turns the namespaces that this shell was started in into a host: its own root folder, devices,
# /proc, /sys and name, then tini as process 1, which reaps (libvirtd does not, and would wait 40 s
# for each QEMU that ended).
#
# Everything is mounted inside the host's mount namespace: nothing shows in the machine's own, and
# nothing is left when the last process of the host ends.
#
# Arguments: NAME LOWER FOLDER SHARED [DEVICE...]; prints "ready" once the host stands.
set -eu
name=$1 lower=$2 folder=$3 shared=$4
shift 4
root=$folder/root

mount --make-rprivate /
mount -t overlay overlay \
	-o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o nosuid,nodev,noexec sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/dev/net" "$root/srv/shared" "$root/srv/local" \
	"$root/.machine"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for stream in 0:stdin 1:stdout 2:stderr; do
	ln -s "/proc/self/fd/${stream%:*}" "$root/dev/${stream#*:}"
done
for device in null zero full random urandom tty "$@"; do
	: >"$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
mount --bind "$shared" "$root/srv/shared"
mount --bind "$folder/local" "$root/srv/local"
hostname "$name"
cd "$root"
pivot_root . .machine
# shellcheck disable=SC2016 # expanded by the inner shell
exec chroot . /bin/sh -c '
	umount -l /.machine
	rmdir /.machine
	echo ready
	exec </dev/null >/dev/null 2>&1
	exec /usr/bin/tini -- /bin/sleep infinity'
