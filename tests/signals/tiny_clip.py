"""Tiny CLIP and SigLIP models of random weights, saved as transformers saves real ones."""

from pathlib import Path

WORDS = ["a", "photo", "of", "red", "square", "cat", "rocket", "."]
SIDE, WIDTH = 32, 24


def save_clip(folder: Path, seed: int = 0) -> Path:
    """A CLIPModel with its tokenizer and processor."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(seed)
    common = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    text = {**common, **ends, "vocab_size": len(WORDS) + 3, "max_position_embeddings": 12}
    config = CLIPConfig(
        text_config=text, vision_config={**common, "image_size": SIDE, "patch_size": 8}, projection_dim=WIDTH
    )
    CLIPModel(config).save_pretrained(folder)
    return _with_processors(folder, "CLIPImageProcessor")


def save_siglip(folder: Path) -> Path:
    """A SiglipModel with its tokenizer and processor."""
    import torch
    from transformers import SiglipConfig, SiglipModel

    torch.manual_seed(1)
    common = {"hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    text = {**common, **ends, "vocab_size": len(WORDS) + 3, "max_position_embeddings": 12, "projection_size": WIDTH}
    config = SiglipConfig(text_config=text, vision_config={**common, "image_size": SIDE, "patch_size": 8})
    SiglipModel(config).save_pretrained(folder)
    return _with_processors(folder, "SiglipImageProcessor")


def _with_processors(folder: Path, processor: str) -> Path:
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    known = {word: n for n, word in enumerate(["<unk>", "<s>", "</s>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("<s>", 1), ("</s>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    names = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    size = {"shortest_edge": SIDE} if processor.startswith("CLIP") else {"height": SIDE, "width": SIDE}
    settings = {"image_processor_type": processor, "size": size, "crop_size": {"height": SIDE, "width": SIDE}}
    told = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.25, 0.25, 0.25], "do_convert_rgb": True}
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, **told}))
    return folder
