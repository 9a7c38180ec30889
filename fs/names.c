#include "names.h"

#include <stdlib.h>
#include <string.h>

/* -- tables of indices: open addressing, twice as many places as nodes at least ----------------- */

static uint64_t name_hash(uint32_t parent, const char *name)
{
    return qfs_hash64_seed(name, strlen(name), parent);
}

/* The place in by_name where the name is, or would be. */
static uint32_t *name_place(const struct qfs_names *names, uint32_t parent, const char *name)
{
    uint32_t at = (uint32_t)name_hash(parent, name) & (names->ntable - 1);
    for (;; at = (at + 1) & (names->ntable - 1)) {
        uint32_t index = names->by_name[at];
        if (index == QFS_NO_NODE || (names->nodes[index].parent == parent && index &&
                                     !strcmp(names->nodes[index].name, name)))
            return &names->by_name[at];
    }
}

static uint32_t *ino_place(const struct qfs_names *names, uint64_t ino)
{
    uint32_t at = (uint32_t)ino & (names->ntable - 1);
    for (;; at = (at + 1) & (names->ntable - 1)) {
        uint32_t index = names->by_ino[at];
        if (index == QFS_NO_NODE || names->nodes[index].ino == ino)
            return &names->by_ino[at];
    }
}

static uint32_t *new_table(uint32_t size)
{
    uint32_t *table = malloc(size * sizeof(*table));
    for (uint32_t i = 0; table && i < size; i++)
        table[i] = QFS_NO_NODE;
    return table;
}

/* Room for one more node. */
static bool grow(struct qfs_names *names)
{
    if (names->nnodes < names->capacity)
        return true;
    if (names->capacity > UINT32_MAX / 8)
        return false;
    uint32_t capacity = names->capacity ? names->capacity * 2 : 64;
    struct qfs_node *nodes = reallocarray(names->nodes, capacity, sizeof(*nodes));
    uint32_t *table = new_table(2 * capacity);
    if (nodes)
        names->nodes = nodes;
    if (!nodes || !table) {
        free(table);
        return false;
    }
    free(names->by_name);
    names->by_name = table;
    names->ntable = 2 * capacity;
    names->capacity = capacity;
    for (uint32_t i = 1; i < names->nnodes; i++)
        *name_place(names, nodes[i].parent, nodes[i].name) = i;
    return true;
}

/* -- building ----------------------------------------------------------------------------------- */

