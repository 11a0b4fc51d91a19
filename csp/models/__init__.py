"""The parts of a LISA-like model and their assembly; methods are met through `csp.decoder.View`, never
imported.
"""
