# Disconnect and connect again; the data is still there.
. /guest/lib.sh
attach
mkfs.ext4 -q -F "$DISK" 64M
mount -t ext4 "$DISK" /mnt
fill /mnt/files 4
checksums /mnt/files >/tmp/sums
umount /mnt
for round in 1 2 3; do
    detach
    attach
done
mount -t ext4 "$DISK" /mnt
checksums /mnt/files | cmp - /tmp/sums || fail "files differ after reconnecting"
umount /mnt

# The same drive through two controllers at once.  The kernel is asked directly:
# nvme-cli 2.3 takes every second controller for one that is already connected.
first=$CTRL
exec 4<>/dev/nvme-fabrics
printf 'transport=tcp,traddr=%s,trsvcid=%s,nqn=%s,hostnqn=%s,hostid=%s,%s' \
    "$ADDRESS" "$PORT" "$NQN" "$(cat /etc/nvme/hostnqn)" \
    "$(cat /etc/nvme/hostid)" duplicate_connect >&4
read -r made <&4
exec 4<&-
CTRL=/dev/nvme$(echo "$made" | sed -n 's/.*instance=\([0-9]*\).*/\1/p')
[ -e "$CTRL" ] && [ "$CTRL" != "$first" ] || fail "no second controller: $made"
equal "namespaces behind both controllers" \
    "$(nvme list-ns "$first")" "$(nvme list-ns "$CTRL")"
nvme read "$DISK" -s 0 -c 7 -z $((8 * $(blockdev --getss "$DISK"))) -d /tmp/out
nvme disconnect -d "${first#/dev/}"
wait_for 20 test ! -e "$first" || fail "$first remains after disconnect"
dd if="$DISK" of=/tmp/in bs=$(blockdev --getss "$DISK") count=8 iflag=direct
cmp /tmp/in /tmp/out
detach
