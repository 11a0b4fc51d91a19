"""From a `Result` to pixels and figures. No torch.

palette (colours), views (states and weights of patches), frame (where patches lie), overlays (pictures),
words (captions, alternative text), typeset (fonts, files), figures (stages side by side), charts (tokens
per layer).
"""
