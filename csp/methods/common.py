"""Where words meet patches before the decoder: CLIP's common space, or a named stand-in, for methods that compare them."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import normalize

from csp.decoder import View

SPACES = ("clip", "words")
MEETING = "where words meet patches: CLIP's common space, or the decoder's embeddings in its place"
TEXTS = ("question", "query")


def common_space(
    view: View, who: str, space: str, text: str, long: Literal["cut", "split"]
) -> tuple[Tensor, Tensor]:
    """Patches [N, P] and texts [M, P] to compare.

    "clip": what CLIP's projections make of the patches (after ``post_layernorm``) and of the question, or of the ``query``
    alone; a text beyond CLIP's length is "cut", or "split" into several. "words" stands in where the model has no text
    tower: the projected patches and the mean direction of the user's word embeddings, both as they enter the decoder.

    Raises ValueError saying what the model lacks and what to do.
    """
    if space == "words":
        start = view.start
        usr = start.text(slice(view.layout.usr.start, view.layout.usr.stop))[0]
        return start.image.hidden[0], normalize(usr.float(), dim=-1).mean(dim=0, keepdim=True)
    wording = view.start.wording
    if wording is None or wording.embed is None or view.vision.common is None:
        raise ValueError(
            f"{who} compares words and patches in CLIP's common space, which this model lacks: load it with clip= a folder of "
            "the whole CLIP (text tower, both projections and tokenizer, such as openai/clip-vit-large-patch14), or choose "
            'space="words", the decoder\'s own embeddings in its place'
        )
    return view.vision.common(), wording.embed(wording.text if text == "question" else wording.query, long)
