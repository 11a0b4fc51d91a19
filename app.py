"""The page on this machine: ``python app.py [--model park] [--device auto] [--port 7860]``; also what a
Space runs.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until it is stopped; returns 0, or 2 after one line on what is wrong with the request."""
    parser = argparse.ArgumentParser(description="Explore LVLM_CSP in a browser.")
    model = os.environ.get("CSP_MODEL", "park")
    parser.add_argument("--model", default=model, help="park, a folder or a hub id; else the variable CSP_MODEL says")
    runs = "show the saved runs of a folder (csp.record makes one) and load no model; else the variable CSP_RUNS says"
    parser.add_argument("--runs", metavar="FOLDER", default=os.environ.get("CSP_RUNS"), help=runs)
    parser.add_argument("--instances", help="for Seg-First: a YOLO folder or .pt file, or one on the hub (default: the model's)")
    parser.add_argument("--clip", help="the vision tower's folder or hub id (default: what the model names)")
    parser.add_argument("--sam", help="SAM's sizes: vit_h, vit_l, vit_b or a JSON file (default: the model's)")
    parser.add_argument("--head", help="a folder of csp.tune: the mask head tuned under a plan")
    searched = "a preset.json of csp.search, offered beside the paper's settings; repeatable"
    parser.add_argument("--preset", metavar="FILE", action="append", default=[], help=searched)
    parser.add_argument("--dtype", help="float32, bfloat16 or float16")
    parser.add_argument("--quantize", help="the decoder in 8bit or 4bit (needs bitsandbytes)")
    parser.add_argument("--offload-sam", action="store_true", help="SAM's encoder on the GPU only while it encodes")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument("--backend", help="how layers are run: plain (where nothing else is said), onednn or compiled")
    parser.add_argument("--max-tiles", type=int, help="tiles that Sa2VA cuts a picture into at most (one on a CPU, else 12)")
    parser.add_argument("--port", type=int, default=os.environ.get("GRADIO_SERVER_PORT", "7860"))
    parser.add_argument("--host", default="0.0.0.0" if "SPACE_ID" in os.environ else "127.0.0.1")
    parser.add_argument("--proxy", action="store_true", help="a proxy stands before the page: believe its headers, any host name")
    threads = "of torch (default: as many as processors, or as the container grants); share them out where several pages run"
    parser.add_argument("--threads", type=int, help=threads)
    parser.add_argument("--mcp", action="store_true", help="offer the page's endpoint to agents as a tool (MCP)")
    args = parser.parse_args(argv)
    # A Space is always behind the hub's.
    proxy = args.proxy or "SPACE_ID" in os.environ
    # Read by the libraries when they are imported: nothing on this page reports to anyone.
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Threads that wait for others' shares sleep: spinning, they take the cores from other visitors' answers.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    os.environ.setdefault("FORWARDED_ALLOW_IPS", "127.0.0.1" if proxy else "")
    from csp.ui import check_address, cores, leaving_cleanly, own_folder

    try:
        cores.settle(args.threads)
        check_address(args.host, args.port)
        with leaving_cleanly():
            os.environ.setdefault("GRADIO_TEMP_DIR", str(own_folder()))
            return _serve(args, proxy)
    except ValueError as error:
        print(f"app: {error}", file=sys.stderr)
        return 2


def _serve(args: argparse.Namespace, proxy: bool) -> int:
    """Load, build and serve until the page is stopped. Raises ValueError for what cannot be shown."""
    if args.runs:
        from csp.ui import build_recorded, launch_options, until_stopped

        page = build_recorded(args.runs)
        options = launch_options(args.host, proxy)
        page.launch(server_name=args.host, server_port=args.port, prevent_thread_lock=True, **options)
        return until_stopped(page)

    # Collecting garbage among modules that stay is a fifth of the time to the first picture.
    gc.disable()
    import csp
    from csp.session import Session, read_preset, runnable, suited
    from csp.ui import build, gpu_is_lent, launch_options, offer, until_stopped

    # First of all: a Space that lends its GPU by the call prepares torch for it. Captured stages would not survive the call.
    backend = "plain" if gpu_is_lent() else args.backend
    name = runnable(args.model) if "SPACE_ID" in os.environ else args.model
    if name != args.model:
        print(f"app: this Space has no GPU, so {name} is shown in place of {args.model}", file=sys.stderr)
    told = ("device", "clip", "sam", "head", "instances", "dtype", "quantize", "offload_sam", "max_tiles")
    how = {name: getattr(args, name) for name in told} | {"backend": backend}
    found = [read_preset(file) for file in args.preset]
    session = Session(csp.load(name, **suited(name, how)), found=found)
    page = build(session)
    gc.freeze()
    gc.enable()
    options = launch_options(args.host, proxy, args.mcp)
    page.launch(server_name=args.host, server_port=args.port, prevent_thread_lock=True, **options)
    if args.mcp:
        offer(page)
    return until_stopped(page, session.turns)


if __name__ == "__main__":
    sys.exit(main())
