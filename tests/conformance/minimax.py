from conformance import Row, ends, experts, gated, in_parts, layer

W = ('w1', 'w3', 'w2')


def minimax_01(c):
    n, dim, out = c['hidden_size'], c['head_dim'], ends(c)
    q = c['num_attention_heads'] * dim
    for i, kind in enumerate(c['attn_type_list']):
        p = f'model.layers.{i}.'
        linear = {p + 'self_attn.qkv_proj.weight': [3 * q, n], p + 'self_attn.output_gate.weight': [q, n],
                  p + 'self_attn.out_proj.weight': [n, q], p + 'self_attn.norm.weight': [q]}
        mlp = {p + 'block_sparse_moe.gate.weight': [c['num_local_experts'], n],
               **experts(p + 'block_sparse_moe.experts', c['num_local_experts'], n, c['intermediate_size'], W)}
        out.update(layer(i, c, attention=() if kind else linear, mlp=mlp))
    return out


def minimax_3(c):
    c = c.get('text_config', c)
    n, dim, out = c['hidden_size'], c['head_dim'], ends(c)
    index = c['sparse_attention_config']
    for i, sparse in enumerate(c['moe_layer_freq']):
        p = f'model.layers.{i}.'
        mlp = gated(p + 'mlp', n, c['dense_intermediate_size'])
        if sparse:
            moe = p + 'block_sparse_moe.'
            mlp = {moe + 'gate.weight': [c['num_local_experts'], n], moe + 'e_score_correction_bias': ([c['num_local_experts']], 'float32'),
                   **experts(moe + 'experts', c['num_local_experts'], n, c['intermediate_size'], W),
                   **gated(moe + 'shared_experts', n, c['shared_intermediate_size'])}
        out.update(layer(i, c, mlp=mlp))
        out.update({p + 'self_attn.q_norm.weight': [dim], p + 'self_attn.k_norm.weight': [dim]})
        if sparse:
            size = index['sparse_index_dim']
            out.update({p + 'self_attn.index_q_proj.weight': [index['sparse_num_index_heads'] * size, n],
                        p + 'self_attn.index_k_proj.weight': [size, n], p + 'self_attn.index_q_norm.weight': [size],
                        p + 'self_attn.index_k_norm.weight': [size]})
    return out


def wrapped(c):
    return {('language_model.' + k): v for k, v in minimax_3(c).items()}


ALPHA = {f'layernorm_{k}_{x}': v for k in ('full_attention', 'linear_attention', 'mlp')
         for x, v in (('alpha', 3.5565588200778455), ('beta', 1.0))}
M1 = dict(ALPHA, attn_type_list=[0, 1], head_dim=64, num_local_experts=4, num_experts_per_tok=2, postnorm=True, rms_norm_eps=1e-5,
          rope_theta=10000000, rotary_dim=32, shared_intermediate_size=0, shared_moe_mode='sigmoid', sliding_window=None,
          output_router_logits=False, tie_word_embeddings=False)
M3 = dict(head_dim=64, num_local_experts=4, num_experts_per_tok=2, n_shared_experts=1, moe_layer_freq=[0, 1], rotary_dim=32,
          dense_intermediate_size=512, shared_intermediate_size=256, routed_scaling_factor=2.0, scoring_func='sigmoid', rope_theta=5000000,
          use_qk_norm=True, qk_norm_type='per_head', rms_norm_eps=1e-6, use_gemma_norm=True, tie_word_embeddings=False,
          sparse_attention_config=dict(use_sparse_attention=True, sparse_num_index_heads=4, sparse_index_dim=64, sparse_topk_blocks=16,
                                       sparse_block_size=128, sparse_local_block=1, sparse_attention_freq=[0, 1]))

ROWS = [
    Row('minimax-text-01', 'MiniMaxText01ForCausalLM', tokenizer='smollm2', tensors=minimax_01, checkpoint=in_parts,
        config=dict(M1, model_type='minimax_text_01')),
    Row('minimax-m1', 'MiniMaxM1ForCausalLM', tokenizer='smollm2', tensors=minimax_01, checkpoint=in_parts,
        config=dict(M1, model_type='minimax_m1')),
    Row('minimax-m2', 'MiniMaxM2ForCausalLM', tokenizer='smollm2', config=dict(
        num_local_experts=4, num_experts_per_tok=2, head_dim=64, rotary_dim=32)),
    Row('minimax-m3-text', 'MiniMaxM3SparseForCausalLM', tokenizer='smollm2', tensors=minimax_3, config=dict(M3, model_type='minimax_m3')),
    Row('minimax-m3', 'MiniMaxM3SparseForConditionalGeneration', tokenizer='smollm2', tensors=wrapped, text='text_config',
        config=dict(model_type='minimax_m3_vl', text_config=dict(M3, model_type='minimax_m3'))),
]
