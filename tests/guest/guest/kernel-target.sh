# Makes the kernel's own target serve /dev/vda at 127.0.0.1:$PORT, so that the
# scenarios themselves can be checked against another implementation.
. /guest/lib.sh
modprobe configfs
modprobe nvmet-tcp
mount -t configfs none /sys/kernel/config
cd /sys/kernel/config/nvmet

# subsystem NAME DEVICE...: one subsystem with the devices as namespaces 1, 2...
subsystem() {
    mkdir "subsystems/$1"
    echo 1 >"subsystems/$1/attr_allow_any_host"
    nsid=1 name=$1
    shift
    for device; do
        mkdir "subsystems/$name/namespaces/$nsid"
        echo "$device" >"subsystems/$name/namespaces/$nsid/device_path"
        [ -b "$device" ] || echo 1 >"subsystems/$name/namespaces/$nsid/buffered_io"
        echo 1 >"subsystems/$name/namespaces/$nsid/enable"
        nsid=$((nsid + 1))
    done
}

# port ID NUMBER SUBSYSTEM
port() {
    mkdir "ports/$1"
    echo tcp >"ports/$1/addr_trtype"
    echo ipv4 >"ports/$1/addr_adrfam"
    echo 127.0.0.1 >"ports/$1/addr_traddr"
    echo "$2" >"ports/$1/addr_trsvcid"
    ln -s "/sys/kernel/config/nvmet/subsystems/$3" "ports/$1/subsystems/$3"
}

mkdir -p /run/target
mount -t tmpfs target /run/target
truncate -s 64M /run/target/1 /run/target/2
subsystem nqn.2024-01.org.example:disk /dev/vda
subsystem nqn.2024-01.org.example:two /run/target/1 /run/target/2
port 1 "$PORT" nqn.2024-01.org.example:disk
port 2 $((PORT + 1)) nqn.2024-01.org.example:two
