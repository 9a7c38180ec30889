/* libquantfs: open a model directory and read the GGUF files it stands for.
 *
 *     struct qfs_source *source;
 *     struct qfs_view *view;
 *     qfs_source_open("Llama-3.1-8B-Instruct", NULL, &source, &error);
 *     qfs_view_open(source, "Llama-3.1-8B-Instruct-Q4_K_M.gguf", &view, &error);
 *     qfs_view_pread(view, data, size, offset, &error);
 *
 * Every byte is the byte that convert_hf_to_gguf.py and llama-quantize would have written. Bytes
 * are computed when they are first read, by as many threads as there are cores, and kept in the
 * cache that all quantfs programs of a user share.
 *
 * Functions return 0 or a negative errno and leave outputs alone on failure; `error` may be NULL.
 * Everything here may be called from any thread, but for closing what others are using. A process
 * that has read from a source must not go on using it in a child of fork(). */
#ifndef QUANTFS_PUBLIC_H
#define QUANTFS_PUBLIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quantfs/error.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QFS_API __attribute__((visibility("default")))

/* What views are made with, and what they may cost. All zero (or NULL instead of a pointer to it)
 * is the default everywhere. Strings are copied. */
struct qfs_options {
    /* -- which views, as llama-quantize's command line says it */
    const char *types; /* "Q4_K_M,Q8_0": these only */
    const char
        *views; /* file of views of one's own (docs/VIEWS.md), which know nothing of the options
                        * below; NULL: quantfs.json in the model directory if it is there; "none" */
    const char *imatrix;                /* importance matrix file */
    const char *imatrix_name;           /* what quantize.imatrix.file holds; NULL: the base name */
    const char *const *include_weights; /* entries of the imatrix whose names hold one of these */
    size_t ninclude_weights;
    const char *const *exclude_weights; /* or none of these */
    size_t nexclude_weights;
    const char *outtype; /* of the intermediate file, "f16"; NULL: what --outtype auto takes */
    bool pure, leave_output_tensor, allow_requantize;
    const char *output_tensor_type, *token_embedding_type; /* "q6_K" */
    const char *const *tensor_types;                       /* "REGEX=type", in order */
    size_t ntensor_types;
    const char *const *overrides; /* "key=type:value" */
    size_t noverrides;
    const int *prune_layers;
    size_t nprune_layers;
    const char *model_name; /* general.name; NULL: as the converter finds it */
    bool mtp, no_mtp;       /* the draft head alone, or the model without; not both */
    const char *base; /* model directory that a LoRA adapter is for; NULL: what the adapter names */
    /* Split sets: views NAME-TYPE-00001-of-0000N.gguf, float ones as the converter splits, others as
     * llama-gguf-split does. */
    const char *split_max_size;    /* "4G": bytes of tensors a part, K, M, G count by 1000 */
    const char *split_max_tensors; /* "128" */
    bool no_tensor_first_split;    /* the first part holds keys only */

    /* -- the source */
    const char
        *pre; /* name of llama.cpp's pre-tokenizer ("qwen2") to go on with where the model's is
                         * not known: views that need it are called NAME-pre-PRE-TYPE.gguf, since the
                         * converter would have stopped */
    bool
        mistral_format; /* take params.json and consolidated.safetensors though config.json is there */
    bool verify_source; /* read all weights when it is opened: its content says what it is */

    /* -- work and memory */
    unsigned threads; /* 0: one a core */
    uint64_t memory;  /* bytes of chunks held at a time; 0: QFS_DEFAULT_MEMORY */

    /* -- the cache on disk */
    bool no_cache;
    bool no_fill;          /* read the cache, add nothing to it (a prefetch still does) */
    const char *cache_dir; /* NULL: $XDG_CACHE_HOME/quantfs */
    uint64_t cache_size;   /* bytes; 0: no limit of its own */
    uint64_t
        cache_min_free; /* bytes to leave free on its disk; 0: a twentieth of it, at most 4 GiB */

