/* ollama_store: what a model store of Ollama holds, and changes to it that Ollama may see at any moment:
 * what a manifest names is there before the manifest is, and goes after it. Private to the cli room. */
#ifndef QUANTFS_CLI_OLLAMA_STORE_H
#define QUANTFS_CLI_OLLAMA_STORE_H

#include "cli.h"

/* A manifest of ours says whose views it names; it is ours as long as it stands where it was put. */
struct ollama_manifest {
    char *name;         /* "registry.ollama.ai/library/Qwen2.5-7B/Q4_K_M": path below manifests/ */
    struct cJSON *json; /* NULL: it cannot be parsed */
    const char *mount, *source; /* of a link of ours, else NULL; point into json */
};

struct ollama_store {
    char *root;
    struct ollama_manifest *items;
    size_t count, capacity;
};

/* The store that Ollama uses, as the environment says; into a buffer of 4096. */
const char *ollama_store_path(char *buffer);
/* The path of a link's view, and its size as it was linked; into a buffer of 8192. */
const char *ollama_link_target(const struct ollama_manifest *manifest, char *buffer,
                               uint64_t *ret_size);
/* What keeps Ollama from finding it as it was linked; NULL: nothing. */
const char *ollama_link_trouble(const struct ollama_manifest *manifest);

/* Reads all manifests below ROOT/manifests. -ENOENT where ROOT is no directory. */
int ollama_store_open(const char *root, struct ollama_store *store,
                      struct qfs_error *error) QFS_MUST_USE;
void ollama_store_close(struct ollama_store *store);
/* Without regard to case, as Ollama looks names up; NULL if there is none. */
struct ollama_manifest *ollama_store_find(const struct ollama_store *store, const char *name);

/* The name as `ollama run` takes it: "Qwen2.5-7B:Q4_K_M"; into a buffer of 400. */
const char *ollama_name_shown(const char *name, char *buffer);
/* The tag: "Q4_K_M". */
const char *ollama_name_tag(const char *name);

/* The path in the mount of the file that a layer stands for, NULL if it is no view. */
const char *ollama_layer_title(const struct cJSON *layer);

/* Puts the manifest `from` of the mount's store into `store`: configs as copies, views as links. It
 * replaces what is called the same. */
int ollama_store_link(struct ollama_store *store, const struct ollama_manifest *from,
                      const char *mount_root, const char *mount, const char *source,
                      struct qfs_error *error) QFS_MUST_USE;
/* Takes the manifest out, and of its blobs those that are ours and that no other manifest names. */
int ollama_store_unlink(struct ollama_store *store, struct ollama_manifest *manifest,
                        struct qfs_error *error) QFS_MUST_USE;

#endif
