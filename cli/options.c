/* One table of options for all commands. A row says what the option is called, what it is good for,
 * which commands take it and where its value goes; parsing and --help are loops over the rows. */
#include "cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum kind { FLAG, TEXT, LIST, SIZE, NUMBER };

enum {
    READERS = CLI_MOUNT | CLI_CAT | CLI_CP | CLI_SHA256 | CLI_PREFETCH | CLI_CHECK | CLI_VERIFY,
    VIEWS = READERS | CLI_LS | CLI_PLAN, /* whatever opens a source */
};

struct option_row {
    const char *name;
    char letter;
    const char *argument; /* NULL for flags */
    enum kind kind;
    size_t offset; /* in struct cli_settings */
    unsigned commands;
    const char *help;
};

#define AT(field) offsetof(struct cli_settings, field)

static const struct option_row rows[] = {
    {"types", 't', "LIST", TEXT, AT(views.types), VIEWS,
     "only views of these types, as Q4_K_M,Q8_0"},
    {"views", 0, "FILE", TEXT, AT(views.views), VIEWS,
     "views of one's own (default: quantfs.json in the model directory; none: no such views)"},
    {"json", 0, NULL, FLAG, AT(json),
     CLI_LS | CLI_PLAN | CLI_CHECK | CLI_CACHE | CLI_STATUS | CLI_BENCH | CLI_DOCTOR | CLI_SHA256 |
         CLI_CP | CLI_PREFETCH | CLI_OLLAMA | CLI_VERIFY,
     "print JSON; progress as an object a line"},
    {"all", 'a', NULL, FLAG, AT(all), CLI_LS, "also list views that are refused, with the reason"},
    {"long", 'l', NULL, FLAG, AT(all), CLI_LS, "same as --all"},
    {"offset", 0, "N", SIZE, AT(offset), CLI_CAT, "start at byte N (K, M, G allowed)"},
    {"length", 0, "N", SIZE, AT(length), CLI_CAT, "stop after N bytes"},
    {"fresh", 0, NULL, FLAG, AT(fresh), CLI_CP, "do not resume an interrupted copy"},
    {"fill-cache", 0, NULL, FLAG, AT(fill_cache), CLI_CP, "keep what is computed in the cache too"},
    {"quiet", 'q', NULL, FLAG, AT(quiet),
     CLI_CP | CLI_PREFETCH | CLI_CHECK | CLI_VERIFY | CLI_CACHE | CLI_SHA256, "no progress line"},
    {"foreground", 'f', NULL, FLAG, AT(foreground), CLI_MOUNT,
     "stay in the foreground, log to stderr"},
    {"layout", 0, "NAME", TEXT, AT(layout), CLI_MOUNT,
     "names shown: flat, tree (default for a folder of models), hub (llama.cpp's cache)"},
    {"options", 'o', "OPT,…", TEXT, AT(mount_options), CLI_MOUNT,
     "mount options: allow_other, nonempty, and every option here as name=value"},
    {"allow-other", 0, NULL, FLAG, AT(allow_other), CLI_MOUNT, "other users may read the mount"},
    {"nonempty", 0, NULL, FLAG, AT(nonempty), CLI_MOUNT,
     "mount over a directory that is not empty"},
    {"force", 0, NULL, FLAG, AT(force), CLI_MOUNT, "first detach a dead mount from MOUNTPOINT"},
    {"force", 0, NULL, FLAG, AT(force), CLI_OLLAMA, "replace models that are not links of quantfs"},
    {"mount", 0, "MOUNTPOINT", TEXT, AT(mount), CLI_OLLAMA,
     "where SOURCE is mounted (default: where it is found to be)"},
    {"store", 0, "DIR", TEXT, AT(store), CLI_OLLAMA,
     "Ollama's model store (default: $OLLAMA_MODELS, else ~/.ollama/models)"},
    {"lazy", 'z', NULL, FLAG, AT(lazy), CLI_UMOUNT, "detach now, end when the last reader closes"},
    {"cache", 0, "DIR", TEXT, AT(views.cache_dir), READERS | CLI_CACHE | CLI_DOCTOR,
     "cache directory (default: $XDG_CACHE_HOME/quantfs)"},
    {"cache-size", 0, "SIZE", SIZE, AT(views.cache_size), READERS | CLI_CACHE,
     "keep at most this much on disk"},
    {"cache-min-free", 0, "SIZE", SIZE, AT(views.cache_min_free), READERS | CLI_CACHE,
     "leave this much of the disk free (default: a twentieth of it, at most 4 GiB)"},
    {"max-age", 0, "SECONDS", NUMBER, AT(max_age), CLI_CACHE,
     "prune what was not read for so long"},
    {"no-cache", 0, NULL, FLAG, AT(views.no_cache), READERS,
     "neither read nor fill the disk cache"},
    {"memory", 0, "SIZE", SIZE, AT(views.memory), READERS,
     "memory for computed chunks (default: 192M)"},
    {"jobs", 'j', "N", NUMBER, AT(views.threads), READERS | CLI_BENCH,
     "threads (default: one a core)"},
    {"imatrix", 0, "FILE", TEXT, AT(imatrix), VIEWS,
     "importance matrix; auto: the one in the model directory"},
    {"imatrix-name", 0, "NAME", TEXT, AT(views.imatrix_name), VIEWS,
     "what quantize.imatrix.file says (default: the file's base name)"},
    {"include-weights", 0, "NAME", LIST, AT(include_weights), VIEWS,
     "use the importance matrix for these tensors only"},
    {"exclude-weights", 0, "NAME", LIST, AT(exclude_weights), VIEWS,
     "do not use the importance matrix for these tensors"},
    {"outtype", 0, "TYPE", TEXT, AT(views.outtype), VIEWS,
     "intermediate file's type: f32, f16, bf16 (default: as the converter's auto)"},
    {"pure", 0, NULL, FLAG, AT(views.pure), VIEWS, "no mixtures: every tensor in the view's type"},
    {"leave-output-tensor", 0, NULL, FLAG, AT(views.leave_output_tensor), VIEWS,
     "do not quantize output.weight"},
    {"output-tensor-type", 0, "TYPE", TEXT, AT(views.output_tensor_type), VIEWS,
     "type of output.weight"},
    {"token-embedding-type", 0, "TYPE", TEXT, AT(views.token_embedding_type), VIEWS,
     "type of the token embeddings"},
    {"tensor-type", 0, "REGEX=TYPE", LIST, AT(tensor_types), VIEWS,
     "type of the tensors that match; may be given more than once"},
    {"tensor-type-file", 0, "FILE", LIST, AT(tensor_type_files), VIEWS,
     "a file of REGEX=TYPE words"},
    {"override-kv", 0, "KEY=TYPE:VALUE", LIST, AT(overrides), VIEWS, "set a key of the file"},
    {"prune-layers", 0, "L,L,…", TEXT, AT(prune_layers), VIEWS, "leave these layers out"},
    {"model-name", 0, "NAME", TEXT, AT(views.model_name), VIEWS, "the model's name in the files"},
    {"mtp", 0, NULL, FLAG, AT(views.mtp), VIEWS,
     "the draft head (multi-token prediction) alone, as mtp-NAME-TYPE.gguf"},
    {"no-mtp", 0, NULL, FLAG, AT(views.no_mtp), VIEWS, "leave the draft head out"},
    {"mistral-format", 0, NULL, FLAG, AT(views.mistral_format), VIEWS,
     "take params.json and consolidated.safetensors where config.json is there too"},
    {"base", 0, "DIR", TEXT, AT(views.base), VIEWS | CLI_DOCTOR,
     "base model of a LoRA adapter (default: what the adapter names)"},
    {"split-max-size", 0, "N", TEXT, AT(views.split_max_size), VIEWS,
     "split views into parts of at most N bytes (K, M, G: by 1000)"},
    {"split-max-tensors", 0, "N", TEXT, AT(views.split_max_tensors), VIEWS,
     "split views into parts of at most N tensors"},
    {"no-tensor-first-split", 0, NULL, FLAG, AT(views.no_tensor_first_split), VIEWS,
     "the first part of a split view holds no tensors"},
    {"allow-requantize", 0, NULL, FLAG, AT(views.allow_requantize), VIEWS,
     "quantize tensors that are quantized already"},
    {"pre", 0, "NAME", TEXT, AT(views.pre), VIEWS,
     "llama.cpp's pre-tokenizer to take where it does not know the model's (views are named so)"},
    {"verify-source", 0, NULL, FLAG, AT(views.verify_source), READERS,
     "read all weights first: what they are is what their content is"},
    {"reference", 0, "LIB", TEXT, AT(reference), CLI_BENCH, "compare with this libggml-base"},
};

