/* Private to the cli room: what the command line said, and the commands. */
#ifndef QUANTFS_CLI_H
#define QUANTFS_CLI_H

#include "quantfs/fs.h"

#include <stdio.h>

/* Exit codes of every command. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

enum { CLI_MAX_LIST = 256 };

struct cli_list {
    const char *items[CLI_MAX_LIST];
    size_t count;
};

/* All options of all commands; a command reads those that it takes. */
struct cli_settings {
    struct qfs_options views;
    const char *imatrix; /* as given: a file, or "auto" */
    struct cli_list tensor_types, tensor_type_files, overrides, include_weights, exclude_weights;
    const char *prune_layers;
    const char *mount_options;
    const char *layout; /* "flat", "tree", "hub" */
    bool json, foreground, allow_other, nonempty, force, lazy, fill_cache, fresh, quiet, all;
    bool have_length;
    uint64_t offset, length, max_age;
    const char *reference;     /* bench: path of libggml-base */
    const char *store, *mount; /* ollama: its models' directory; the mount of SOURCE */
    const char *args[64];      /* what is left: SOURCE, VIEW, … */
    size_t nargs;
};

/* A command's bit in an option's set of commands. */
enum {
    CLI_MOUNT = 1 << 0,
    CLI_UMOUNT = 1 << 1,
    CLI_LS = 1 << 2,
    CLI_CAT = 1 << 3,
    CLI_CP = 1 << 4,
    CLI_PLAN = 1 << 5,
    CLI_CHECK = 1 << 6,
    CLI_SHA256 = 1 << 7,
    CLI_CACHE = 1 << 8,
    CLI_STATUS = 1 << 9,
    CLI_PREFETCH = 1 << 10,
    CLI_BENCH = 1 << 11,
    CLI_DOCTOR = 1 << 12,
    CLI_OLLAMA = 1 << 13,
    CLI_VERIFY = 1 << 14,
};

struct cli_command {
    const char *name;
    unsigned bit;     /* CLI_… */
    const char *args; /* "SOURCE VIEW" */
    size_t min_args, max_args;
    const char *summary; /* one line */
    const char *text;    /* more lines for --help */
    int (*run)(struct cli_settings *settings);
};

/* options.c */
/* Fills settings from the words behind the command's name; CLI_OK, or CLI_USAGE after a message, or
 * -1 after --help was shown. */
int cli_parse(const struct cli_command *command, int argc, char **argv,
              struct cli_settings *settings);
void cli_help(const struct cli_command *command, FILE *to);
/* One mount option of -o, "name" or "name=value"; a sentence into error if it is not known. */
int cli_mount_option(struct cli_settings *settings, const char *name, const char *value,
                     struct qfs_error *error);
/* What is only known when all options are: lists into views, tensor type files, imatrix auto. */
int cli_finish(struct cli_settings *settings, const char *source, struct qfs_error *error);

/* common.c */
/* "quantfs: " and the sentence on stderr; CLI_FAILED. */
int cli_fail(const struct qfs_error *error);
/* args[0], opened with the view options. */
int cli_open_source(struct cli_settings *settings, struct qfs_source **ret_source,
                    struct qfs_error *error);
/* args[0] and args[1]. */
int cli_open_view(struct cli_settings *settings, struct qfs_source **ret_source,
                  struct qfs_view **ret_view, struct qfs_error *error);
/* "1.2 GiB" into a buffer of 32. */
const char *cli_bytes(uint64_t bytes, char *buffer);
/* Whether colours may be written there: a terminal, and NO_COLOR does not forbid them. */
bool cli_coloured(int fd);
/* Prints a tree on standard output and frees it; CLI_OK, or CLI_FAILED without memory. */
struct cJSON;
int cli_print_json(struct cJSON *tree);
void cli_warn(void *arg, const char *sentence); /* for qfs_options.warn */

/* describe.c */
const char *cli_kv_type_name(uint32_t type); /* "u32" */
/* Text of somebody's file, for a terminal: control characters and what is no UTF-8 as \n and \xNN. */
void cli_plain(struct qfs_buffer *to, const char *text, size_t size);
/* The value of a key as text; strings and arrays are cut. */
void cli_describe_value(const struct qfs_kv *kv, struct qfs_buffer *to);
const char *cli_text_of(struct qfs_buffer *buffer); /* its contents, zero-terminated; its own */

/* progress.c: one line on a terminal, nothing elsewhere; with `json` objects on standard output, one a
 * line. */
struct cli_progress {
    const char *what;
    bool json;
    double started, shown;
    uint64_t first; /* bytes that were there before */
    bool active, began;
};
void cli_progress_begin(struct cli_progress *progress, const char *what);
int cli_progress_step(void *progress, uint64_t done, uint64_t size);
void cli_progress_end(struct cli_progress *progress);

/* cmd_*.c */
int cmd_ls(struct cli_settings *settings);
int cmd_cat(struct cli_settings *settings);
int cmd_cp(struct cli_settings *settings);
int cmd_sha256(struct cli_settings *settings);
int cmd_plan(struct cli_settings *settings);
int cmd_check(struct cli_settings *settings);
int cmd_verify(struct cli_settings *settings);
int cmd_prefetch(struct cli_settings *settings);
int cmd_mount(struct cli_settings *settings);
int cmd_umount(struct cli_settings *settings);
int cmd_status(struct cli_settings *settings);
int cmd_cache(struct cli_settings *settings);
int cmd_bench(struct cli_settings *settings);
int cmd_doctor(struct cli_settings *settings);
int cmd_ollama(struct cli_settings *settings);

#endif
