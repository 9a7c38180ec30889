/* ollama: views as entries of Ollama's model store. Private to fs/. Reads nothing and knows no mount:
 * it makes names and small texts from what is said about a model.
 *
 *     manifests/registry.ollama.ai/<namespace>/<model>/<type>   JSON: which blobs a name is made of
 *     blobs/sha256-<64 hex>                                     configs, and the views themselves
 *     Modelfiles/<Model>-<TYPE>.Modelfile                       for `ollama create`
 *
 * Ollama does not compare a blob with its digest unless it has downloaded it, so that of a view is made
 * up: from what the view's bytes depend on, and known before any of them is computed. */
#ifndef QUANTFS_OLLAMA_H
#define QUANTFS_OLLAMA_H

#include "quantfs/base.h"

#define QFS_OLLAMA_HOST "registry.ollama.ai"
#define QFS_OLLAMA_NAMESPACE "library" /* a name without '/' is below it */

/* What parts of a name may be. Ollama finds names without regard to case. */
enum qfs_ollama_part {
    QFS_OLLAMA_PART_NAMESPACE, /* [A-Za-z0-9_][A-Za-z0-9_-]{0,79} */
    QFS_OLLAMA_PART_NAME,      /* [A-Za-z0-9_][A-Za-z0-9_.-]{0,79}: a model, a tag */
};

bool qfs_ollama_part_valid(enum qfs_ollama_part part, const char *text);
/* The valid part that is nearest to `text`; a long one ends with a hash of what was cut off. NULL: out
 * of memory. */
const char *qfs_ollama_part_of(struct qfs_arena *arena, enum qfs_ollama_part part,
                               const char *text);

enum qfs_ollama_role {
    QFS_OLLAMA_MODEL,     /* can be run */
    QFS_OLLAMA_PROJECTOR, /* an encoder's file, for all of the models */
    QFS_OLLAMA_UNUSED,    /* a part of a split set, an adapter: nothing that Ollama runs as it is */
};

struct qfs_ollama_view {
    enum qfs_ollama_role role;
    const char *path; /* in the mount: "Model-Q4_K_M.gguf" */
    const char *type; /* "Q4_K_M", "mmproj-F16" */
    uint64_t size;
    struct qfs_digest identity; /* of all that its bytes depend on */
};

struct qfs_ollama_model {
    const char *name;
    const char *publisher;  /* NULL: the names are library's */
    const char *arch;       /* "llama" */
    uint64_t nparams;       /* weights; 0: not known */
    const char *mountpoint; /* absolute: Modelfiles say where the views are */
    const struct qfs_ollama_view *views;
    size_t nviews;
};

/* A file of the store. */
struct qfs_ollama_file {
    const char *path;     /* in the store */
    struct qfs_text text; /* what it holds; data NULL: it is the view itself */
    size_t view;          /* index in the model's views */
};

struct qfs_ollama_files {
    struct qfs_ollama_file *items; /* no two paths are the same, ignoring case */
    size_t count;
};

/* All files of a model, in `arena`. A model without views that can be run has none. */
int qfs_ollama_describe(struct qfs_arena *arena, const struct qfs_ollama_model *model,
                        struct qfs_ollama_files *ret_files, struct qfs_error *error) QFS_MUST_USE;

#endif
