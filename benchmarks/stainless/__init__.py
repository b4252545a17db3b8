"""A stand-in for a Stainless SDK: its classes and the way a call goes through them, without transport.

The benchmark of the application's thread loads this package several times under
different names, so that each copy can be patched differently. It has a folder of its own
because the seam tells the SDK's frames from the application's by their folder.

Its shape is that of openai 3.52: `_base_client.py`, `_streaming.py`, `_response.py`.
"""

from __future__ import annotations

from . import _base_client, _response, _streaming

__version__ = "0"
__all__ = ["_base_client", "_response", "_streaming"]
