/* The least a FUSE filesystem can do: memset_fuse MOUNTPOINT SIZE
 *
 * One file of SIZE bytes; a read fills a buffer with memset and answers with it. What a reader gets
 * from it is the most that any filesystem of this kind can give here: mount_bench.py measures views
 * against it. Serves in the foreground until it is unmounted. */
#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char file_name[] = "zeros";
static uint64_t file_size;

static void stat_of(fuse_ino_t ino, struct stat *st)
{
    memset(st, 0, sizeof(*st));
    st->st_ino = ino;
    st->st_mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0555 : S_IFREG | 0444;
    st->st_nlink = 1;
    st->st_size = ino == FUSE_ROOT_ID ? 0 : (off_t)file_size;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fuse_entry_param entry = {.ino = 2, .attr_timeout = 3600, .entry_timeout = 3600};
    (void)parent;
    if (strcmp(name, file_name) != 0) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    stat_of(entry.ino, &entry.attr);
    fuse_reply_entry(req, &entry);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct stat st;
    (void)fi;
    stat_of(ino, &st);
    fuse_reply_attr(req, &st, 3600);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    (void)ino;
    (void)fi;
    uint64_t left = (uint64_t)offset < file_size ? file_size - (uint64_t)offset : 0;
    size_t n = size < left ? size : (size_t)left;
    char *bytes = malloc(n ? n : 1);
    if (!bytes) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    memset(bytes, 0, n);
    fuse_reply_buf(req, bytes, n);
    free(bytes);
}

static const struct fuse_lowlevel_ops ops = {
    .lookup = op_lookup,
    .getattr = op_getattr,
    .open = op_open,
    .read = op_read,
};

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: memset_fuse MOUNTPOINT SIZE\n");
        return 2;
    }
    file_size = strtoull(argv[2], NULL, 10);
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct fuse_loop_config loop = {.max_idle_threads = 10};
    fuse_opt_add_arg(&args, argv[0]);
    fuse_opt_add_arg(&args, "-oro,fsname=memset_fuse");
    struct fuse_session *session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
    if (!session || fuse_set_signal_handlers(session) != 0 ||
        fuse_session_mount(session, argv[1]) != 0)
        return 1;
    int rc = fuse_session_loop_mt(session, &loop);
    fuse_session_unmount(session);
    fuse_remove_signal_handlers(session);
    fuse_session_destroy(session);
    fuse_opt_free_args(&args);
    return rc != 0;
}
