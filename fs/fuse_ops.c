#include "fuse_ops.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { IOV_MOST = 512, MAX_BACKGROUND = 64 };

/* A file is what its inode number says for ever, so attributes may be kept; which file a name means
 * changes with the source. */
static const double attr_timeout = 3600, entry_timeout = 10;

struct qfs_handle {
    struct qfs_view *view; /* NULL: the status file, or one held in memory */
    struct stat st;
    char *text;    /* of the status file and of files held in memory */
    size_t size;   /* of text */
    uint32_t refs; /* atomic: until it is released, and while an operation uses it */
    struct qfs_handle *prev, *next;
};

static struct qfs_server *server_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

static struct qfs_handle *handle_of(const struct fuse_file_info *fi)
{
    return (struct qfs_handle *)(uintptr_t)fi->fh;
}

static void count(struct qfs_server *server, uint64_t *number, uint64_t by)
{
    pthread_mutex_lock(&server->lock);
    *number += by;
    pthread_mutex_unlock(&server->lock);
}

/* -- names and attributes ----------------------------------------------------------------------- */

static void stat_of(const struct qfs_server *server, const struct qfs_names *names,
                    const struct qfs_node *node, struct stat *ret_stat)
{
    qfs_node_stat(names, node, ret_stat);
    ret_stat->st_uid = server->uid;
    ret_stat->st_gid = server->gid;
}

static void status_stat(const struct qfs_server *server, struct stat *ret_stat)
{
    *ret_stat = (struct stat){
        .st_ino = QFS_STATUS_INO,
        .st_mode = S_IFREG | 0400,
        .st_nlink = 1,
        .st_uid = server->uid,
        .st_gid = server->gid,
        .st_blksize = 4096,
    };
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    (void)userdata;
    conn->max_background = MAX_BACKGROUND;
    conn->congestion_threshold = MAX_BACKGROUND * 3 / 4;
    /* Files never change: cached pages need no checking against attributes. */
    conn->want &= ~(unsigned)FUSE_CAP_AUTO_INVAL_DATA;
}

/* What a directory holds may change; a file is what its number says. */
static double attr_seconds(const struct qfs_node *node)
{
    return node->kind == QFS_NODE_DIR ? entry_timeout : attr_timeout;
}

static void entry_of(const struct qfs_server *server, const struct qfs_names *names,
                     const struct qfs_node *node, struct fuse_entry_param *ret_entry)
{
    *ret_entry = (struct fuse_entry_param){.ino = node->ino,
                                           .attr_timeout = attr_seconds(node),
                                           .entry_timeout = node->kind != QFS_NODE_DIR &&
                                                                    qfs_node_is_fixed(names, node)
                                                                ? attr_timeout
                                                                : entry_timeout};
    stat_of(server, names, node, &ret_entry->attr);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct qfs_server *server = server_of(req);
    struct fuse_entry_param entry = {.ino = QFS_STATUS_INO, .entry_timeout = entry_timeout};
    struct qfs_names *names;
    const struct qfs_node *node;
    if (parent == QFS_ROOT_INO && !strcmp(name, QFS_STATUS_NAME)) {
        status_stat(server, &entry.attr);
        fuse_reply_entry(req, &entry);
        return;
    }
    int rc = qfs_tree_lookup(server->tree, parent, name, &names, &node);
    if (rc < 0) {
        fuse_reply_err(req, -rc);
        return;
    }
    entry_of(server, names, node, &entry);
    qfs_names_unref(names);
    fuse_reply_entry(req, &entry);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct qfs_server *server = server_of(req);
    struct stat st;
    if (fi && fi->fh) {
        fuse_reply_attr(req, &handle_of(fi)->st, attr_timeout);
        return;
    }
    if (ino == QFS_STATUS_INO) {
        status_stat(server, &st);
        fuse_reply_attr(req, &st, 0);
        return;
    }
    struct qfs_names *names = qfs_tree_get(server->tree);
    const struct qfs_node *node = qfs_names_by_ino(names, ino);
    double seconds = node ? attr_seconds(node) : 0;
    if (node)
        stat_of(server, names, node, &st);
    qfs_names_unref(names);
    if (node)
        fuse_reply_attr(req, &st, seconds);
    else
        fuse_reply_err(req, ESTALE);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    struct qfs_server *server = server_of(req);
    struct qfs_names *names = qfs_tree_get(server->tree);
    const struct qfs_node *node = qfs_names_by_ino(names, ino);
    if (node && node->kind == QFS_NODE_LINK)
        fuse_reply_readlink(req, node->data);
    else
        fuse_reply_err(req, node ? EINVAL : ESTALE);
    qfs_names_unref(names);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    (void)ino;
    struct qfs_server *server = server_of(req);
    struct qfs_names *names = qfs_tree_get(server->tree);
    struct statvfs st = {
        .f_bsize = 4096,
        .f_frsize = 4096,
        .f_blocks = (names->size + 4095) / 4096,
        .f_files = names->nnodes - 1,
        .f_namemax = 255,
        .f_flag = ST_RDONLY,
    };
    qfs_names_unref(names);
    fuse_reply_statfs(req, &st);
}

