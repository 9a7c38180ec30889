/* quantfs check: reads all of a model once and says what will not work. */
#include "cli.h"

#include "quantfs/quant.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How to see that an element is infinite or no number: all these bits are set. */
static const struct {
    enum qfs_dtype dtype;
    uint32_t mask;
} exponents[] = {{QFS_DTYPE_F32, 0x7F800000}, {QFS_DTYPE_F16, 0x7C00}, {QFS_DTYPE_BF16, 0x7F80}};

struct finding {
    int rc;             /* of reading */
    uint64_t nonfinite; /* elements */
    int64_t first_row;
    struct qfs_error error;
};

static uint32_t mask_of(enum qfs_dtype dtype)
{
    for (size_t i = 0; i < QFS_COUNT(exponents); i++)
        if (exponents[i].dtype == dtype)
            return exponents[i].mask;
    return 0;
}

static uint64_t count_nonfinite(const uint8_t *data, size_t count, size_t size, uint32_t mask,
                                uint64_t *ret_first)
{
    uint64_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = 0;
        memcpy(&bits, data + i * size, size);
        if ((bits & mask) != mask)
            continue;
        if (found++ == 0)
            *ret_first = i;
    }
    return found;
}

static void check_tensor(const struct qfs_model *model, const struct qfs_tensor *tensor,
                         uint8_t *block, size_t block_size, struct finding *finding)
{
    size_t size = qfs_dtypes[tensor->dtype].size;
    uint32_t mask = mask_of(tensor->dtype);
    int64_t row_size = tensor->ndim ? QFS_MAX(1, tensor->shape[tensor->ndim - 1]) : 1;
    for (uint64_t at = 0; at < tensor->nbytes && finding->rc == 0;) {
        size_t n = (size_t)QFS_MIN((uint64_t)block_size, tensor->nbytes - at);
        uint64_t first = 0, found = 0;
        finding->rc = qfs_model_pread(model, tensor, at, block, n, &finding->error);
        if (finding->rc == 0 && mask)
            found = count_nonfinite(block, n / size, size, mask, &first);
        if (found && finding->nonfinite == 0)
            finding->first_row = (int64_t)((at / size + first) / (uint64_t)row_size);
        finding->nonfinite += found;
        at += n;
    }
}

/* Rows of blocks are looked at by their scales, a block at a time. */
static void check_blocks(const struct qfs_model *model, const struct qfs_tensor *tensor,
                         uint8_t *block, size_t block_size, struct finding *finding)
{
    const struct qfs_type_info *info = qfs_type_info(tensor->type);
    int64_t row_size = tensor->ndim ? QFS_MAX(1, tensor->shape[tensor->ndim - 1]) : 1;
    uint64_t row_bytes = qfs_row_bytes((enum qfs_type)tensor->type, row_size);
    block_size -= block_size % info->block_bytes;
    for (uint64_t at = 0; at < tensor->nbytes && finding->rc == 0;) {
        size_t n = (size_t)QFS_MIN((uint64_t)block_size, tensor->nbytes - at);
        finding->rc = qfs_model_pread(model, tensor, at, block, n, &finding->error);
        for (size_t i = 0; finding->rc == 0 && i < n; i += info->block_bytes) {
            if (qfs_blocks_finite((enum qfs_type)tensor->type, block + i, info->block_bytes))
                continue;
            if (finding->nonfinite == 0)
                finding->first_row = (int64_t)((at + i) / row_bytes);
            finding->nonfinite += info->block_count;
        }
        at += n;
    }
}

static uint64_t total_bytes(const struct qfs_model *model)
{
    uint64_t total = 0;
    for (size_t i = 0; i < model->ntensors; i++)
        total += model->tensors[i].nbytes;
    return total;
}

static int check_all(const struct qfs_model *model, struct finding *findings,
                     struct cli_progress *progress)
{
    enum { BLOCK = 1 << 20 };
    uint64_t done = 0, total = total_bytes(model);
    bool failed = false;
#pragma omp parallel
    {
        uint8_t *block = malloc(BLOCK);
        if (!block) {
#pragma omp atomic write
            failed = true;
        }
#pragma omp for schedule(dynamic)
        for (size_t i = 0; i < model->ntensors; i++) {
            if (!block)
                continue;
            (model->tensors[i].gguf ? check_blocks : check_tensor)(model, &model->tensors[i], block,
                                                                   BLOCK, &findings[i]);
#pragma omp critical
            {
                done += model->tensors[i].nbytes;
                cli_progress_step(progress, done, total);
            }
        }
        free(block);
    }
    return failed ? -ENOMEM : 0;
}

/* One line, or one JSON object, a finding; returns how many there are. */
static size_t report(const struct qfs_source *source, const struct finding *findings, cJSON *json)
{
    const struct qfs_model *model = qfs_source_model(source);
    size_t problems = 0;
    for (size_t i = 0; i < model->ntensors; i++) {
        const struct finding *f = &findings[i];
        char text[900];
        if (f->rc == 0 && f->nonfinite == 0)
            continue;
        if (f->rc < 0)
            snprintf(text, sizeof(text), "%s", f->error.text);
        else
            snprintf(text, sizeof(text),
                     "%s/%s: tensor %s has %" PRIu64
                     " weights that are infinite or no number, the first "
                     "in row %" PRId64 ": %s",
                     model->path, model->files[model->tensors[i].file].name, model->tensors[i].name,
                     f->nonfinite, f->first_row,
                     model->gguf ? "no view can be read there"
                                 : "float views carry them, quantized views cannot be read there");
        problems++;
        if (json)
            cJSON_AddItemToArray(json, cJSON_CreateString(text));
        else
            puts(text);
    }
    return problems;
}

static void report_refused(const struct qfs_source *source, cJSON *json)
{
    const struct qfs_view_info *view;
    for (size_t i = 0; (view = qfs_source_view(source, i)); i++) {
        if (!view->refused)
            continue;
        if (json)
            cJSON_AddStringToObject(json, view->name, view->refused);
        else
            printf("%s is refused: %s\n", view->name, view->refused);
    }
}

int cmd_check(struct cli_settings *settings)
{
    struct qfs_source *source;
    struct qfs_error error = {0};
    struct cli_progress progress;
    if (cli_open_source(settings, &source, &error) < 0)
        return cli_fail(&error);
    const struct qfs_model *model = qfs_source_model(source);
    struct finding *findings = calloc(model->ntensors + 1, sizeof(*findings));
    cli_progress_begin(&progress, "check");
    progress.active = progress.active && !settings->quiet;
    int rc = findings ? check_all(model, findings, &progress) : -ENOMEM;
    cli_progress_end(&progress);
    if (rc < 0) {
        qfs_fail_memory(&error);
        free(findings);
        qfs_source_close(source);
        return cli_fail(&error);
    }
    cJSON *json = settings->json ? cJSON_CreateObject() : NULL;
    size_t problems =
        report(source, findings, json ? cJSON_AddArrayToObject(json, "problems") : NULL);
    report_refused(source, json ? cJSON_AddObjectToObject(json, "refused") : NULL);
    if (json) {
        cli_print_json(json);
    } else if (problems == 0) {
        printf("%s: %zu tensors in %zu files, all weights are finite\n", model->path,
               model->ntensors, model->nfiles);
    }
    free(findings);
    qfs_source_close(source);
    return problems ? CLI_FAILED : CLI_OK;
}
