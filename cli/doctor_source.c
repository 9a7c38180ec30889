/* What a SOURCE is, which views it has; where it cannot be opened, signs of what went wrong. */
#include "doctor.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What lies in a directory and tells why it is no model, or not yet. */
static const struct sign {
    const char *pattern; /* of file names */
    const char *what, *todo;
} signs[] = {
    {"*.incomplete", "a download that is not finished",
     "run the download again: it goes on where it stopped"},
    {"*.part", "a download that is not finished",
     "run the download again: it goes on where it stopped"},
    {"*.aria2", "a download that is not finished",
     "run the download again: it goes on where it stopped"},
    {"*.crdownload", "a download that is not finished",
     "run the download again: it goes on where it stopped"},
    {"*.onnx", "an ONNX model", "take the repository that holds its safetensors"},
    {"*.msgpack", "weights for Flax", "take the repository's safetensors instead"},
    {"tf_model.h5", "weights for TensorFlow", "take the repository's safetensors instead"},
    {"model_index.json", "a diffusers pipeline", "name one of its models: its text_encoder, say"},
};

static bool has_file(const char *dir, const char *name)
{
    char path[8192];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

/* Git without LFS leaves a few lines where weights should be. */
static bool is_lfs_pointer(const char *dir, const char *name)
{
    static const char mark[] = "version https://git-lfs";
    char path[8192], start[sizeof(mark)] = "";
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, start, sizeof(mark) - 1);
    close(fd);
    return n == sizeof(mark) - 1 && strcmp(start, mark) == 0;
}

static void report_sign(struct doctor_report *report, const char *dir, const char *name)
{
    for (size_t i = 0; i < QFS_COUNT(signs); i++)
        if (fnmatch(signs[i].pattern, name, 0) == 0)
            doctor_say(report, DOCTOR_NOTE, "source", signs[i].todo, "%s/%s: %s", dir, name,
                       signs[i].what);
    if (is_lfs_pointer(dir, name))
        doctor_say(report, DOCTOR_NOTE, "source", "git lfs install && git lfs pull, there",
                   "%s/%s: a Git LFS pointer, not the file itself", dir, name);
}

/* A directory that could not be opened as a model. */
static void look_around(struct doctor_report *report, const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t weights = 0;
    if (!dir) {
        if (errno == EACCES)
            doctor_say(report, DOCTOR_NOTE, "source", "ask its owner for access",
                       "%s: you may not read it", path);
        return;
    }
    while ((entry = readdir(dir))) {
        const char *name = entry->d_name;
        if (*name == '.')
            continue;
        report_sign(report, path, name);
        weights += fnmatch("*.safetensors", name, 0) == 0 || fnmatch("*.bin", name, 0) == 0;
    }
    closedir(dir);
    if (weights && !has_file(path, "config.json"))
        doctor_say(report, DOCTOR_NOTE, "source",
                   "download config.json and the tokenizer's files of the same repository into it",
                   "%s: has weights and no config.json", path);
    else if (!weights && has_file(path, "config.json"))
        doctor_say(report, DOCTOR_NOTE, "source",
                   "download the *.safetensors files of the same repository into it",
                   "%s: has config.json and no weights", path);
}

static const char *kind_of(const struct qfs_model *model)
{
    if (model->gguf)
        return model->ngguf_names > 1 ? "a split set of GGUF files" : "a GGUF file";
    if (model->adapter)
        return "a LoRA adapter";
    return model->mistral_format ? "a model in Mistral's own format" : "a model directory";
}

static void report_refused(struct doctor_report *report, const struct qfs_source *source,
                           const char *path, size_t served)
{
    const struct qfs_view_info *view;
    size_t refused = 0, imatrix = 0;
    for (size_t i = 0; (view = qfs_source_view(source, i)); i++) {
        refused += view->refused != NULL;
        imatrix += view->refused && strstr(view->refused, "imatrix");
    }
    if (!refused)
        return;
    bool lies_there = has_file(path, "imatrix.gguf") || has_file(path, "imatrix.dat");
    if (imatrix)
        doctor_say(report, DOCTOR_NOTE, "views",
                   lies_there ? "--imatrix auto takes the one that lies there"
                              : "llama-imatrix computes one from the Q8_0 view; give it with "
                                "--imatrix FILE",
                   "%zu need an importance matrix", imatrix);
    if (refused > imatrix)
        doctor_say(report, served ? DOCTOR_NOTE : DOCTOR_BAD, "views", "quantfs ls --all says why",
                   "%zu are refused for other reasons", refused - imatrix);
}

struct tree_counts {
    struct doctor_report *report;
    size_t models, broken, views;
};

static int count_model(void *arg, const struct qfs_tree_model *model)
{
    struct tree_counts *counts = arg;
    counts->models++;
    if (model->broken) {
        counts->broken++;
        doctor_say(counts->report, DOCTOR_NOTE, "source", "quantfs doctor on that one says more",
                   "%s is not shown: %s", model->path, model->broken);
    }
    for (size_t i = 0; i < model->nviews; i++)
        counts->views += !model->views[i].refused;
    return 0;
}

static void report_tree(struct doctor_report *report, struct cli_settings *settings,
                        const char *path)
{
    struct tree_counts counts = {.report = report};
    struct qfs_error error = {0};
    if (qfs_tree_list(path, &settings->views, count_model, &counts, &error) < 0)
        doctor_say(report, DOCTOR_BAD, "source", NULL, "%s", error.text);
    else
        doctor_say(report, counts.models > counts.broken ? DOCTOR_OK : DOCTOR_BAD, "source", NULL,
                   "%s: a folder of %zu models, %zu of them with %zu views that can be read", path,
                   counts.models, counts.models - counts.broken, counts.views);
}

void doctor_source(struct doctor_report *report, struct cli_settings *settings, const char *path)
{
    struct qfs_source *source;
    struct qfs_error error = {0};
    const struct qfs_view_info *view;
    char total[32];
    size_t served = 0;
    uint64_t bytes = 0;
    if (qfs_is_tree(path)) {
        report_tree(report, settings, path);
        return;
    }
    if (qfs_source_open(path, &settings->views, &source, &error) < 0) {
        doctor_say(report, DOCTOR_BAD, "source", NULL, "%s", error.text);
        look_around(report, path);
        return;
    }
    for (size_t i = 0; (view = qfs_source_view(source, i)); i++)
        served += !view->refused;
    const struct qfs_model *model = qfs_source_model(source);
    for (size_t i = 0; i < model->nfiles; i++)
        bytes += model->files[i].size;
    doctor_say(report, DOCTOR_OK, "source", NULL,
               "%s: %s, architecture %s, %zu tensors, %zu file%s of %s", path, kind_of(model),
               qfs_source_conversion(source)->arch, model->ntensors, model->nfiles,
               model->nfiles == 1 ? "" : "s", cli_bytes(bytes, total));
    doctor_say(report, served ? DOCTOR_OK : DOCTOR_BAD, "views", NULL, "%zu can be read", served);
    report_refused(report, source, path, served);
    qfs_source_close(source);
}
