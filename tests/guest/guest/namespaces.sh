# Two namespaces of one subsystem are two separate disks.
. /guest/lib.sh

uuid_of() {
    nvme ns-descs "$(disk_of "$1")" | field uuid
}

# Which of the two becomes nvme0n1 depends on which the kernel scans first.
attach_both() {
    attach_to "$port" "$NQN"
    wait_for 20 disk_of 2 || fail "no namespace 2 appeared after connect"
}

port=$(host start-two)
NQN=$(subsystem_nqn "$port")
attach_both
contains "list-ns" "$(nvme list-ns "$CTRL")" ":0x2"
[ "$(uuid_of 1)" != "$(uuid_of 2)" ] || fail "both namespaces have the same UUID"
for nsid in 1 2; do
    mkfs.ext4 -q -F "$(disk_of $nsid)" 32M
    mkdir -p /mnt/$nsid
    mount -t ext4 "$(disk_of $nsid)" /mnt/$nsid
done
fill /mnt/1 4
cp /usr/sbin/nvme /mnt/2/nvme
checksums /mnt/1 >/tmp/sums.1
checksums /mnt/2 >/tmp/sums.2
umount /mnt/1 /mnt/2
detach
attach_both
for nsid in 1 2; do
    e2fsck -f -n "$(disk_of $nsid)"
    mount -t ext4 "$(disk_of $nsid)" /mnt/$nsid
    checksums /mnt/$nsid | cmp - /tmp/sums.$nsid ||
        fail "files differ in namespace $nsid"
done
umount /mnt/1 /mnt/2
detach