/* -- listing ------------------------------------------------------------------------------------ */

/* One listing, one set of names. */
struct listing {
    struct qfs_names *names;
    const struct qfs_node *dir;
};

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct qfs_server *server = server_of(req);
    struct listing *listing = malloc(sizeof(*listing));
    if (!listing) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    int rc = qfs_tree_list_dir(server->tree, ino, &listing->names, &listing->dir);
    if (rc < 0) {
        fuse_reply_err(req, -rc);
        free(listing);
        return;
    }
    fi->fh = (uint64_t)(uintptr_t)listing;
    fi->cache_readdir = fi->keep_cache = qfs_node_is_fixed(listing->names, listing->dir);
    fuse_reply_open(req, fi);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    struct listing *listing = (struct listing *)(uintptr_t)fi->fh;
    qfs_names_unref(listing->names);
    free(listing);
    fuse_reply_err(req, 0);
}

/* Entry `at` of the listing: ".", "..", then what the directory holds. */
static size_t add_entry(fuse_req_t req, const struct listing *listing, size_t at, bool plus,
                        char *to, size_t room)
{
    const struct qfs_names *names = listing->names;
    const struct qfs_node *dir = listing->dir;
    const struct qfs_node *node = at == 0   ? dir
                                  : at == 1 ? &names->nodes[dir->parent]
                                            : &names->nodes[dir->children[at - 2]];
    const char *name = at == 0 ? "." : at == 1 ? ".." : node->name;
    struct fuse_entry_param entry;
    entry_of(server_of(req), names, node, &entry);
    if (at < 2 || node->guessed) /* the kernel does not want to learn of them here; or will ask */
        entry.ino = 0;
    if (plus)
        return fuse_add_direntry_plus(req, to, room, name, &entry, (off_t)at + 1);
    return fuse_add_direntry(req, to, room, name, &entry.attr, (off_t)at + 1);
}

