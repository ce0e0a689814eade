"""Folders of tiny random captioners of the classes of the real ones, with tokenizers trained on a few words."""

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

SIDE = 16
TEXT = "a dark blue clip in which a red car moves to the left and a dog looks at the picture . user assistant merge"
CHAT = (
    "{% for m in messages %}{{ m['role'] }} "
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for part in m['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %} {% endfor %}assistant"
)


def tokenizer(*special: str, start: bool = False) -> transformers.PreTrainedTokenizerFast:
    """A byte-level one, which can say anything."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    names = ["<pad>", "<bos>", "<eos>", *special]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        [TEXT], trainers.BpeTrainer(vocab_size=400, special_tokens=names, initial_alphabet=alphabet)
    )
    if start:
        core.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        cls_token="<bos>",
        sep_token="<eos>",
        model_max_length=512,
    )


def blip(folder: Path) -> Path:
    """An image captioner without a prompt."""
    words = tokenizer()
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BlipConfig(
        text_config={
            **vision, "encoder_hidden_size": 16, "vocab_size": len(words), "bos_token_id": 1, "eos_token_id": 2,
            "sep_token_id": 2, "pad_token_id": 0, "max_position_embeddings": 128,
        },
        vision_config={**vision, "image_size": SIDE, "patch_size": 8},
        projection_dim=16,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BlipForConditionalGeneration(config).save_pretrained(folder)
    pictures = transformers.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    transformers.BlipProcessor(pictures, words).save_pretrained(folder)
    return folder


def git(folder: Path, frames: int | None = None) -> Path:
    """An image captioner, or one of `frames` frames of a video."""
    words = tokenizer(start=True)
    config = transformers.GitConfig(
        vision_config={
            "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": SIDE, "patch_size": 8,
        },
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        num_image_with_embedding=frames,
    )  # fmt: skip
    torch.manual_seed(1)
    model = transformers.GitForCausalLM(config)
    if frames:
        for n, value in enumerate(model.git.img_temporal_embedding):
            torch.nn.init.normal_(value, std=1.0 + n)
    model.save_pretrained(folder)
    pictures = transformers.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    transformers.GitProcessor(pictures, words).save_pretrained(folder)
    return folder


def idefics(folder: Path) -> Path:
    """An Idefics3, as SmolVLM is one: it looks at several frames and follows a prompt."""
    words = tokenizer("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
    words.chat_template = CHAT
    image = words.convert_tokens_to_ids("<image>")
    config = transformers.Idefics3Config(
        vision_config={
            "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": SIDE, "patch_size": 8,
        },
        text_config=transformers.LlamaConfig(**_language(words)),
        image_token_id=image, scale_factor=2, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(2)
    transformers.Idefics3ForConditionalGeneration(config).save_pretrained(folder)
    pictures = transformers.Idefics3ImageProcessor(
        do_image_splitting=False, size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}
    )
    transformers.Idefics3Processor(pictures, words, image_seq_len=1, chat_template=CHAT).save_pretrained(folder)
    return folder


def causal(folder: Path) -> Path:
    """A language model with a chat template."""
    words = tokenizer()
    words.chat_template = CHAT
    torch.manual_seed(3)
    config = transformers.LlamaConfig(**_language(words), initializer_range=0.5)  # so that all words count
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def _language(words: transformers.PreTrainedTokenizerFast) -> dict[str, int]:
    return {
        "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 2048,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip


def pair(folder: Path) -> Path:
    """A vision encoder with a language model as its decoder, saved without a processor of both."""
    words = tokenizer()
    torch.manual_seed(4)
    encoder = transformers.ViTConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=SIDE, patch_size=8
    )
    decoder = transformers.GPT2Config(
        vocab_size=len(words), n_embd=16, n_layer=1, n_head=2, n_positions=128, bos_token_id=1, eos_token_id=2,
        is_decoder=True, add_cross_attention=True,
    )  # fmt: skip
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 1, 0, 2
    transformers.VisionEncoderDecoderModel(config).save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def blip2(folder: Path) -> Path:
    """A BLIP-2: pictures stand among the words of a language model."""
    words = tokenizer("<image>")
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(5)
    config = transformers.Blip2Config(
        vision_config={**small, "image_size": SIDE, "patch_size": 8},
        qformer_config={**small, "encoder_hidden_size": 16, "vocab_size": len(words)},
        text_config=transformers.OPTConfig(
            vocab_size=len(words), hidden_size=16, ffn_dim=16, num_hidden_layers=1, num_attention_heads=2,
            word_embed_proj_dim=16, max_position_embeddings=256, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        ),
        num_query_tokens=4, image_token_index=words.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    transformers.Blip2ForConditionalGeneration(config).save_pretrained(folder)
    pictures = transformers.BlipImageProcessor(size={"height": SIDE, "width": SIDE})
    transformers.Blip2Processor(pictures, words, num_query_tokens=4).save_pretrained(folder)
    return folder


_GGUF = {
    "model.embed_tokens": "token_embd", "lm_head": "output", "model.norm": "output_norm", "model.layers": "blk",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "post_attention_layernorm": "ffn_norm", "input_layernorm": "attn_norm",
}  # fmt: skip


def gguf(folder: Path, path: Path) -> Path:
    """The same language model in one GGUF file, as llama.cpp lays it out."""
    import gguf as writing

    words = json.loads((folder / "tokenizer.json").read_text())["model"]
    config = json.loads((folder / "config.json").read_text())
    heads = config["num_attention_heads"]
    file = writing.GGUFWriter(str(path), "llama")
    file.add_block_count(config["num_hidden_layers"])
    file.add_context_length(config["max_position_embeddings"])
    file.add_embedding_length(config["hidden_size"])
    file.add_feed_forward_length(config["intermediate_size"])
    file.add_head_count(heads)
    file.add_head_count_kv(config["num_key_value_heads"])
    file.add_layer_norm_rms_eps(config["rms_norm_eps"])
    file.add_vocab_size(config["vocab_size"])
    file.add_rope_freq_base(10000.0)
    tokens = sorted(words["vocab"], key=words["vocab"].get)
    file.add_tokenizer_model("gpt2")
    file.add_token_list(tokens)
    file.add_token_types([1] * len(tokens))
    file.add_token_merges([" ".join(pair) for pair in words["merges"]])
    file.add_bos_token_id(1)
    file.add_eos_token_id(2)
    file.add_pad_token_id(0)
    for name, array in load_file(folder / "model.safetensors").items():
        for theirs, its in _GGUF.items():
            name = name.replace(theirs, its)
        if "attn_q" in name or "attn_k" in name:  # llama.cpp turns neighbouring pairs, transformers the two halves
            array = array.reshape(heads, 2, -1, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
        file.add_tensor(name, np.ascontiguousarray(array, np.float32))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()
    return path
