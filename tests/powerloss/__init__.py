"""Power loss, simulated: what a disk may hold when the current fails in the middle of a command.

A ``kill -9`` loses nothing: the kernel still writes what it was given. A power loss loses whatever was
not yet made durable, and not always the newest of it first. Nobody can pull a plug a thousand times. So
this package records the file-system calls of real commands from outside (`trace`), works out from the
record what a disk may hold at every moment (`disk`, `loss`), writes each such state out, lets the
product recover it, and judges what is there then (`verdict`, `search`). `scene` says which commands;
``python -m tests.powerloss`` runs them all.

The approach is that of ALICE (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014,
https://research.cs.wisc.edu/wind/Publications/alice-osdi14.html): a run becomes a list of small steps,
and a model of the file system says which of them may be missing afterwards. Three models are used here.
In all three, what was fsynced stays; what was written to a file since its last fsync may be there, be
missing, be there in part, or be there as zeros of its length, each write for itself; and starting
writeback (``posix_fadvise``, ``sync_file_range``) promises nothing.

``ordered``
    Names and permission bits reach the disk in the order in which they were changed, in one journal
    for the whole file system, as ext4 and XFS have it: what is lost is the end. Only the bytes of
    files come when they like, since their blocks are allocated late
    (https://www.kernel.org/doc/html/latest/admin-guide/ext4.html).

``scattered``
    The change of a name lasts once its directory was fsynced; until then each change may be lost for
    itself, whatever was done after it. That is as much as fsync(2) promises
    (https://man7.org/linux/man-pages/man2/fsync.2.html), and close to what a file system does that
    writes no more than it was asked for, as btrfs does with its log
    (https://www.kernel.org/doc/html/latest/filesystems/btrfs.html). A rename is one change: it lasts
    once either of its directories was synced, and a file that is moved is always somewhere.
    Permission bits last once the file or the directory itself was synced.

``halved``
    The letter of the standard, harsher than any file system that is known. As ``scattered``, but a
    rename from one directory to another is two changes, the new name and the end of the old one, each
    of which lasts with its own directory; the old name does not go before the new one is there. And a
    directory that was synced, with all that is in it, still has no name until the one above it is
    synced.

A step depends on what it builds on, in all models: on the earlier changes of the same name, on the
directory that it is in, and the removal of a directory on that of what was in it.

Not modelled: blocks that hold some other file's old bytes, disks that lie about a flush, an fsync that
fails, files that are written through a memory map, ownership, and times.
"""
