#include "loader.h"

#include <string.h>

#include "loader_read.h"

/* llama_model_base::load_hparams. What the architectures add: reads that only matter for being
 * there come from the generated table, what depends on values is done by hand in
 * loader_checks.c. */

enum { MAX_EXPERTS = 1024 };

/* Numbers of layers that the loader calls a 70B model. */
static bool is_70b(const struct qfs_loader *l)
{
    static const struct {
        const char *arch;
        uint32_t nlayers;
    } models[] = {{"deci", 80},        {"jais2", 68}, {"llama", 80},
                  {"llama-embed", 80}, {"olmo", 80},  {"qwen2", 80}};
    for (size_t i = 0; i < QFS_COUNT(models); i++)
        if (strcmp(l->arch, models[i].arch) == 0 && qfs_loader_layers(l) == models[i].nlayers)
            return !qfs_starts_with(l->arch, "llama") ||
                   (l->h.nexperts != 8 && l->h.nheads != l->h.nheads_kv);
    return false;
}

static void read_experts(struct qfs_loader *l)
{
    uint32_t used[QFS_LOADER_MAX_LAYERS] = {0}, most = 0, ngroups, ngroups_used;
    l->h.nexperts = qfs_loader_get(l, "%s.expert_count");
    qfs_loader_either(l, "%s.expert_used_count", QFS_KV_U32, false, l->h.nlayers, used);
    ngroups = qfs_loader_get(l, "%s.expert_group_count");
    ngroups_used = qfs_loader_get(l, "%s.expert_group_used_count");
    if (l->rc < 0)
        return;
    for (uint32_t i = 0; i < l->h.nlayers; i++)
        most = QFS_MAX(most, used[i]);
    if ((strcmp(l->arch, "hunyuan_vl") == 0 || strcmp(l->arch, "hunyuan-dense") == 0) &&
        l->h.nexperts <= 1)
        l->h.nexperts = most = 0;
    uint32_t n = l->h.nexperts;
    qfs_loader_require(l, n <= MAX_EXPERTS && most <= n,
                       "expert_count is too large, or below expert_used_count");
    if (n == 0) {
        qfs_loader_require(l, ngroups == 0, "expert_group_count without experts");
        return;
    }
    qfs_loader_require(l, most > 0, "expert_used_count must not be 0");
    qfs_loader_require(l, ngroups < n, "expert_group_count must be below expert_count");
    if (ngroups > 1)
        qfs_loader_require(
            l, n % ngroups == 0 && ngroups_used > 0 && ngroups_used < ngroups,
            "expert_group_count or expert_group_used_count does not fit expert_count");
}

static void read_wavtokenizer(struct qfs_loader *l)
{
    static const char *const needed[] = {"%s.features_length", "%s.posnet.embedding_length",
                                         "%s.convnext.embedding_length"};
    uint32_t posnet = 0, convnext = 0;
    for (size_t i = 0; i < QFS_COUNT(needed); i++)
        qfs_loader_one(l, needed[i], QFS_KV_U32, true, NULL, NULL);
    qfs_loader_u32(l, "%s.posnet.block_count", true, &posnet);
    qfs_loader_u32(l, "%s.convnext.block_count", true, &convnext);
    qfs_loader_require(l, posnet <= l->h.nlayers && convnext <= l->h.nlayers,
                       "posnet.block_count or convnext.block_count exceeds block_count");
}

static void read_heads(struct qfs_loader *l)
{
    uint32_t heads[QFS_LOADER_MAX_LAYERS] = {0}, heads_kv[QFS_LOADER_MAX_LAYERS];
    uint32_t n = l->h.nlayers, nembd = qfs_loader_get(l, "%s.embedding_length"), head_size, nrot;
    static const char *const strict[] = {"llama", "deci", "falcon", "llama-embed"};
    qfs_loader_either(l, "%s.feed_forward_length", QFS_KV_U32, false, n, NULL);
    qfs_loader_either(l, "%s.attention.head_count", QFS_KV_U32, false, n, heads);
    memcpy(heads_kv, heads, sizeof(heads));
    qfs_loader_either(l, "%s.attention.head_count_kv", QFS_KV_U32, false, n, heads_kv);
    if (l->rc < 0)
        return;
    l->h.nheads = heads[0];
    l->h.nheads_kv = heads_kv[0];
    if (heads[0] == 0)
        return;
    head_size = nembd / heads[0];
    qfs_loader_u32(l, "%s.attention.key_length", false, &head_size);
    qfs_loader_one(l, "%s.attention.value_length", QFS_KV_U32, false, NULL, NULL);
    nrot = head_size;
    qfs_loader_u32(l, "%s.rope.dimension_count", false, &nrot);
    for (size_t i = 0; i < QFS_COUNT(strict); i++)
        if (strcmp(l->arch, strict[i]) == 0 && nrot != head_size)
            qfs_loader_refuse(l, "rope.dimension_count is %u, not the size of a head, %u", nrot,
                              head_size);
}

