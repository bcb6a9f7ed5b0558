#!/bin/busybox sh
# First process of a lab guest: load the drivers, set the address, become the workload.
# Settings come from the kernel's command line as godwit.KEY=VALUE.
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
while read -r module; do
	/bin/busybox insmod "/modules/$module"
done </modules/order
settings=""
address=""
for word in $(/bin/busybox cat /proc/cmdline); do
	case "$word" in
	godwit.address=*) address="${word#*=}" ;;
	godwit.*) settings="$settings ${word#godwit.}" ;;
	esac
done
/bin/busybox ip link set lo up
if [ -n "$address" ]; then
	/bin/busybox ip addr add "$address" dev eth0
	/bin/busybox ip link set eth0 up
fi
# Unquoted on purpose: each word is one setting.
exec /agent $settings
