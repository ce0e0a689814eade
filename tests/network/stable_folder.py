"""A tiny folder of Stable Diffusion, of diffusers' and transformers' own classes."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel


def put(folder: Path, *, layers: int = 1, linear: bool = True, bias: bool = False, pad: str = "!") -> Path:
    """A tiny folder of the classes of 2.1, with random weights; `bias`: of the convolution after quantisation."""
    torch.manual_seed(0)
    UNet2DConditionModel(
        block_out_channels=(32, 64, 64),
        layers_per_block=2,
        attention_head_dim=(2, 4, 4),
        use_linear_projection=linear,
        cross_attention_dim=24,
        transformer_layers_per_block=layers,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        sample_size=8,
    ).save_pretrained(folder / "unet")
    vae = AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=2,
        sample_size=16,
    )
    if not bias:
        torch.nn.init.zeros_(vae.post_quant_conv.bias)
    vae.save_pretrained(folder / "vae")
    words = [chr(code) for code in [*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324)]]
    words += [word + "</w>" for word in words] + ["re", "red</w>", "ba", "<|startoftext|>", "<|endoftext|>"]
    where = folder / "tokenizer"
    where.mkdir(parents=True)
    (where / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (where / "merges.txt").write_text("#version: 0.2\nr e\nre d</w>\nb a\n")
    (where / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))
    (where / "special_tokens_map.json").write_text(json.dumps({"pad_token": pad}))
    CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=24,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=20,
            hidden_act="gelu",
            bos_token_id=len(words) - 2,
            eos_token_id=len(words) - 1,
        )
    ).save_pretrained(folder / "text_encoder")
    DDIMScheduler(prediction_type="v_prediction").save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    return folder
