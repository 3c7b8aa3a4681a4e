"""`convscope doctor`."""

from __future__ import annotations

from convscope.cli.options import DEFAULT_MODEL, Json, Model
from convscope.cli.terminal import print_json


def doctor(*, model: Model = DEFAULT_MODEL, json: Json = False) -> int:
    """Check the installation: what is missing, and the command that installs it."""
    from convscope.cli.doctor import examine
    from convscope.cli.tables import print_checks

    checks = examine(model)
    if json:
        print_json([check._asdict() for check in checks])
    else:
        print_checks(checks)
    return 1 if any(check.state == "broken" for check in checks) else 0
