"""The command line, run in this process."""

from __future__ import annotations

import pytest

from convscope.cli import main


class Shell:
    """Runs the command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as done:
            main.main(list(words))
        out, err = self.capsys.readouterr()
        assert isinstance(done.value.code, int)
        return done.value.code, out, err

    def works(self, *words: str) -> str:
        code, out, err = self(*words)
        assert (code, err) == (0, "")
        return out

    def fails(self, *words: str) -> str:
        code, out, err = self(*words)
        assert code == 2
        assert out == ""
        assert err.startswith("convscope: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1, "one line"
        return err.removeprefix("convscope: ").strip()