static void read_rope(struct qfs_loader *l)
{
    static const char *const types[] = {"none", "linear", "yarn", "longrope"};
    struct qfs_text type = QFS_TEXT("linear");
    bool known = false;
    qfs_loader_one(l, "%s.rope.scaling.finetuned", QFS_KV_BOOL, false, NULL, NULL);
    qfs_loader_one(l, "%s.rope.scaling.original_context_length", QFS_KV_U32, false, NULL, NULL);
    qfs_loader_one(l, "%s.rope.freq_base", QFS_KV_F32, false, NULL, NULL);
    qfs_loader_one(l, "%s.rope.scaling.type", QFS_KV_STRING, false, NULL, &type);
    for (size_t i = 0; i < QFS_COUNT(types); i++)
        known |= qfs_text_is(type, types[i]);
    qfs_loader_require(l, known, "rope.scaling.type is none that it knows");
    if (!qfs_loader_one(l, "%s.rope.scaling.factor", QFS_KV_F32, false, NULL, NULL))
        qfs_loader_one(l, "%s.rope.scale_linear", QFS_KV_F32, false, NULL, NULL);
    qfs_loader_one(l, "%s.rope.scaling.attn_factor", QFS_KV_F32, false, NULL, NULL);
    qfs_loader_one(l, "%s.rope.scaling.alpha", QFS_KV_F32, false, NULL, NULL);
}

static void read_hparams(struct qfs_loader *l, const struct qfs_loader_arch *arch)
{
    struct qfs_loader_array labels;
    qfs_loader_one(l, "%s.context_length", QFS_KV_U32, true, NULL, NULL);
    qfs_loader_one(l, "%s.embedding_length", QFS_KV_U32, true, NULL, NULL);
    qfs_loader_one(l, "%s.embedding_length_out", QFS_KV_U32, false, NULL, NULL);
    qfs_loader_one(l, "%s.attention.causal", QFS_KV_BOOL, false, NULL, NULL);
    qfs_loader_one(l, "%s.pooling_type", QFS_KV_U32, false, NULL, NULL);
    qfs_loader_u32(l, "%s.block_count", true, &l->h.nlayers);
    qfs_loader_require(l, l->h.nlayers > 0 && l->h.nlayers <= QFS_LOADER_MAX_LAYERS,
                       "block_count must be 1 to 512");
    qfs_loader_u32(l, "%s.nextn_predict_layers", false, &l->ndraft);
    qfs_loader_require(l, l->ndraft <= l->h.nlayers, "nextn_predict_layers exceeds block_count");
    if (l->rc < 0)
        return;
    read_experts(l);
    if (strcmp(l->arch, "wavtokenizer-dec") == 0)
        read_wavtokenizer(l);
    read_heads(l);
    read_rope(l);
    qfs_loader_one(l, "%s.attention.key_length_swa", QFS_KV_U32, false, NULL, NULL);
    qfs_loader_one(l, "%s.attention.value_length_swa", QFS_KV_U32, false, NULL, NULL);
    qfs_loader_one(l, "%s.rope.dimension_count_swa", QFS_KV_U32, false, NULL, NULL);
    qfs_loader_array(l, "%s.classifier.output_labels", QFS_KV_STRING, false, &labels);
    for (size_t i = 0; i < arch->nreads && l->rc == 0; i++)
        qfs_loader_row(l, &arch->reads[i]);
    if (l->rc == 0)
        qfs_loader_check(l);
}

int qfs_loader_run(const struct qfs_kvs *kvs, const struct qfs_override *overrides,
                   size_t noverrides, struct qfs_hparams *ret_hparams, struct qfs_error *error)
{
    struct qfs_loader l = {
        .kvs = kvs, .overrides = overrides, .noverrides = noverrides, .arch = "", .error = error};
    const struct qfs_loader_arch *arch = NULL;
    struct qfs_text name = {0};
    qfs_loader_one(&l, "general.architecture", QFS_KV_STRING, false, NULL, &name);
    for (size_t i = 0; i < qfs_loader_narchs; i++)
        if (qfs_text_is(name, qfs_loader_archs[i].name))
            arch = &qfs_loader_archs[i];
    if (!arch) {
        qfs_loader_refuse(&l, "it has no architecture '%.*s'", (int)QFS_MIN(name.size, (size_t)64),
                          name.data ? name.data : "");
        return l.rc;
    }
    l.arch = l.h.arch = arch->name;
    qfs_loader_one(&l, "split.count", QFS_KV_U16, false, NULL, NULL);
    qfs_loader_one(&l, "general.file_type", QFS_KV_U32, false, NULL, NULL);
    qfs_loader_one(&l, "general.name", QFS_KV_STRING, false, NULL, NULL);
    /* The layers of projectors are none of the loader's. */
    if (strcmp(l.arch, "clip") != 0)
        read_hparams(&l, arch);
    if (l.rc < 0)
        return l.rc;
    l.h.is_70b = is_70b(&l);
    *ret_hparams = l.h;
    return 0;
}
