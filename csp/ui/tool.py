"""The endpoint as agents see it: Gradio's own MCP server, each output of a run a content of its own."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
from gradio.mcp import GradioMCPServer


def serve(page: gr.Blocks) -> None:
    """Make the MCP server of a launched page answer with images and JSON. Raises ValueError where there is none."""
    if page.mcp_server_obj is None:
        raise ValueError(f"no MCP server was started ({page.mcp_error or 'launch with mcp_server=True'}): pip install mcp")
    page.mcp_server_obj.__class__ = Tools


class Tools(GradioMCPServer):
    """Gradio 6.31 hands several outputs of a queued call on as one text where the caller follows no progress, and prints
    dictionaries as Python does.
    """

    async def _execute_tool_without_progress(self, job: Any) -> list[Any]:
        (result,) = await super()._execute_tool_without_progress(job)
        return list(result) if isinstance(result, list | tuple) else [result]

    def postprocess_output_data(self, data: Any, root_url: str) -> list[Any]:
        """Images as images, everything else as JSON; what was not asked for is left out."""
        there = [output for output in data if output is not None]
        numbers = [output for output in there if isinstance(output, list) or (isinstance(output, dict) and "path" not in output)]
        pictures = GradioMCPServer.postprocess_output_data(self, [each for each in there if each not in numbers], root_url)
        return [*pictures, *(self.types.TextContent(type="text", text=json.dumps(each)) for each in numbers)]
