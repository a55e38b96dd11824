"""From a model name to a GGUF file on disk: names, the Hugging Face hub, conversion of checkpoints."""

from gptoss_gguf.models.resolve import resolve_model

__all__ = ["resolve_model"]
