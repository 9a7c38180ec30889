#include "mixture.h"

#include <stdio.h>
#include <string.h>

#include "ftype.h"

/* The rules of llama-quant.cpp (llama_tensor_get_type and below), one function a role. `ft` is the
 * file's type, `type` what the tensor would get without a rule. */

#define BIT(name) QFS_FTYPE_BIT(name)

static bool one_of(int ft, uint64_t set)
{
    return (UINT64_C(1) << ft) & set;
}

static const uint64_t iq1_iq2 = BIT(IQ1_S) | BIT(IQ1_M) | BIT(IQ2_XXS) | BIT(IQ2_XS) | BIT(IQ2_S) |
                                BIT(IQ2_M),
                      iq2_s_m = BIT(IQ2_S) | BIT(IQ2_M);

static int refuse(struct qfs_mixture *m, const char *format, ...) QFS_PRINTF(2, 3);

static int refuse(struct qfs_mixture *m, const char *format, ...)
{
    char text[300];
    va_list args;
    if (m->rc < 0)
        return m->rc;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return m->rc = qfs_fail(m->error, ENOTSUP, "%s", text);
}

/* -- names --------------------------------------------------------------------------------------
 */

static bool is_embedding(const char *name)
{
    return strcmp(name, "token_embd.weight") == 0 ||
           strcmp(name, "per_layer_token_embd.weight") == 0;
}

enum qfs_role qfs_role_of(const char *name)
{
    static const struct {
        const char *part;
        enum qfs_role role;
    } parts[] = {
        {"attn_qkv.weight", QFS_ROLE_ATTN_V}, {"attn_kv_b.weight", QFS_ROLE_ATTN_V},
        {"attn_v.weight", QFS_ROLE_ATTN_V},   {"attn_k.weight", QFS_ROLE_ATTN_K},
        {"attn_q.weight", QFS_ROLE_ATTN_Q},   {"attn_output.weight", QFS_ROLE_ATTN_OUTPUT},
        {"ffn_up", QFS_ROLE_FFN_UP},          {"ffn_gate", QFS_ROLE_FFN_GATE},
        {"ffn_down", QFS_ROLE_FFN_DOWN},
    };
    if (strcmp(name, "output.weight") == 0)
        return QFS_ROLE_OUTPUT;
    if (is_embedding(name))
        return QFS_ROLE_EMBEDDING;
    for (size_t i = 0; i < QFS_COUNT(parts); i++)
        if (strstr(name, parts[i].part))
            return parts[i].role;
    return QFS_ROLE_OTHER;
}

bool qfs_mixture_allows(const struct qfs_view_options *options, const char *name, int ndim)
{
    static const char *const kept[] = {
        "_norm.weight",
        "ffn_gate_inp.weight", /* routers */
        "ffn_gate_tid2eid.weight",
        "altup",
        "laurel",
        "per_layer_model_proj",
        "ssm_conv1d",
        "shortconv.conv.weight",
        "indexer.k_proj.weight",
        "indexer.q_proj.weight",
        "time_mix_first.weight", /* RWKV's small matrices */
        "time_mix_w0.weight",
        "time_mix_w1.weight",
        "time_mix_w2.weight",
        "time_mix_v0.weight",
        "time_mix_v1.weight",
        "time_mix_v2.weight",
        "time_mix_a0.weight",
        "time_mix_a1.weight",
        "time_mix_a2.weight",
        "time_mix_g1.weight",
        "time_mix_g2.weight",
        "time_mix_decay_w1.weight",
        "time_mix_decay_w2.weight",
        "time_mix_lerp_fused.weight",
        "attn_rel_b.weight",
        ".position_embd", /* of projectors */
        "sam.pos_embd",
        "sam.neck.",
        "sam.net_",
        ".rel_pos",
        ".patch_embd",
        ".patch_merger",
        "a.rvq.codebook",
        "mm.a.code_embd",
    };
    if (ndim < 2)
        return false;
    /* The reference compares positions, so five letters without "weight" pass too. */
    if (!qfs_ends_with(name, "weight") && !(strlen(name) == 5))
        return false;
    if (options->leave_output_tensor && strcmp(name, "output.weight") == 0)
        return false;
    if (strcmp(name, "position_embd.weight") == 0 || strcmp(name, "token_types.weight") == 0)
        return false;
    for (size_t i = 0; i < QFS_COUNT(kept); i++)
        if (strstr(name, kept[i]))
            return false;
    return true;
}

