/* Made by scripts/generate-loader-table.py from llama.cpp v0.5.0 (MIT licence); see NOTICE. Do not edit. */
#include "loader_table.h"

/* clang-format off */
static const struct qfs_loader_read reads_afmoe[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.expert_gating_func", MAY | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.attention.sliding_window", MAY | ONE | U32},
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_apertus[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"xielu.alpha_n", NEED | LAYERS | F32},
    {"xielu.alpha_p", NEED | LAYERS | F32},
    {"xielu.beta", NEED | LAYERS | F32},
    {"xielu.eps", NEED | LAYERS | F32},
};

static const struct qfs_loader_read reads_arcee[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_arwkv7[] = {
    {"%s.attention.layer_norm_epsilon", MAY | ONE | F32},
    {"%s.attention.layer_norm_rms_epsilon", MAY | ONE | F32},
    {"%s.wkv.head_size", NEED | ONE | U32},
    {"%s.attention.decay_lora_rank", NEED | ONE | U32},
    {"%s.attention.iclr_lora_rank", NEED | ONE | U32},
    {"%s.attention.value_residual_mix_lora_rank", NEED | ONE | U32},
    {"%s.attention.gate_lora_rank", MAY | ONE | U32},
    {"%s.token_shift_count", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_bailingmoe[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
};

static const struct qfs_loader_read reads_bailingmoe2[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_gating_func", NEED | ONE | U32},
};

static const struct qfs_loader_read reads_bailingmoe3[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.key_length_mla", NEED | ONE | U32},
    {"%s.attention.value_length_mla", NEED | ONE | U32},
    {"%s.attention.kv_lora_rank", NEED | ONE | U32},
    {"%s.attention.q_lora_rank", MAY | ONE | U32},
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.kda.head_dim", NEED | ONE | U32},
    {"%s.kda.safe_gate", MAY | ONE | BOOL},
    {"%s.kda.gate_lower_bound", NEED | ONE | F32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.leading_dense_block_count", NEED | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_gating_func", NEED | ONE | U32},
    {"%s.swiglu_clamp_exp", MAY | LAYERS_ALL | F32},
    {"%s.swiglu_clamp_shexp", MAY | LAYERS_ALL | F32},
};

static const struct qfs_loader_read reads_bert[] = {
    {"%s.attention.layer_norm_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_chameleon[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.swin_norm", MAY | ONE | BOOL},
};

static const struct qfs_loader_read reads_cohere2[] = {
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.logit_scale", NEED | ONE | F32},
    {"%s.attention.layer_norm_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_cohere2moe[] = {
    {"%s.attention.layer_norm_epsilon", MAY | ONE | F32},
    {"%s.attention.layer_norm_rms_epsilon", MAY | ONE | F32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.logit_scale", NEED | ONE | F32},
    {"%s.leading_dense_block_count", NEED | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.expert_shared_count", MAY | ONE | U32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_gating_func", MAY | ONE | U32},
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_command_r[] = {
    {"%s.logit_scale", MAY | ONE | F32},
    {"%s.attention.layer_norm_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_dbrx[] = {
    {"%s.attention.layer_norm_epsilon", NEED | ONE | F32},
    {"%s.attention.clamp_kqv", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_deepseek[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_deepseek2[] = {
    {"%s.vocab_size", MAY | ONE | U32},
    {"tokenizer.ggml.tokens", MAY | COUNT | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.attention.q_lora_rank", MAY | ONE | U32},
    {"%s.attention.kv_lora_rank", NEED | ONE | U32},
    {"%s.attention.key_length_mla", MAY | ONE | U32},
    {"%s.attention.value_length_mla", MAY | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_gating_func", MAY | ONE | U32},
    {"%s.rope.scaling.yarn_log_multiplier", MAY | ONE | F32},
    {"%s.attention.temperature_scale", MAY | ONE | F32},
    {"%s.attention.temperature_length", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_deepseek2_ocr[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_gating_func", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_deepseek32[] = {
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.rope.dimension_sections", MAY | FOUR | I32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.attention.q_lora_rank", NEED | ONE | U32},
    {"%s.attention.kv_lora_rank", NEED | ONE | U32},
    {"%s.attention.key_length_mla", MAY | ONE | U32},
    {"%s.attention.value_length_mla", MAY | ONE | U32},
    {"%s.attention.indexer.head_count", NEED | ONE | U32},
    {"%s.attention.indexer.key_length", NEED | ONE | U32},
    {"%s.attention.indexer.top_k", NEED | ONE | U32},
    {"%s.expert_gating_func", NEED | ONE | U32},
    {"%s.rope.scaling.yarn_log_multiplier", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_deepseek4[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.q_lora_rank", NEED | ONE | U32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.expert_weights_scale", NEED | ONE | F32},
    {"%s.expert_weights_norm", NEED | ONE | BOOL},
    {"%s.swiglu_clamp_exp", NEED | LAYERS_ALL | F32},
    {"%s.swiglu_clamp_shexp", MAY | LAYERS_ALL | F32},
    {"%s.attention.indexer.head_count", NEED | ONE | U32},
    {"%s.attention.indexer.key_length", NEED | ONE | U32},
    {"%s.attention.indexer.top_k", NEED | ONE | U32},
    {"%s.attention.output_group_count", NEED | ONE | U32},
    {"%s.attention.output_lora_rank", NEED | ONE | U32},
    {"%s.attention.compress_rope_freq_base", NEED | ONE | F32},
    {"%s.hyper_connection.count", NEED | ONE | U32},
    {"%s.hyper_connection.sinkhorn_iterations", NEED | ONE | U32},
    {"%s.hyper_connection.epsilon", NEED | ONE | F32},
    {"%s.hash_layer_count", NEED | ONE | U32},
    {"%s.attention.compress_ratios", NEED | COUNT | U32},
    {"%s.attention.compress_ratios", NEED | ARRAY | U32},
    {"%s.expert_gating_func", NEED | ONE | U32},
};

static const struct qfs_loader_read reads_dflash[] = {
    {"%s.embedding_scale", MAY | ONE | F32},
    {"%s.attention.scale", MAY | ONE | F32},
    {"%s.hidden_activation", MAY | ONE | STRING},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.logit_scale", MAY | ONE | F32},
    {"%s.final_logit_softcapping", MAY | ONE | F32},
    {"%s.rope.dimension_sections", MAY | FOUR | I32},
    {"%s.block_size", MAY | ONE | U32},
    {"%s.conv_kernel_size", MAY | ONE | U32},
    {"%s.conv_group_size", MAY | ONE | U32},
    {"%s.selector_rank", MAY | ONE | U32},
    {"%s.selector_top_k", MAY | ONE | U32},
    {"%s.target_layers", MAY | ARRAY | I32},
    {"%s.hyper_connection.count", MAY | ONE | U32},
    {"%s.attention.q_lora_rank", MAY | ONE | U32},
    {"%s.attention.sliding_window", MAY | ONE | U32},
    {"%s.expert_feed_forward_length", MAY | LAYERS_ALL | U32},
    {"%s.expert_shared_count", MAY | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_gating_func", MAY | ONE | U32},
    {"%s.swiglu_clamp_exp", MAY | LAYERS_ALL | F32},
    {"%s.swiglu_clamp_shexp", MAY | LAYERS_ALL | F32},
    {"%s.attention.output_group_count", MAY | ONE | U32},
    {"%s.attention.output_lora_rank", MAY | ONE | U32},
    {"%s.hyper_connection.sinkhorn_iterations", MAY | ONE | U32},
    {"%s.hyper_connection.epsilon", MAY | ONE | F32},
    {"%s.attention.compress_ratios", MAY | ARRAY | U32},
    {"%s.attention.sliding_window_pattern", MAY | ARRAY | U32},
};

static const struct qfs_loader_read reads_dots3note[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.leading_dense_block_count", NEED | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_gating_func", NEED | ONE | U32},
    {"%s.attention.q_lora_rank", NEED | ONE | U32},
    {"%s.attention.kv_lora_rank", NEED | ONE | U32},
    {"%s.attention.key_length_mla", NEED | ONE | U32},
    {"%s.attention.value_length_mla", NEED | ONE | U32},
    {"%s.attention.kv_lora_rank_swa", NEED | ONE | U32},
    {"%s.attention.key_length_mla_swa", NEED | ONE | U32},
    {"%s.attention.value_length_mla_swa", NEED | ONE | U32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.rope.freq_base_swa", NEED | ONE | F32},
    {"%s.attention.sliding_window_pattern", NEED | ARRAY | U32},
    {"%s.attention.indexer.head_count", NEED | ONE | U32},
    {"%s.attention.indexer.key_length", NEED | ONE | U32},
    {"%s.attention.indexer.top_k", NEED | ONE | U32},
    {"%s.attention.indexer.types", NEED | ARRAY | U32},
};

static const struct qfs_loader_read reads_eagle3[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.target_layers", MAY | ARRAY | I32},
    {"%s.target_hidden_size", NEED | ONE | U32},
    {"%s.norm_before_residual", MAY | ONE | BOOL},
    {"%s.norm_before_fc", MAY | ONE | BOOL},
};

static const struct qfs_loader_read reads_ernie4_5[] = {
    {"%s.rope.dimension_sections", MAY | FOUR | I32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_feed_forward_length", MAY | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.interleave_moe_layer_step", MAY | ONE | U32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_exaone_moe[] = {
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_shared_count", MAY | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.expert_gating_func", NEED | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_exaone4[] = {
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.attention.sliding_window", MAY | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_falcon_h1[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.ssm.inner_size", NEED | ONE | U32},
    {"%s.ssm.state_size", NEED | ONE | U32},
    {"%s.ssm.time_step_rank", NEED | ONE | U32},
    {"%s.ssm.group_count", NEED | ONE | U32},
};

static const struct qfs_loader_read reads_gemma_embedding[] = {
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.dense_2_feat_in", MAY | ONE | U32},
    {"%s.dense_2_feat_out", MAY | ONE | U32},
    {"%s.dense_3_feat_in", MAY | ONE | U32},
    {"%s.dense_3_feat_out", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_gemma2[] = {
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.attention.sliding_window", MAY | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attn_logit_softcapping", MAY | ONE | F32},
    {"%s.final_logit_softcapping", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_gemma3[] = {
    {"%s.attention.sliding_window", MAY | ONE | U32},
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.final_logit_softcapping", MAY | ONE | F32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_gemma3n[] = {
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_gemma4[] = {
    {"%s.attention.sliding_window_pattern", NEED | ARRAY | U32},
    {"%s.attention.shared_kv_layers", MAY | ONE | U32},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.expert_feed_forward_length", MAY | LAYERS_ALL | U32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.embedding_length_per_layer_input", NEED | ONE | U32},
    {"%s.attention.key_length_swa", NEED | ONE | U32},
    {"%s.attention.value_length_swa", NEED | ONE | U32},
    {"%s.final_logit_softcapping", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_gemma4_assistant[] = {
    {"%s.attention.sliding_window_pattern", NEED | ARRAY | U32},
    {"%s.attention.shared_kv_layers", MAY | ONE | U32},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.key_length_swa", NEED | ONE | U32},
    {"%s.attention.value_length_swa", NEED | ONE | U32},
};

static const struct qfs_loader_read reads_glm_dsa[] = {
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.rope.dimension_sections", MAY | FOUR | I32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.attention.q_lora_rank", NEED | ONE | U32},
    {"%s.attention.kv_lora_rank", NEED | ONE | U32},
    {"%s.attention.key_length_mla", MAY | ONE | U32},
    {"%s.attention.value_length_mla", MAY | ONE | U32},
    {"%s.attention.indexer.head_count", NEED | ONE | U32},
    {"%s.attention.indexer.key_length", NEED | ONE | U32},
    {"%s.attention.indexer.top_k", NEED | ONE | U32},
    {"%s.expert_gating_func", MAY | ONE | U32},
    {"%s.attention.indexer.types", MAY | LAYERS | U32},
};

static const struct qfs_loader_read reads_glm4[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.rope.dimension_sections", MAY | FOUR | I32},
};

static const struct qfs_loader_read reads_glm4moe[] = {
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.rope.dimension_sections", MAY | FOUR | I32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_gating_func", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_gpt_oss[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_gptneox[] = {
    {"%s.attention.layer_norm_epsilon", NEED | ONE | F32},
    {"%s.use_parallel_residual", NEED | ONE | BOOL},
};

static const struct qfs_loader_read reads_granite[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.logit_scale", NEED | ONE | F32},
    {"%s.residual_scale", MAY | ONE | F32},
    {"%s.embedding_scale", MAY | ONE | F32},
    {"%s.attention.scale", MAY | ONE | F32},
    {"%s.deepstack_mapping", MAY | ARRAY | I32},
    {"%s.rope.scaling.finetuned", MAY | ONE | BOOL},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_granite_swa[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.logit_scale", NEED | ONE | F32},
    {"%s.residual_scale", MAY | ONE | F32},
    {"%s.embedding_scale", MAY | ONE | F32},
    {"%s.attention.scale", MAY | ONE | F32},
    {"%s.expert_count", MAY | ONE | U32},
    {"%s.expert_used_count", MAY | LAYERS_ALL | U32},
    {"%s.attention.sliding_window_pattern", NEED | ARRAY | U32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.deepstack_mapping", MAY | ARRAY | I32},
    {"%s.attention.rope_pattern", MAY | ARRAY | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_granitehybrid[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.logit_scale", MAY | ONE | F32},
    {"%s.residual_scale", MAY | ONE | F32},
    {"%s.embedding_scale", MAY | ONE | F32},
    {"%s.attention.scale", MAY | ONE | F32},
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.ssm.inner_size", NEED | ONE | U32},
    {"%s.ssm.state_size", NEED | ONE | U32},
    {"%s.ssm.time_step_rank", NEED | ONE | U32},
    {"%s.ssm.group_count", NEED | ONE | U32},
    {"%s.rope.scaling.finetuned", MAY | ONE | BOOL},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_granitemoe[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.logit_scale", NEED | ONE | F32},
    {"%s.residual_scale", MAY | ONE | F32},
    {"%s.embedding_scale", MAY | ONE | F32},
    {"%s.attention.scale", MAY | ONE | F32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_graniteswitch[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.logit_scale", NEED | ONE | F32},
    {"%s.residual_scale", MAY | ONE | F32},
    {"%s.embedding_scale", MAY | ONE | F32},
    {"%s.attention.scale", MAY | ONE | F32},
    {"%s.rope.scaling.finetuned", MAY | ONE | BOOL},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.adapters.count", NEED | ONE | U32},
    {"%s.adapters.lora_rank", NEED | ONE | U32},
    {"%s.adapters.router_gain", MAY | ONE | F32},
    {"%s.adapters.token_ids_activate", NEED | ARRAY | I32},
    {"%s.adapters.token_ids_substitute", NEED | ARRAY | I32},
};

static const struct qfs_loader_read reads_grok[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_feed_forward_length", MAY | LAYERS_ALL | U32},
    {"%s.logit_scale", MAY | ONE | F32},
    {"%s.embedding_scale", MAY | ONE | F32},
    {"%s.attention.output_scale", MAY | ONE | F32},
    {"%s.attn_logit_softcapping", MAY | ONE | F32},
    {"%s.router_logit_softcapping", MAY | ONE | F32},
    {"%s.final_logit_softcapping", MAY | ONE | F32},
    {"%s.attention.temperature_length", MAY | ONE | U32},
    {"%s.rope.scaling.yarn_ext_factor", MAY | ONE | F32},
    {"%s.rope.scaling.yarn_attn_factor", MAY | ONE | F32},
    {"%s.rope.scaling.yarn_beta_fast", MAY | ONE | F32},
    {"%s.rope.scaling.yarn_beta_slow", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_grovemoe[] = {
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_chunk_feed_forward_length", MAY | ONE | U32},
    {"%s.expert_group_scale", NEED | ONE | F32},
    {"%s.experts_per_group", NEED | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_hrm_text[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.embedding_scale", MAY | ONE | F32},
    {"%s.hrm.layers_per_stack", NEED | ONE | U32},
    {"%s.hrm.h_cycles", NEED | ONE | U32},
    {"%s.hrm.l_cycles", NEED | ONE | U32},
    {"%s.hrm.prefix_lm", MAY | ONE | BOOL},
};

static const struct qfs_loader_read reads_hunyuan_moe[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_hy_v3[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.expert_gating_func", MAY | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
};

static const struct qfs_loader_read reads_hy_v4[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.attention.q_lora_rank", NEED | ONE | U32},
    {"%s.attention.kv_lora_rank", NEED | ONE | U32},
    {"%s.attention.key_length_mla", NEED | ONE | U32},
    {"%s.attention.value_length_mla", NEED | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_gating_func", MAY | ONE | U32},
    {"%s.swiglu_clamp_exp", MAY | LAYERS_ALL | F32},
    {"%s.hyper_connection.count", NEED | ONE | U32},
    {"%s.hyper_connection.epsilon", NEED | ONE | F32},
    {"%s.hyper_connection.magnitude", NEED | ONE | F32},
    {"%s.attention.indexer.head_count", MAY | ONE | U32},
    {"%s.attention.indexer.key_length", MAY | ONE | U32},
    {"%s.attention.indexer.top_k", MAY | ONE | U32},
    {"%s.attention.indexer.types", MAY | LAYERS | U32},
};

static const struct qfs_loader_read reads_jais[] = {
    {"%s.attention.layer_norm_epsilon", NEED | ONE | F32},
    {"%s.attention.max_alibi_bias", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_jamba[] = {
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.ssm.inner_size", NEED | ONE | U32},
    {"%s.ssm.state_size", NEED | ONE | U32},
    {"%s.ssm.time_step_rank", NEED | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_kimi_k3[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.key_length_mla", NEED | ONE | U32},
    {"%s.attention.value_length_mla", NEED | ONE | U32},
    {"%s.attention.q_lora_rank", MAY | ONE | U32},
    {"%s.attention.kv_lora_rank", NEED | ONE | U32},
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.kda.head_dim", NEED | ONE | U32},
    {"%s.kda.gate_lower_bound", MAY | ONE | F32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_gating_func", NEED | ONE | U32},
    {"%s.expert_latent_length", MAY | ONE | U32},
    {"%s.attn_res.block_size", NEED | ONE | U32},
    {"%s.activation.situ_beta", NEED | ONE | F32},
    {"%s.activation.situ_linear_beta", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_kimi_linear[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.key_length_mla", NEED | ONE | U32},
    {"%s.attention.value_length_mla", NEED | ONE | U32},
    {"%s.attention.kv_lora_rank", NEED | ONE | U32},
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.kda.head_dim", NEED | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_gating_func", NEED | ONE | U32},
};

static const struct qfs_loader_read reads_laguna[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.leading_dense_block_count", NEED | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_gating_func", MAY | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_shared_count", MAY | ONE | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.attention.sliding_window", MAY | ONE | U32},
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.rope.dimension_count_swa", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_lfm2[] = {
    {"%s.shortconv.l_cache", NEED | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.sliding_window", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_lfm2moe[] = {
    {"%s.shortconv.l_cache", NEED | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_gating_func", NEED | ONE | U32},
};

static const struct qfs_loader_read reads_llada_moe[] = {
    {"%s.expert_feed_forward_length", MAY | LAYERS_ALL | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_llama[] = {
    {"%s.vocab_size", MAY | ONE | U32},
    {"tokenizer.ggml.tokens", MAY | COUNT | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_llama4[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.interleave_moe_layer_step", NEED | ONE | U32},
    {"%s.attention.sliding_window", MAY | ONE | U32},
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_mamba[] = {
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.ssm.inner_size", NEED | ONE | U32},
    {"%s.ssm.state_size", NEED | ONE | U32},
    {"%s.ssm.time_step_rank", NEED | ONE | U32},
    {"%s.ssm.dt_b_c_rms", MAY | ONE | BOOL},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_mamba2[] = {
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.ssm.inner_size", NEED | ONE | U32},
    {"%s.ssm.state_size", NEED | ONE | U32},
    {"%s.ssm.time_step_rank", NEED | ONE | U32},
    {"%s.ssm.group_count", NEED | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_maple[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.attention.sliding_window_pattern", NEED | ARRAY | U32},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.swiglu_clamp_exp", NEED | LAYERS_ALL | F32},
};

static const struct qfs_loader_read reads_mellum[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.attention.sliding_window", MAY | ONE | U32},
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_mimo2[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.attention.sliding_window_pattern", NEED | ARRAY | U32},
    {"%s.attention.value_scale", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_minicpm[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.embedding_scale", MAY | ONE | F32},
    {"%s.residual_scale", MAY | ONE | F32},
    {"%s.logit_scale", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_minicpm3[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.q_lora_rank", NEED | ONE | U32},
    {"%s.attention.kv_lora_rank", NEED | ONE | U32},
};

static const struct qfs_loader_read reads_minimax_01[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.residual_scale", NEED | ONE | F32},
    {"%s.attention.recurrent_layers", MAY | LAYERS_ALL | U32},
    {"%s.full_attention_interval", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_minimax_m2[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_gating_func", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_minimax_m3[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.leading_dense_block_count", MAY | ONE | U32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_count", NEED | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_gating_func", NEED | ONE | U32},
    {"%s.attention.indexer.head_count", NEED | ONE | U32},
    {"%s.attention.indexer.key_length", NEED | ONE | U32},
    {"%s.attention.indexer.top_k", NEED | ONE | U32},
    {"%s.attention.indexer.block_size", NEED | ONE | U32},
    {"%s.attention.indexer.local_blocks", NEED | ONE | U32},
};

static const struct qfs_loader_read reads_mistral3[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.temperature_scale", MAY | ONE | F32},
    {"%s.rope.scaling.yarn_beta_fast", MAY | ONE | F32},
    {"%s.rope.scaling.yarn_beta_slow", MAY | ONE | F32},
    {"%s.rope.scaling.yarn_log_multiplier", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_modern_bert[] = {
    {"%s.attention.sliding_window", MAY | ONE | U32},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.attention.layer_norm_epsilon", NEED | ONE | F32},
    {"%s.hidden_activation", MAY | ONE | STRING},
};

static const struct qfs_loader_read reads_mpt[] = {
    {"%s.attention.layer_norm_epsilon", NEED | ONE | F32},
    {"%s.attention.clamp_kqv", MAY | ONE | F32},
    {"%s.attention.max_alibi_bias", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_muse_glimmer[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.final_logit_softcapping", MAY | ONE | F32},
    {"%s.logit_scale", NEED | ONE | F32},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
};

static const struct qfs_loader_read reads_nanbeige[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.num_loops", MAY | ONE | U32},
    {"%s.skip_loop_final_norm", MAY | ONE | BOOL},
};

static const struct qfs_loader_read reads_nemotron_h[] = {
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.ssm.inner_size", NEED | ONE | U32},
    {"%s.ssm.state_size", NEED | ONE | U32},
    {"%s.ssm.time_step_rank", NEED | ONE | U32},
    {"%s.ssm.group_count", NEED | ONE | U32},
    {"%s.attention.layer_norm_epsilon", NEED | ONE | F32},
    {"%s.attention.layer_norm_rms_epsilon", MAY | ONE | F32},
    {"%s.expert_feed_forward_length", MAY | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.expert_shared_count", MAY | ONE | U32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.moe_latent_size", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_nomic_bert_moe[] = {
    {"%s.attention.layer_norm_epsilon", NEED | ONE | F32},
    {"%s.moe_every_n_layers", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_olmo[] = {
    {"%s.attention.layer_norm_epsilon", NEED | ONE | F32},
    {"%s.attention.clamp_kqv", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_olmo2[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.sliding_window", MAY | ONE | U32},
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_phi3[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.sliding_window", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_plamo2[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.ssm.inner_size", NEED | ONE | U32},
    {"%s.ssm.state_size", NEED | ONE | U32},
    {"%s.ssm.time_step_rank", NEED | ONE | U32},
    {"%s.ssm.group_count", NEED | ONE | U32},
    {"%s.attention.key_length", MAY | ONE | U32},
    {"%s.attention.value_length", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_plamo3[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.sliding_window", MAY | ONE | U32},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
};

static const struct qfs_loader_read reads_plm[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.kv_lora_rank", NEED | ONE | U32},
};

static const struct qfs_loader_read reads_qwen2moe[] = {
    {"%s.expert_feed_forward_length", MAY | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_qwen2vl[] = {
    {"%s.rope.dimension_sections", NEED | FOUR | I32},
};

static const struct qfs_loader_read reads_qwen35[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.rope.dimension_sections", NEED | FOUR | I32},
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.ssm.inner_size", NEED | ONE | U32},
    {"%s.ssm.state_size", NEED | ONE | U32},
    {"%s.ssm.time_step_rank", NEED | ONE | U32},
    {"%s.ssm.group_count", NEED | ONE | U32},
    {"%s.attention.recurrent_layers", MAY | LAYERS_ALL | U32},
    {"%s.full_attention_interval", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_qwen35moe[] = {
    {"%s.expert_feed_forward_length", MAY | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.rope.dimension_sections", NEED | FOUR | I32},
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.ssm.inner_size", NEED | ONE | U32},
    {"%s.ssm.state_size", NEED | ONE | U32},
    {"%s.ssm.time_step_rank", NEED | ONE | U32},
    {"%s.ssm.group_count", NEED | ONE | U32},
    {"%s.attention.recurrent_layers", MAY | LAYERS_ALL | U32},
    {"%s.full_attention_interval", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_qwen3next[] = {
    {"%s.expert_feed_forward_length", MAY | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.ssm.inner_size", NEED | ONE | U32},
    {"%s.ssm.state_size", NEED | ONE | U32},
    {"%s.ssm.time_step_rank", NEED | ONE | U32},
    {"%s.ssm.group_count", NEED | ONE | U32},
    {"%s.attention.recurrent_layers", MAY | LAYERS_ALL | U32},
    {"%s.full_attention_interval", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_qwen3tts[] = {
    {"%s.n_deepstack_layers", MAY | ONE | U32},
    {"%s.rope.dimension_sections", NEED | FOUR | I32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_qwen3vlmoe[] = {
    {"%s.n_deepstack_layers", MAY | ONE | U32},
    {"%s.rope.dimension_sections", NEED | FOUR | I32},
    {"%s.expert_feed_forward_length", MAY | LAYERS_ALL | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_qwen4exp[] = {
    {"%s.expert_feed_forward_length", MAY | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.rope.dimension_sections", NEED | FOUR | I32},
    {"%s.ssm.conv_kernel", NEED | ONE | U32},
    {"%s.ssm.inner_size", NEED | ONE | U32},
    {"%s.ssm.state_size", NEED | ONE | U32},
    {"%s.ssm.time_step_rank", NEED | ONE | U32},
    {"%s.ssm.group_count", NEED | ONE | U32},
    {"%s.hyper_connection.count", NEED | ONE | U32},
    {"%s.hyper_connection.low_rank", NEED | ONE | U32},
    {"%s.attention.indexer.head_count", NEED | ONE | U32},
    {"%s.attention.indexer.key_length", NEED | ONE | U32},
    {"%s.attention.indexer.top_k", NEED | ONE | U32},
    {"%s.attention.compress_ratios", MAY | LAYERS_ALL | U32},
    {"%s.ple.layers", MAY | COUNT | U32},
    {"%s.ple.layers", MAY | ARRAY | U32},
    {"%s.ple.ngram_size", MAY | ONE | U32},
    {"%s.ple.heads_per_ngram", MAY | ONE | U32},
    {"%s.ple.conv_kernel", MAY | ONE | U32},
    {"%s.ple.eos_token_id", MAY | ONE | U32},
    {"%s.ple.image_token_id", MAY | ONE | U32},
    {"%s.embedding_length_per_layer_input", MAY | ONE | U32},
    {"%s.ple.layer_multipliers", MAY | ARRAY | U64},
    {"%s.ple.head_offsets", MAY | ARRAY | U64},
    {"%s.ple.head_vocab_sizes", MAY | ARRAY | U64},
    {"%s.attention.recurrent_layers", MAY | LAYERS_ALL | U32},
    {"%s.full_attention_interval", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_rwkv6[] = {
    {"%s.attention.layer_norm_epsilon", MAY | ONE | F32},
    {"%s.attention.layer_norm_rms_epsilon", MAY | ONE | F32},
    {"%s.wkv.head_size", NEED | ONE | U32},
    {"%s.time_mix_extra_dim", NEED | ONE | U32},
    {"%s.time_decay_extra_dim", NEED | ONE | U32},
    {"%s.rescale_every_n_layers", MAY | ONE | U32},
    {"%s.token_shift_count", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_smallthinker[] = {
    {"%s.attention.sliding_window", MAY | ONE | U32},
    {"%s.attention.sliding_window_pattern", SWA_PATTERN},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.expert_feed_forward_length", MAY | LAYERS_ALL | U32},
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_gating_func", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_spark2_5[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.attention.sliding_window_pattern", NEED | ARRAY | U32},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
};

static const struct qfs_loader_read reads_step35[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.expert_feed_forward_length", NEED | LAYERS_ALL | U32},
    {"%s.expert_shared_feed_forward_length", MAY | ONE | U32},
    {"%s.expert_gating_func", MAY | ONE | U32},
    {"%s.expert_weights_scale", MAY | ONE | F32},
    {"%s.expert_weights_norm", MAY | ONE | BOOL},
    {"%s.attention.sliding_window", NEED | ONE | U32},
    {"%s.rope.freq_base_swa", MAY | ONE | F32},
    {"%s.attention.sliding_window_pattern", NEED | ARRAY | U32},
    {"%s.swiglu_clamp_exp", MAY | LAYERS_ALL | F32},
    {"%s.swiglu_clamp_shexp", MAY | LAYERS_ALL | F32},
};

static const struct qfs_loader_read reads_t5[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.relative_buckets_count", NEED | ONE | U32},
    {"%s.decoder_start_token_id", MAY | ONE | U32},
    {"%s.decoder_block_count", MAY | ONE | U32},
};

static const struct qfs_loader_read reads_t5encoder[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.attention.relative_buckets_count", NEED | ONE | U32},
};

static const struct qfs_loader_read reads_talkie[] = {
    {"%s.attention.layer_norm_rms_epsilon", NEED | ONE | F32},
    {"%s.logit_scale", NEED | ONE | F32},
};

static const struct qfs_loader_read reads_wavtokenizer_dec[] = {
    {"%s.attention.layer_norm_epsilon", NEED | ONE | F32},
    {"%s.attention.group_norm_epsilon", NEED | ONE | F32},
    {"%s.attention.group_norm_groups", NEED | ONE | U32},
};

const struct qfs_loader_arch qfs_loader_archs[] = {
    {"afmoe", reads_afmoe, 10},
    {"apertus", reads_apertus, 5},
    {"arcee", reads_arcee, 1},
    {"arctic", reads_arcee, 1},
    {"arwkv7", reads_arwkv7, 8},
    {"baichuan", reads_arcee, 1},
    {"bailingmoe", reads_bailingmoe, 6},
    {"bailingmoe2", reads_bailingmoe2, 8},
    {"bailingmoe3", reads_bailingmoe3, 18},
    {"bert", reads_bert, 1},
    {"bitnet", reads_arcee, 1},
    {"bloom", reads_bert, 1},
    {"chameleon", reads_chameleon, 2},
    {"chatglm", reads_arcee, 1},
    {"clip", NULL, 0},
    {"codeshell", reads_bert, 1},
    {"cogvlm", reads_arcee, 1},
    {"cohere2", reads_cohere2, 5},
    {"cohere2moe", reads_cohere2moe, 13},
    {"command-r", reads_command_r, 2},
    {"dbrx", reads_dbrx, 2},
    {"deci", reads_arcee, 1},
    {"deepseek", reads_deepseek, 5},
    {"deepseek2", reads_deepseek2, 16},
    {"deepseek2-ocr", reads_deepseek2_ocr, 7},
    {"deepseek32", reads_deepseek32, 16},
    {"deepseek4", reads_deepseek4, 22},
    {"dflash", reads_dflash, 29},
    {"dots1", reads_deepseek2_ocr, 7},
    {"dots3note", reads_dots3note, 21},
    {"dream", reads_arcee, 1},
    {"eagle3", reads_eagle3, 5},
    {"ernie4_5", reads_ernie4_5, 6},
    {"ernie4_5-moe", reads_ernie4_5, 6},
    {"eurobert", reads_arcee, 1},
    {"exaone", reads_arcee, 1},
    {"exaone-moe", reads_exaone_moe, 11},
    {"exaone4", reads_exaone4, 4},
    {"falcon", reads_bert, 1},
    {"falcon-h1", reads_falcon_h1, 6},
    {"gemma", reads_arcee, 1},
    {"gemma-embedding", reads_gemma_embedding, 8},
    {"gemma2", reads_gemma2, 6},
    {"gemma3", reads_gemma3, 5},
    {"gemma3n", reads_gemma3n, 4},
    {"gemma4", reads_gemma4, 10},
    {"gemma4-assistant", reads_gemma4_assistant, 7},
    {"glm-dsa", reads_glm_dsa, 16},
    {"glm4", reads_glm4, 2},
    {"glm4moe", reads_glm4moe, 8},
    {"gpt-oss", reads_gpt_oss, 5},
    {"gpt2", reads_bert, 1},
    {"gptneox", reads_gptneox, 2},
    {"granite", reads_granite, 8},
    {"granite_swa", reads_granite_swa, 12},
    {"granitehybrid", reads_granitehybrid, 12},
    {"granitemoe", reads_granitemoe, 6},
    {"graniteswitch", reads_graniteswitch, 12},
    {"grok", reads_grok, 13},
    {"grovemoe", reads_grovemoe, 5},
    {"hrm_text", reads_hrm_text, 6},
    {"hunyuan-dense", reads_glm4, 2},
    {"hunyuan-moe", reads_hunyuan_moe, 3},
    {"hunyuan_vl", reads_glm4, 2},
    {"hy_v3", reads_hy_v3, 6},
    {"hy_v4", reads_hy_v4, 19},
    {"internlm2", reads_arcee, 1},
    {"jais", reads_jais, 2},
    {"jais2", reads_bert, 1},
    {"jamba", reads_jamba, 5},
    {"jina-bert-v2", reads_bert, 1},
    {"jina-bert-v3", reads_bert, 1},
    {"kimi-k3", reads_kimi_k3, 18},
    {"kimi-linear", reads_kimi_linear, 11},
    {"laguna", reads_laguna, 12},
    {"lfm2", reads_lfm2, 3},
    {"lfm2moe", reads_lfm2moe, 5},
    {"llada", reads_arcee, 1},
    {"llada-moe", reads_llada_moe, 2},
    {"llama", reads_llama, 3},
    {"llama-embed", reads_llama, 3},
    {"llama4", reads_llama4, 6},
    {"maincoder", reads_arcee, 1},
    {"mamba", reads_mamba, 6},
    {"mamba2", reads_mamba2, 6},
    {"maple", reads_maple, 6},
    {"mellum", reads_mellum, 5},
    {"mimo2", reads_mimo2, 6},
    {"minicpm", reads_minicpm, 4},
    {"minicpm3", reads_minicpm3, 3},
    {"minimax-01", reads_minimax_01, 4},
    {"minimax-m2", reads_minimax_m2, 3},
    {"minimax-m3", reads_minimax_m3, 12},
    {"mistral3", reads_mistral3, 5},
    {"mistral4", reads_deepseek2, 16},
    {"modern-bert", reads_modern_bert, 5},
    {"mpt", reads_mpt, 3},
    {"muse-glimmer", reads_muse_glimmer, 6},
    {"nanbeige", reads_nanbeige, 3},
    {"nemotron", reads_bert, 1},
    {"nemotron_h", reads_nemotron_h, 13},
    {"nemotron_h_moe", reads_nemotron_h, 13},
    {"neo-bert", reads_arcee, 1},
    {"nomic-bert", reads_bert, 1},
    {"nomic-bert-moe", reads_nomic_bert_moe, 2},
    {"olmo", reads_olmo, 2},
    {"olmo2", reads_olmo2, 4},
    {"olmoe", reads_arcee, 1},
    {"openelm", reads_arcee, 1},
    {"orion", reads_bert, 1},
    {"paddleocr", reads_ernie4_5, 6},
    {"pangu-embedded", reads_arcee, 1},
    {"phi2", reads_bert, 1},
    {"phi3", reads_phi3, 2},
    {"phimoe", reads_arcee, 1},
    {"plamo", reads_arcee, 1},
    {"plamo2", reads_plamo2, 8},
    {"plamo3", reads_plamo3, 4},
    {"plm", reads_plm, 2},
    {"pockettts", reads_bert, 1},
    {"qwen", reads_arcee, 1},
    {"qwen2", reads_arcee, 1},
    {"qwen2moe", reads_qwen2moe, 3},
    {"qwen2vl", reads_qwen2vl, 1},
    {"qwen3", reads_arcee, 1},
    {"qwen35", reads_qwen35, 9},
    {"qwen35moe", reads_qwen35moe, 11},
    {"qwen3moe", reads_llada_moe, 2},
    {"qwen3next", reads_qwen3next, 10},
    {"qwen3tts", reads_qwen3tts, 3},
    {"qwen3vl", reads_qwen3tts, 3},
    {"qwen3vlmoe", reads_qwen3vlmoe, 4},
    {"qwen4exp", reads_qwen4exp, 28},
    {"refact", reads_arcee, 1},
    {"rnd1", reads_llada_moe, 2},
    {"rwkv6", reads_rwkv6, 7},
    {"rwkv6qwen2", reads_rwkv6, 7},
    {"rwkv7", reads_arwkv7, 8},
    {"seed_oss", reads_arcee, 1},
    {"smallthinker", reads_smallthinker, 6},
    {"smollm3", reads_arcee, 1},
    {"spark2_5", reads_spark2_5, 4},
    {"stablelm", reads_bert, 1},
    {"starcoder", reads_bert, 1},
    {"starcoder2", reads_bert, 1},
    {"step35", reads_step35, 11},
    {"t5", reads_t5, 4},
    {"t5encoder", reads_t5encoder, 2},
    {"talkie", reads_talkie, 2},
    {"wavtokenizer-dec", reads_wavtokenizer_dec, 3},
    {"xverse", reads_arcee, 1},
};
const size_t qfs_loader_narchs = sizeof(qfs_loader_archs) / sizeof(qfs_loader_archs[0]);
