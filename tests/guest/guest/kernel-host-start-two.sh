# What "host start-two" means when the target is in this kernel: a target with
# two namespaces, which kernel-target.sh has already made.
. /guest/lib.sh
echo $((PORT + 1))