bool qfs_mixture_needs_imatrix(const struct qfs_ftype *ftype, const char *name, enum qfs_type type)
{
    if (is_embedding(name) || strcmp(name, "output.weight") == 0)
        return false;
    switch (type) {
    case QFS_TYPE_IQ3_XXS:
    case QFS_TYPE_IQ2_XXS:
    case QFS_TYPE_IQ2_XS:
    case QFS_TYPE_IQ2_S:
    case QFS_TYPE_IQ1_M:
    case QFS_TYPE_IQ1_S:
        return true;
    case QFS_TYPE_Q2_K:
        return ftype->number == QFS_FTYPE_Q2_K_S;
    default:
        return false;
    }
}

/* -- what rules ask about -----------------------------------------------------------------------
 */

/* Query heads that share a key: of layer 0, whatever the others have. */
static bool gqa_at_least_4(struct qfs_mixture *m)
{
    if (m->hparams.nlayers == 0)
        refuse(m, "the model has no layers, so there is no ratio of heads that the mixture needs");
    return m->hparams.nheads_kv != 0 && m->hparams.nheads / m->hparams.nheads_kv >= 4;
}

/* The eighths at both ends and every third layer between. */
static bool more_bits(int layer, int nlayers)
{
    return layer < nlayers / 8 || layer >= 7 * nlayers / 8 || (layer - nlayers / 8) % 3 == 2;
}

/* Experts of a layer come in any order, so with experts the layer is read from the name. */
static int layer_of(struct qfs_mixture *m, int counted, const char *name)
{
    int layer = counted;
    if (m->hparams.nexperts <= 1)
        return layer;
    if (sscanf(name, "blk.%d.", &layer) != 1)
        refuse(m, "the name of %s does not say which layer it belongs to", name);
    else if (layer < 0 || layer >= (int)m->hparams.nlayers)
        refuse(m, "%s belongs to layer %d, but there are %u", name, layer, m->hparams.nlayers);
    return layer;
}

static bool is_falcon(const struct qfs_mixture *m)
{
    return strcmp(m->hparams.arch, "falcon") == 0;
}

/* -- rules --------------------------------------------------------------------------------------
 */

static enum qfs_type output_type(struct qfs_mixture *m, int ft, enum qfs_type type, int64_t columns)
{
    if (m->options->output_tensor_type != QFS_TYPE_NONE)
        return m->options->output_tensor_type;
    if (ft == QFS_FTYPE_MXFP4_MOE || is_falcon(m) || columns % qfs_type_info(type)->block_count)
        return QFS_TYPE_Q8_0;
    if (one_of(ft, iq1_iq2 | BIT(IQ3_XXS)))
        return QFS_TYPE_Q5_K;
    return type == QFS_TYPE_Q8_0 ? type : QFS_TYPE_Q6_K;
}

static enum qfs_type embedding_type(struct qfs_mixture *m, int ft, enum qfs_type type)
{
    if (m->options->token_embedding_type != QFS_TYPE_NONE)
        return m->options->token_embedding_type;
    if (one_of(ft, BIT(IQ2_XXS) | BIT(IQ2_XS) | BIT(IQ1_S) | BIT(IQ1_M)))
        return QFS_TYPE_Q2_K;
    if (one_of(ft, iq2_s_m | BIT(IQ3_XXS)))
        return QFS_TYPE_IQ3_S;
    if (one_of(ft, BIT(TQ1_0) | BIT(TQ2_0) | BIT(Q2_0)))
        return QFS_TYPE_Q4_K;
    return type;
}

static enum qfs_type mxfp4_moe_type(struct qfs_mixture *m, enum qfs_role role, const int64_t ne[4])
{
    bool is_ffn = role == QFS_ROLE_FFN_UP || role == QFS_ROLE_FFN_GATE || role == QFS_ROLE_FFN_DOWN;
    bool is_expert = ne[2] > 1 && (is_ffn || strcmp(m->hparams.arch, "bailingmoe3") != 0);
    return is_expert ? QFS_TYPE_MXFP4 : QFS_TYPE_Q8_0;
}

