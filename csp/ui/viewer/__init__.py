"""The token viewer: packing (Result -> one small packet), component (the packet on a canvas in the browser)."""