static bool is_newer(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

struct qfs_names *qfs_names_new(struct qfs_generation *const *models, size_t nmodels)
{
    struct qfs_names *names = calloc(1, sizeof(*names));
    if (!names)
        return NULL;
    names->refs = 1;
    names->models = calloc(QFS_MAX(nmodels, (size_t)1), sizeof(struct qfs_generation *));
    if (!names->models || !grow(names)) {
        qfs_names_unref(names);
        return NULL;
    }
    for (size_t i = 0; i < nmodels; i++) {
        const struct qfs_summary *summary = models[i]->summary;
        names->models[names->nmodels++] = qfs_generation_ref(models[i]);
        for (size_t view = 0; summary && view < summary->nviews; view++) {
            names->nviews += !summary->views[view].refused;
            names->size += summary->views[view].size;
        }
        if (summary && is_newer(&summary->mtime, &names->mtime))
            names->mtime = summary->mtime;
    }
    names->nodes[names->nnodes++] =
        (struct qfs_node){.ino = QFS_ROOT_INO,
                          .name = "",
                          .model = nmodels == 1 && models[0]->summary ? models[0] : NULL};
    return names;
}

static bool is_name(const char *name)
{
    return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/') &&
           strlen(name) <= 255;
}

/* 48 bits of where the node is and what is there, for a model's directory too. */
static uint64_t ino_of(const struct qfs_node *node, const struct qfs_node *parent)
{
    const uint64_t what[] = {
        parent->ino,
        node->kind,
        node->model ? node->model->number : 0,
        node->data ? qfs_hash64(node->data, node->size) : 0,
    };
    return qfs_hash64_seed(node->name, strlen(node->name), qfs_hash64(what, sizeof(what))) >> 16;
}

static bool add(struct qfs_names *names, struct qfs_node node)
{
    if (names->failed || node.parent == QFS_NO_NODE || !is_name(node.name))
        return false;
    if (!grow(names) || !(node.name = qfs_arena_string(&names->arena, node.name))) {
        names->failed = true;
        return false;
    }
    uint32_t *place = name_place(names, node.parent, node.name);
    if (*place != QFS_NO_NODE)
        return false;
    node.guessed = node.model && !node.model->summary;
    node.ino = ino_of(&node, &names->nodes[node.parent]);
    names->nodes[node.parent].nchildren++;
    *place = names->nnodes;
    names->nodes[names->nnodes++] = node;
    return true;
}

uint32_t qfs_names_dir(struct qfs_names *names, uint32_t parent, const char *name,
                       struct qfs_generation *model)
{
    if (parent == QFS_NO_NODE)
        return QFS_NO_NODE;
    uint32_t found = *name_place(names, parent, name);
    if (found != QFS_NO_NODE)
        return names->nodes[found].kind == QFS_NODE_DIR ? found : QFS_NO_NODE;
    const struct qfs_node node = {
        .name = name, .kind = QFS_NODE_DIR, .parent = parent, .model = model};
    return add(names, node) ? names->nnodes - 1 : QFS_NO_NODE;
}

bool qfs_names_view(struct qfs_names *names, uint32_t parent, const char *name,
                    struct qfs_generation *model, size_t view)
{
    return add(names, (struct qfs_node){.name = name,
                                        .kind = QFS_NODE_VIEW,
                                        .parent = parent,
                                        .model = model,
                                        .view = view,
                                        .size = model->summary->views[view].size});
}

bool qfs_names_guess(struct qfs_names *names, uint32_t parent, const char *name,
                     struct qfs_generation *model)
{
    return add(names, (struct qfs_node){
                          .name = name, .kind = QFS_NODE_VIEW, .parent = parent, .model = model});
}

static bool add_data(struct qfs_names *names, uint32_t parent, const char *name,
                     enum qfs_node_kind kind, struct qfs_generation *model, const char *data,
                     size_t size)
{
    char *copy = qfs_arena_copy(&names->arena, data, size);
    if (!copy)
        names->failed = true;
    return copy && add(names, (struct qfs_node){.name = name,
                                                .kind = kind,
                                                .parent = parent,
                                                .model = model,
                                                .data = copy,
                                                .size = size});
}

bool qfs_names_link(struct qfs_names *names, uint32_t parent, const char *name,
                    struct qfs_generation *model, const char *target)
{
    return add_data(names, parent, name, QFS_NODE_LINK, model, target, strlen(target));
}

bool qfs_names_text(struct qfs_names *names, uint32_t parent, const char *name,
                    struct qfs_generation *model, const void *data, size_t size)
{
    return add_data(names, parent, name, QFS_NODE_TEXT, model, data, size);
}

void qfs_names_hide(struct qfs_names *names, uint32_t index)
{
    struct qfs_node *node = &names->nodes[index];
    names->nodes[node->parent].nchildren -= !node->hidden;
    node->hidden = true;
}

int qfs_names_finish(struct qfs_names *names)
{
    names->by_ino = new_table(names->ntable);
    names->children = malloc(names->nnodes * sizeof(*names->children));
    if (names->failed || !names->by_ino || !names->children)
        return -ENOMEM;
    uint32_t used = 0;
    for (uint32_t i = 0; i < names->nnodes; i++) {
        struct qfs_node *node = &names->nodes[i];
        /* Two of a million names may get the same number, in any mount the same two. */
        while (i && (node->ino <= QFS_STATUS_INO || *ino_place(names, node->ino) != QFS_NO_NODE))
            node->ino++;
        *ino_place(names, node->ino) = i;
        node->children = names->children + used;
        used += node->nchildren;
        node->nchildren = 0;
        if (i && !node->hidden) { /* parents stand before their children */
            struct qfs_node *parent = &names->nodes[node->parent];
            names->children[parent->children - names->children + parent->nchildren++] = i;
        }
    }
    return 0;
}

/* -- use ---------------------------------------------------------------------------------------- */

struct qfs_names *qfs_names_ref(struct qfs_names *names)
{
    __atomic_add_fetch(&names->refs, 1, __ATOMIC_RELAXED);
    return names;
}

void qfs_names_unref(struct qfs_names *names)
{
    if (!names || __atomic_sub_fetch(&names->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (size_t i = 0; i < names->nmodels; i++)
        qfs_generation_unref(names->models[i]);
    free(names->models);
    free(names->nodes);
    free(names->by_name);
    free(names->by_ino);
    free(names->children);
    qfs_arena_done(&names->arena);
    free(names);
}

const struct qfs_node *qfs_names_at(const struct qfs_names *names, uint32_t parent,
                                    const char *name)
{
    uint32_t found = *name_place(names, parent, name);
    return found == QFS_NO_NODE ? NULL : &names->nodes[found];
}

const struct qfs_node *qfs_names_by_ino(const struct qfs_names *names, uint64_t ino)
{
    uint32_t found = *ino_place(names, ino);
    return found == QFS_NO_NODE ? NULL : &names->nodes[found];
}

bool qfs_node_is_fixed(const struct qfs_names *names, const struct qfs_node *node)
{
    const struct qfs_node *dir = node->kind == QFS_NODE_DIR ? node : &names->nodes[node->parent];
    if (dir == names->nodes || !dir->model || dir->guessed)
        return false;
    for (uint32_t i = 0; i < dir->nchildren; i++) {
        const struct qfs_node *child = &names->nodes[dir->children[i]];
        if (child->kind == QFS_NODE_DIR || child->model != dir->model)
            return false;
    }
    return true;
}

void qfs_node_stat(const struct qfs_names *names, const struct qfs_node *node,
                   struct stat *ret_stat)
{
    static const mode_t kinds[] = {
        [QFS_NODE_DIR] = S_IFDIR,
        [QFS_NODE_VIEW] = S_IFREG,
        [QFS_NODE_LINK] = S_IFLNK,
        [QFS_NODE_TEXT] = S_IFREG,
    };
    const struct qfs_generation *model = node->model;
    struct timespec time = model && !node->guessed ? model->summary->mtime : names->mtime;
    mode_t mode = model ? model->mode : 0444;
    if (node->kind == QFS_NODE_DIR)
        mode |= (mode & 0444) >> 2;
    if (node->kind == QFS_NODE_LINK)
        mode = 0777;
    *ret_stat = (struct stat){
        .st_ino = node->ino,
        .st_mode = kinds[node->kind] | mode,
        .st_nlink = node->kind == QFS_NODE_DIR ? 2 : 1,
        .st_size = (off_t)node->size,
        .st_blksize = 4096,
        /* All of it is there, whatever was computed so far: fewer blocks mean holes to cp and tar. */
        .st_blocks = (blkcnt_t)((node->size + 511) / 512),
        .st_atim = time,
        .st_mtim = time,
        .st_ctim = time,
    };
}