/* Files of about two bits a weight have rules of their own for all roles. */
static enum qfs_type iq1_iq2_type(struct qfs_mixture *m, int ft, enum qfs_type type,
                                  enum qfs_role role)
{
    enum qfs_type better = one_of(ft, iq2_s_m) ? QFS_TYPE_IQ3_S : QFS_TYPE_Q2_K;
    uint32_t nexperts = m->hparams.nexperts;
    switch (role) {
    case QFS_ROLE_ATTN_V:
        m->iattn_v++;
        return gqa_at_least_4(m) || nexperts >= 4 ? QFS_TYPE_Q4_K : better;
    case QFS_ROLE_ATTN_K:
        return nexperts == 8 ? QFS_TYPE_Q4_K : type;
    case QFS_ROLE_FFN_DOWN:
        return m->iffn_down++ < (int)m->hparams.nlayers / 8 ? better : type;
    case QFS_ROLE_ATTN_OUTPUT:
        if (nexperts == 8)
            return QFS_TYPE_Q5_K;
        if (one_of(ft, BIT(IQ1_S) | BIT(IQ1_M)))
            return QFS_TYPE_IQ2_XXS;
        return one_of(ft, iq2_s_m) ? QFS_TYPE_IQ3_S : type;
    default:
        return type;
    }
}

static enum qfs_type attn_v_by_ftype(struct qfs_mixture *m, int ft, enum qfs_type type)
{
    switch (ft) {
    case QFS_FTYPE_Q2_K:
        return gqa_at_least_4(m) ? QFS_TYPE_Q4_K : QFS_TYPE_Q3_K;
    case QFS_FTYPE_IQ3_XXS:
        if (gqa_at_least_4(m))
            return QFS_TYPE_Q4_K;
        return m->has_imatrix ? QFS_TYPE_IQ3_XXS : QFS_TYPE_IQ3_S;
    case QFS_FTYPE_Q2_K_S:
    case QFS_FTYPE_IQ3_XS:
    case QFS_FTYPE_IQ3_S:
        return gqa_at_least_4(m) ? QFS_TYPE_Q4_K : type;
    case QFS_FTYPE_IQ3_M:
        return QFS_TYPE_Q4_K;
    case QFS_FTYPE_Q3_K_M:
        return m->iattn_v < 2 ? QFS_TYPE_Q5_K : QFS_TYPE_Q4_K;
    case QFS_FTYPE_Q3_K_L:
        return QFS_TYPE_Q5_K;
    case QFS_FTYPE_IQ4_NL:
    case QFS_FTYPE_IQ4_XS:
        return gqa_at_least_4(m) ? QFS_TYPE_Q5_K : type;
    case QFS_FTYPE_Q4_K_M:
    case QFS_FTYPE_Q5_K_M:
        return more_bits(m->iattn_v, m->nattn_v) ? QFS_TYPE_Q6_K : type;
    case QFS_FTYPE_Q4_K_S:
        return m->iattn_v < 4 ? QFS_TYPE_Q5_K : type;
    default:
        return type;
    }
}

static enum qfs_type attn_v_type(struct qfs_mixture *m, int ft, enum qfs_type type)
{
    type = attn_v_by_ftype(m, ft, type);
    if (m->hparams.is_70b && (type == QFS_TYPE_Q3_K || type == QFS_TYPE_Q4_K))
        type = QFS_TYPE_Q5_K;
    m->iattn_v++;
    return m->hparams.nexperts == 8 ? QFS_TYPE_Q8_0 : type;
}

static enum qfs_type attn_qk_type(struct qfs_mixture *m, int ft, enum qfs_type type,
                                  enum qfs_role role)
{
    if (role == QFS_ROLE_ATTN_K && m->hparams.nexperts == 8)
        return QFS_TYPE_Q8_0;
    if (ft == QFS_FTYPE_IQ3_XS)
        return QFS_TYPE_IQ3_XXS;
    return ft == QFS_FTYPE_IQ3_XXS ? QFS_TYPE_IQ2_S : type;
}