    /* What went wrong without stopping anything (the cache is full, a tensor holds a NaN): one
     * sentence each. Called from any thread. NULL: not told. */
    void (*warn)(void *warn_arg, const char *sentence);
    void *warn_arg;
};

#define QFS_DEFAULT_MEMORY (192ull << 20)

struct qfs_source; /* an opened model directory */
struct qfs_view;   /* an opened view: has its own idea of where its reader is going */

struct qfs_view_info {
    const char *name;    /* "Llama-3.1-8B-Instruct-Q4_K_M.gguf" */
    const char *type;    /* "Q4_K_M"; "mmproj-F16" of a vision or audio encoder; of a view of one's
                          * own its name without the model's */
    const char *refused; /* NULL, or why llama-quantize would refuse to make it */
    uint64_t size;       /* exact; 0 when refused */
    double weight_bits;  /* bits a weight, header left out */
};

/* SOURCE: a model directory, a snapshot in the hub cache, a models--org--name folder, or org/name
 * to be looked up there. Reads headers and small files, no weights. */
QFS_API int qfs_source_open(const char *path, const struct qfs_options *options,
                            struct qfs_source **ret_source, struct qfs_error *error);
/* Close its views before; what is still open can only be closed afterwards. */
QFS_API void qfs_source_close(struct qfs_source *source);

QFS_API size_t qfs_source_count(const struct qfs_source *source);
/* Borrowed from the source. NULL when `index` is too big. */
QFS_API const struct qfs_view_info *qfs_source_view(const struct qfs_source *source, size_t index);
/* By file name, or by type ("q4_k_m") in any case; NULL if there is none. */
QFS_API const struct qfs_view_info *qfs_source_find(const struct qfs_source *source,
                                                    const char *name);

/* `name` as for qfs_source_find. -ENOENT with a sentence that names the views there are, -ENOTSUP
 * for one that is refused. */
QFS_API int qfs_view_open(struct qfs_source *source, const char *name, struct qfs_view **ret_view,
                          struct qfs_error *error);
QFS_API void qfs_view_close(struct qfs_view *view);

QFS_API const struct qfs_view_info *qfs_view_info(const struct qfs_view *view);

/* Reads up to `size` bytes at `offset`; fewer only at the end of the file. Returns how many. -EIO
 * names the tensor and row that cannot be quantized, -ESTALE says that the source changed since it
 * was opened. Reading in order is what makes it fast: what comes next is then computed ahead. */
QFS_API int64_t qfs_view_pread(struct qfs_view *view, void *data, size_t size, uint64_t offset,
                               struct qfs_error *error);

struct qfs_copy_options {
    bool fresh;      /* do not resume from what an interrupted copy left */
    bool fill_cache; /* keep what is computed in the cache too */
    /* Bytes done so far, a few times a second, from the calling thread. Not 0: stop with -ECANCELED;
     * the next copy to the same place resumes. */
    int (*progress)(void *progress_arg, uint64_t done, uint64_t size);
    void *progress_arg;
};

/* Copies a view into the file `dest` (or into the directory `dest`, under its own name): computed
 * into DEST.part on all cores, synced, renamed over what was there. An interrupted copy leaves
 * DEST.part, which the next one resumes from if it is of the same view. -EBUSY: somebody else is
 * copying there. `options` may be NULL. */
QFS_API int qfs_view_copy(struct qfs_view *view, const char *dest,
                          const struct qfs_copy_options *options, struct qfs_error *error);

/* Computes what the cache on disk does not have yet of bytes [offset, offset + size) and keeps it
 * there, after everything that readers wait for. */
QFS_API int qfs_view_prefetch(struct qfs_view *view, uint64_t offset, uint64_t size,
                              const struct qfs_copy_options *options, struct qfs_error *error);

QFS_API const char *qfs_version(void);           /* "0.1.0" */
QFS_API const char *qfs_reference_version(void); /* "llama.cpp v0.5.0" */

#ifdef __cplusplus
}
#endif
#endif
