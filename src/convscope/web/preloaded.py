"""What the process imports that the workers are copies of, so that each of them begins at once.

No plug-ins: they may do what does not survive being copied.
"""

from __future__ import annotations

import importlib

from convscope.network import zoo
from convscope.runs import catalog
from convscope.web import work  # noqa: F401

zoo.models()  # imports timm and torchvision
for _entry in catalog.techniques().values():
    if _entry.point is None:
        importlib.import_module(_entry.module)