static void list(fuse_req_t req, size_t size, off_t offset, const struct fuse_file_info *fi,
                 bool plus)
{
    const struct listing *listing = (const struct listing *)(uintptr_t)fi->fh;
    char *text = malloc(size);
    size_t used = 0;
    if (!text) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    for (size_t at = (size_t)offset; at < (size_t)listing->dir->nchildren + 2; at++) {
        size_t needed = add_entry(req, listing, at, plus, text + used, size - used);
        if (needed > size - used)
            break;
        used += needed;
    }
    fuse_reply_buf(req, text, used);
    free(text);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    (void)ino;
    list(req, size, offset, fi, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                           struct fuse_file_info *fi)
{
    (void)ino;
    list(req, size, offset, fi, true);
}

/* -- opening ------------------------------------------------------------------------------------ */

static void link_handle(struct qfs_server *server, struct qfs_handle *handle)
{
    pthread_mutex_lock(&server->lock);
    handle->next = server->handles;
    if (handle->next)
        handle->next->prev = handle;
    server->handles = handle;
    server->numbers.open_files++;
    pthread_mutex_unlock(&server->lock);
}

static void close_handle(struct qfs_server *server, struct qfs_handle *handle)
{
    if (__atomic_sub_fetch(&handle->refs, 1, __ATOMIC_ACQ_REL))
        return;
    pthread_mutex_lock(&server->lock);
    *(handle->prev ? &handle->prev->next : &server->handles) = handle->next;
    if (handle->next)
        handle->next->prev = handle->prev;
    server->numbers.open_files--;
    pthread_mutex_unlock(&server->lock);
    qfs_view_close(handle->view);
    free(handle->text);
    free(handle);
}

static int open_status(struct qfs_server *server, struct qfs_handle *handle)
{
    struct qfs_names *names = qfs_tree_get(server->tree);
    pthread_mutex_lock(&server->lock);
    struct qfs_mount_numbers numbers = server->numbers;
    pthread_mutex_unlock(&server->lock);
    numbers.views = names->nviews;
    qfs_names_unref(names);
    qfs_tree_count(server->tree, &numbers.tree);
    status_stat(server, &handle->st);
    int rc = qfs_status_json(server->engine, &numbers, &handle->text, NULL);
    handle->size = rc == 0 ? strlen(handle->text) : 0;
    return rc;
}

static int open_text(const struct qfs_node *node, struct qfs_handle *handle)
{
    handle->text = malloc(node->size + 1);
    if (!handle->text)
        return -ENOMEM;
    memcpy(handle->text, node->data, node->size);
    handle->size = node->size;
    return 0;
}

/* ESTALE makes the kernel look the name up again: then it finds the file of now. */
static int open_node(struct qfs_server *server, fuse_ino_t ino, struct qfs_handle *handle)
{
    struct qfs_names *names = qfs_tree_get(server->tree);
    const struct qfs_node *node = qfs_names_by_ino(names, ino);
    int rc = -ESTALE;
    if (node)
        stat_of(server, names, node, &handle->st);
    if (node && node->kind == QFS_NODE_TEXT)
        rc = open_text(node, handle);
    else if (node && node->kind == QFS_NODE_VIEW)
        rc = qfs_tree_open_view(server->tree, node, &handle->view);
    qfs_names_unref(names);
    return rc;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct qfs_server *server = server_of(req);
    struct qfs_handle *handle;
    int rc;
    if ((fi->flags & O_ACCMODE) != O_RDONLY) {
        fuse_reply_err(req, EROFS);
        return;
    }
    handle = calloc(1, sizeof(*handle));
    if (!handle) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    handle->refs = 1;
    link_handle(server, handle);
    if (ino == QFS_STATUS_INO) {
        rc = open_status(server, handle);
        fi->direct_io = 1; /* its size is not known beforehand */
    } else {
        rc = open_node(server, ino, handle);
        fi->keep_cache = 1;
    }
    if (rc < 0) {
        close_handle(server, handle);
        fuse_reply_err(req, -rc);
        return;
    }
    fi->fh = (uint64_t)(uintptr_t)handle;
    if (fuse_reply_open(req, fi) < 0) /* the opener was interrupted: no release will come */
        close_handle(server, handle);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    struct qfs_server *server = server_of(req);
    close_handle(server, handle_of(fi));
    fuse_reply_err(req, 0);
    qfs_tree_tidy(server->tree);
}

/* -- reading ------------------------------------------------------------------------------------ */

static void reply_error(fuse_req_t req, int rc)
{
    struct qfs_server *server = server_of(req);
    count(server, &server->numbers.read_errors, 1);
    fuse_reply_err(req, -rc);
}

/* More parts than writev takes: BERT has tensors of a few hundred bytes. */
static void reply_flat(fuse_req_t req, const struct qfs_read *read)
{
    char *flat = malloc(read->size);
    size_t at = 0;
    if (!flat) {
        reply_error(req, -ENOMEM);
        return;
    }
    for (uint32_t i = 0; i < read->nparts; i++) {
        memcpy(flat + at, qfs_read_part(read, i), read->parts[i].size);
        at += read->parts[i].size;
    }
    fuse_reply_buf(req, flat, at);
    free(flat);
}

static void reply_read(fuse_req_t req, const struct qfs_read *read)
{
    struct qfs_server *server = server_of(req);
    pthread_mutex_lock(&server->lock);
    server->numbers.reads++;
    server->numbers.read_bytes += read->size;
    pthread_mutex_unlock(&server->lock);
    if (read->nparts > IOV_MOST) {
        reply_flat(req, read);
        return;
    }
    struct iovec parts[IOV_MOST];
    for (uint32_t i = 0; i < read->nparts; i++) {
        parts[i].iov_base = (void *)(uintptr_t)qfs_read_part(read, i);
        parts[i].iov_len = read->parts[i].size;
    }
    fuse_reply_iov(req, parts, (int)read->nparts);
}

/* Answers and frees. No interrupt comes after the first line, and none is under way. */
static void finish_read(fuse_req_t req, struct qfs_read *read, int rc)
{
    fuse_req_interrupt_func(req, NULL, NULL);
    if (rc < 0)
        reply_error(req, rc);
    else
        reply_read(req, read);
    qfs_read_free(read);
}

/* The last chunk landed; called by a worker. */
static void read_landed(struct qfs_fetch *fetch)
{
    struct qfs_read *read = fetch->done_arg;
    finish_read(read->owner, read, fetch->rc);
}

/* The reader does not want to wait any more. If its chunks are just landing, they are the answer. */
static void read_interrupted(fuse_req_t req, void *data)
{
    struct qfs_server *server = server_of(req);
    struct qfs_read *read = data;
    if (!qfs_engine_cancel(server->engine, &read->fetch))
        return;
    count(server, &server->numbers.interrupted, 1);
    fuse_reply_err(req, EINTR);
    qfs_read_free(read);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    (void)ino;
    struct qfs_server *server = server_of(req);
    struct qfs_handle *handle = handle_of(fi);
    if (handle->text) {
        size_t at = QFS_MIN((size_t)offset, handle->size);
        fuse_reply_buf(req, handle->text + at, QFS_MIN(size, handle->size - at));
        return;
    }
    struct qfs_view *view = handle->view;
    struct qfs_read *read = qfs_read_new(view->image, (uint64_t)offset, (uint32_t)size);
    if (!read) {
        reply_error(req, -ENOMEM);
        return;
    }
    /* The kernel releases a file after its last read was answered: that may be before we are done. */
    __atomic_add_fetch(&handle->refs, 1, __ATOMIC_RELAXED);
    read->owner = req;
    read->fetch.fill = view->fill;
    read->fetch.done = read_landed;
    read->fetch.done_arg = read;
    fuse_req_interrupt_func(req, read_interrupted, read);
    int rc = qfs_engine_fetch(server->engine, &read->fetch);
    if (rc != 0) /* parked reads are not ours to touch any more */
        finish_read(req, read, QFS_MIN(rc, 0));
    qfs_streams_note(view->streams, (uint64_t)offset, (uint32_t)size);
    close_handle(server, handle);
}

/* -- life --------------------------------------------------------------------------------------- */

void qfs_server_init(struct qfs_server *server)
{
    pthread_mutex_init(&server->lock, NULL);
    server->uid = geteuid();
    server->gid = getegid();
    server->numbers.started = (uint64_t)time(NULL);
}

void qfs_server_close(struct qfs_server *server)
{
    while (server->handles)
        close_handle(server, server->handles);
}

void qfs_server_done(struct qfs_server *server)
{
    pthread_mutex_destroy(&server->lock);
}

const struct fuse_lowlevel_ops qfs_fuse_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .getattr = op_getattr,
    .readlink = op_readlink,
    .open = op_open,
    .read = op_read,
    .release = op_release,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .readdirplus = op_readdirplus,
    .releasedir = op_releasedir,
    .statfs = op_statfs,
};