static enum qfs_type ffn_down_type(struct qfs_mixture *m, int ft, enum qfs_type type,
                                   const char *name)
{
    int n = (int)m->hparams.nlayers, layer = layer_of(m, m->iffn_down++, name);
    bool early = layer < n / 8, falcon = is_falcon(m);
    switch (ft) {
    case QFS_FTYPE_Q2_K:
        return QFS_TYPE_Q3_K;
    case QFS_FTYPE_Q2_K_S:
        return early ? QFS_TYPE_Q4_K : type;
    case QFS_FTYPE_IQ3_XXS:
        if (m->has_imatrix)
            return type;
        return early ? QFS_TYPE_Q4_K : QFS_TYPE_Q3_K;
    case QFS_FTYPE_Q3_K_M:
        if (layer < n / 16)
            return QFS_TYPE_Q5_K;
        return !falcon || more_bits(layer, n) ? QFS_TYPE_Q4_K : QFS_TYPE_Q3_K;
    case QFS_FTYPE_IQ3_M:
        return early || (m->hparams.nexperts == 8 && more_bits(layer, n)) ? QFS_TYPE_Q4_K : type;
    case QFS_FTYPE_Q3_K_L:
        return falcon ? QFS_TYPE_Q4_K : QFS_TYPE_Q5_K;
    case QFS_FTYPE_Q4_K_M:
        if (falcon && layer >= n / 16)
            return more_bits(layer, n) ? QFS_TYPE_Q5_K : QFS_TYPE_Q4_K;
        return falcon || more_bits(layer, n) ? QFS_TYPE_Q6_K : type;
    case QFS_FTYPE_IQ4_NL:
    case QFS_FTYPE_IQ4_XS:
        return early && !m->has_imatrix ? QFS_TYPE_Q5_K : type;
    case QFS_FTYPE_Q5_K_M:
        return more_bits(layer, n) ? QFS_TYPE_Q6_K : type;
    case QFS_FTYPE_Q4_K_S:
        return early && !falcon ? QFS_TYPE_Q5_K : type;
    case QFS_FTYPE_Q4_0:
        return early && m->has_imatrix ? QFS_TYPE_Q4_1 : type;
    case QFS_FTYPE_Q5_0:
        return early && m->has_imatrix ? QFS_TYPE_Q5_1 : type;
    default:
        return type;
    }
}

static enum qfs_type attn_output_type(struct qfs_mixture *m, int ft, enum qfs_type type)
{
    static const uint64_t q5_with_8_experts = BIT(Q2_K) | BIT(IQ3_XS) | BIT(IQ3_XXS) | BIT(Q3_K_S) |
                                              BIT(Q3_K_M) | BIT(IQ4_NL) | BIT(Q4_K_S) |
                                              BIT(Q4_K_M) | BIT(IQ3_S) | BIT(IQ3_M) | BIT(IQ4_XS);
    if (is_falcon(m))
        return ft == QFS_FTYPE_Q3_K_L ? QFS_TYPE_Q4_K : type;
    if (m->hparams.nexperts == 8)
        return one_of(ft, q5_with_8_experts) ? QFS_TYPE_Q5_K : type;
    switch (ft) {
    case QFS_FTYPE_Q2_K:
        return QFS_TYPE_Q3_K;
    case QFS_FTYPE_IQ3_XXS:
        return QFS_TYPE_IQ3_S;
    case QFS_FTYPE_Q3_K_M:
    case QFS_FTYPE_IQ3_M:
        return QFS_TYPE_Q4_K;
    case QFS_FTYPE_Q3_K_L:
        return QFS_TYPE_Q5_K;
    default:
        return type;
    }
}

static enum qfs_type ffn_gate_up_type(struct qfs_mixture *m, int ft, enum qfs_type type,
                                      int counted, const char *name)
{
    int n = (int)m->hparams.nlayers, layer = layer_of(m, counted, name);
    bool middle = layer >= n / 8 && layer < 7 * n / 8;
    return ft == QFS_FTYPE_IQ3_XS && middle ? QFS_TYPE_IQ3_XXS : type;
}

