# A disk of its own for a measurement, which therefore finds the file system that most machines have, and one in which nothing was deleted.
# shellcheck shell=bash

# on_own_disk: in a mount namespace of one's own, makes an ext4 with a journal the place of temporary files. It is in memory, as writing to
# a real disk goes on beside what is measured. Some virtual machines have ext4 without a journal. When that makes a file, it looks at every
# inode that was freed in the last minutes (Linux fs/ext4/ialloc.c, recently_deleted): each build would pay for the directories of the
# one before.
on_own_disk() {
    local image
    image=$(mktemp /dev/shm/gocacheprog-disk.XXXXXX)
    truncate -s 16G "$image"
    mkfs.ext4 -q -F "$image"
    mount -o loop "$image" /var/tmp # it ends with the namespace
    rm "$image"
    chmod 1777 /var/tmp
    export TMPDIR=/var/tmp
}
