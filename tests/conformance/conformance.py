"""What a conformance list is written with: see run.py.

A file of this folder, named as the family's file in arch/, says in ROWS which tiny models to make:

    from conformance import Row

    ROWS = [
        Row('granite', 'GraniteForCausalLM', tokenizer='llama-2', config=dict(embedding_multiplier=12.0)),
    ]

Prefer tokenizers with few tokens (tiny: 320, minilm and llama-2: 30,000, gpt-2 and smollm2: 50,000): each row's
vocabulary is converted and quantized several times.

A model whose class is in transformers is made by it (random weights, BF16, save_pretrained); one whose code lives in
the model's own folder says its tensors:

        Row('xverse', 'XverseForCausalLM', tokenizer='llama-2', config=dict(model_type='xverse', …),
            tensors=lambda config: {'model.embed_tokens.weight': [config['vocab_size'], 256], …}),
"""
import dataclasses
from typing import Callable, Optional


@dataclasses.dataclass
class Row:
    name: str  # of the row and of the model's directory: lower case, unique
    cls: str  # architectures[0]
    tokenizer: Optional[str] = None  # a folder of the shared tokenizers; 'tiny': our own SentencePiece vocabulary
    config: dict = dataclasses.field(default_factory=dict)  # what differs from SMALL (see run.py) and the defaults
    text: Optional[str] = None  # name of the sub-configuration that SMALL and vocab_size go to: 'text_config'
    released: Optional[Callable] = None  # config (stripped already) → config.json as the lab released it
    tensors: Optional[Callable] = None  # config → {name: shape} or {name: (shape, dtype)}
    make: Optional[Callable] = None  # config → model, where transformers' AutoModel mappings do not know cls
    files: dict = dataclasses.field(default_factory=dict)  # further files: name → text or bytes
    patch: Optional[Callable] = None  # state dict → state dict, before it is saved (names as labs released them)
    types: tuple = ('SOURCE', 'Q4_K_M')
    mmproj: bool = False  # compare the projector's file as well
    bare: bool = False  # SMALL is not added to config
    note: str = ''  # for the table
