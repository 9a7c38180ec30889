/* confine: what a mount's daemon gives away once it is mounted. Private to fs/. */
#ifndef QUANTFS_CONFINE_H
#define QUANTFS_CONFINE_H

/* A daemon of root keeps only what it needs to read sources and to unmount, and no program it starts
 * can gain more. For others there is nothing to give away, and fusermount3, which is setuid, must still
 * work at the end. Of the calling thread and those it starts later: call it before there are any. */
void qfs_confine(void);

#endif