static const struct option_row *find_row(const char *name)
{
    for (size_t i = 0; i < QFS_COUNT(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static int set(struct cli_settings *settings, const struct option_row *row, const char *value,
               struct qfs_error *error)
{
    void *at = (char *)settings + row->offset;
    char *end;
    switch (row->kind) {
    case FLAG:
        *(bool *)at = true;
        break;
    case TEXT:
        *(const char **)at = value;
        break;
    case LIST: {
        struct cli_list *list = at;
        if (list->count == CLI_MAX_LIST)
            return qfs_fail(error, EINVAL, "--%s is given more than %d times", row->name,
                            CLI_MAX_LIST);
        list->items[list->count++] = value;
        break;
    }
    case SIZE:
        if (row->offset == AT(length))
            settings->have_length = true;
        return qfs_size_parse(value, at, error);
    case NUMBER: {
        errno = 0;
        unsigned long long number = strtoull(value, &end, 10);
        if (errno || end == value || *end || *value == '-' || number > 1u << 30)
            return qfs_fail(error, EINVAL, "--%s takes a number, not '%s'", row->name, value);
        if (row->offset == AT(views.threads))
            *(unsigned *)at = (unsigned)number;
        else
            *(uint64_t *)at = number;
        break;
    }
    }
    return 0;
}

void cli_help(const struct cli_command *command, FILE *to)
{
    fprintf(to, "usage: quantfs %s %s\n\n%s.\n", command->name, command->args, command->summary);
    if (command->text)
        fprintf(to, "%s\n", command->text);
    fprintf(to, "\noptions:\n");
    for (size_t i = 0; i < QFS_COUNT(rows); i++) {
        char left[64];
        if (!(rows[i].commands & command->bit))
            continue;
        snprintf(left, sizeof(left), "%c%c%s--%s%s%s", rows[i].letter ? '-' : ' ',
                 rows[i].letter ? rows[i].letter : ' ', rows[i].letter ? ", " : "  ", rows[i].name,
                 rows[i].argument ? " " : "", rows[i].argument ? rows[i].argument : "");
        fprintf(to, "  %-32s %s\n", left, rows[i].help);
    }
    fprintf(to, "      %-28s %s\n", "--help", "this text");
}

int cli_parse(const struct cli_command *command, int argc, char **argv,
              struct cli_settings *settings)
{
    struct option longs[QFS_COUNT(rows) + 2];
    char shorts[2 * QFS_COUNT(rows) + 4] = "";
    struct qfs_error error = {0};
    size_t n = 0, s = 0;
    int choice;
    for (size_t i = 0; i < QFS_COUNT(rows); i++) {
        if (!(rows[i].commands & command->bit))
            continue;
        longs[n++] = (struct option){
            rows[i].name, rows[i].argument ? required_argument : no_argument, NULL, (int)(256 + i)};
        if (rows[i].letter) {
            shorts[s++] = rows[i].letter;
            if (rows[i].argument)
                shorts[s++] = ':';
        }
    }
    longs[n++] = (struct option){"help", no_argument, NULL, 'h'};
    longs[n] = (struct option){0};
    shorts[s++] = 'h';
    shorts[s] = 0;
    optind = 0; /* glibc: start anew */
    while ((choice = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const struct option_row *row = NULL;
        if (choice == 'h') {
            cli_help(command, stdout);
            return -1;
        }
        if (choice >= 256)
            row = &rows[choice - 256];
        for (size_t i = 0; !row && i < QFS_COUNT(rows); i++)
            if (rows[i].letter == choice && (rows[i].commands & command->bit))
                row = &rows[i];
        if (!row) { /* getopt has said what is wrong */
            fprintf(stderr, "Try 'quantfs %s --help'.\n", command->name);
            return CLI_USAGE;
        }
        if (set(settings, row, optarg, &error) < 0) {
            fprintf(stderr, "quantfs %s: %s\n", command->name, error.text);
            return CLI_USAGE;
        }
    }
    for (; optind < argc && settings->nargs < QFS_COUNT(settings->args); optind++)
        settings->args[settings->nargs++] = argv[optind];
    if (optind < argc || settings->nargs < command->min_args ||
        settings->nargs > command->max_args) {
        fprintf(stderr, "usage: quantfs %s %s\nTry 'quantfs %s --help'.\n", command->name,
                command->args, command->name);
        return CLI_USAGE;
    }
    return CLI_OK;
}

/* What mount(8) and fstab pass along and the kernel or nobody needs to hear of. */
static const char *const ignored_mount_options[] = {
    "defaults", "rw",         "ro",    "auto",   "noauto",
    "user",     "nouser",     "users", "group",  "owner",
    "nofail",   "_netdev",    "exec",  "noexec", "suid",
    "nosuid",   "dev",        "nodev", "atime",  "noatime",
    "relatime", "norelatime", "async", "sync",   "default_permissions",
};

int cli_mount_option(struct cli_settings *settings, const char *name, const char *value,
                     struct qfs_error *error)
{
    char spelled[64];
    size_t size = strlen(name);
    for (size_t i = 0; i < QFS_COUNT(ignored_mount_options); i++)
        if (!value && strcmp(name, ignored_mount_options[i]) == 0)
            return 0;
    if (qfs_starts_with(name, "x-") || qfs_starts_with(name, "comment"))
        return 0;
    if (size < sizeof(spelled)) {
        for (size_t i = 0; i <= size; i++)
            spelled[i] = name[i] == '_' ? '-' : name[i];
        const struct option_row *row = find_row(spelled);
        if (row && (row->commands & CLI_MOUNT) && strcmp(spelled, "options") != 0) {
            if (!value != (row->kind == FLAG))
                return qfs_fail(error, EINVAL, "mount option %s %s", name,
                                value ? "takes no value" : "needs a value");
            return set(settings, row, value, error);
        }
    }
    return qfs_fail(error, EINVAL, "mount option %s is not known: see quantfs mount --help", name);
}
