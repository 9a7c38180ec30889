from conformance import Row


def v4(c):
    n, heads, dim, q = c['hidden_size'], c['num_attention_heads'], c['head_dim'], c['q_lora_rank']
    hc = c['hc_mult']
    mix = hc * hc + 2 * hc
    out = {'embed.weight': [c['vocab_size'], n], 'norm.weight': [n], 'head.weight': [c['vocab_size'], n],
           'hc_head_fn': ([hc, hc * n], 'float32'), 'hc_head_base': ([hc], 'float32'), 'hc_head_scale': ([1], 'float32'),
           'mtp.0.enorm.weight': [n]}

    def fp8(name, rows, cols):
        out[name + '.weight'] = ([rows, cols], 'float8_e4m3fn')
        out[name + '.scale'] = ([-(-rows // 128), -(-cols // 128)], 'float8_e8m0fnu')

    for i in range(c['num_hidden_layers']):
        p = f'layers.{i}.'
        for part in ('attn', 'ffn'):
            out.update({f'{p}hc_{part}_fn': ([mix, hc * n], 'float32'), f'{p}hc_{part}_base': ([mix], 'float32'),
                        f'{p}hc_{part}_scale': ([3], 'float32'), f'{p}{part}_norm.weight': [n]})
        out.update({p + 'attn.attn_sink': ([heads], 'float32'), p + 'attn.q_norm.weight': [q], p + 'attn.kv_norm.weight': [dim]})
        fp8(p + 'attn.wq_a', q, n)
        fp8(p + 'attn.wq_b', heads * dim, q)
        fp8(p + 'attn.wkv', dim, n)
        fp8(p + 'attn.wo_a', c['o_groups'] * c['o_lora_rank'], heads * dim // c['o_groups'])
        fp8(p + 'attn.wo_b', n, c['o_groups'] * c['o_lora_rank'])
        if c['compress_ratios'][i]:
            out.update({p + 'attn.compressor.ape': ([4, 2 * dim], 'float32'), p + 'attn.compressor.wkv.weight': [2 * dim, n],
                        p + 'attn.compressor.wgate.weight': [2 * dim, n], p + 'attn.compressor.norm.weight': [dim]})
        out.update({p + 'ffn.gate.weight': [c['n_routed_experts'], n]})
        if i < c['num_hash_layers']:
            out[p + 'ffn.gate.tid2eid'] = ([c['vocab_size'], c['num_experts_per_tok']], 'int64' if i else 'int32')
        else:
            out[p + 'ffn.gate.bias'] = ([c['n_routed_experts']], 'float32')
        size = c['moe_intermediate_size']
        for w, (rows, cols) in (('w1', (size, n)), ('w2', (n, size)), ('w3', (size, n))):
            fp8(f'{p}ffn.shared_experts.{w}', rows, cols)
            for e in range(c['n_routed_experts']):
                x = f'{p}ffn.experts.{e}.{w}.'
                out.update({x + 'weight': ([rows, cols // 2], 'int8'), x + 'scale': ([rows, cols // 32], 'float8_e8m0fnu')})
    return out


ROWS = [
    Row('deepseek-v4', 'DeepseekV4ForCausalLM', tokenizer='smollm2', tensors=v4, config=dict(
        model_type='deepseek_v4', num_hidden_layers=3, num_key_value_heads=1, head_dim=128, qk_rope_head_dim=64, q_lora_rank=128, n_routed_experts=4,
        n_shared_experts=1, num_experts_per_tok=2, norm_topk_prob=True, routed_scaling_factor=1.5, scoring_func='sqrtsoftplus',
        topk_method='noaux_tc', swiglu_limit=10.0, index_n_heads=4, index_head_dim=64, index_topk=64, o_groups=2, o_lora_rank=64,
        compress_ratios=[0, 4, 0], compress_rope_theta=160000, hc_mult=2, hc_sinkhorn_iters=20, hc_eps=1e-6, num_hash_layers=2,
        num_nextn_predict_layers=1, sliding_window=128, rms_norm_eps=1e-6, rope_theta=10000, expert_dtype='fp4',
        rope_scaling=dict(type='yarn', factor=16, original_max_position_embeddings=65536, beta_fast=32, beta_slow=1),
        quantization_config=dict(activation_scheme='dynamic', fmt='e4m3', quant_method='fp8', scale_fmt='ue8m0', weight_block_size=[128, 128]))),
]
