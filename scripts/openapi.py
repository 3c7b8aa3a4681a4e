"""Writes frontend/openapi.json, which the types of the explorer's pages are made of.

python scripts/openapi.py
"""

from pathlib import Path

from convscope.web.app import schema

if __name__ == "__main__":
    file = Path(__file__).parents[1] / "frontend" / "openapi.json"
    file.write_text(schema(), encoding="utf-8")
