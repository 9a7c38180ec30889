#include "unmounter.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child of a process that may have threads: system calls only. */
static void wait_and_unmount(int fd, const char *mountpoint)
{
    char byte;
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
        dup2(null, i); /* whoever waits for the end of our output does not wait for us */
    dup2(fd, 3);
    close_range(4, ~0u, 0);
    signal(SIGINT, SIG_IGN); /* it ends with the daemon, not with its group */
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    ssize_t n;
    while ((n = read(3, &byte, 1)) < 0 && errno == EINTR)
        ;
    if (n == 1)
        execlp("fusermount3", "fusermount3", "-uz", "--", mountpoint, (char *)NULL);
    _exit(n != 0);
}

int qfs_unmounter_start(const char *mountpoint, struct qfs_unmounter *ret_unmounter,
                        struct qfs_error *error)
{
    int fds[2];
    *ret_unmounter = (struct qfs_unmounter){.fd = -1};
    if (geteuid() == 0)
        return 0;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return qfs_fail(error, errno, "no pipe for unmounting: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        wait_and_unmount(fds[0], mountpoint);
    int code = errno;
    close(fds[0]);
    if (pid < 0) {
        close(fds[1]);
        return qfs_fail(error, code, "no process for unmounting: %s", strerror(code));
    }
    *ret_unmounter = (struct qfs_unmounter){.pid = pid, .fd = fds[1]};
    return 0;
}

bool qfs_unmounter_ask(const struct qfs_unmounter *unmounter)
{
    return unmounter->pid && write(unmounter->fd, "u", 1) == 1;
}

void qfs_unmounter_end(struct qfs_unmounter *unmounter)
{
    if (!unmounter->pid)
        return;
    close(unmounter->fd);
    while (waitpid(unmounter->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    unmounter->pid = 0;
}
