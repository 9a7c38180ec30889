/* confine: a mounted daemon gives up what it needs no more. Private to fs/. */
#ifndef QUANTFS_CONFINE_H
#define QUANTFS_CONFINE_H

/* For ever, for every thread of the process: no new privileges; of root's capabilities only those to
 * read sources and to unmount; none of the system calls that serving never needs (no program is run,
 * nothing mounted, traced or loaded into the kernel, no network). What a driver that is opened later
 * may ask for stays allowed: threads, devices, memory, local sockets. Best effort: a kernel without
 * one of these goes without it. */
void qfs_confine(void);

#endif