static enum qfs_type mixed_type(struct qfs_mixture *m, enum qfs_type type, const char *name,
                                const int64_t ne[4])
{
    enum qfs_role role = qfs_role_of(name);
    int ft = m->options->ftype->number;
    if (role == QFS_ROLE_OUTPUT || (m->tied && role == QFS_ROLE_EMBEDDING))
        return output_type(m, ft, type, ne[0]);
    if (ft == QFS_FTYPE_MXFP4_MOE)
        return mxfp4_moe_type(m, role, ne);
    if (role == QFS_ROLE_EMBEDDING)
        return embedding_type(m, ft, type);
    if (one_of(ft, iq1_iq2))
        return iq1_iq2_type(m, ft, type, role);
    switch (role) {
    case QFS_ROLE_ATTN_V:
        return attn_v_type(m, ft, type);
    case QFS_ROLE_ATTN_K:
    case QFS_ROLE_ATTN_Q:
        return attn_qk_type(m, ft, type, role);
    case QFS_ROLE_ATTN_OUTPUT:
        return attn_output_type(m, ft, type);
    case QFS_ROLE_FFN_DOWN:
        return ffn_down_type(m, ft, type, name);
    case QFS_ROLE_FFN_GATE:
        return ffn_gate_up_type(m, ft, type, m->iffn_gate++, name);
    case QFS_ROLE_FFN_UP:
        return ffn_gate_up_type(m, ft, type, m->iffn_up++, name);
    default:
        return type;
    }
}

/* What a row that is no multiple of the block becomes instead. */
static enum qfs_type fallback_type(struct qfs_mixture *m, enum qfs_type type, const char *name,
                                   int64_t columns)
{
    const struct qfs_type_info *info = qfs_type_info(type);
    if (columns % info->block_count == 0)
        return type;
    switch (type) {
    case QFS_TYPE_IQ1_S:
    case QFS_TYPE_IQ1_M:
    case QFS_TYPE_IQ2_XXS:
    case QFS_TYPE_IQ2_XS:
    case QFS_TYPE_IQ2_S:
    case QFS_TYPE_IQ3_XXS:
    case QFS_TYPE_IQ3_S:
    case QFS_TYPE_IQ4_XS:
        type = QFS_TYPE_IQ4_NL;
        break;
    case QFS_TYPE_Q2_0:
    case QFS_TYPE_Q2_K:
    case QFS_TYPE_Q3_K:
    case QFS_TYPE_TQ1_0:
    case QFS_TYPE_TQ2_0:
        type = QFS_TYPE_Q4_0;
        break;
    case QFS_TYPE_Q4_K:
        type = QFS_TYPE_Q5_0;
        break;
    case QFS_TYPE_Q5_K:
        type = QFS_TYPE_Q5_1;
        break;
    case QFS_TYPE_Q6_K:
        type = QFS_TYPE_Q8_0;
        break;
    default:
        if (info->block_count > 32)
            refuse(m,
                   "rows of %s have %lld weights, no multiple of %s's %u, and %s has no fallback",
                   name, (long long)columns, info->name, info->block_count, info->name);
    }
    return columns % qfs_type_info(type)->block_count ? QFS_TYPE_F16 : type;
}

/* The first --tensor-type whose pattern is found in the name. */
static const struct qfs_tensor_rule *find_rule(struct qfs_mixture *m, const char *name)
{
    for (size_t i = 0; i < m->nrules; i++) {
        int found = qfs_pattern_search(m->rules[i].pattern, name);
        if (found > 0)
            return &m->rules[i];
        if (found < 0)
            refuse(m, "matching tensor-type %s with %s takes too long: simplify it",
                   m->options->tensor_types[i], name);
    }
    return NULL;
}

enum qfs_type qfs_mixture_type(struct qfs_mixture *mixture, const char *name, const int64_t ne[4])
{
    struct qfs_mixture *m = mixture;
    const struct qfs_view_options *options = m->options;
    enum qfs_type type = options->ftype->default_type;
    /* A rule may name the per-layer embedding, a table of its own; the others follow the option. */
    if (options->token_embedding_type != QFS_TYPE_NONE && is_embedding(name) &&
        (strcmp(name, "token_embd.weight") == 0 || !find_rule(m, name)))
        return options->token_embedding_type;
    if (options->output_tensor_type != QFS_TYPE_NONE && strcmp(name, "output.weight") == 0)
        return options->output_tensor_type;
    if (!qfs_type_info(type)->quantized)
        return type;
    const struct qfs_tensor_rule *rule = find_rule(m, name);
    if (rule)
        type = rule->type;
    else if (!options->pure)
        type = mixed_type(m, type, name, ne);
    return fallback_type(m, type, name, ne[0]);
}
