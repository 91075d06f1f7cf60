# What "host restart-target SECONDS" means when the target is in this kernel: the
# port drops its subsystem, which cuts every connection, and takes it up again.
cd /sys/kernel/config/nvmet || exit 1
rm ports/1/subsystems/nqn.2024-01.org.example:disk
sleep "$2"
ln -s "$PWD/subsystems/nqn.2024-01.org.example:disk" ports/1/subsystems/
