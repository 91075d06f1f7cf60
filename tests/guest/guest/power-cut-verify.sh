# Second half of power-cut.sh, after the next boot.
. /guest/lib.sh
attach
mount -t ext4 "$DISK" /mnt
at_least "number of files to check" "$(wc -l </guest/synced)" 20
(cd /mnt && sha256sum -c -s /guest/synced) || fail "a file that was synced differs"
umount /mnt
e2fsck -f -n "$DISK"
detach
