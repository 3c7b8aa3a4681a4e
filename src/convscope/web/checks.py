"""What the checks of a map found, as questions and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convscope.web.models import Answer

QUESTIONS = {
    "deletion": "Does the score fall when the highest pixels are hidden?",
    "insertion": "Does the score rise when the highest pixels are shown?",
    "random weights": "Does the map change when the network forgets what it learned?",
    "another target": "Does the map change with what it explains?",
    "other methods": "Do other methods point to the same places?",
}


def answers(summary: Mapping[str, Any]) -> list[Answer]:
    """The answers so far; none for a run without checks."""
    found = summary.get("check", {})
    passed = found.get("passed", {})
    return [
        Answer(question=QUESTIONS.get(name, name), answer=answer, passed=passed.get(name))
        for name, answer in found.get("findings", {}).items()
    ]
