from conformance import Row, ends, experts, gated, layer

MLA = dict(num_key_value_heads=4, n_routed_experts=4, num_experts_per_tok=2, n_group=2, topk_group=1, kv_lora_rank=256, q_lora_rank=256,
           qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64, first_k_dense_replace=1)
YARN = dict(rope_type='yarn', factor=40, original_max_position_embeddings=4096, beta_fast=32, beta_slow=1, mscale=1.0,
            mscale_all_dim=0.707, rope_theta=10000)


def deepseek(c):
    n = c['hidden_size']
    out = {**ends(c), **layer(0, c)}
    mlp = {'model.layers.1.mlp.gate.weight': [c['n_routed_experts'], n],
           **experts('model.layers.1.mlp.experts', c['n_routed_experts'], n, c['moe_intermediate_size']),
           **gated('model.layers.1.mlp.shared_experts', n, c['moe_intermediate_size'] * c['n_shared_experts'])}
    return {**out, **layer(1, c, mlp=mlp)}


def ocr(c):
    """DeepSeek-OCR: a language model with plain attention, and vision towers that belong to another file."""
    n, text = c['hidden_size'], c['language_config']
    out = {**ends(text), 'model.projector.layers.weight': [n, 128], 'model.sam_model.pos_embed': [1, 4, 4, 64],
           'model.vision_model.embeddings.class_embedding': [64], 'model.image_newline': [n], 'model.view_seperator': [n]}
    for i in range(text['num_hidden_layers']):
        mlp = None
        if i >= text['first_k_dense_replace']:
            p = f'model.layers.{i}.mlp.'
            mlp = {p + 'gate.weight': [4, n], **experts(p + 'experts', 4, n, text['moe_intermediate_size']),
                   **gated(p + 'shared_experts', n, 2 * text['moe_intermediate_size'])}
        out.update(layer(i, text, mlp=mlp))
    return out


OCR = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4, moe_intermediate_size=256,
           n_routed_experts=4, n_shared_experts=2, num_experts_per_tok=2, n_group=1, topk_group=1, topk_method='greedy', first_k_dense_replace=1,
           kv_lora_rank=None, q_lora_rank=None, qk_nope_head_dim=0, qk_rope_head_dim=0, v_head_dim=0, use_mla=False, rm_head=False, lm_head=True,
           max_position_embeddings=8192, vocab_size=49152, bos_token_id=0, eos_token_id=1, architectures=['DeepseekV2ForCausalLM'],
           model_type='deepseek_v2', torch_dtype='bfloat16')


def youtu_vl(c):
    n, heads, out = c['hidden_size'], c['num_attention_heads'], ends(c, head=None)
    for i in range(c['num_hidden_layers']):
        a = f'model.layers.{i}.self_attn.'
        out.update(layer(i, c, attention={
            a + 'q_a_proj.weight': [c['q_lora_rank'], n], a + 'q_a_layernorm.weight': [c['q_lora_rank']],
            a + 'q_b_proj.weight': [heads * c['qk_head_dim'], c['q_lora_rank']],
            a + 'kv_a_proj_with_mqa.weight': [c['kv_lora_rank'] + c['qk_rope_head_dim'], n], a + 'kv_a_layernorm.weight': [c['kv_lora_rank']],
            a + 'kv_b_proj.weight': [heads * (c['qk_nope_head_dim'] + c['v_head_dim']), c['kv_lora_rank']],
            a + 'o_proj.weight': [n, heads * c['v_head_dim']]}))
    out.update({'siglip2.vision_model.post_layernorm.weight': [64], 'merger.ln_q.weight': [64]})
    return out


ROWS = [
    Row('deepseek-ocr', 'DeepseekOCRForCausalLM', tokenizer='smollm2', tensors=ocr, config=dict(
        {k: v for k, v in OCR.items() if k not in ('architectures', 'model_type', 'torch_dtype')}, model_type='deepseek_vl_v2',
        language_config=OCR, vision_config=dict(image_size=1024, mlp_ratio=3.7362, model_type='vision', width=dict()),
        projector_config=dict(input_dim=128, n_embed=256, model_type='mlp_projector', projector_type='linear'))),
    Row('deepseek-moe', 'DeepseekForCausalLM', tokenizer='smollm2', tensors=deepseek, config=dict(
        model_type='deepseek', auto_map={'AutoConfig': 'configuration_deepseek.DeepseekConfig'}, n_routed_experts=4,
        n_shared_experts=2, num_experts_per_tok=2, first_k_dense_replace=1, moe_layer_freq=1, norm_topk_prob=False,
        scoring_func='softmax', rms_norm_eps=1e-6, rope_theta=10000, rope_scaling=None, tie_word_embeddings=False)),
    Row('deepseek-v2', 'DeepseekV2ForCausalLM', tokenizer='smollm2', config=dict(MLA, rope_parameters=YARN, n_shared_experts=2)),
    Row('deepseek-v3', 'DeepseekV3ForCausalLM', tokenizer='smollm2', config=dict(
        MLA, rope_parameters=YARN, norm_topk_prob=True, routed_scaling_factor=2.5)),
    Row('deepseek-v3.2', 'DeepseekV32ForCausalLM', tokenizer='deepseek-v3', config=dict(
        MLA, index_n_heads=4, index_head_dim=64, index_topk=64)),
    Row('youtu-vl', 'YoutuVLForConditionalGeneration', tokenizer='smollm2', tensors=youtu_vl, config=dict(
        model_type='youtu_vl', kv_lora_rank=256, q_lora_rank=256, qk_nope_head_dim=64, qk_rope_head_dim=32, qk_head_dim=96, v_head_dim=64,
        num_key_value_heads=4, rms_norm_eps=1e-6, rope_theta=1600000, rope_interleave=True, rope_scaling=None, tie_word_embeddings=True,
        attention_bias=False, mlp_bias=False, vision_config=dict(hidden_size=64, num_hidden_layers=1, num_attention_heads=2))),
    Row('youtu', 'YoutuForCausalLM', tokenizer='smollm2', config=dict(
        kv_lora_rank=256, q_lora_rank=256, qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64, num_key_value_heads=4)),
]
