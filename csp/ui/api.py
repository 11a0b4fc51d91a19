"""The public endpoint: `/run`, the one call that other programs may rely on."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from csp.render import figures, overlays, typeset
from csp.ui.explore import INTEGERS, Explore
from csp.ui.widgets import picture, unchecked
from csp.ui.zero import on_gpu

DESCRIPTION = (
    "Segment what a query asks for, with fewer image tokens. Returns the mask (PNG, the picture's size, "
    "0 or 255), the stages side by side (PNG) and the run in numbers (JSON). Lc, Nc, Ls, Np and cluster are "
    "LVLM_CSP's and are ignored by other methods."
)


def endpoint(explore: Explore) -> None:
    """Add `/run` to the page being built; its parameters are the names below, in this order."""
    start = explore.defaults()
    integers = {name: unchecked(gr.Number(start[name], label=name, visible=False)) for name in INTEGERS}
    inputs: dict[str, Any] = {
        "image": picture(label="image", visible=False),
        "query": unchecked(gr.Textbox(label="query", visible=False)),
        "method": unchecked(gr.Dropdown(list(explore.methods), value="csp", label="method", visible=False)),
        **integers,
        "cluster": unchecked(
            gr.Dropdown(
                list(explore.choices("cluster")), value=start["cluster"], label="cluster", visible=False
            )
        ),
        "seed": unchecked(gr.Number(0, label="seed", visible=False)),
    }
    run_model = on_gpu(explore.session.run)
    outputs = [
        gr.Image(format="png", label="mask", visible=False),
        gr.Image(format="png", label="stages", visible=False),
        gr.JSON(label="run", visible=False),
    ]

    def run(
        image: Any, query: Any, method: Any, Lc: Any, Nc: Any, Ls: Any, Np: Any, cluster: Any, seed: Any
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8], dict[str, Any]]:
        controls = {"image": image, "query": query, "method": method, "cluster": cluster, "seed": seed}
        try:
            asked = explore.ask(controls | {"Lc": Lc, "Nc": Nc, "Ls": Ls, "Np": Np})
            result = run_model(asked.request)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return overlays.mask_png(result), typeset.to_array(figures.stages([result])), result.as_dict()

    button = gr.Button(visible=False)
    button.click(
        run,
        inputs=list(inputs.values()),
        outputs=outputs,
        api_name="run",
        api_description=DESCRIPTION,
        api_visibility="public",
        concurrency_id="model",
        concurrency_limit=1,
    )
