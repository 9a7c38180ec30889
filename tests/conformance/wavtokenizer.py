from conformance import Row

CONFIG = dict(vocab_size=64, n_embd_features=256, n_ff=512, max_position_embeddings=8192, n_layer=6, n_head=1, hidden_size=256,
              layer_norm_epsilon=1e-6, group_norm_epsilon=1e-6, group_norm_groups=32, posnet=dict(n_embd=256, n_layer=6),
              convnext=dict(n_embd=256, n_layer=2))


def tensors(config):
    n, f = 256, 512
    out = {'token_embd.weight': [64, n], 'x.codebook.inited': [1]}
    out.update({'backbone.embed.weight': [n, n, 7], 'backbone.embed.bias': [n], 'backbone.norm.weight': [n], 'backbone.norm.bias': [n],
                'backbone.final_layer_norm.weight': [n], 'backbone.final_layer_norm.bias': [n], 'head.out.weight': [f, n], 'head.out.bias': [f]})
    for i in range(2):
        p = f'backbone.convnext.{i}.'
        out.update({p + 'dwconv.weight': [n, 1, 7], p + 'dwconv.bias': [n], p + 'norm.weight': [n], p + 'norm.bias': [n],
                    p + 'pwconv1.weight': [f, n], p + 'pwconv1.bias': [f], p + 'pwconv2.weight': [n, f], p + 'pwconv2.bias': [n], p + 'gamma': [n]})
    for i in (0, 1, 3, 4):
        p = f'backbone.posnet.{i}.'
        out.update({p + 'norm1.weight': [n], p + 'norm1.bias': [n], p + 'norm2.weight': [n], p + 'norm2.bias': [n],
                    p + 'conv1.weight': [n, n, 3], p + 'conv1.bias': [n], p + 'conv2.weight': [n, n, 3], p + 'conv2.bias': [n]})
    out.update({f'backbone.posnet.{i}.norm.{s}': [n] for i in (2, 5) for s in ('weight', 'bias')})
    out.update({f'backbone.posnet.2.{x}.weight': [n, n, 1] for x in ('q', 'k', 'v', 'proj_out')})
    out.update({f'backbone.posnet.2.{x}.bias': [n] for x in ('q', 'k', 'v', 'proj_out')})
    return out


ROWS = [Row('wavtokenizer', 'WavTokenizerDec', bare=True, config=CONFIG, tensors=tensors)]
